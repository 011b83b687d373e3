"""Concurrent adds travel together.

An add that finds its queue idle leaves at once; while batches of its queue are in flight it waits for the next one to leave,
which takes all that has come together. So nothing is delayed when there is little to do, and batches grow with the load.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import grpc

from leasemq.connection import MIN_ATTEMPT, Connection, persist
from leasemq.convert import wire
from leasemq.errors import GroupFull, LeaseMQError, QueueFull
from leasemq.v1 import job_pb2, producer_pb2

MAX_JOBS = 1_000
MAX_BYTES = 4 * 1024 * 1024
WORTH_SPLITTING = 64
"""Jobs on their way or waiting from which on a batch takes its share of them alone, so that there is one for each in flight."""
IN_FLIGHT = 2
"""Batches of one queue that are on their way at a time: one is being worked on while the next one travels."""

Key = tuple[str, int]


def in_batches(specs: Iterable[job_pb2.JobSpec], max_bytes: int) -> Iterator[list[job_pb2.JobSpec]]:
    """Cut a list into batches of at most 1,000 jobs and max_bytes; a job that is bigger goes alone."""
    batch: list[job_pb2.JobSpec] = []
    size = 0
    for spec in specs:
        spec_size = spec.ByteSize()
        if batch and (len(batch) == MAX_JOBS or size + spec_size > max_bytes):
            yield batch
            batch, size = [], 0
        batch.append(spec)
        size += spec_size
    if batch:
        yield batch


class Pending:
    """An add that waits for its answer."""

    __slots__ = ("answer", "deadline", "spec")

    def __init__(self, spec: job_pb2.JobSpec, deadline: float, answer: asyncio.Future[producer_pb2.AddJobResponse]) -> None:
        self.spec = spec
        self.deadline = deadline
        self.answer = answer


class Lane:
    """The adds of one queue and durability."""

    __slots__ = ("in_flight", "travelling", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[Pending] = deque()
        self.in_flight = 0
        self.travelling = 0

    def next_batch(self) -> list[Pending]:
        """Take what goes with the next call; none if nothing waits."""
        jobs = len(self.waiting) + self.travelling
        most = MAX_JOBS if jobs < WORTH_SPLITTING else min(-(-jobs // IN_FLIGHT), MAX_JOBS)
        batch: list[Pending] = []
        size = 0
        while self.waiting and len(batch) < most:
            size += self.waiting[0].spec.ByteSize()
            if batch and size > MAX_BYTES:
                break
            batch.append(self.waiting.popleft())
        return batch


class Coalescer:
    """Sends adds in batches, one lane for each queue and durability."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lanes: dict[Key, Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def add(self, queue: str, spec: job_pb2.JobSpec, durability: int) -> producer_pb2.AddJobResponse:
        """Send one job with whatever else is on its way to the queue. LeaseMQError: this job's own error."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._lanes, self._tasks = loop, {}, set()
        pending = Pending(spec, time.monotonic() + self._connection.retry_timeout, loop.create_future())
        key = (queue, durability)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane()
        lane.waiting.append(pending)
        if lane.in_flight < IN_FLIGHT:
            lane.in_flight += 1
            task = loop.create_task(self._send_while_waiting(key, lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await pending.answer

    async def flush(self) -> None:
        """Wait until every add that was asked for has its answer."""
        if self._loop is asyncio.get_running_loop() and self._tasks:
            await asyncio.wait(self._tasks)

    async def _send_while_waiting(self, key: Key, lane: Lane) -> None:
        batch: list[Pending] = []
        try:
            while batch := lane.next_batch():
                travelling = len(batch)
                lane.travelling += travelling
                try:
                    await self._send(key, batch)
                finally:
                    lane.travelling -= travelling
        finally:
            lane.in_flight -= 1
            for pending in batch:
                pending.answer.cancel()
            if not lane.in_flight and not lane.waiting:
                self._lanes.pop(key, None)

    async def _send(self, key: Key, batch: list[Pending]) -> None:
        async def attempt() -> None:
            batch[:] = [pending for pending in batch if not pending.answer.done()]
            if batch:
                await self._attempt(key, batch)

        def give_up(error: LeaseMQError, wait: float) -> bool:
            return _fail_overdue(batch, error, time.monotonic() + wait)

        try:
            await persist(attempt, give_up)
        except LeaseMQError as error:
            if error.code is grpc.StatusCode.INVALID_ARGUMENT and len(batch) > 1:
                await self._send(key, batch[: len(batch) // 2])
                await self._send(key, batch[len(batch) // 2 :])
                return
            _fail(batch, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the callers must hear of it
            _fail(batch, error)

    async def _attempt(self, key: Key, batch: list[Pending]) -> None:
        queue, durability = key
        stub = self._connection.stubs.producer
        timeout = max(batch[-1].deadline - time.monotonic(), MIN_ATTEMPT)
        if len(batch) == 1:
            lone = producer_pb2.AddJobRequest(queue=queue, job=batch[0].spec, durability=wire(durability))
            _answer(batch, [await self._connection.attempt(stub.AddJob, lone, timeout)])
            return
        request = producer_pb2.BatchAddJobsRequest(
            queue=queue, jobs=[pending.spec for pending in batch], durability=wire(durability)
        )
        try:
            response = await self._connection.attempt(stub.BatchAddJobs, request, timeout)
        except (QueueFull, GroupFull):  # all together are too many: those that fit are added, in order
            await self._attempt(key, batch[: len(batch) // 2])
            await self._attempt(key, batch[len(batch) // 2 :])
        else:
            _answer(batch, response.results)


def _answer(batch: list[Pending], results: Sequence[producer_pb2.AddJobResponse]) -> None:
    for pending, result in zip(batch, results, strict=True):
        if not pending.answer.done():
            pending.answer.set_result(result)


def _fail(batch: list[Pending], error: Exception) -> None:
    for pending in batch:
        if not pending.answer.done():
            pending.answer.set_exception(error)


def _fail_overdue(batch: list[Pending], error: LeaseMQError, now: float) -> bool:
    """Fail those whose time is over; return whether none is left."""
    _fail([pending for pending in batch if pending.deadline <= now], error)
    batch[:] = [pending for pending in batch if not pending.answer.done()]
    return not batch
