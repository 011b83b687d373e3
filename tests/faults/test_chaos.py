"""Everything is killed at random, and what the actors saw shows that nothing was lost and nothing ran twice."""

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from leasemq.v1 import admin_pb2, job_pb2

from tests.faults.actors import QUEUE
from tests.faults.history import History, Recorder, now_ms, violations
from tests.support import BrokerProcess, StoreProcess, Stubs, eventually, short_directory

SECONDS = float(os.environ.get("LEASEMQ_CHAOS_SECONDS", "20"))
SEED = int(os.environ.get("LEASEMQ_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
WORKERS = 3
DRAIN_S = 45.0
ROOT = Path(__file__).resolve().parents[2]


class Chaos:
    """The system, the actors, and the hand that kills them."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._random = random.Random(SEED)
        self.history = directory / "history"
        self.history.mkdir()
        self._record = Recorder(self.history / "chaos.jsonl")
        self.store = stack.enter_context(StoreProcess(directory / "store", appendonly="yes", appendfsync="always"))
        self.brokers = [stack.enter_context(BrokerProcess(directory, store=self.store.url)) for _ in range(2)]
        self._actors: dict[str, asyncio.subprocess.Process] = {}
        self._births = 0
        self._down: set[BrokerProcess | StoreProcess] = set()
        self.deaths: dict[str, int] = {}

    async def start(self, kind: str) -> None:
        self._births += 1
        name = f"{kind}-{self._births}"
        addresses = [broker.address for broker in self.brokers]
        self._actors[name] = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.faults.actors", kind, name, str(self.history), str(SEED), *addresses,
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,  # it ends with this process
        )  # fmt: skip

    async def rage(self, until: float) -> None:
        acts: list[tuple[Callable[[], Coroutine[Any, Any, None]], int]] = [
            (self._kill_a_broker, 3),
            (self._kill_a_worker, 3),
            (self._kill_the_store, 2),
            (self._kill_a_producer, 1),
            (self._pause_a_worker, 1),
        ]
        async with asyncio.TaskGroup() as under_way:
            while time.monotonic() < until:
                await asyncio.sleep(self._random.uniform(0.3, 1.2))
                (act,) = self._random.choices([act for act, _ in acts], [weight for _, weight in acts])
                under_way.create_task(act())

    def _count(self, what: str) -> None:
        self.deaths[what] = self.deaths.get(what, 0) + 1
        self._record("chaos", what=what, at=now_ms())

    async def _kill_a_broker(self) -> None:
        broker = self._random.choice(self.brokers)
        if broker in self._down:
            return
        self._count("broker")
        self._down.add(broker)
        broker.kill()
        await asyncio.sleep(self._random.uniform(0, 0.5))
        await eventually(lambda: asyncio.to_thread(_starts, broker))
        self._down.discard(broker)

    async def _kill_the_store(self) -> None:
        if self.store in self._down:
            return
        self._count("store")
        self._down.add(self.store)
        self.store.kill()
        await asyncio.sleep(self._random.uniform(0, 0.5))
        await asyncio.to_thread(self.store.start)
        self._down.discard(self.store)

    def _choose(self, kind: str) -> str | None:
        there = sorted(name for name in self._actors if name.startswith(kind))
        return self._random.choice(there) if there else None

    async def _kill(self, kind: str) -> None:
        name = self._choose(kind)
        if name is None:
            return
        self._count(kind)
        process = self._actors.pop(name)
        self._record("killed", worker=name, at=now_ms())
        process.kill()
        await process.wait()
        await self.start(kind)

    async def _kill_a_worker(self) -> None:
        await self._kill("worker")

    async def _kill_a_producer(self) -> None:
        await self._kill("producer")

    async def _pause_a_worker(self) -> None:
        """Longer than its leases: what it settles then is too late."""
        name = self._choose("worker")
        if name is None:
            return
        self._count("worker's pause")
        process = self._actors[name]
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(2.5)
        if process.returncode is None:
            process.send_signal(signal.SIGCONT)

    async def stop(self, kind: str) -> None:
        """Ends the actors of a kind in an orderly way."""
        for name in [name for name in self._actors if name.startswith(kind)]:
            process = self._actors.pop(name)
            process.terminate()
            code = await asyncio.wait_for(process.wait(), 20.0)
            assert code in (0, -signal.SIGTERM), f"{name} failed"  # the latter when it had not yet begun

    def kill_all(self) -> None:
        for process in self._actors.values():
            process.kill()

    async def write_down_the_end(self, stubs: Stubs) -> None:
        request = admin_pb2.ListJobsRequest(queue=QUEUE, page_size=1000, read_mask={"paths": ["id", "state"]})
        while True:
            page = await stubs.admin.ListJobs(request)
            for job in page.jobs:
                self._record("final", job=job.id, state=job_pb2.JobState.Name(job.state).removeprefix("JOB_STATE_"))
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def read_history(self) -> History:
        return History().read(line for path in sorted(self.history.iterdir()) for line in path.read_text().splitlines())


def _starts(broker: BrokerProcess) -> bool:
    """It refuses to start while the store is down."""
    try:
        broker.start()
    except AssertionError:
        return False
    return True


async def keep_all(stubs: Stubs) -> None:
    """A long run finishes more jobs than a queue keeps: what went then would look lost."""
    retention = job_pb2.Retention(max_count=10_000_000)
    config = admin_pb2.QueueConfig(completed_retention=retention, failed_retention=retention)
    mask = {"paths": ["completed_retention", "failed_retention"]}
    await stubs.admin.UpdateQueue(admin_pb2.UpdateQueueRequest(queue=QUEUE, config=config, update_mask=mask))


async def all_is_finished(stubs: Stubs) -> bool:
    stats = await stubs.stats(QUEUE)
    return stats.waiting + stats.delayed + stats.active == 0


async def test_nothing_is_lost_and_nothing_runs_twice_while_everything_is_killed():
    print(f"LEASEMQ_CHAOS_SEED={SEED} LEASEMQ_CHAOS_SECONDS={SECONDS:g}")
    with short_directory() as directory, ExitStack() as stack:
        chaos = Chaos(directory, stack)
        try:
            async with Stubs(chaos.brokers[0].address) as stubs:
                await keep_all(stubs)
            await chaos.start("producer")
            for _ in range(WORKERS):
                await chaos.start("worker")
            await chaos.rage(time.monotonic() + SECONDS)
            await chaos.stop("producer")
            async with Stubs(chaos.brokers[0].address) as stubs:
                await eventually(lambda: all_is_finished(stubs), DRAIN_S)
                await chaos.stop("worker")
                await chaos.write_down_the_end(stubs)
        finally:
            chaos.kill_all()
        history = chaos.read_history()
    summary = f"{len(history.added)} jobs, {len(history.leases)} leases read, deaths: {chaos.deaths}"
    print(summary)
    found = violations(history)
    assert not found, f"seed {SEED}; {summary}\n" + "\n".join([*found[:20], "", *history.story_of(found[0].partition(":")[0])])
    assert len(history.added) > SECONDS, summary
    assert any(not lease.accepted for lease in history.leases.values()), "no lease was ever lost: the chaos did nothing"
