"""What must be counted of a queue in the model: docs/metrics.md once more. Each time counts in the minute in which it ends."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from leasemq_server.broker.metrics import read_points
from leasemq_server.jobs.metrics import HOUR_MS, MINUTE_MS, QUANTILES, Counts, Times
from leasemq_server.store.store import Store


@dataclass
class Minute:
    """The times are ms, one a job."""

    failed: int = 0
    waits: list[int] = field(default_factory=list)
    runs: list[int] = field(default_factory=list)


class Metrics:
    """What a queue did, minute by minute."""

    def __init__(self, now: int) -> None:
        self._began = self._compared_to = now
        self._minutes: defaultdict[int, Minute] = defaultdict(Minute)

    def failed(self, now: int) -> None:
        self._minutes[now // MINUTE_MS].failed += 1

    def started(self, due_ms: int, now: int) -> None:
        """For the first time."""
        self._minutes[now // MINUTE_MS].waits.append(max(0, now - due_ms))

    def completed(self, leased_ms: int, now: int) -> None:
        self._minutes[now // MINUTE_MS].runs.append(now - leased_ms)

    # -- what is compared ----------------------------------------------------------------------------------------

    async def compare(self, store: Store, queue: str, now: int) -> None:
        """Each count of the hours since it was compared last."""
        for hour in range(self._compared_to // HOUR_MS, now // HOUR_MS + 1):
            assert await store.read_metrics(queue, hour) == self._of_hour(hour), hour
        self._compared_to = now

    def _of_hour(self, hour: int) -> dict[int, Counts]:
        minutes = HOUR_MS // MINUTE_MS
        return {minute % minutes: _counts(it) for minute, it in self._minutes.items() if minute // minutes == hour}

    async def check_reading(self, store: Store, queue: str, now: int, step_minutes: int) -> None:
        """All points, as they are told to a caller."""
        step = step_minutes * MINUTE_MS
        for point in await read_points(store, queue, self._began - self._began % step, now + 1, step):
            first = point.start_ms // MINUTE_MS
            some = [it for minute, it in self._minutes.items() if first <= minute < first + step_minutes]
            assert point.failed == sum(it.failed for it in some)
            assert point.completed == point.run.jobs
            _check_times(point.wait, [ms for it in some for ms in it.waits])
            _check_times(point.run, [ms for it in some for ms in it.runs])


def _counts(minute: Minute) -> Counts:
    counts = Counter(f"w{_bucket(ms)}" for ms in minute.waits) + Counter(f"r{_bucket(ms)}" for ms in minute.runs)
    return {**counts, "f": minute.failed} if minute.failed else dict(counts)


def _bucket(ms: int) -> int:
    """Each is the fourth root of 2 times as long as the one before, so by fourth powers it is twice as long."""
    return (ms**4).bit_length()


def _check_times(told: Times, times: Iterable[int]) -> None:
    """Right to within a tenth, in whole ms."""
    exact = sorted(times)
    assert told.jobs == len(exact)
    for share, ms in zip(QUANTILES, told[1:], strict=True):
        nearest = exact[math.ceil(share * len(exact)) - 1] if exact else 0
        assert abs(ms - nearest) <= nearest / 10 + 0.5, f"{share} of {exact}"
