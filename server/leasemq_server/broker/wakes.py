"""When to look at a queue.

Parked polls sleep here until something is to be leased, or until the time that the last look returned.

The lost wake-up is guarded by a generation: a poll notes it before it looks, and looks again if it moved. A wake rouses
one poll; when its look says that more is left, twice as many are roused next, so that a burst reaches all and a single
job does not stampede.
"""

import asyncio
from collections import deque
from collections.abc import Callable

MAX_TIMER_S = 3600.0

WOKEN = "woken"  # there may be something to lease
TIME_IS_UP = "time is up"
DRAINED = "drained"

Sleeper = asyncio.Future[str]  # one parked poll; its result is one of the three


class QueueWakes:
    """One queue's generation, sleepers and timer."""

    def __init__(self) -> None:
        self.generation = 0
        self._sleepers: deque[Sleeper] = deque()
        self._burst = 1
        self._timer: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> bool:
        """True when nothing would be lost with this object."""
        return not self._sleepers and self._timer is None

    def sleep(self, sleeper: Sleeper) -> None:
        """Lets the next wake of the queue rouse it too."""
        self._sleepers.append(sleeper)

    def leave(self, sleeper: Sleeper) -> None:
        """It woke for another reason."""
        if sleeper in self._sleepers:
            self._sleepers.remove(sleeper)

    def wake(self, *, everyone: bool = False) -> None:
        """There may be something to lease."""
        self.generation += 1
        self._burst = 1
        self._rouse(len(self._sleepers) if everyone else 1)

    def more(self) -> None:
        """A look found that there is still more."""
        self._burst = min(self._burst * 2, 1024)
        self._rouse(self._burst)

    def _rouse(self, count: int) -> None:
        while count > 0 and self._sleepers:
            sleeper = self._sleepers.popleft()
            if not sleeper.done():
                sleeper.set_result(WOKEN)
                count -= 1

    def look_again_in(self, ms: int) -> None:
        """Wakes at that time unless it is to be woken before."""
        loop = asyncio.get_running_loop()
        at = loop.time() + min(ms / 1000, MAX_TIMER_S)
        if self._timer is not None:
            if self._timer.when() <= at:
                return
            self._timer.cancel()
        self._timer = loop.call_at(at, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self.wake()

    def close(self) -> None:
        """Stops the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Wakes:
    """All queues' wakes; `listeners` hear of each message too (the tick loop does)."""

    def __init__(self) -> None:
        self._queues: dict[str, QueueWakes] = {}
        self.listeners: list[Callable[[str, int], None]] = []

    def of(self, queue: str) -> QueueWakes:
        """A queue's wakes."""
        found = self._queues.get(queue)
        if found is None:
            found = self._queues[queue] = QueueWakes()
        return found

    def message(self, queue: str, in_ms: int) -> None:
        """A wake message from the store: at once (0), or in so many ms."""
        wakes = self._queues.get(queue)
        if wakes is not None:
            if in_ms <= 0:
                wakes.wake()
            else:
                wakes.look_again_in(in_ms)
        for listener in self.listeners:
            listener(queue, in_ms)

    def look_again_in(self, queue: str, ms: int) -> None:
        """A look found that time changes something then: whoever polls looks again, and a listener does if nobody polls."""
        self.of(queue).look_again_in(ms)
        for listener in self.listeners:
            listener(queue, max(ms, 1))

    def wake_all(self) -> None:
        """Messages may have been missed: everyone looks again."""
        for wakes in self._queues.values():
            wakes.wake(everyone=True)

    def forget_idle(self) -> None:
        """Drops what holds nothing, so that queue names of long ago take no memory."""
        for queue in [name for name, wakes in self._queues.items() if wakes.idle]:
            del self._queues[queue]

    def close(self) -> None:
        """Stops all timers."""
        for wakes in self._queues.values():
            wakes.close()
