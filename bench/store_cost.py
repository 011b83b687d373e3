"""What the store spends on a job: the scripts of add, lease and complete, called with their real texts.

`python -m bench.store_cost [ROUNDS]` prints microseconds a job for each script, by INFO commandstats; of several runs the least
counts, since a busy machine only adds. With `--instructions` it prints instructions instead, counted by valgrind (which must be
installed): fifty times as slow, and the same whatever else the machine does.
"""

import argparse
import asyncio
import re
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from subprocess import DEVNULL
from typing import Protocol

import uuid_utils
from leasemq_server.store.connect import connect
from leasemq_server.store.store import Store
from leasemq_server.store.types import Durability, LeaseRequest, NewJob

from tests.store.valkey import running_valkey

BATCHES = (1, 10, 100)
RUNS = 25
QUEUE = "email"
SPEC = b"x" * 150
LEASE_MS = 3_600_000


class Meter(Protocol):
    """What is spent between two looks."""

    unit: str
    runs: int

    async def begin(self) -> None: ...
    async def end(self) -> float: ...


class Microseconds:
    """By the store's own account of its scripts."""

    unit, runs = "us", RUNS

    def __init__(self, store: Store) -> None:
        self._store = store

    async def begin(self) -> None:
        await self._store._command("CONFIG", "RESETSTAT")  # noqa: SLF001 - a measurement, not a caller

    async def end(self) -> float:
        stats = await self._store.info("commandstats")
        return float(sum(int(stats.get(f"cmdstat_{command}", {"usec": 0})["usec"]) for command in ("eval", "evalsha")))


class Instructions:
    """By callgrind, which the store runs under: all that the process does, replies and requests too; in thousands."""

    unit, runs = "k instructions", 1

    def __init__(self, pid: int, folder: Path) -> None:
        self._pid = pid
        self._folder = folder
        self._dumps = 0

    async def begin(self) -> None:
        await self._control("-z")

    async def end(self) -> float:
        await self._control("-d")
        self._dumps += 1
        dump = self._folder / f"counts.{self._dumps}"
        counted = re.search(r"^totals: (\d+)", dump.read_text(), re.MULTILINE)
        assert counted, f"valgrind left no totals in {dump}"
        return int(counted[1]) / 1000

    async def _control(self, word: str) -> None:
        process = await asyncio.create_subprocess_exec("callgrind_control", word, str(self._pid), stdout=DEVNULL, stderr=DEVNULL)
        if await process.wait():
            msg = f"callgrind_control {word} failed"
            raise RuntimeError(msg)


async def _lives(store: Store, meter: Meter, batch: int, rounds: int) -> dict[str, float]:
    """All adds, then all leases, then all completes."""
    leased = []

    async def add() -> None:
        await store.add(QUEUE, [NewJob(str(uuid_utils.uuid7()), SPEC, "") for _ in range(batch)], Durability.MEMORY)

    async def lease() -> None:
        leased.extend((await store.lease(QUEUE, [LeaseRequest(str(uuid_utils.uuid7()), "worker-1", batch, LEASE_MS)])).answers)

    async def complete() -> None:
        await store.complete(QUEUE, [(job.id, job.nonce, b"", "application/json") for job in leased.pop()])

    spent: dict[str, float] = {}
    for name, call in (("add", add), ("lease", lease), ("complete", complete)):
        spent[name] = await _metered(meter, call, rounds) / rounds / batch
    return spent


async def _metered(meter: Meter, call: Callable[[], Awaitable[None]], rounds: int) -> float:
    await meter.begin()
    for _ in range(rounds):
        await call()
    return await meter.end()


async def _measure(rounds: int, *, instructions: bool) -> None:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lmq")))
        under = ("valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={folder}/counts") if instructions else ()
        client, real = connect(stack.enter_context(running_valkey(under)))
        store = Store(client, real=real)
        stack.push_async_callback(store.close)
        pid = int((await store.info("server"))["process_id"])
        meter: Meter = Instructions(pid, folder) if instructions else Microseconds(store)
        for batch in BATCHES:
            await _lives(store, meter, batch, 5)  # the scripts are sent, and compiled
            best: dict[str, float] = {}
            for _ in range(meter.runs):
                await store._command("FLUSHALL")  # noqa: SLF001 - no verb empties a store
                for name, spent in (await _lives(store, meter, batch, rounds)).items():
                    best[name] = min(best.get(name, spent), spent)
            parts = ", ".join(f"{name} {spent:.2f}" for name, spent in best.items())
            print(f"batches of {batch}: {sum(best.values()):.2f} {meter.unit} a job ({parts})", flush=True)


def main() -> None:
    """Runs the measurement."""
    parser = argparse.ArgumentParser(description="What the store spends on a job.", prog="python -m bench.store_cost")
    parser.add_argument("rounds", nargs="?", type=int, help="calls of each script (default 40, or 200 with --instructions)")
    parser.add_argument("--instructions", action="store_true", help="count instructions, by valgrind")
    said = parser.parse_args()
    asyncio.run(_measure(said.rounds or (200 if said.instructions else 40), instructions=said.instructions))


if __name__ == "__main__":
    main()
