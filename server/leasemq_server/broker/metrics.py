"""Reads a queue's metrics, hour by hour."""

from leasemq_server.jobs.metrics import HOUR_MS, KEPT_MS, MINUTE_MS, Counts, Point, point
from leasemq_server.store.store import Store


async def read_points(store: Store, queue: str, start_ms: int, end_ms: int, step_ms: int) -> list[Point]:
    """All points from start (a multiple of the step) to end; one script call for each hour that may be kept."""
    now_ms = await store.time_ms()
    counted: dict[int, list[Counts]] = {}
    first, last = max(start_ms, now_ms - KEPT_MS - HOUR_MS), min(end_ms - 1, now_ms)
    for hour in range(first // HOUR_MS, last // HOUR_MS + 1):
        for minute, counts in (await store.read_metrics(queue, hour)).items():
            ms = hour * HOUR_MS + minute * MINUTE_MS
            counted.setdefault(ms - ms % step_ms, []).append(counts)
    return [point(at, counted.get(at, ())) for at in range(start_ms, end_ms, step_ms)]
