"""Payloads from the command line, from files and from lines; results back to standard output."""

import asyncio
import dataclasses
import json
import os
import select
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

import typer
from leasemq import NewJob

from leasemq_server.cli.failure import Failure
from leasemq_server.cli.options import duration

BATCH = 1_000
CHUNK_BYTES, MOST_BYTES = 65_536, 1024 * 1024
JSON, TEXT, BYTES = "application/json", "text/plain; charset=utf-8", "application/octet-stream"
SPEC_FIELDS = ("payload", "name", "id", "delay", "priority", "group")


def read_payload(argument: str | None, file: Path | None, *, raw: bool, content_type: str | None) -> tuple[bytes, str]:
    """The payload's bytes, as given, and its media type. JSON is checked: a slip of the shell's quotes reaches no worker."""
    if argument is not None and file is not None:
        raise typer.BadParameter("give PAYLOAD or --file, not both", param_hint="--file")
    if file is not None:
        data = _read_file(file)
    elif argument == "-":
        data = sys.stdin.buffer.read()
    else:
        data = os.fsencode(argument if argument is not None else "" if raw else "null")
    if raw or (content_type and "json" not in content_type):
        return data, content_type or (TEXT if argument not in (None, "-") else BYTES)
    _check_json(data, "the payload")
    return data, content_type or JSON


def _read_file(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Failure(f"cannot read {file}: {error.strerror}") from error


def _check_json(data: bytes, what: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Failure(
            f"{what} is not JSON: {error} — put it in single quotes, or send it as it is with --raw", exit_code=2
        ) from error


class JsonLines:
    """Jobs, one a line. A file is checked whole before the first job is added; what comes from a pipe is checked as it comes."""

    def __init__(self, source: str, template: NewJob, *, spec: bool) -> None:
        self.name = "standard input" if source == "-" else source
        self._stream = sys.stdin.buffer if source == "-" else _open(source)
        self._template = template
        self._spec = spec
        self.count = self._check() if self._stream.seekable() else None
        self.is_file = self.count is not None and source != "-"
        self.is_typed = self._stream.isatty()

    async def batches(self) -> AsyncIterator[tuple[list[NewJob], int]]:
        """Up to 1,000 jobs, and the number of the line of the last one. Of a pipe, those that have come."""
        if self.count is not None:
            jobs = self._jobs(self._stream)
            while batch := list(islice(jobs, BATCH)):
                yield [job for _, job in batch], batch[-1][0]
            return
        first = 1
        async for lines in _arriving(self._stream.fileno()):
            if batch := list(self._jobs(lines, first)):
                yield [job for _, job in batch], batch[-1][0]
            first += len(lines)

    def _check(self) -> int:
        start = self._stream.tell()
        count = sum(1 for _ in self._jobs(self._stream))
        self._stream.seek(start)
        return count

    def _jobs(self, lines: Iterable[bytes], first: int = 1) -> Iterator[tuple[int, NewJob]]:
        for number, line in enumerate(lines, start=first):
            if data := line.strip():
                yield number, self._job(data, f"line {number} of {self.name}")

    def _job(self, data: bytes, where: str) -> NewJob:
        value = _check_json(data, where)
        if not self._spec:
            return dataclasses.replace(self._template, payload=data, content_type=self._template.content_type or JSON)
        if not isinstance(value, dict) or not value.keys() <= set(SPEC_FIELDS):
            raise Failure(f"{where} is not an object of {', '.join(SPEC_FIELDS)}", exit_code=2)
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
        if "delay" in value:
            try:
                value["delay"] = duration(str(value["delay"]))
            except typer.BadParameter as error:
                raise Failure(f"{where}: {error.message}", exit_code=2) from error
        return dataclasses.replace(self._template, **value)


async def _arriving(pipe: int) -> AsyncIterator[list[bytes]]:
    """Whole lines: up to 1,000 of those that are there, so that a slow writer holds up none, nor Ctrl-C."""
    line, ended = bytearray(), False
    while not ended:
        await _until_readable(pipe)
        read = b""
        while not ended and read.count(b"\n") < BATCH and len(read) < MOST_BYTES and select.select([pipe], [], [], 0)[0]:
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
        for start in range(0, len(lines), BATCH):
            yield lines[start : start + BATCH]


async def _until_readable(pipe: int) -> None:
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(pipe, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(pipe)


def _open(source: str) -> IO[bytes]:
    try:
        return Path(source).open("rb")
    except OSError as error:
        raise Failure(f"cannot read {source}: {error.strerror}") from error


def print_result(raw: bytes) -> None:
    """A result's bytes, ended by a line's end when they are text."""
    sys.stdout.buffer.write(raw if raw.endswith(b"\n") or not raw else raw + b"\n")
    sys.stdout.buffer.flush()
