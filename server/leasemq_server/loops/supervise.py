"""Starts the embedded store again when it dies: its data is on disk, and the broker's clients only see an outage of a moment."""

import asyncio

import structlog

from leasemq_server.errors import StartError
from leasemq_server.loops.health import HealthLoop
from leasemq_server.loops.loop import Loop
from leasemq_server.store.embedded import EmbeddedStore

PAUSE_S = 0.2

log = structlog.get_logger("leasemq")


class SuperviseLoop(Loop):
    """Keeps one embedded store alive, and the broker's health true while it starts: that may take less than a look at it."""

    def __init__(self, embedded: EmbeddedStore, health: HealthLoop) -> None:
        super().__init__()
        self._embedded = embedded
        self._health = health

    async def step(self) -> None:
        """Waits for the store's end, and starts it again."""
        process = self._embedded.process
        if process is not None:
            code = await process.wait()
            log.error("embedded store exited, starting it again", exit_code=code)
            await self._health.lost("the embedded store exited")
        try:
            await self._embedded.start()
        except StartError as error:
            log.error("embedded store did not start", detail=str(error))  # noqa: TRY400 - the message says it all
        else:
            await self._health.step()

    async def _run(self) -> None:
        while True:
            await self.step()
            await asyncio.sleep(PAUSE_S)
