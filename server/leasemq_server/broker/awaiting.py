"""Callers that wait for a job's end. They go by its state; the published end only tells when to look."""

import asyncio

from leasemq_server.errors import JobNotFoundError
from leasemq_server.store.store import Store

FINISHED = frozenset({"completed", "failed", "cancelled"})


class Awaiting:
    """Who waits for which job."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sleepers: dict[tuple[str, str], set[asyncio.Future[None]]] = {}
        self.closing = False

    async def wait(self, queue: str, job_id: str, wait_ms: int) -> None:
        """Returns when the job has finished or the time is over; the caller then reads its state.

        Raises:
            JobNotFoundError: there is no such job.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_ms / 1000
        while not self.closing:
            sleeper: asyncio.Future[None] = loop.create_future()
            sleepers = self._sleepers.setdefault((queue, job_id), set())
            sleepers.add(sleeper)  # before the look, so that an end in between is heard
            try:
                state = await self._store.await_mark(queue, job_id)
                if state == "JOB_NOT_FOUND":
                    raise JobNotFoundError(queue, job_id)
                if state in FINISHED or loop.time() >= deadline:
                    return
                await asyncio.wait([sleeper], timeout=max(0.0, deadline - loop.time()))
            finally:
                sleepers.discard(sleeper)
                if not sleepers:
                    self._sleepers.pop((queue, job_id), None)

    def finished(self, message: str) -> None:
        """An end was published, "<queue> <job id>"."""
        queue, _, job_id = message.partition(" ")
        self._rouse(self._sleepers.get((queue, job_id), set()))

    def look_all(self) -> None:
        """Messages may have been missed: everyone looks again."""
        for sleepers in list(self._sleepers.values()):
            self._rouse(sleepers)

    def close(self) -> None:
        """The broker stops: all waits end."""
        self.closing = True
        self.look_all()

    @staticmethod
    def _rouse(sleepers: set[asyncio.Future[None]]) -> None:
        for sleeper in sleepers:
            if not sleeper.done():
                sleeper.set_result(None)
