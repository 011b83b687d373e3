"""Calls as messages on one stream: a message costs a fraction of a call."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import grpc

from leasemq.connection import Connection, must_end
from leasemq.errors import DeadlineExceeded, LeaseMQError, Unavailable, from_rpc_error, from_status
from leasemq.v1 import producer_pb2, worker_pb2

LEASE, SETTLE = "lease", "settle"
ADD, ADD_BATCH = "add", "add_batch"
LARGE = 1024 * 1024
"""Bytes from which on adds and settlements go as a call of their own."""


class CallStream:
    """Opened by the first request, and by the first after it broke. Calls fail as the unary ones do that they stand for."""

    def __init__(self, connection: Connection, message: type[Any], answers: Mapping[str, str]) -> None:
        """`message` is what the stream carries there; `answers` names the field of a request that each field of an answer is to.

        One that ends with _error is a status.
        """
        self.connection = connection
        self._message = message
        self._answers = answers
        self._numbers = itertools.count(1)
        self._unsent: deque[tuple[str, Any, asyncio.Future[Any]]] = deque()
        self._awaited: dict[tuple[str, int], asyncio.Future[Any]] = {}
        self._call: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._writing: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None

    def _begin(self) -> Any:
        """Make the call that opens the stream."""
        raise NotImplementedError

    def _unawaited(self, said: str, answer: Any) -> None:
        """Take an answer that nobody waits for any more."""

    async def close(self) -> None:
        """End the stream; whoever waits for an answer gets Unavailable."""
        if self._loop is not asyncio.get_running_loop():
            return  # nothing of it is left
        self._break(Unavailable("the stream was closed", code=grpc.StatusCode.CANCELLED))
        for task in (self._reading, self._writing):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def _ask(self, kind: str, request: Any, seconds: float) -> Any:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._move_to(loop)
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

    def _move_to(self, loop: asyncio.AbstractEventLoop) -> None:
        """Leave behind what an event loop that has ended has left. RuntimeError: it still lives."""
        _ = self.connection.stubs  # says whether it does
        self._loop, self._call, self._reading, self._writing, self._awaited = loop, None, None, None, {}
        self._unsent.clear()

    def _too_late(self, answer: asyncio.Future[Any]) -> None:
        """Nothing came in time: the stream can't be trusted, and what is asked anew goes on another."""
        if not answer.done():
            answer.set_exception(Unavailable("the broker did not answer in time", code=grpc.StatusCode.DEADLINE_EXCEEDED))
            self._break(Unavailable("the broker did not answer another call in time", code=grpc.StatusCode.UNAVAILABLE))

    async def _write(self) -> None:
        try:
            while self._call is not None and self._unsent:
                if (message := self._next_message()) is not None:
                    await self._send(self._call, message)
        finally:
            self._writing = None

    async def _send(self, call: Any, message: Any) -> None:
        error: Exception
        try:
            await call.write(message)
        except Exception as broken:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            error = _unsent(broken)
        except asyncio.CancelledError:
            if must_end():
                raise
            error = _closed()
        else:
            return
        self._broke(call, error)

    def _next_message(self) -> Any:
        """Take what is to be sent next, of each kind one at most; None if nobody waits for its answer any more."""
        message, filled = self._message(request_number=next(self._numbers)), False
        while self._unsent and not message.HasField(self._unsent[0][0]):
            kind, request, answer = self._unsent.popleft()
            if not answer.done():
                self._awaited[kind, message.request_number] = answer
                getattr(message, kind).CopyFrom(request)
                filled = True
        return message if filled else None

    def _open(self) -> None:
        self._call = self._begin()
        self._reading = asyncio.get_running_loop().create_task(self._read(self._call))

    async def _read(self, call: Any) -> None:
        error: Exception = Unavailable("the broker ended the stream", code=grpc.StatusCode.UNAVAILABLE)
        try:
            while (response := await call.read()) is not grpc.aio.EOF:  # type: ignore[attr-defined] # the stubs know no EOF
                self._answered(response)
        except Exception as broken:  # noqa: BLE001 - as in _send
            error = broken
        except asyncio.CancelledError:
            if must_end():
                raise
            error = _closed()
        self._broke(call, error)

    def _answered(self, response: Any) -> None:
        said = response.WhichOneof("answer")
        answer = self._awaited.pop((self._answers[said], response.request_number), None)
        if answer is None or answer.done():
            self._unawaited(said, getattr(response, said))
        elif said.endswith("_error"):
            answer.set_exception(from_status(getattr(response, said)))
        else:
            answer.set_result(getattr(response, said))

    def _broke(self, call: Any, error: Exception) -> None:
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


class WorkStream(CallStream):
    """The lease and settle calls of a worker."""

    def __init__(self, connection: Connection, stray: Callable[[Sequence[worker_pb2.Lease], float], None]) -> None:
        """`stray` gets leases that nobody waits for any more, and when they came (monotonic seconds)."""
        answers = {"leased": LEASE, "lease_error": LEASE, "settled": SETTLE, "settle_error": SETTLE}
        super().__init__(connection, worker_pb2.WorkRequest, answers)
        self._stray = stray

    async def lease(self, request: worker_pb2.BatchLeaseJobsRequest, seconds: float) -> worker_pb2.BatchLeaseJobsResponse:
        """Lease jobs, as BatchLeaseJobs. LeaseMQError: it failed, or there was no answer within this many seconds."""
        response: worker_pb2.BatchLeaseJobsResponse = await self._ask(LEASE, request, seconds)
        return response

    async def settle(self, request: worker_pb2.SettleJobsRequest, seconds: float) -> worker_pb2.SettleJobsResponse:
        """Settle jobs, as SettleJobs. LeaseMQError: as for `lease`.

        What is large goes as a call of its own: it holds up no others, and fails alone.
        """
        if request.ByteSize() > LARGE:
            return await self.connection.attempt(self.connection.stubs.worker.SettleJobs, request, seconds)
        response: worker_pb2.SettleJobsResponse = await self._ask(SETTLE, request, seconds)
        return response

    def _begin(self) -> Any:
        return self.connection.stubs.worker.Work()  # type: ignore[call-arg] # the stubs know no calls that are written to

    def _unawaited(self, said: str, answer: Any) -> None:
        if said == "leased" and answer.leases:
            self._stray(answer.leases, time.monotonic())


class ProduceStream(CallStream):
    """The adds of a client. What is large goes as a call of its own: it holds up no others, and fails alone."""

    def __init__(self, connection: Connection) -> None:
        """Set up; nothing is sent yet."""
        answers = {"added": ADD, "add_error": ADD, "batch_added": ADD_BATCH, "add_batch_error": ADD_BATCH}
        super().__init__(connection, producer_pb2.ProduceRequest, answers)

    async def add(
        self,
        request: producer_pb2.AddJobRequest,
        *,
        timeout: float,  # noqa: ASYNC109 - as a stub's method
    ) -> producer_pb2.AddJobResponse:
        """Add a job, as AddJob. LeaseMQError: it failed; DeadlineExceeded: there was no answer within this many seconds."""
        if request.ByteSize() > LARGE:
            return await self.connection.stubs.producer.AddJob(request, timeout=timeout)
        response: producer_pb2.AddJobResponse = await self._add(ADD, request, timeout)
        return response

    async def add_batch(
        self,
        request: producer_pb2.BatchAddJobsRequest,
        *,
        timeout: float,  # noqa: ASYNC109 - as a stub's method
    ) -> producer_pb2.BatchAddJobsResponse:
        """Add jobs, as BatchAddJobs. LeaseMQError: as for `add`."""
        if request.ByteSize() > LARGE:
            return await self.connection.stubs.producer.BatchAddJobs(request, timeout=timeout)
        response: producer_pb2.BatchAddJobsResponse = await self._add(ADD_BATCH, request, timeout)
        return response

    async def _add(self, kind: str, request: Any, seconds: float) -> Any:
        try:
            return await self._ask(kind, request, seconds)
        except Unavailable as error:
            if error.code is grpc.StatusCode.DEADLINE_EXCEEDED:  # as a call is, it is given up
                raise DeadlineExceeded(str(error), code=error.code) from None
            raise

    def _begin(self) -> Any:
        return self.connection.stubs.producer.Produce()  # type: ignore[call-arg] # the stubs know no calls that are written to


def _closed() -> Unavailable:
    return Unavailable("the client was closed", code=grpc.StatusCode.CANCELLED)


def _unsent(error: Exception) -> Exception:
    """Turn what a write failed with into what it means.

    It says INTERNAL, or that the call has ended, where it comes before the end of the connection is known.
    """
    if not isinstance(error, grpc.aio.AioRpcError):
        return Unavailable(f"the stream broke: {error!r}", code=grpc.StatusCode.UNAVAILABLE)
    if error.code() is grpc.StatusCode.INTERNAL:
        return Unavailable(f"the stream broke: {error.details()}", code=grpc.StatusCode.UNAVAILABLE)
    return error


def _broken(error: Exception) -> LeaseMQError:
    if isinstance(error, grpc.aio.AioRpcError):
        return from_rpc_error(error)
    if isinstance(error, LeaseMQError):
        return error
    return Unavailable(f"the stream broke: {error!r}", code=grpc.StatusCode.UNAVAILABLE)
