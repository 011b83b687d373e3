"""Does what time brings about in queues that nobody polls; where somebody does, a lease call that finds it due asks for it.

Due jobs, ended leases, expired jobs; and sweeps finished ones, and relays what is in outboxes. Every broker does it,
safely side by side: each queue at the time that its last tick returned, a busy one at least every few seconds.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from leasemq_server.broker.broker import Broker
from leasemq_server.errors import DomainError
from leasemq_server.loops import loop as loops
from leasemq_server.loops.loop import Loop, take_due
from leasemq_server.store.types import Sweep, Tick

STEP_S = 0.05
BUSY_S = 5.0  # a lease that another broker gave out, and took the knowledge of with it when it died
IDLE_S = 60.0
REFRESH_S = 15.0
MAX_TICKS = 20  # of one queue at a time, while more is due; then other queues have their turn
LATE_S = 0.02  # parked polls come first; then one broker of several does the work and the others find it done

Found = TypeVar("Found", Tick, Sweep)

log = structlog.get_logger("leasemq")


async def _until_done(look: Callable[[str], Awaitable[Found]], queue: str) -> Found:
    """Looks again while a call has left something to the next one, but not forever."""
    found = await look(queue)
    for _ in range(MAX_TICKS - 1):
        if not found.more_is_due:
            break
        found = await look(queue)
    return found


def _wait(next_in_ms: int, longest_s: float) -> float:
    """For how many seconds to wait when time changes something in so many ms (-1: never)."""
    return longest_s if next_in_ms < 0 else min(longest_s, next_in_ms / 1000 + LATE_S)


class TickLoop(Loop):
    """The time of all queues."""

    def __init__(self, broker: Broker) -> None:
        super().__init__()
        self._broker = broker
        self._due: dict[str, float] = {}
        self._sweep_at: dict[str, float] = {}
        self._refresh_at = 0.0

    async def start(self) -> None:
        """Starts."""
        self._broker.wakes.listeners.append(self._hear)
        await super().start()

    async def step(self) -> None:
        """Ticks the queues that are due."""
        now = asyncio.get_running_loop().time()
        if now >= self._refresh_at:
            self._refresh_at = now + REFRESH_S
            await self._refresh(now)
        for queue in take_due(self._due, now):
            await self._tick(queue)

    async def _refresh(self, now: float) -> None:
        broker = self._broker
        await broker.queues.refresh()
        broker.wakes.forget_idle()
        broker.workers.forget_old()
        await broker.store.forget_workers(await broker.store.time_ms())
        await broker.dispatcher.settle_unreceived()
        for queue in broker.queues.known:
            self._due.setdefault(queue, now + random.uniform(0, 1))  # noqa: S311 - spreads load, guards nothing

    async def _tick(self, queue: str) -> None:
        loop, store = asyncio.get_running_loop(), self._broker.store
        tick = await _until_done(store.tick, queue)
        busy = tick.busy
        if busy:
            await self._broker.queues.register(queue)
        if not busy or loop.time() >= self._sweep_at.get(queue, 0.0):
            busy = await self._sweep(queue) or busy
        if not busy and queue not in self._broker.queues.known:
            self._due.pop(queue, None)
            self._sweep_at.pop(queue, None)
            return
        at = loop.time() + _wait(tick.next_in_ms, BUSY_S if busy else IDLE_S)
        if busy:
            at = min(at, self._sweep_at[queue])
        self._due[queue] = at + random.uniform(0, LATE_S)  # noqa: S311 - spreads load, guards nothing

    async def _sweep(self, queue: str) -> bool:
        """Whether something is in the outbox."""
        sweep = await _until_done(self._broker.store.sweep, queue)
        if sweep.outbox:
            self._broker.relay.soon(queue)
        self._sweep_at[queue] = asyncio.get_running_loop().time() + _wait(sweep.next_in_ms, BUSY_S)
        return sweep.outbox > 0

    def _hear(self, queue: str, in_ms: int) -> None:
        """Something is new in the queue: a wake says nothing of the leases that follow, so look within the busy interval."""
        wait = BUSY_S if in_ms <= 0 else min(BUSY_S, in_ms / 1000 + LATE_S)
        at = asyncio.get_running_loop().time() + wait
        self._due[queue] = min(at, self._due.get(queue, at))

    async def _run(self) -> None:
        while True:
            try:
                await self.step()
            except DomainError as error:
                log.debug("tick failed", reason=error.reason)
                await asyncio.sleep(loops.RETRY_S)
            await asyncio.sleep(STEP_S)
