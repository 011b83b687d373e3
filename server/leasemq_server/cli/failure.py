"""How commands end when they don't end well: one line on standard error, and an exit code."""

import typer

EXIT_FAILED = 1
EXIT_UNREACHABLE = 3
EXIT_NOT_FOUND = 4
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141  # as for a program that SIGPIPE ended


class Failure(typer.TyperException):
    """What went wrong and what to do next, as one line."""

    def __init__(self, message: str, exit_code: int = EXIT_FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code
