"""Makes the runs of schedules that are due.

It sleeps until the next one, or until a script says that a next time has moved; a store without schedules is asked every
five minutes whether it still has none. Every broker does it, safely side by side: whoever is first makes the run, and its
message tells the others when the next one is.
"""

import asyncio
from contextlib import suppress

import structlog

from leasemq_server.broker.broker import Broker
from leasemq_server.errors import DomainError
from leasemq_server.loops import loop as loops
from leasemq_server.loops.loop import Loop, take_due

REFRESH_S = 300.0  # in case a message was lost with no sign of it

log = structlog.get_logger("leasemq")


class ScheduleLoop(Loop):
    """The next run of each queue."""

    def __init__(self, broker: Broker) -> None:
        super().__init__()
        self._broker = broker
        self._due: dict[str, float] = {}
        self._heard: dict[str, int] = {}  # messages so far: one that comes during a look is the newer truth
        self._refresh_at = 0.0
        self._moved = asyncio.Event()

    async def start(self) -> None:
        """Starts."""
        self._broker.schedules.listeners.append(self._hear)
        await super().start()

    async def step(self) -> None:
        """Makes the runs that are due."""
        now = asyncio.get_running_loop().time()
        if now >= self._refresh_at:
            await self._refresh()
            self._refresh_at = now + REFRESH_S
        for queue in take_due(self._due, now):
            await self._look(queue)

    async def _refresh(self) -> None:
        now = asyncio.get_running_loop().time()
        for queue in await self._broker.store.schedule_queues():
            self._due[queue] = now

    async def _look(self, queue: str) -> None:
        heard = self._heard.get(queue, 0)
        in_ms = await self._broker.schedules.fire_due(queue)
        if self._heard.get(queue, 0) == heard:
            self._set(queue, in_ms)

    def _hear(self, queue: str | None, in_ms: int) -> None:
        if queue is None:
            self._refresh_at = 0.0
        else:
            self._heard[queue] = self._heard.get(queue, 0) + 1
            self._set(queue, in_ms)
        self._moved.set()

    def _set(self, queue: str, in_ms: int) -> None:
        if in_ms < 0:
            self._due.pop(queue, None)
        else:
            self._due[queue] = asyncio.get_running_loop().time() + in_ms / 1000

    async def _run(self) -> None:
        while True:
            self._moved.clear()
            wait = loops.RETRY_S
            try:
                await self.step()
                wait = max(0.0, min([self._refresh_at, *self._due.values()]) - asyncio.get_running_loop().time())
            except DomainError as error:
                log.debug("schedules not looked at", reason=error.reason)
            await self._sleep(wait)

    async def _sleep(self, seconds: float) -> None:
        """Until the time is over, or a message comes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._moved.wait()
