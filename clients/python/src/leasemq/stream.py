"""The lease and settle calls of a worker, as messages on one Work stream: a message costs a fraction of a call."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import grpc

from leasemq.connection import Connection, must_end
from leasemq.errors import LeaseMQError, Unavailable, from_rpc_error, from_status
from leasemq.v1 import worker_pb2

if TYPE_CHECKING:
    WorkCall = grpc.aio.StreamStreamCall[worker_pb2.WorkRequest, worker_pb2.WorkResponse]

LEASE, SETTLE = "lease", "settle"
ANSWERS = {"leased": LEASE, "lease_error": LEASE, "settled": SETTLE, "settle_error": SETTLE}


class WorkStream:
    """Opened by the first request, and by the first after it broke. Calls fail as the unary ones do that they stand for."""

    def __init__(self, connection: Connection, stray: Callable[[Sequence[worker_pb2.Lease], float], None]) -> None:
        """`stray` gets leases that nobody waits for any more, and when they came (monotonic seconds)."""
        self.connection = connection
        self._stray = stray
        self._numbers = itertools.count(1)
        self._unsent: deque[tuple[str, Any, asyncio.Future[Any]]] = deque()
        self._awaited: dict[tuple[str, int], asyncio.Future[Any]] = {}
        self._call: WorkCall | None = None
        self._writing: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None

    async def lease(self, request: worker_pb2.BatchLeaseJobsRequest, seconds: float) -> worker_pb2.BatchLeaseJobsResponse:
        """Lease jobs, as BatchLeaseJobs. LeaseMQError: it failed, or there was no answer within this many seconds."""
        response: worker_pb2.BatchLeaseJobsResponse = await self._ask(LEASE, request, seconds)
        return response

    async def settle(self, request: worker_pb2.SettleJobsRequest, seconds: float) -> worker_pb2.SettleJobsResponse:
        """Settle jobs, as SettleJobs. LeaseMQError: as for `lease`."""
        response: worker_pb2.SettleJobsResponse = await self._ask(SETTLE, request, seconds)
        return response

    async def close(self) -> None:
        """End the stream; whoever waits for an answer gets Unavailable."""
        self._break(Unavailable("the worker has stopped", code=grpc.StatusCode.CANCELLED))
        for task in (self._reading, self._writing):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def _ask(self, kind: str, request: Any, seconds: float) -> Any:
        loop = asyncio.get_running_loop()
        if self._call is None:
            self._open()
        answer: asyncio.Future[Any] = loop.create_future()
        self._unsent.append((kind, request, answer))
        if self._writing is None:
            self._writing = loop.create_task(self._write())
        alarm = loop.call_later(seconds, self._too_late, answer)
        try:
            response = await answer
        except LeaseMQError as error:
            self.connection.outage.noticed(error)
            raise
        finally:
            alarm.cancel()
        self.connection.outage.over()
        return response

    def _too_late(self, answer: asyncio.Future[Any]) -> None:
        """Nothing came in time: the stream can't be trusted, and what is asked anew goes on another."""
        if not answer.done():
            self._break(Unavailable("the broker did not answer in time", code=grpc.StatusCode.DEADLINE_EXCEEDED))

    async def _write(self) -> None:
        try:
            while self._call is not None and self._unsent:
                if (message := self._next_message()) is not None:
                    await self._send(self._call, message)
        finally:
            self._writing = None

    async def _send(self, call: WorkCall, message: worker_pb2.WorkRequest) -> None:
        error: Exception
        try:
            await call.write(message)
        except Exception as broken:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            error = broken
        except asyncio.CancelledError:
            if must_end():
                raise
            error = _closed()
        else:
            return
        self._broke(call, error)

    def _next_message(self) -> worker_pb2.WorkRequest | None:
        """Take what is to be sent next, of each kind one at most; None if nobody waits for its answer any more."""
        message = worker_pb2.WorkRequest(request_number=next(self._numbers))
        while self._unsent and not message.HasField(self._unsent[0][0]):
            kind, request, answer = self._unsent.popleft()
            if not answer.done():
                self._awaited[kind, message.request_number] = answer
                getattr(message, kind).CopyFrom(request)
        return message if message.HasField("lease") or message.HasField("settle") else None

    def _open(self) -> None:
        self._call = self.connection.stubs.worker.Work()  # type: ignore[call-arg] # the stubs know no calls that are written to
        self._reading = asyncio.get_running_loop().create_task(self._read(self._call))

    async def _read(self, call: WorkCall) -> None:
        error: Exception = Unavailable("the broker ended the stream")
        try:
            while (response := await call.read()) is not grpc.aio.EOF:  # type: ignore[attr-defined] # the stubs know no EOF
                assert isinstance(response, worker_pb2.WorkResponse)
                self._answered(response)
        except Exception as broken:  # noqa: BLE001 - as in _send
            error = broken
        except asyncio.CancelledError:
            if must_end():
                raise
            error = _closed()
        self._broke(call, error)

    def _answered(self, response: worker_pb2.WorkResponse) -> None:
        said = response.WhichOneof("answer")
        assert said is not None
        answer = self._awaited.pop((ANSWERS[said], response.request_number), None)
        if answer is None or answer.done():
            if said == "leased" and response.leased.leases:
                self._stray(response.leased.leases, time.monotonic())
        elif said in ("leased", "settled"):
            answer.set_result(getattr(response, said))
        else:
            answer.set_exception(from_status(getattr(response, said)))

    def _broke(self, call: WorkCall, error: Exception) -> None:
        if call is self._call:  # else another one is open by now
            self._break(_broken(error))

    def _break(self, error: LeaseMQError) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.cancel()
        unsent = [answer for _, _, answer in self._unsent]
        unanswered, self._awaited = [*self._awaited.values(), *unsent], {}
        self._unsent.clear()
        for answer in unanswered:
            if not answer.done():
                answer.set_exception(error)


def _closed() -> Unavailable:
    return Unavailable("the client was closed", code=grpc.StatusCode.CANCELLED)


def _broken(error: Exception) -> LeaseMQError:
    if isinstance(error, grpc.aio.AioRpcError):
        return from_rpc_error(error)
    if isinstance(error, LeaseMQError):
        return error
    return Unavailable(f"the stream broke: {error!r}")
