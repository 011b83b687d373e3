"""What was counted, minute by minute, as figures: jobs that ended, and quantiles of their times.

Times are counted in buckets, each 2^(1/4) times as long as the one before (lua/lib/metrics.lua), so a quantile is right
to within a tenth.
"""

from collections.abc import Iterable
from typing import NamedTuple

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
KEPT_MS = 24 * HOUR_MS
MAX_POINTS = 1440
QUANTILES = (0.5, 0.95, 0.99)
_STEPS = 4  # buckets from a time to its double

Counts = dict[str, int]  # "f": failed; "w3", "r17": first leased after a wait, completed after a run, of that bucket


class Times(NamedTuple):
    """How many jobs, and how long half, 95 % and 99 % of them took at most, in ms."""

    jobs: int
    p50: int
    p95: int
    p99: int


class Point(NamedTuple):
    """One stretch of time."""

    start_ms: int
    completed: int
    failed: int
    wait: Times
    run: Times


def point(start_ms: int, minutes: Iterable[Counts]) -> Point:
    """What was counted in some minutes, together."""
    total: Counts = {}
    for counts in minutes:
        for what, count in counts.items():
            total[what] = total.get(what, 0) + count
    wait, run = _times(total, "w"), _times(total, "r")
    return Point(start_ms, run.jobs, total.get("f", 0), wait, run)


def _times(counts: Counts, kind: str) -> Times:
    buckets = sorted((int(what[1:]), count) for what, count in counts.items() if what[0] == kind)
    total = sum(count for _, count in buckets)
    return Times(total, *(_quantile(buckets, total, share) for share in QUANTILES))


def _quantile(buckets: list[tuple[int, int]], total: int, share: float) -> int:
    seen = 0
    for bucket, count in buckets:
        seen += count
        if seen >= share * total:
            return bucket_ms(bucket)
    return 0


def bucket_ms(bucket: int) -> int:
    """The middle of a bucket."""
    return 0 if bucket == 0 else round(2 ** ((bucket - 0.5) / _STEPS))
