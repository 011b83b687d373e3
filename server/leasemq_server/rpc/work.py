"""Work: lease and settle calls that share a stream, each served as the unary call that it stands for."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import grpc
import structlog
from google.rpc import status_pb2

from leasemq_server.errors import DomainError
from leasemq_server.jobs.check import Check
from leasemq_server.jobs.limits import MAX_PARTS_A_STREAM
from leasemq_server.rpc.errors import status_of
from leasemq_server.rpc.wire import answer_writer

log = structlog.get_logger("leasemq")

Write = Callable[[bytes], Awaitable[None]]
Serve = Callable[[Any, Write], Coroutine[Any, Any, None]]

_FAILED = status_pb2.Status(code=grpc.StatusCode.INTERNAL.value[0], message="Work failed; the server's log says why")
_LEASED, _SETTLED = answer_writer("leased"), answer_writer("settled")
_LEASE_ERROR, _SETTLE_ERROR = answer_writer("lease_error"), answer_writer("settle_error")


class _BrokenError(Exception):
    """The stream takes no more: its worker is gone."""


class WorkStream:
    """One open stream. What was begun is finished when no more comes; it is given up, leases and all, when the stream breaks."""

    def __init__(self, context: Any, lease: Serve, settle: Serve) -> None:
        self._context = context
        self._lease = lease
        self._settle = settle
        self._parts: set[asyncio.Task[None]] = set()
        self._writing = asyncio.Lock()  # gRPC takes one message at a time

    async def run(self, stopping: asyncio.Event) -> None:
        """Serves requests until the worker sends no more, or the broker stops."""
        reading = asyncio.create_task(self._read())
        stopped = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait((reading, stopped), return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
            if self._parts:
                await asyncio.wait(self._parts)
        finally:
            for task in (reading, stopped, *self._parts):
                task.cancel()

    async def _read(self) -> None:
        while (request := await self._context.read()) is not grpc.aio.EOF:  # type: ignore[attr-defined] # the stubs know no EOF
            check = Check()
            check.whole(request.request_number, "request_number", 1, 2**64 - 1)
            asks, settles = request.HasField("lease"), request.HasField("settle")
            if not (asks or settles):
                check.wrong("lease", "is required, or settle")
            check.done()
            number = request.request_number
            if asks:
                self._begin(self._serve(self._lease, request.lease, number, _LEASED, _LEASE_ERROR))
            if settles:
                self._begin(self._serve(self._settle, request.settle, number, _SETTLED, _SETTLE_ERROR))
            while len(self._parts) >= MAX_PARTS_A_STREAM:
                await asyncio.wait(self._parts, return_when=asyncio.FIRST_COMPLETED)

    def _begin(self, part: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(part)
        self._parts.add(task)
        task.add_done_callback(self._parts.discard)

    async def _serve(
        self,
        serve: Serve,
        asked: Any,
        number: int,
        answered: Callable[[int, bytes], bytes],
        refused: Callable[[int, bytes], bytes],
    ) -> None:
        async def write(answer: bytes) -> None:
            await self._write(answered(number, answer))

        with suppress(_BrokenError):
            try:
                await serve(asked, write)
            except DomainError as error:
                await self._write(refused(number, status_of(error).SerializeToString()))
            except _BrokenError:
                raise
            except Exception:
                log.exception("call failed", rpc="Work")
                await self._write(refused(number, _FAILED.SerializeToString()))

    async def _write(self, message: bytes) -> None:
        async with self._writing:
            try:
                await self._context.write(message)
            except Exception as error:
                raise _BrokenError from error
