"""Concurrent adds travel together.

An add that finds its queue idle leaves at once; while batches of its queue are in flight it waits for the next one to leave,
which takes all that has come together. So nothing is delayed when there is little to do, and batches grow with the load.

Adds to a full group wait for room in a lane of their own, so that they hold up nobody else's.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import grpc

from leasemq.connection import MIN_ATTEMPT, Connection, persist
from leasemq.convert import wire
from leasemq.errors import GroupFull, LeaseMQError, QueueFull
from leasemq.stream import ProduceStream
from leasemq.v1 import job_pb2, producer_pb2

MAX_JOBS = 1_000
MAX_BYTES = 4 * 1024 * 1024
WORTH_SPLITTING = 64
"""Jobs on their way or waiting from which on a batch takes its share of them alone, so that there is one for each in flight."""
IN_FLIGHT = 2
"""Batches of one queue that are on their way at a time: one is being worked on while the next one travels."""

Key = tuple[str, int, str]
"""A lane: a queue, a durability, and the group if it is that of adds to a full group."""


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
    """The adds that travel together."""

    __slots__ = ("in_flight", "travelling", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[Pending] = deque()
        self.in_flight = 0
        self.travelling: list[list[Pending]] = []

    def answers(self) -> list[asyncio.Future[producer_pb2.AddJobResponse]]:
        """Those that somebody still waits for."""
        return [pending.answer for pending in (*self.waiting, *chain(*self.travelling)) if not pending.answer.done()]

    def next_batch(self) -> list[Pending]:
        """Take what goes with the next call; none if nothing waits."""
        jobs = len(self.waiting) + sum(map(len, self.travelling))
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
    """Sends adds in batches, one lane for each queue and durability, and one for each group that is full."""

    def __init__(self, connection: Connection, stream: ProduceStream) -> None:
        self._connection = connection
        self._stream = stream
        self._lanes: dict[Key, Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, queue: str, spec: job_pb2.JobSpec, durability: int) -> asyncio.Future[producer_pb2.AddJobResponse]:
        """Send one job with whatever else is on its way to the queue; what is returned has the answer, or this job's own error.

        RuntimeError: the client belongs to another event loop.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            _ = self._connection.stubs  # says whether the loop before still lives
            self._loop, self._lanes, self._tasks = loop, {}, set()
        pending = Pending(spec, time.monotonic() + self._connection.retry_timeout, loop.create_future())
        key = (queue, durability, "")
        if spec.group and not _is_delayed(pending):
            full = (queue, durability, spec.group)
            key = full if full in self._lanes else key
        self._enter(key, pending)
        return pending.answer

    def _enter(self, key: Key, pending: Pending) -> None:
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane()
        lane.waiting.append(pending)
        _, _, full_group = key
        if lane.in_flight < (1 if full_group else IN_FLIGHT):  # one after the other: who waits longest is first
            lane.in_flight += 1
            task = asyncio.get_running_loop().create_task(self._send_while_waiting(key, lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def flush(self) -> None:
        """Wait until every add that was asked for has its answer; give up those that nobody waits for any more."""
        if self._loop is not asyncio.get_running_loop():
            return  # nothing of it is left
        while answers := [answer for lane in self._lanes.values() for answer in lane.answers()]:
            await asyncio.wait(answers)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _send_while_waiting(self, key: Key, lane: Lane) -> None:
        batch: list[Pending] = []
        try:
            while batch := lane.next_batch():
                lane.travelling.append(batch)
                try:
                    await self._send(key, batch)
                finally:
                    lane.travelling.remove(batch)
        finally:
            lane.in_flight -= 1
            for pending in batch:
                pending.answer.cancel()
            if not lane.in_flight and not lane.waiting:
                self._lanes.pop(key, None)

    async def _send(self, key: Key, batch: list[Pending]) -> None:
        async def attempt() -> None:
            batch[:] = _unanswered(batch)
            if batch:
                await self._attempt_or_part(key, batch)

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

    async def _attempt_or_part(self, key: Key, batch: list[Pending]) -> None:
        """Make one attempt. Those whose groups are full go on apart, and the lane is free for others."""
        queue, durability, full_group = key
        try:
            await self._attempt(key, batch)
        except GroupFull:
            left = _unanswered(batch)
            if full_group or not all(pending.spec.group for pending in left):
                raise
            for pending in left:
                self._enter((queue, durability, pending.spec.group), pending)
            batch.clear()

    async def _attempt(self, key: Key, batch: list[Pending]) -> None:
        queue, durability, _ = key
        timeout = max(batch[-1].deadline - time.monotonic(), MIN_ATTEMPT)
        if len(batch) == 1:
            lone = producer_pb2.AddJobRequest(queue=queue, job=batch[0].spec, durability=wire(durability))
            _answer(batch, [await self._connection.attempt(self._stream.add, lone, timeout)])
            return
        request = producer_pb2.BatchAddJobsRequest(
            queue=queue, jobs=[pending.spec for pending in batch], durability=wire(durability)
        )
        try:
            response = await self._connection.attempt(self._stream.add_batch, request, timeout)
        except (QueueFull, GroupFull):  # all together are too many: those that fit are added, in order
            await self._attempt_halves(key, batch[: len(batch) // 2], batch[len(batch) // 2 :])
        else:
            _answer(batch, response.results)

    async def _attempt_halves(self, key: Key, first: list[Pending], second: list[Pending]) -> None:
        try:
            await self._attempt(key, first)
        except GroupFull:
            full = {pending.spec.group for pending in _unanswered(first)}
            if others := [pending for pending in second if pending.spec.group not in full or _is_delayed(pending)]:
                await self._attempt(key, others)
            raise
        await self._attempt(key, second)


def _is_delayed(pending: Pending) -> bool:
    """Say whether a full group may take it all the same: only jobs that wait at once are too many."""
    return pending.spec.WhichOneof("start") is not None


def _unanswered(batch: list[Pending]) -> list[Pending]:
    return [pending for pending in batch if not pending.answer.done()]


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
    batch[:] = _unanswered(batch)
    return not batch
