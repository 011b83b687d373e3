"""The exit codes, beside 0 and typer's 2 for wrong usage."""

EXIT_FAILED = 1
EXIT_UNREACHABLE = 3
EXIT_NOT_FOUND = 4
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141  # as for a program that SIGPIPE ended
