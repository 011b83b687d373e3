"""One run of a program for one job: payload in, result out, and nothing of it left behind.

The program gets a process group of its own, so that Ctrl-C in the terminal reaches the worker alone (which drains), and so that
stopping it stops its children too: SIGTERM, and SIGKILL after 5 s.
"""

import asyncio
import codecs
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from leasemq_server.jobs.limits import MAX_LOG_LINE

STOP_GRACE_S = 5.0
STDERR_TAIL_BYTES = 2_000
CHUNK_BYTES = 65_536

Lines = Callable[[list[str]], Awaitable[None]]


@dataclass(frozen=True)
class Outcome:
    """How a program ended: its exit status (negative: a signal), its standard output, the end of its standard error."""

    status: int
    output: bytes
    complaint: str

    def describe(self) -> str:
        """For people: `exit status 3: the end of standard error`."""
        ended = f"exit status {self.status}" if self.status >= 0 else f"ended by {signal.Signals(-self.status).name}"
        return f"{ended}: {self.complaint}" if self.complaint else ended


class TooMuchOutput(Exception):  # noqa: N818 - it is what the job's failure is called
    """The program printed more than a result may have."""

    __traceback__ = None  # as with an exit status: the stack of this worker says nothing about the program


async def run_program(command: str, payload: bytes, environment: dict[str, str], *, max_output_bytes: int, log: Lines) -> Outcome:
    """Runs the shell command to its end. When this call is cancelled, or the output is too long, the program is stopped first."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_shell(
        command, stdin=pipe, stdout=pipe, stderr=pipe, env=os.environ | environment, start_new_session=True
    )
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_feed(process, payload))
            output = group.create_task(_collect(process, max_output_bytes))
            complaint = group.create_task(_pass_on(process, log))
        status = await process.wait()
    except* TooMuchOutput as errors:
        raise errors.exceptions[0] from None
    finally:
        await asyncio.shield(stop(process))
    return Outcome(status, output.result(), complaint.result())


async def stop(process: asyncio.subprocess.Process) -> None:
    """Ends what is left of the program's process group; at once if this call is cancelled too."""
    # asyncio's wait() ends with the pipes, so what the program still prints must go somewhere.
    discarding = [asyncio.ensure_future(_discard(pipe)) for pipe in (process.stdout, process.stderr)]
    try:
        _signal_group(process, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_GRACE_S):
                await process.wait()
    finally:
        _signal_group(process, signal.SIGKILL)
        for each in discarding:
            each.cancel()
    await process.wait()


async def _discard(pipe: asyncio.StreamReader | None) -> None:
    while pipe is not None and await pipe.read(CHUNK_BYTES):
        pass


def _signal_group(process: asyncio.subprocess.Process, which: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # all gone already
        os.killpg(process.pid, which)


async def _feed(process: asyncio.subprocess.Process, payload: bytes) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # a program need not read its payload
        process.stdin.write(payload)
        await process.stdin.drain()
    process.stdin.close()


async def _collect(process: asyncio.subprocess.Process, most: int) -> bytes:
    assert process.stdout is not None
    output = bytearray()
    while chunk := await process.stdout.read(CHUNK_BYTES):
        output += chunk
        if len(output) > most:
            raise TooMuchOutput(f"printed more than {most} bytes, the most that a result may have")
    return bytes(output)


async def _pass_on(process: asyncio.subprocess.Process, log: Lines) -> str:
    """Standard error becomes the job's log as it comes; its end is kept to explain a failure.

    What is longer than a line of the log becomes several of them.
    """
    assert process.stderr is not None
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    tail, unended = b"", ""
    while chunk := await process.stderr.read(CHUNK_BYTES):
        tail = (tail + chunk)[-STDERR_TAIL_BYTES:]
        *lines, last = (unended + decoder.decode(chunk)).split("\n")
        *parts, unended = _parts(last)
        await log([part for line in lines for part in _parts(line)] + parts)
    unended += decoder.decode(b"", final=True)
    await log([unended] if unended else [])
    return tail.decode(errors="replace").strip()


def _parts(line: str) -> list[str]:
    return [line[start : start + MAX_LOG_LINE] for start in range(0, len(line), MAX_LOG_LINE)] or [""]
