"""How commands end when they don't end well: one line on standard error, and an exit code."""

import typer

from leasemq_server.cli.exits import EXIT_FAILED


class Failure(typer.TyperException):
    """What went wrong and what to do next, as one line."""

    def __init__(self, message: str, exit_code: int = EXIT_FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code
