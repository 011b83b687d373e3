"""Work and Produce: calls that share a stream, each served as the unary call that it stands for."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import grpc
import structlog
from google.rpc import status_pb2

from leasemq_server.errors import DomainError
from leasemq_server.jobs.check import Check
from leasemq_server.jobs.limits import MAX_PARTS_A_STREAM
from leasemq_server.rpc.errors import status_of

log = structlog.get_logger("leasemq")

Write = Callable[[bytes], Awaitable[None]]
Serve = Callable[[Any, Write], Coroutine[Any, Any, None]]

AnswerWriter = Callable[[int, bytes], bytes]  # makes a message of a request_number and the bytes of the answer

_FAILED = status_pb2.Status(code=grpc.StatusCode.INTERNAL.value[0], message="the call failed; the server's log says why")


class Part(NamedTuple):
    """One kind of call that a stream carries: the field of a request that asks for it, and how it is served and answered."""

    field: str
    serve: Serve
    answer: AnswerWriter
    refuse: AnswerWriter


class _BrokenError(Exception):
    """The stream takes no more: its client is gone."""


class CallStream:
    """One open stream. What was begun is finished when no more comes; it is given up, leases and all, when the stream breaks."""

    def __init__(self, context: Any, parts: Sequence[Part]) -> None:
        self._context = context
        self._parts = parts
        self._begun: set[asyncio.Task[None]] = set()
        self._writing = asyncio.Lock()  # gRPC takes one message at a time

    async def run(self, stopping: asyncio.Event) -> None:
        """Serves requests until the client sends no more, or the broker stops."""
        reading = asyncio.create_task(self._read())
        stopped = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait((reading, stopped), return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
            if self._begun:
                await asyncio.wait(self._begun)
        finally:
            for task in (reading, stopped, *self._begun):
                task.cancel()

    async def _read(self) -> None:
        while (request := await self._context.read()) is not grpc.aio.EOF:  # type: ignore[attr-defined] # the stubs know no EOF
            check = Check()
            check.whole(request.request_number, "request_number", 1, 2**64 - 1)
            asked = [part for part in self._parts if request.HasField(part.field)]
            if not asked:
                first, *others = (part.field for part in self._parts)
                check.wrong(first, f"is required, or {', or '.join(others)}")
            check.done()
            for part in asked:
                self._begin(self._serve(part, getattr(request, part.field), request.request_number))
            while len(self._begun) >= MAX_PARTS_A_STREAM:
                await asyncio.wait(self._begun, return_when=asyncio.FIRST_COMPLETED)

    def _begin(self, serving: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(serving)
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)

    async def _serve(self, part: Part, asked: Any, number: int) -> None:
        async def write(answer: bytes) -> None:
            await self._write(part.answer(number, answer))

        with suppress(_BrokenError):
            try:
                await part.serve(asked, write)
            except DomainError as error:
                await self._write(part.refuse(number, status_of(error).SerializeToString()))
            except _BrokenError:
                raise
            except Exception:
                log.exception("call failed", part=part.field)
                await self._write(part.refuse(number, _FAILED.SerializeToString()))

    async def _write(self, message: bytes) -> None:
        async with self._writing:
            try:
                await self._context.write(message)
            except Exception as error:
                raise _BrokenError from error
