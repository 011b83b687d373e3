"""Makes one store call of many.

What arrives while the call before is in flight goes together. No delay when idle, group commit under load.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, NamedTuple, TypeVar

from leasemq_server.errors import FullError

MAX_ITEMS = 1000  # a script call's share


K = TypeVar("K", bound=Hashable)
Item = TypeVar("Item")
R = TypeVar("R")


class _Part(NamedTuple, Generic[Item, R]):
    items: Sequence[Item]
    done: asyncio.Future[list[R]]


class Coalescer(Generic[K, Item, R]):
    """Runs `run(key, items)`, one call at a time a key. A part's items are never split over two calls."""

    def __init__(
        self,
        run: Callable[[K, Sequence[Item]], Awaitable[list[R]]],
        orphaned: Callable[[K, Sequence[Item], list[R]], None] | None = None,
    ) -> None:
        self._run = run
        self._orphaned = orphaned
        self._waiting: dict[K, list[_Part[Item, R]]] = {}
        self._pumps: dict[K, asyncio.Task[None]] = {}

    async def submit(self, key: K, items: Sequence[Item]) -> list[R]:
        """The results of the items, in order. A caller that is gone when they arrive leaves them to `orphaned`."""
        done: asyncio.Future[list[R]] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(_Part(items, done))
        if key not in self._pumps:
            self._pumps[key] = asyncio.create_task(self._pump(key))
        try:
            return await done
        except asyncio.CancelledError:
            # the results were there already, but the caller was gone before it ran again
            if not done.cancelled() and done.exception() is None and self._orphaned is not None:
                self._orphaned(key, items, done.result())
            raise

    async def idle(self) -> None:
        """Waits until nothing is in flight."""
        while self._pumps:
            await asyncio.wait(set(self._pumps.values()))

    async def _pump(self, key: K) -> None:
        try:
            while key in self._waiting:
                if parts := self._take(key):  # else all of them are gone
                    await self._call(key, parts)
        finally:
            del self._pumps[key]

    def _take(self, key: K) -> list[_Part[Item, R]]:
        waiting = self._waiting.get(key, [])
        size, count = 0, 0
        for part in waiting:
            if count and size + len(part.items) > MAX_ITEMS:
                break
            size += len(part.items)
            count += 1
        taken, left = waiting[:count], waiting[count:]
        if left:
            self._waiting[key] = left
        else:
            self._waiting.pop(key, None)
        return [part for part in taken if not part.done.cancelled()]

    async def _call(self, key: K, parts: list[_Part[Item, R]]) -> None:
        try:
            items = parts[0].items if len(parts) == 1 else [item for part in parts for item in part.items]
            results = await self._run(key, items)
        except FullError as error:
            await self._call_halves(key, parts, error)
            return
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to the callers, each of them
            _refuse(parts, error)
            return
        start = 0
        for part in parts:
            share = results[start : start + len(part.items)]
            start += len(part.items)
            if not part.done.cancelled():
                part.done.set_result(share)
            elif self._orphaned is not None:
                self._orphaned(key, part.items, share)

    async def _call_halves(self, key: K, parts: list[_Part[Item, R]], error: FullError) -> None:
        """All together are too many: a part is refused for what it is and for those before it, not for those after it."""
        if len(parts) == 1:
            _refuse(parts, error)
            return
        middle = len(parts) // 2
        await self._call(key, parts[:middle])
        await self._call(key, parts[middle:])


def _refuse(parts: Sequence[_Part[Item, R]], error: Exception) -> None:
    for part in parts:
        if not part.done.cancelled():
            part.done.set_exception(error)
