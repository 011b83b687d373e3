"""Listens to what scripts publish.

Wakes, control messages, ends of jobs, times of schedules. After an outage everyone looks again, since messages may have
been missed.
"""

import asyncio
from contextlib import suppress

from leasemq_server.broker.broker import Broker
from leasemq_server.errors import StoreUnavailableError
from leasemq_server.loops.loop import Loop
from leasemq_server.store.keys import CONTROL_CHANNEL, DONE_CHANNEL, SCHEDULE_CHANNEL, WAKE_CHANNEL

PAUSE_S = 0.2


class ListenLoop(Loop):
    """The broker's one subscription."""

    def __init__(self, broker: Broker) -> None:
        super().__init__()
        self._broker = broker
        self.subscribed = asyncio.Event()

    async def start(self) -> None:
        """Starts, and returns once it is subscribed."""
        await super().start()
        await self.subscribed.wait()

    async def step(self) -> None:
        """Listens until the store is gone."""
        async for channel, text in self._broker.store.messages(
            [WAKE_CHANNEL, CONTROL_CHANNEL, DONE_CHANNEL, SCHEDULE_CHANNEL], self._on_subscribed
        ):
            if channel == WAKE_CHANNEL:
                queue, _, in_ms = text.rpartition(" ")
                self._broker.wakes.message(queue, int(in_ms))
            elif channel == CONTROL_CHANNEL:
                self._broker.workers.control(text)
            elif channel == SCHEDULE_CHANNEL:
                self._broker.schedules.message(text)
            else:
                self._broker.awaiting.finished(text)

    def _on_subscribed(self) -> None:
        self.subscribed.set()
        self._broker.wakes.wake_all()
        self._broker.awaiting.look_all()
        self._broker.schedules.look_all()
        self._broker.tasks.spawn(self._broker.dispatcher.settle_unreceived())

    async def _run(self) -> None:
        while True:
            with suppress(StoreUnavailableError):  # the health loop speaks of the outage
                await self.step()
            await asyncio.sleep(PAUSE_S)
