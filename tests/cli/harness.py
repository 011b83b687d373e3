"""The real `leasemq` program against a real broker; both are processes of their own."""

import json
import os
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any
from unittest.mock import patch

from leasemq_server.cli.app import run

LEASEMQ = str(Path(sys.executable).parent / "leasemq")
TIMEOUT_S = 30


@dataclass
class Ended:
    """A program's end: its exit code, and its two outputs."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        (line,) = self.json_lines
        return line

    @property
    def json_lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class Command:
    """`leasemq`, as a shell would call it, with the broker's address in the environment."""

    address: str

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LEASEMQ_")}
        return kept | {"LEASEMQ_ADDRESS": self.address, "COLUMNS": "80"} | more

    def __call__(self, *arguments: str, stdin: bytes = b"", **environment: str) -> Ended:
        ended = subprocess.run(
            [LEASEMQ, *arguments],
            input=stdin,
            capture_output=True,
            env=self.environment(**environment),
            timeout=TIMEOUT_S,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())

    def ok(self, *arguments: str, stdin: bytes = b"") -> Ended:
        ended = self(*arguments, stdin=stdin)
        assert ended.code == 0, ended
        return ended

    def fails(self, code: int, *arguments: str, stdin: bytes = b"") -> str:
        """The one line on standard error."""
        ended = self(*arguments, stdin=stdin)
        assert (ended.code, ended.err.count("\n")) == (code, 1), ended
        assert "Traceback" not in ended.err
        return ended.err

    def refuses(self, *arguments: str) -> str:
        """The one line of a wrong usage, exit 2; it never gets as far as the broker."""
        return InThisProcess(self.address).fails(2, *arguments)

    def start(self, *arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [LEASEMQ, *arguments],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment(),
        )


class InThisProcess(Command):
    """The same without a process of its own, for tests that are about what a command says, not about how a process ends."""

    def __call__(self, *arguments: str, stdin: bytes = b"", **environment: str) -> Ended:
        assert not stdin
        output, errors = TextIOWrapper(BytesIO(), write_through=True), StringIO()
        with (
            patch.dict(os.environ, self.environment(**environment), clear=True),
            Path(os.devnull).open() as nothing,
            patch("sys.stdin", nothing),
            redirect_stdout(output),
            redirect_stderr(errors),
        ):
            code = run(arguments)
        return Ended(code, output.buffer.getvalue().decode(), errors.getvalue())  # type: ignore[attr-defined] # it is the BytesIO above


def start_broker(*options: str) -> tuple[subprocess.Popen[bytes], str]:
    """A broker on a free port, and its address once it answers."""
    broker = Command("").start("serve", "--listen", "127.0.0.1:0", *options)
    assert broker.stdout is not None
    for line in broker.stdout:
        if line.startswith(b"listening on "):
            return broker, line.decode().split()[-1]
    _, errors = broker.communicate(timeout=TIMEOUT_S)
    raise AssertionError(errors.decode())


def end(process: subprocess.Popen[bytes], with_signal: signal.Signals = signal.SIGTERM) -> Ended:
    """Sends the signal and waits for the end."""
    process.send_signal(with_signal)
    try:
        out, errors = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return Ended(process.returncode, out.decode(), errors.decode())
