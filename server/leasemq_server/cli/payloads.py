"""Payloads from the command line, from files and from lines; results back to standard output."""

import asyncio
import dataclasses
import json
import os
import select
import stat
import sys
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import typer
from leasemq import NewJob

from leasemq_server.cli.console import check_strictly, counting
from leasemq_server.cli.failure import Failure
from leasemq_server.cli.options import duration

BATCH = 1_000
MOST_BYTES = 8 * 1024 * 1024  # of the lines of one batch
CHUNK_BYTES, READ_BYTES = 65_536, 1024 * 1024
JSON, TEXT, BYTES = "application/json", "text/plain; charset=utf-8", "application/octet-stream"
SPEC_FIELDS = ("payload", "name", "id", "delay", "priority", "group")


def check_keys(value: Any, fields: Collection[str], where: str) -> None:
    """Refuse what is no object, or has another field: a slip of a name would be an option that does nothing."""
    if not isinstance(value, dict):
        raise Failure(f"{where} is not an object of {', '.join(fields)}", exit_code=2)
    for name in value:
        if name not in fields:
            raise Failure(f"{where} has {name!r}, which is none of {', '.join(fields)}", exit_code=2)


def read_payload(argument: str | None, file: Path | None, *, raw: bool | None, content_type: str | None) -> tuple[bytes, str]:
    """The payload's bytes, as given, and its media type. JSON is checked: a slip of the shell's quotes reaches no worker.

    With neither argument nor file it is what is piped in; with nothing there, null, or no bytes if raw.
    raw: None where there is no such option.
    """
    if argument is not None and file is not None:
        raise typer.BadParameter("give PAYLOAD or --file, not both", param_hint="--file")
    if file is not None:
        data = _read_file(file)
    elif argument == "-":
        data = _read_standard_input()
    elif argument is not None:
        data = os.fsencode(argument)
    else:
        data = (_read_standard_input() if _is_piped_in() else b"") or (b"" if raw else b"null")
    if raw or (content_type and "json" not in content_type):
        return data, content_type or (TEXT if argument not in (None, "-") else BYTES)
    or_raw = "" if raw is None else ", or send it as it is with --raw"
    _check_json(data, "the payload", f" — put it in single quotes{or_raw}")
    return data, content_type or JSON


def _is_piped_in() -> bool:
    """Whether standard input was meant for this command: `| leasemq`, `< file`.

    A terminal, /dev/null, and the socket of whatever started it are only inherited, and may never come to an end.
    """
    try:
        kind = os.fstat(sys.stdin.fileno()).st_mode
    except (AttributeError, OSError):  # closed, or no file at all
        return False
    return stat.S_ISFIFO(kind) or stat.S_ISREG(kind)


def _read_standard_input() -> bytes:
    try:
        return _standard_input().read()
    except OSError as error:
        raise Failure(f"cannot read standard input: {error.strerror}") from error


def _read_file(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Failure(f"cannot read {file}: {error.strerror}") from error


def _check_json(data: bytes, what: str, advice: str = "") -> Any:
    try:
        value = json.loads(data)
        check_strictly(value)
    except (ValueError, RecursionError) as error:
        raise Failure(f"{what} is not JSON: {error}{advice}", exit_code=2) from error
    return value


class Line(NamedTuple):
    """A job, and where it is from."""

    number: int
    size: int
    job: NewJob


class JsonLines:
    """Jobs, one a line. A file is checked whole before the first job is added; what comes from a pipe is checked as it comes."""

    def __init__(self, source: str, template: NewJob, *, spec: bool) -> None:
        self.name = "standard input" if source == "-" else source
        self._stream = _standard_input() if source == "-" else _open(source)
        self._template = template
        self._spec = spec
        self.count = self._check() if self._stream.seekable() else None
        self.is_file = self.count is not None and source != "-" and not source.startswith(("/dev/", "/proc/"))
        self.is_typed = self._stream.isatty()

    async def batches(self) -> AsyncIterator[list[Line]]:
        """Up to 1,000 jobs that one message carries, each with the number of its line. Of a pipe, those that have come."""
        try:
            if self.count is not None:
                for batch in _batched(self._jobs(self._stream)):
                    yield batch
                return
            first = 1
            async for lines in _arriving(self._stream.fileno()):
                for batch in _batched(self._jobs(lines, first)):
                    yield batch
                first += len(lines)
        except OSError as error:
            raise Failure(f"cannot read {self.name}: {error.strerror}") from error

    def _check(self) -> int:
        start = self._stream.tell()
        count = 0
        with counting(f"checking {self.name}: line") as checked:
            for count, _ in enumerate(self._jobs(self._stream), start=1):
                if count % BATCH == 0:
                    checked(count)
        self._stream.seek(start)
        return count

    def _jobs(self, lines: Iterable[bytes], first: int = 1) -> Iterator[Line]:
        for number, line in enumerate(lines, start=first):
            if data := line.strip():
                yield Line(number, len(data), self._job(data, f"line {number} of {self.name}"))

    def _job(self, data: bytes, where: str) -> NewJob:
        value = _check_json(data, where)
        if not self._spec:
            return dataclasses.replace(self._template, payload=data, content_type=self._template.content_type or JSON)
        check_keys(value, SPEC_FIELDS, where)
        return self._with_spec(value, where)

    def _with_spec(self, value: dict[str, Any], where: str) -> NewJob:
        kinds: dict[str, type | tuple[type, ...]] = {
            "name": str,
            "id": str,
            "priority": int,
            "delay": (int, float, str),
            "group": str,
        }
        for name, kind in kinds.items():
            if name in value and not isinstance(value[name], kind):
                raise Failure(f"{where}: {name} is {json.dumps(value[name])}", exit_code=2)
        if value.get("priority", 0) < 0:
            raise Failure(f"{where}: priority is {value['priority']}", exit_code=2)
        if "delay" in value:
            try:
                value["delay"] = duration(str(value["delay"]))
            except typer.BadParameter as error:
                raise Failure(f"{where}: {error.message}", exit_code=2) from error
        return dataclasses.replace(self._template, **value)


def _batched(lines: Iterable[Line]) -> Iterator[list[Line]]:
    batch: list[Line] = []
    size = 0
    for line in lines:
        if batch and (len(batch) == BATCH or size + line.size > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += line.size
    if batch:
        yield batch


async def _arriving(pipe: int) -> AsyncIterator[list[bytes]]:
    """Whole lines: those that are there, or some of them, so that a slow writer holds up none, nor Ctrl-C."""
    line, ended = bytearray(), False
    while not ended:
        await _until_readable(pipe)
        read = b""
        while not ended and read.count(b"\n") < BATCH and len(read) < READ_BYTES and select.select([pipe], [], [], 0)[0]:
            chunk = os.read(pipe, CHUNK_BYTES)
            read, ended = read + chunk, not chunk
        first, *others = read.split(b"\n")
        line += first
        if not others and not ended:
            continue
        *lines, rest = bytes(line), *others
        line = bytearray(rest)
        if ended and line:
            lines.append(bytes(line))
        yield lines


async def _until_readable(pipe: int) -> None:
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(pipe, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(pipe)


def _standard_input() -> IO[bytes]:
    if sys.stdin is None:
        raise Failure("standard input is closed")
    return sys.stdin.buffer


def _open(source: str) -> IO[bytes]:
    try:
        return Path(source).open("rb")
    except OSError as error:
        raise Failure(f"cannot read {source}: {error.strerror}") from error


def print_result(raw: bytes) -> None:
    """A result's bytes, ended by a line's end when they are text."""
    sys.stdout.buffer.write(raw if raw.endswith(b"\n") or not raw else raw + b"\n")
    sys.stdout.buffer.flush()
