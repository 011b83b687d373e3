"""The processes that are measured: started, asked, metered and stopped."""

import contextlib
import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import psutil

ANSWER_TIMEOUT_S = 120
STOP_TIMEOUT_S = 15
Answer = dict[str, Any]


class ProcessFailedError(Exception):
    """A measured process ended, or did not answer; says what it wrote last."""


class MeasuredProcess:
    """A child process with its CPU time and what it wrote to standard error. No LEASEMQ_* setting of the caller reaches it."""

    def __init__(self, *command: str | Path, cwd: Path | None = None, env: Mapping[str, str] = os.environ) -> None:
        self.command = [str(part) for part in command]
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - closed by stop()
        environment = {name: value for name, value in env.items() if not name.startswith("LEASEMQ_")}
        self._popen = subprocess.Popen(
            self.command, cwd=cwd, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )
        self._process = psutil.Process(self._popen.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    def cpu_seconds(self) -> float:
        """User and system time so far, of the process and of the children that it has."""
        total = 0.0
        for process in (self._process, *self._process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def read_line(self, timeout_s: float = ANSWER_TIMEOUT_S) -> str:
        """The next line of standard output; a process that says nothing in time is ended."""
        assert self._popen.stdout
        with killed_after(timeout_s, self._popen):
            line = self._popen.stdout.readline()
        if not line:
            msg = f"no answer from: {' '.join(self.command)}\n{self.last_errors()}"
            raise ProcessFailedError(msg)
        return line

    def write_line(self, line: str) -> None:
        assert self._popen.stdin
        try:
            self._popen.stdin.write(line + "\n")
            self._popen.stdin.flush()
        except BrokenPipeError as error:
            msg = f"ended: {' '.join(self.command)}\n{self.last_errors()}"
            raise ProcessFailedError(msg) from error

    def last_errors(self) -> str:
        self._errors.seek(0)
        return "".join(self._errors.readlines()[-20:])

    def stop(self) -> None:
        """Ends the process: politely, then not."""
        with contextlib.suppress(BrokenPipeError):
            self._popen.stdin.close()  # type: ignore[union-attr] # it is a pipe
        self._popen.terminate()
        with killed_after(STOP_TIMEOUT_S, self._popen):
            self._popen.wait()
        self._popen.stdout.close()  # type: ignore[union-attr] # it is a pipe
        self._errors.close()


class ClientProcess(MeasuredProcess):
    """A process that adds or works jobs: one JSON line with an operation in, one with its outcome out."""

    def __init__(self, *command: str | Path, cwd: Path | None = None) -> None:
        super().__init__(*command, cwd=cwd)
        self.read_line()

    def call(self, operation: str, **options: object) -> Answer:
        self.write_line(json.dumps({"operation": operation, **options}))
        answer: Answer = json.loads(self.read_line())
        return answer


@contextlib.contextmanager
def killed_after(timeout_s: float, popen: subprocess.Popen[str]) -> Iterator[None]:
    """Ends the process when the block takes longer: whatever waits for it then hears of its end."""
    timer = threading.Timer(timeout_s, popen.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
