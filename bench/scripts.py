"""How long each script holds the store, on a queue of 1,000,000 jobs: `python -m bench.scripts`.

One call at a time, at the largest batch and at a batch of one, on a store without AOF. The store itself says how long each
call took (SLOWLOG), so neither the way to it nor this program counts. Exits with 1 when a script is over its bound.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from leasemq_server.store.connect import connect
from leasemq_server.store.store import Store as Verbs
from leasemq_server.store.types import Durability, LeasedJob, LeaseRequest, NewJob
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from uuid_utils import uuid7

from bench.payload import payload_of
from bench.store import NO_AOF, Store

QUEUE = "big"
LARGEST = 1_000
BOUND_US = {LARGEST: 10_000, 1: 200}
ROUNDS = {LARGEST: 7, 1: 60}
LEASE_MS = 600_000
FAILURE = json.dumps({"type": "Error", "message": "no"})

Step = tuple[str, Callable[[], Awaitable[Any]]]


@dataclass(frozen=True)
class Timing:
    """One script at one batch size; microseconds of the store's time a call."""

    script: str
    batch: int
    median_us: float
    longest_us: float

    @property
    def within(self) -> bool:
        """By the median: a pause of the machine in one call is not the script's."""
        return self.median_us <= BOUND_US[self.batch]


class Queue:
    """The queue, and the verbs that a round goes through: each leaves the queue as big as it found it."""

    def __init__(self, store: Verbs) -> None:
        self.store = store
        self._payload = json.dumps(payload_of(150), separators=(",", ":")).encode()
        self._calls = 0

    async def add(self, ids: list[str], options: str = "", delay_ms: int | str = "") -> None:
        await self.store.add(QUEUE, [NewJob(job_id, self._payload, options, delay_ms) for job_id in ids], Durability.MEMORY)

    async def fill(self, jobs: int, on_progress: Callable[[int], None]) -> None:
        for _ in range(jobs // LARGEST):
            await self.add(new_ids(LARGEST))
            on_progress(LARGEST)

    async def lease(self, count: int) -> list[LeasedJob]:
        self._calls += 1
        request = LeaseRequest(f"w:{self._calls}", "w", count, LEASE_MS)
        return (await self.store.lease(QUEUE, [request])).answers[0]

    async def waiting(self, count: int) -> list[str]:
        """Ids from where the queue is deep."""
        places = await self.store.page(QUEUE, "waiting", None, count + 1, descending=True)
        return [place.id for place in places[:count]]

    async def round(self, count: int) -> list[Step]:
        """The verbs of a round, in an order in which each finds what it needs."""
        store, fresh, late = self.store, new_ids(count), new_ids(count)
        held: list[LeasedJob] = []
        deep = await self.waiting(count)

        async def lease() -> None:
            held[:] = await self.lease(count)

        def tokens() -> list[tuple[str, str]]:
            return [(job.id, job.nonce) for job in held]

        return [
            ("add", lambda: self.add(fresh)),
            ("add, delayed, with options", lambda: self.add(late, '{"rp":1,"ma":3,"tl":86400000}', 3_600_000)),
            ("promote", lambda: store.promote(QUEUE, late)),
            ("lease", lease),
            ("extend", lambda: store.extend(QUEUE, tokens(), LEASE_MS)),
            ("complete", lambda: store.complete(QUEUE, [(*token, b"{}", "application/json") for token in tokens()])),
            ("lease", lease),
            ("progress", lambda: store.progress(QUEUE, [(*token, "50") for token in tokens()])),
            ("release", lambda: store.release(QUEUE, [(*token, 0, 0) for token in tokens()])),
            ("lease, not the first", lease),
            ("fail, tried again", lambda: store.fail(QUEUE, [(*token, FAILURE, 0, 3_600_000) for token in tokens()])),
            ("lease", lease),
            ("fail, for good", lambda: store.fail(QUEUE, [(*token, FAILURE, 1, "") for token in tokens()])),
            ("retry", lambda: store.retry(QUEUE, [job.id for job in held])),
            ("cancel", lambda: store.cancel(QUEUE, [(job_id, "bench") for job_id in deep])),
            ("read", lambda: store.read(QUEUE, deep)),
            ("delete", lambda: store.delete(QUEUE, deep)),
            ("stats", lambda: store.stats(QUEUE)),
            ("tick", lambda: store.tick(QUEUE)),
        ]


def new_ids(count: int) -> list[str]:
    return [str(uuid7()) for _ in range(count)]


async def measure(bench: Store, jobs: int, on_progress: Callable[[int], None]) -> list[Timing]:
    client, real = connect(f"unix://{bench.socket}")
    verbs = Verbs(client, real=real)
    queue = Queue(verbs)
    await queue.fill(jobs, on_progress)
    spent: dict[tuple[str, int], list[float]] = {}
    for batch, rounds in ROUNDS.items():
        for _ in range(rounds):
            for script, call in await queue.round(batch):
                bench.begin_script_stats()
                await call()
                spent.setdefault((script, batch), []).append(bench.end_script_stats().longest_us)
            on_progress(0)
    await verbs.close()
    return [Timing(script, batch, statistics.median(us), max(us)) for (script, batch), us in spent.items()]


def rows(timings: list[Timing]) -> Iterator[tuple[str, ...]]:
    for timing in timings:
        verdict = "within" if timing.within else "over"
        bound = f"{BOUND_US[timing.batch]:,}"
        yield timing.script, f"{timing.batch:,}", f"{timing.median_us:,.0f}", f"{timing.longest_us:,.0f}", bound, verdict


def print_table(timings: list[Timing], jobs: int) -> None:
    table = Table(title=f"Store time a call, on a queue of {jobs:,} jobs", title_justify="left")
    for column in ("script", "items", "median µs", "longest µs", "bound µs", "verdict"):
        table.add_column(column, justify="left" if column in ("script", "verdict") else "right")
    for row in rows(timings):
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.scripts", description="Store time of each script on a big queue.")
    parser.add_argument("--jobs", type=int, default=1_000_000, help="how many jobs wait (default 1,000,000: about 400 MB)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    if options.jobs < 10 * LARGEST:
        parser.error(f"--jobs must be at least {10 * LARGEST:,}: a round takes some from the queue")
    with (
        tempfile.TemporaryDirectory(prefix="leasemq-bench-") as folder,
        Store(NO_AOF, Path(folder)) as store,
        Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as progress,
    ):
        task = progress.add_task(f"adding {options.jobs:,} jobs, then measuring", total=options.jobs)
        timings = asyncio.run(measure(store, options.jobs, lambda done: progress.update(task, advance=done)))
    if options.json:
        print(json.dumps([asdict(timing) | {"within": timing.within} for timing in timings], indent=2))
    else:
        print_table(timings, options.jobs)
    return 0 if all(timing.within for timing in timings) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
