"""Bulk verbs over 100,000 jobs, as an operator gives them: `python -m bench.bulk`.

A broker on its embedded store, and the command `leasemq jobs` with filters. Cancelling is interrupted in the middle, as by
Ctrl-C, and asked for again. What each verb has done is counted, and the store itself says how long each script held it (SLOWLOG).
Exits with 1 when a verb has not done all, or holds the store for more than 10 ms a script.
"""

import argparse
import asyncio
import json
import math
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import redis
from leasemq import Client, NewJob
from leasemq_server.store.connect import connect
from leasemq_server.store.scripts import all_names, load
from leasemq_server.store.store import Store as Verbs
from leasemq_server.store.types import Counts
from rich.console import Console
from rich.table import Table

from bench.payload import payload_of
from bench.peers import address_said_by
from bench.processes import MeasuredProcess
from bench.store import Slowlog

QUEUE = "bulk"
NAME = "newsletter"
BOUND_US = 10_000
PATIENCE_S = 600
TTL_S = 1
INTERRUPTED = 130
NAMES = {load(name).sha(with_flags=True): name for name in all_names()}
COMMAND = Path(sys.executable).parent / "leasemq"


@dataclass(frozen=True)
class Timing:
    """A verb over all jobs, and the slowest of its scripts: microseconds of the store's time a call."""

    verb: str
    jobs: int
    wanted: int
    seconds: float
    script: str
    calls: int
    median_us: float
    p99_us: float
    longest_us: float

    @property
    def within(self) -> bool:
        """By the median, as in bench/scripts.py: a pause of the machine in one call is not the script's."""
        return self.jobs == self.wanted and self.median_us <= BOUND_US


class Bulk:
    """The queue behind a broker, the command, and what they have done so far."""

    def __init__(self, address: str, socket: Path, jobs: int) -> None:
        self._address = address
        self._jobs = jobs
        self._slowlog = Slowlog(redis.Redis(unix_socket_path=str(socket)))
        client, real = connect(f"unix://{socket}")
        self._store = Verbs(client, real=real)
        self.timings: list[Timing] = []

    async def run(self) -> None:
        """Each verb once, in an order in which each finds what it needs."""
        cli, everything = self._cli, ("--all", "--name", NAME)
        await self._timed("add, delayed", lambda: self._add(delay=86_400))
        await self._timed("promote", lambda: cli("promote", "--all"))
        await self._timed(
            "cancel, interrupted once", lambda: self._interrupted("cancel", *everything, "--state", "waiting", "--yes")
        )
        await self._timed("add, that expire", lambda: self._add(ttl=TTL_S))
        await self._timed("expire, by the broker itself", self._expired)
        await self._timed("retry", lambda: cli("retry", *everything, "--older-than", "0s"))
        await self._timed("delete", lambda: cli("delete", *everything, "--state", "waiting", "--yes"))
        await self._store.close()

    async def _timed(self, verb: str, do: Callable[[], Awaitable[int]]) -> None:
        self._slowlog.begin()
        start = time.perf_counter()
        jobs = await do()
        seconds = time.perf_counter() - start
        # but for first calls, which send a text and have it compiled
        by_script = {NAMES[sha]: sorted(spent) for sha, spent in self._slowlog.end().items() if sha in NAMES and len(spent) > 1}
        slowest, spent = max(by_script.items(), key=lambda item: statistics.median(item[1]))
        figures = (statistics.median(spent), spent[math.ceil(len(spent) * 0.99) - 1], spent[-1])
        self.timings.append(Timing(verb, jobs, self._jobs, round(seconds, 2), slowest, len(spent), *figures))

    async def _add(self, *, delay: float | None = None, ttl: float | None = None) -> int:
        payload = payload_of(150)
        async with Client(self._address) as client:
            jobs = (NewJob(payload, name=NAME, delay=delay, ttl=ttl) for _ in range(self._jobs))
            return len(await client.add_many(QUEUE, jobs))

    async def _cli(self, verb: str, *arguments: str) -> int:
        process = await self._started(verb, *arguments)
        said = json.loads(await _answer(process))
        return int(next(iter(said.values())))

    async def _interrupted(self, verb: str, *arguments: str) -> int:
        before = (await self._counts()).waiting
        process = await self._started(verb, *arguments)
        await self._until(lambda counts: counts.waiting < before)
        process.send_signal(signal.SIGINT)
        await _answer(process, INTERRUPTED)
        done = before - (await self._counts()).waiting
        if not 0 < done < before:
            raise RuntimeError(f"{done:,} of {before:,} jobs were done when the command was interrupted: not the middle")
        await self._cli(verb, *arguments)
        return before - (await self._counts()).waiting

    async def _expired(self) -> int:
        await self._until(lambda counts: counts.waiting == 0)
        return (await self._counts()).failed

    async def _started(self, verb: str, *arguments: str) -> asyncio.subprocess.Process:
        said = ("jobs", verb, QUEUE, *arguments, "--json", "--address", self._address)
        return await asyncio.create_subprocess_exec(COMMAND, *said, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    async def _counts(self) -> Counts:
        return await self._store.stats(QUEUE)

    async def _until(self, reached: Callable[[Counts], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not reached(await self._counts()):  # noqa: ASYNC110 - another process brings it about
                await asyncio.sleep(0.02)


async def _answer(process: asyncio.subprocess.Process, code: int = 0) -> str:
    async with asyncio.timeout(PATIENCE_S):
        out, errors = await process.communicate()
    if process.returncode != code:
        raise RuntimeError(f"the command ended with {process.returncode}: {errors.decode()}")
    return out.decode()


def measure(jobs: int) -> list[Timing]:
    with tempfile.TemporaryDirectory(prefix="leasemq-bench-") as folder:
        data = Path(folder)
        with MeasuredProcess(COMMAND, "serve", "--listen", "127.0.0.1:0", "--data-dir", data) as broker:
            bulk = Bulk(address_said_by(broker), data / "valkey.sock", jobs)
            asyncio.run(bulk.run())
        return bulk.timings


def print_table(timings: list[Timing]) -> None:
    table = Table(title=f"Bulk verbs by filter, over {timings[0].wanted:,} jobs", title_justify="left")
    for column in ("verb", "jobs", "seconds", "slowest script", "calls", "median µs", "p99 µs", "longest µs", "verdict"):
        table.add_column(column, justify="left" if column in ("verb", "slowest script", "verdict") else "right")
    for it in timings:
        times = (f"{us:,.0f}" for us in (it.median_us, it.p99_us, it.longest_us))
        verdict = "within" if it.within else "over" if it.jobs == it.wanted else "INCOMPLETE"
        table.add_row(it.verb, f"{it.jobs:,}", f"{it.seconds:.1f}", it.script, f"{it.calls:,}", *times, verdict)
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.bulk", description="Bulk verbs over many jobs, by the command.")
    parser.add_argument("--jobs", type=int, default=100_000, help="over how many jobs (default 100,000)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    if options.jobs < 5_000:
        parser.error("--jobs must be at least 5,000: a verb is interrupted in the middle")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # else the children of a background job ignore it
    timings = measure(options.jobs)
    if options.json:
        print(json.dumps([asdict(timing) | {"within": timing.within} for timing in timings], indent=2))
    else:
        print_table(timings)
    return 0 if all(timing.within for timing in timings) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
