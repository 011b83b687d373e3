"""The `leasemq` command: one file a noun, built on the Python SDK.

`app.py` knows the commands by name and loads the one that was asked for; `connect.py` is the door to the broker; `console.py`
is all that prints. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no broker in reach, 4 not found, 130 interrupted.
"""

import sys

from leasemq_server.cli.exits import EXIT_INTERRUPTED


def main(usual: str | None = None) -> None:
    """The `leasemq` program; usual: the command if none is named. Ctrl-C may come while the rest of it is loaded."""
    try:
        from leasemq_server.cli.app import COMMANDS, run  # noqa: PLC0415 - it takes a moment

        arguments = sys.argv[1:]
        named = bool(arguments) and arguments[0] in COMMANDS
        code = run(arguments if named or usual is None else [usual, *arguments])
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    sys.exit(code)
