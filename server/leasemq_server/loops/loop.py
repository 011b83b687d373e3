"""What all loops have in common: a task that runs, whatever happens, until it is stopped."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterator

import structlog

RETRY_S = 1.0
CANCEL_AGAIN_S = 1.0

log = structlog.get_logger("leasemq")


def take_due(due: dict[str, float], now: float) -> Iterator[str]:
    """The queues whose time has come, the longest due first; each is put off, so that one that fails goes behind the others."""
    for queue in sorted((queue for queue, at in due.items() if at <= now), key=due.__getitem__):
        due[queue] = now + RETRY_S
        yield queue


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
                await asyncio.sleep(RETRY_S)

    @abstractmethod
    async def _run(self) -> None:
        """Runs until it is cancelled."""
