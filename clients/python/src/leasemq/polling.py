"""Asks for jobs: one long poll at a time, for as many as there are free slots, never cancelled while in flight."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from leasemq.client import LONGEST_WAIT, WAIT_MARGIN
from leasemq.codec import to_duration
from leasemq.connection import persist
from leasemq.convert import new_id
from leasemq.errors import InvalidField, LeaseMQError
from leasemq.stream import WorkStream
from leasemq.v1 import worker_pb2

MAX_JOBS = 1_000
EARLY = 1.0
"""Seconds; a broker that goes down, or drains the worker, sends an empty answer sooner: asking again at once is no use."""
LINGER = 0.002
"""Seconds that a busy worker (under a tenth of its slots free, and the last poll was filled) waits for more free slots."""
DRAIN_TIMEOUT = 5.0
DRAIN_AGAIN = 1.0


class Poller:
    """Leases jobs while there are free slots."""

    def __init__(
        self,
        stream: WorkStream,
        queues: Sequence[str],
        worker_id: str,
        lease: float,
        slots: int,
        free: Callable[[], int],
        take: Callable[[Sequence[worker_pb2.Lease], float], None],
        report: Callable[[Exception], None],
        *,
        linger: float | None = None,
    ) -> None:
        """`free` says how many of the `slots` may be filled now.

        `take` gets the leases of a poll and when they came (monotonic seconds). With `linger`, the broker waits that long for all
        that are asked for.
        """
        self._stream = stream
        self._connection = stream.connection
        self._queues = queues
        self._worker_id = worker_id
        self._lease = to_duration(lease)
        self._few = slots // 10
        self._free = free
        self._take = take
        self._report = report
        self._linger = linger
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._in_flight = False
        self._quiet = False
        self._draining = False

    def start(self) -> asyncio.Task[None]:
        """Begin. The task ends with `drain`, or with InvalidField if the broker won't have such a worker."""
        self._task = asyncio.get_running_loop().create_task(self._run())
        return self._task

    def wake(self) -> None:
        """Look again at how many slots are free."""
        self._woken.set()

    async def quiet(self, quiet: bool) -> None:
        """Ask for no more jobs, or go on asking."""
        if quiet != self._quiet:
            self._quiet = quiet
            self._woken.set()
            if quiet:
                await self._end_poll()

    async def drain(self, seconds: float) -> None:
        """Ask for no more jobs, and let the poll in flight end: the broker ends it with an empty answer.

        It is given up after `seconds`.
        """
        self._draining = True
        self._woken.set()
        if self._task is None or self._task.done():
            return
        deadline = time.monotonic() + seconds
        while self._in_flight and time.monotonic() < deadline:
            await self._end_poll()  # again if need be: it may have overtaken the poll on its way
            await asyncio.wait({self._task}, timeout=DRAIN_AGAIN)
        self.abandon()
        await asyncio.wait({self._task})

    def abandon(self) -> None:
        """Give up the poll: the broker takes back what it may have leased."""
        if self._task is not None:
            self._task.cancel()

    async def _end_poll(self) -> None:
        deadline = time.monotonic() + DRAIN_TIMEOUT
        request = worker_pb2.DrainWorkerRequest(worker_id=self._worker_id)

        async def attempt() -> worker_pb2.DrainWorkerResponse:
            return await self._connection.attempt(self._connection.stubs.worker.DrainWorker, request, DRAIN_TIMEOUT)

        with suppress(LeaseMQError):  # then the poll fails as well, or ends when its wait is over
            await persist(attempt, lambda _, wait: not self._in_flight or time.monotonic() + wait > deadline)

    async def _run(self) -> None:
        too_early, more = 0, False
        while not self._draining:
            await asyncio.sleep(0)  # handlers that end in this round free their slots first: fewer, larger polls
            free = 0 if self._quiet else self._free()
            if more and 0 < free < self._few:
                await asyncio.sleep(LINGER)
                free = 0 if self._quiet else self._free()
            if free <= 0:
                self._woken.clear()
                await self._woken.wait()
                continue
            asked = time.monotonic()
            leases = await self._poll(min(free, MAX_JOBS))
            more = len(leases) >= min(free, MAX_JOBS)
            received = time.monotonic()
            if leases:
                self._take(leases, received)
            too_early = too_early + 1 if not leases and received - asked < EARLY else 0
            if too_early and not self._draining:
                await asyncio.sleep(min(0.05 * 2**too_early, 1.0))

    async def _poll(self, max_jobs: int) -> Sequence[worker_pb2.Lease]:
        request = worker_pb2.BatchLeaseJobsRequest(
            queues=self._queues,
            worker_id=self._worker_id,
            lease_duration=self._lease,
            request_id=new_id(),  # the same for every attempt: a retry gets what the lost answer held
            max_jobs=max_jobs,
            linger=None if self._linger is None else to_duration(self._linger),
        )
        timeout = LONGEST_WAIT + (self._linger or 0.0) + WAIT_MARGIN

        async def attempt() -> worker_pb2.BatchLeaseJobsResponse:
            self._in_flight = True
            request.wait_duration.CopyFrom(self._connection.outage.poll_time(LONGEST_WAIT))
            try:
                return await self._stream.lease(request, timeout)
            finally:
                self._in_flight = False

        try:
            return (await persist(attempt, lambda _error, _wait: self._draining, self._worth_repeating)).leases
        except LeaseMQError as error:
            if self._draining and not isinstance(error, InvalidField):
                return ()
            raise

    def _worth_repeating(self, error: BaseException) -> bool:
        """Go on through anything but a mistake in what this worker asks for; report what is no outage."""
        if isinstance(error, InvalidField) or not isinstance(error, LeaseMQError):
            return False
        if not self._connection.outage.is_on:
            self._report(error)
        return True
