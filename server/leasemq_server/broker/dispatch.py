"""Hands jobs to workers.

Lease calls that wait, and the promise that no lease is lost between the store and the worker.

The life of a lease call: look at its queues in order of preference; park until one of them wakes, or until time is up;
look again. If the call is gone when a look brings leases, they are given back at once. If the store's answer itself got
lost, they are given back when the store answers again.
"""

import asyncio
import itertools
import secrets
from collections.abc import Sequence
from typing import NamedTuple

from leasemq_server.broker.coalesce import Coalescer
from leasemq_server.broker.tasks import Tasks
from leasemq_server.broker.wakes import DRAINED, TIME_IS_UP, WOKEN, QueueWakes, Sleeper, Wakes
from leasemq_server.broker.workers import Workers
from leasemq_server.errors import StoreUnavailableError
from leasemq_server.store.store import MOST_LEASES, Store
from leasemq_server.store.types import LeaseRequest, Lot, Source

RETRY_S = 0.5


class Poll(NamedTuple):
    """A worker's lease call."""

    queues: Sequence[str]
    worker_id: str
    request_id: str
    max_jobs: int
    lease_ms: int
    wait_ms: int
    min_jobs: int = 1
    linger_ms: int = 0


class Dispatcher:
    """Serves lease calls from the store."""

    def __init__(self, store: Store, wakes: Wakes, workers: Workers, tasks: Tasks) -> None:
        self._store = store
        self._wakes = wakes
        self._workers = workers
        self._tasks = tasks
        self._coalescer: Coalescer[str, LeaseRequest, Lot] = Coalescer(self._lease, self._orphaned)
        self._own_ids = (f"{secrets.token_hex(6)}-{number}" for number in itertools.count())
        self._settling = False
        self._unreceived: dict[Source, dict[str, bool]] = {}  # request ids to give back, and whether perhaps received

    def request_id(self, poll: Poll) -> str:
        """What the store remembers the call's leases by: the client's id, within its worker, or one of our own."""
        return f"{poll.worker_id}\n{poll.request_id}" if poll.request_id else next(self._own_ids)

    async def lease(self, poll: Poll, request_id: str) -> list[Lot]:
        """Leases up to max_jobs jobs, waiting for the first up to wait_ms; empty when there was none, or the worker drains.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        self._workers.polled(poll.worker_id)
        loop = asyncio.get_running_loop()
        leased = await self._first(poll, request_id, loop.time() + poll.wait_ms / 1000)
        if leased and poll.linger_ms and _count(leased) < poll.min_jobs:
            await self._linger(poll, request_id, leased, loop.time() + poll.linger_ms / 1000)
        elif MOST_LEASES <= _count(leased) < poll.max_jobs:
            await self._linger(poll._replace(min_jobs=poll.max_jobs), request_id, leased, loop.time())
        return leased

    async def _linger(self, poll: Poll, request_id: str, leased: list[Lot], deadline: float) -> None:
        """Leases more until there are min_jobs or time is up; nothing of what is leased is lost if the call or the store goes.

        Each round is a request of its own to the store, named after the call's, so that a retry of the call gets all of them.
        """
        try:
            for part in itertools.count(1):
                wanted = poll.max_jobs - _count(leased)
                part_id = f"{request_id}\n{part}"
                lots = await self._first(poll._replace(max_jobs=wanted), part_id, deadline)
                leased += [lot._replace(source=lot.source._replace(request_id=part_id)) for lot in lots]
                if not lots or _count(leased) >= poll.min_jobs:
                    return
        except StoreUnavailableError:
            return  # what is leased is better worked than given back
        except BaseException:
            self.give_back([lot.source for lot in leased], request_id)
            raise

    async def _first(self, poll: Poll, request_id: str, deadline: float) -> list[Lot]:
        """Leases up to max_jobs jobs, waiting for the first until the deadline."""
        loop = asyncio.get_running_loop()
        queues = await self._preferred(poll, request_id)
        roused = False
        while True:
            wakes = [self._wakes.of(queue) for queue in queues]
            seen = [wake.generation for wake in wakes]
            if self._workers.drained(poll.worker_id):
                _pass_on(wakes)
                return []
            try:
                leased = await self._look(queues, poll, request_id)
            except asyncio.CancelledError:
                if roused:
                    _pass_on(wakes)
                raise
            if leased or loop.time() >= deadline:
                return leased
            if self._unchanged(queues, wakes, seen):
                why = await self._park(wakes, poll.worker_id, deadline)
                if why != WOKEN:
                    return []
                roused = True

    def _unchanged(self, queues: Sequence[str], wakes: Sequence[QueueWakes], seen: Sequence[int]) -> bool:
        """Whether nothing happened to the queues since the look began; a wakes object dropped meanwhile hears nothing."""
        return all(
            self._wakes.of(queue) is wake and wake.generation == before
            for queue, wake, before in zip(queues, wakes, seen, strict=True)
        )

    async def _preferred(self, poll: Poll, request_id: str) -> Sequence[str]:
        """A retry must find its leases again before it gets others from a queue that it prefers."""
        if poll.request_id and len(poll.queues) > 1:
            answered = [queue for queue in poll.queues if await self._store.has_answered(queue, request_id)]
            return [*answered, *(queue for queue in poll.queues if queue not in answered)]
        return poll.queues

    async def _look(self, queues: Sequence[str], poll: Poll, request_id: str) -> list[Lot]:
        leased: list[Lot] = []
        wanted = poll.max_jobs
        for queue in queues:
            request = LeaseRequest(request_id, poll.worker_id, wanted, poll.lease_ms)
            try:
                lot = await self._look_at(queue, request)
            except BaseException:
                self.give_back([lot.source for lot in leased], request_id)
                raise
            if lot.jobs:
                leased.append(lot)
                wanted -= len(lot.jobs)
            if wanted <= 0:
                break
        return leased

    async def _look_at(self, queue: str, request: LeaseRequest) -> Lot:
        while True:
            (lot,) = await self._coalescer.submit(queue, [request])
            if not lot.left_out:
                return lot

    async def _park(self, wakes: Sequence[QueueWakes], worker_id: str, deadline: float) -> str:
        loop = asyncio.get_running_loop()
        sleeper: Sleeper = loop.create_future()
        alarm = loop.call_at(deadline, _time_is_up, sleeper)
        self._workers.parked(worker_id, sleeper)
        if self._workers.drained(worker_id):  # since the look began
            sleeper.set_result(DRAINED)
        for wake in wakes:
            wake.sleep(sleeper)
        try:
            return await sleeper
        except asyncio.CancelledError:
            if sleeper.done() and not sleeper.cancelled() and sleeper.result() == WOKEN:
                _pass_on(wakes)  # the wake must not be lost with this poll
            raise
        finally:
            alarm.cancel()
            self._workers.unparked(worker_id, sleeper)
            for wake in wakes:
                wake.leave(sleeper)

    async def _lease(self, queue: str, requests: Sequence[LeaseRequest]) -> list[Lot]:
        call = next(self._own_ids)
        source = Source(queue, call)
        try:
            reply = await self._store.lease(queue, requests, call)
        except StoreUnavailableError:
            self._unreceived.setdefault(source, {}).update((request.request_id, False) for request in requests)
            self._settle_soon()
            raise
        if reply.next_in_ms >= 0:
            self._wakes.look_again_in(queue, reply.next_in_ms)
        if reply.more:
            self._wakes.of(queue).more()
        left_out = reply.more and any(reply.answers)  # else it is not for having given out all that it may
        return [Lot(source, jobs, left_out and not jobs) for jobs in reply.answers]

    def _orphaned(self, _: str, requests: Sequence[LeaseRequest], lots: list[Lot]) -> None:
        for request, lot in zip(requests, lots, strict=True):
            if lot.jobs:
                self.give_back([lot.source], request.request_id)

    def give_back(self, came_from: Sequence[Source], request_id: str, *, perhaps_received: bool = False) -> None:
        """Gives back what a call leased that nobody received; in the background, the store's outages included."""
        for source in came_from:
            self._unreceived.setdefault(source, {})[source.request_id or request_id] = perhaps_received
        self._settle_soon()

    def _settle_soon(self) -> None:
        if self._unreceived and not self._settling:
            self._settling = True
            self._tasks.spawn(self._settle_until_done())

    async def _settle_until_done(self) -> None:
        try:
            await self.settle_unreceived()
            while self._unreceived:
                await asyncio.sleep(RETRY_S)
                await self.settle_unreceived()
        finally:
            self._settling = False

    async def settle_unreceived(self) -> None:
        """Gives back the leases of all calls that got no answer; what fails is kept for the next time."""
        unreceived, self._unreceived = self._unreceived, {}
        for source, requests in unreceived.items():
            try:
                await self._store.give_back(source.queue, list(requests.items()), source.call)
            except StoreUnavailableError:
                self._unreceived.setdefault(source, {}).update(requests)

    async def idle(self) -> None:
        """Waits until no lease call is in flight to the store."""
        await self._coalescer.idle()


def _count(lots: Sequence[Lot]) -> int:
    return sum(len(lot.jobs) for lot in lots)


def _time_is_up(sleeper: Sleeper) -> None:
    if not sleeper.done():
        sleeper.set_result(TIME_IS_UP)


def _pass_on(wakes: Sequence[QueueWakes]) -> None:
    for wake in wakes:
        wake.wake()
