"""What all loops have in common: a task that runs, whatever happens, until it is stopped."""

import asyncio
from abc import ABC, abstractmethod

import structlog

AFTER_FAILURE_S = 1.0
CANCEL_AGAIN_S = 1.0

log = structlog.get_logger("leasemq")


class Loop(ABC):
    """A duty in the background; `start` and `stop` once each."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Starts."""
        self._task = asyncio.create_task(self._keep_running())

    async def stop(self) -> None:
        """Stops, and returns once it has. A cancellation that a library swallowed is made again."""
        while self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task], timeout=CANCEL_AGAIN_S)

    async def _keep_running(self) -> None:
        """A queue whose duties nobody does stops; so an error that nobody thought of ends one round, not the loop."""
        while True:
            try:
                await self._run()
            except Exception:
                log.exception("loop failed, going on", loop=type(self).__name__)
                await asyncio.sleep(AFTER_FAILURE_S)

    @abstractmethod
    async def _run(self) -> None:
        """Runs until it is cancelled."""
