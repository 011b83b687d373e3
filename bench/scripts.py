"""How long each script holds the store, on a queue of 1,000,000 jobs: `python -m bench.scripts`.

One call at a time, at the largest batch and at one item a call, twenty of those right after each other, on a store without AOF.
Where a verb takes several script calls, the one that takes longest counts.
The store itself says how long each call took (SLOWLOG), so neither the way to it nor this program counts. Exits with 1 when a
script is over its bound. `first` is the first call after a pause: the processor's caches are cold then, and whatever runs takes
two to three times as long.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from leasemq_server.store.connect import connect
from leasemq_server.store.store import Store as Verbs
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.rounds import LARGEST, ONE_AT_A_TIME, PREPARE, SECTIONS, Queue
from bench.store import NO_AOF, Store
from bench.yardstick import yardstick_ns

BOUND_US = {LARGEST: 10_000, 1: 200}
ROUNDS = {LARGEST: 7, 1: 5}
IN_A_ROW = 20
SMALLEST = 12 * LARGEST


@dataclass(frozen=True)
class Timing:
    """One script at one batch size; microseconds of the store's time a call."""

    script: str
    batch: int
    least_us: float
    median_us: float
    longest_us: float
    first_us: float  # the median of the first calls

    @property
    def within(self) -> bool:
        """By the median: a pause of the machine in one call is not the script's."""
        return self.median_us <= BOUND_US[self.batch]


async def measure(bench: Store, jobs: int, sections: Sequence[str], on_progress: Callable[[int], None]) -> list[Timing]:
    client, real = connect(f"unix://{bench.socket}")
    verbs = Verbs(client, real=real)
    await Queue(verbs).fill(jobs, on_progress)
    spent: dict[tuple[str, int], list[list[float]]] = {}
    for batch, times in ROUNDS.items():
        queue, count = Queue(verbs, singly=batch == 1), LARGEST if batch > 1 else IN_A_ROW
        for section in [section for _ in range(times) for section in sections]:
            rounds = [count] if batch > 1 or section not in ONE_AT_A_TIME else [1] * IN_A_ROW
            row: dict[str, list[float]] = {}
            for number, size in enumerate(rounds):
                queue.rests = number == 0
                for script, call in await SECTIONS[section](queue, size):
                    if script == PREPARE:
                        await call()
                        continue
                    bench.begin_script_stats()
                    await call()
                    durations = bench.end_script_durations()
                    is_one = batch == 1 and section in ONE_AT_A_TIME
                    row.setdefault(script, []).extend([max(durations)] if is_one else durations)
            for script, durations in row.items():
                spent.setdefault((script, batch), []).append(durations)
            on_progress(0)
    await verbs.close()
    return [timing(script, batch, runs) for (script, batch), runs in spent.items()]


def timing(script: str, batch: int, runs: list[list[float]]) -> Timing:
    """A large batch takes the same calls in each run: that one counts which takes longest as a rule.

    Not the longest of each run, which of many calls is one with a pause of the machine in it.
    """
    calls = list(zip(*runs, strict=False)) if batch > 1 else [[us for run in runs for us in run]]
    slowest = max(calls, key=statistics.median)
    longest = max(us for run in runs for us in run)
    first = statistics.median(run[0] for run in runs)
    return Timing(script, batch, min(slowest), statistics.median(slowest), longest, first)


def rows(timings: list[Timing]) -> Iterator[tuple[str, ...]]:
    for timing in timings:
        verdict = "within" if timing.within else "over"
        bound = f"{BOUND_US[timing.batch]:,}"
        yield (
            timing.script,
            f"{timing.batch:,}",
            f"{timing.least_us:,.0f}",
            f"{timing.median_us:,.0f}",
            f"{timing.longest_us:,.0f}",
            f"{timing.first_us:,.0f}" if timing.batch == 1 else "",
            bound,
            verdict,
        )


def print_table(timings: list[Timing], jobs: int) -> None:
    table = Table(title=f"Store time a call, on a queue of {jobs:,} jobs", title_justify="left")
    for column in ("script", "items", "least µs", "median µs", "longest µs", "first µs", "bound µs", "verdict"):
        table.add_column(column, justify="left" if column in ("script", "verdict") else "right")
    for row in rows(timings):
        table.add_row(*row)
    console = Console(width=None if sys.stdout.isatty() else 130)
    console.print(table)
    within = sum(timing.within for timing in timings)
    console.print(f"{within} of {len(timings)} within; a step of an empty Python loop took {yardstick_ns():.0f} ns")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.scripts", description="Store time of each script on a big queue.")
    parser.add_argument("--jobs", type=int, default=1_000_000, help="how many jobs wait (default 1,000,000: about 400 MB)")
    parser.add_argument("--section", action="append", choices=SECTIONS, help="only this one; may be repeated")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    if options.jobs < SMALLEST:
        parser.error(f"--jobs must be at least {SMALLEST:,}: a round takes some from the queue")
    with (
        tempfile.TemporaryDirectory(prefix="leasemq-bench-") as folder,
        Store(NO_AOF, Path(folder)) as store,
        Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as progress,
    ):
        task = progress.add_task(f"adding {options.jobs:,} jobs, then measuring", total=options.jobs)
        sections = options.section or list(SECTIONS)
        timings = asyncio.run(measure(store, options.jobs, sections, lambda done: progress.update(task, advance=done)))
    if options.json:
        print(json.dumps([asdict(timing) | {"within": timing.within} for timing in timings], indent=2))
    else:
        print_table(timings, options.jobs)
    return 0 if all(timing.within for timing in timings) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
