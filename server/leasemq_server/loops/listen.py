"""Listens to what scripts publish.

Wakes, control messages, ends of jobs, times of schedules. After an outage everyone looks again, since messages may have
been missed.
"""

import asyncio

import structlog

from leasemq_server.broker.broker import Broker
from leasemq_server.errors import StoreUnavailableError
from leasemq_server.loops.loop import Loop
from leasemq_server.store.calls import StoreRefusedError
from leasemq_server.store.keys import CONTROL_CHANNEL, DONE_CHANNEL, SCHEDULE_CHANNEL, WAKE_CHANNEL

PAUSE_S = 0.2

log = structlog.get_logger("leasemq")


class ListenLoop(Loop):
    """The broker's one subscription."""

    def __init__(self, broker: Broker) -> None:
        super().__init__()
        self._broker = broker
        self._begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._refused = ""

    async def start(self) -> None:
        """Starts, and returns once it is subscribed.

        Raises:
            StoreRefusedError: the store lets it not.
        """
        await super().start()
        await self._begun

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
        self._refused = ""
        if not self._begun.done():
            self._begun.set_result(None)
        self._broker.wakes.wake_all()
        self._broker.awaiting.look_all()
        self._broker.schedules.look_all()
        self._broker.tasks.spawn(self._broker.dispatcher.settle_unreceived())

    async def _run(self) -> None:
        while True:
            try:
                await self.step()
            except StoreRefusedError as error:
                self._say_refused(error)
            except StoreUnavailableError:
                pass  # the health loop speaks of the outage
            await asyncio.sleep(PAUSE_S)

    def _say_refused(self, error: StoreRefusedError) -> None:
        """To who starts it, and once each time to the log: the store answers, so nobody else notices."""
        if not self._begun.done():
            self._begun.set_exception(error)
        elif not self._refused:
            log.error("store refuses to be listened to, polls find jobs late", detail=error.detail)
        self._refused = error.detail
