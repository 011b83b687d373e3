"""Who watches which queue's events.

Each watcher reads at its own pace from the store, which keeps the newest events whoever reads them: a slow one slows nobody,
and one that is too slow is told that it lost some. At the end of what there is, the watchers of a queue wait together.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import NamedTuple

from leasemq_server.errors import DomainError, StoppingError
from leasemq_server.jobs.events import Event, events_after, lost
from leasemq_server.store.store import Store

KEEP_ALIVE_S = 10.0


class Seen(NamedTuple):
    """The next events, perhaps none, and the position after them."""

    events: list[Event]
    number: int


class Events:
    """The watched queues."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waits: dict[str, asyncio.Task[None]] = {}
        self._closing = asyncio.Event()

    async def watch(
        self, queue: str, after: int | None, *, from_oldest: bool, until_now: bool = False
    ) -> AsyncGenerator[Seen, None]:
        """What happens after a position (None: from now on), until the broker stops; at first, and from time to time, nothing.

        Raises:
            StoppingError: the broker stops before all was seen that had happened until now, if no more was wanted.
            StoreUnavailableError: the store is gone.
        """
        first, after = await self._begin(queue, after, from_oldest=from_oldest)
        yield Seen(first, after)
        loop = asyncio.get_running_loop()
        told_at = loop.time()
        while not self._closing.is_set():
            entries = await self._store.read_events(queue, after)
            if entries:
                events = list(events_after(entries, after))
                after = entries[-1].last
                yield Seen(events, after)
                told_at = loop.time()
            elif until_now:
                return
            else:
                await self._wait(queue, after, told_at + KEEP_ALIVE_S - loop.time())
                if loop.time() >= told_at + KEEP_ALIVE_S:
                    yield Seen([], after)
                    told_at = loop.time()
        if until_now:
            raise StoppingError

    async def _begin(self, queue: str, after: int | None, *, from_oldest: bool) -> tuple[list[Event], int]:
        """Where it begins. A store that lost its newest writes, or a queue that was deleted, has no such position any more."""
        if after is None and from_oldest:
            return [], 0
        last = await self._store.last_event(queue)
        if after is None:
            return [], last
        if after > last:
            return [lost(last, await self._store.time_ms())], last
        return [], after

    async def _wait(self, queue: str, after: int, seconds: float) -> None:
        """Returns when there may be more, when the time is over or when the broker stops."""
        waiting = self._waits.get(queue)
        if waiting is None or waiting.done():
            waiting = asyncio.create_task(self._store.wait_for_event(queue, after))
            waiting.add_done_callback(lambda task: self._ended(queue, task))
            self._waits[queue] = waiting
        await asyncio.wait([waiting], timeout=max(0.0, seconds))
        if waiting.done() and not waiting.cancelled():
            waiting.result()

    def _ended(self, queue: str, task: asyncio.Task[None]) -> None:
        if self._waits.get(queue) is task:
            del self._waits[queue]
        if not task.cancelled() and not isinstance(task.exception(), DomainError | None):
            task.result()  # the loop's handler logs what must not happen

    def close(self) -> None:
        """The broker stops: all watches end."""
        self._closing.set()
        for task in list(self._waits.values()):
            task.cancel()
