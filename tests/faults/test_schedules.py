"""Three brokers on one store are killed at random moments while schedules fire: each run is made once, and none is missed.

Finished jobs are removed at once, so that the id of a job, which is the same at each try of a run, hides no second firing:
it would be a new job, with a later create_time.
"""

import asyncio
import contextlib
import os
import random
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import grpc
from leasemq.v1 import admin_pb2, job_pb2, schedule_pb2

from tests.support import BrokerProcess, StoreProcess, Stubs, eventually, seconds, short_directory

SECONDS = float(os.environ.get("LEASEMQ_SCHEDULE_SECONDS", "15"))
BROKERS = 3
EVERY_MS = (200, 300, 500, 1000)
QUEUES = ("a", "b")
PATIENCE_S = 60.0
MISSED_MS = 350  # that the store is down: runs are missed


@dataclass
class Fleet:
    """The brokers, each of which may be dead at the moment."""

    brokers: list[BrokerProcess]
    stubs: list[Stubs]
    random: random.Random
    kills: int = 0

    async def ask(self, call: Any) -> Any:
        """The answer of some broker that lives."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                stubs = self.random.choice(
                    [stub for stub, broker in zip(self.stubs, self.brokers, strict=True) if broker.alive] or self.stubs
                )
                try:
                    return await call(stubs)
                except grpc.aio.AioRpcError as error:
                    if error.code() is not grpc.StatusCode.UNAVAILABLE:
                        raise
                    await asyncio.sleep(0.02)

    async def kill_and_restart(self, until: float) -> None:
        """One broker, or all of them (the first time for sure), at a random moment; they come back after another one."""
        while time.monotonic() < until:
            await asyncio.sleep(self.random.uniform(0.05, 1.0))
            doomed = self.brokers if not self.kills or self.random.random() < 0.2 else [self.random.choice(self.brokers)]
            for broker in doomed:
                broker.kill()
                self.kills += 1
            await asyncio.sleep(self.random.uniform(0.0, 1.0))
            await asyncio.gather(*(asyncio.to_thread(broker.start) for broker in doomed))


@dataclass
class Seen:
    """What the workers got: the create times of each job by its id."""

    made: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))

    async def work(self, fleet: Fleet, number: int) -> None:
        worker = f"w{number}"
        while True:
            lease = await fleet.ask(lambda stubs: stubs.lease(*QUEUES, worker=worker, wait=1, lease_duration=seconds(3)))
            if lease is None:
                continue
            self.made[f"{lease.job.queue}/{lease.job.id}"].add(lease.job.create_time.ToMilliseconds())
            with contextlib.suppress(grpc.aio.AioRpcError):  # the first try may have completed it, and the job is gone
                await fleet.ask(lambda stubs, lease=lease: stubs.complete(lease))


def schedules() -> list[schedule_pb2.Schedule]:
    """Of each span one that catches up, and one that makes of the missed runs the latest."""
    spec = job_pb2.JobSpec(name="n", completed_retention=job_pb2.Retention(max_count=0), max_lease_expirations=1000)
    found = []
    for number, every_ms in enumerate(EVERY_MS):
        for kind, window in (("all", seconds(600)), ("latest", None)):
            queue = QUEUES[number % len(QUEUES)]
            name = f"{kind}-{every_ms}"
            found.append(
                schedule_pb2.Schedule(id=name, queue=queue, every=seconds(every_ms / 1000), catch_up_window=window, job=spec)
            )
    return found


async def upsert(fleet: Fleet, schedule: schedule_pb2.Schedule) -> schedule_pb2.Schedule:
    request = schedule_pb2.UpsertScheduleRequest(schedule=schedule)
    return (await fleet.ask(lambda stubs: stubs.schedule.UpsertSchedule(request))).schedule


async def say_again(fleet: Fleet, said: list[schedule_pb2.Schedule]) -> None:
    """As services do that start meanwhile."""
    while True:
        await upsert(fleet, fleet.random.choice(said))
        await asyncio.sleep(0.05)


async def paused(fleet: Fleet, schedule: schedule_pb2.Schedule) -> schedule_pb2.Schedule:
    """The schedule, once no run of it is overdue, and then stopped."""
    named = {"queue": schedule.queue, "schedule_id": schedule.id}

    async def on_time() -> bool:
        now = (await fleet.ask(lambda stubs: stubs.schedule.GetSchedule(schedule_pb2.GetScheduleRequest(**named)))).schedule
        return now.next_run_time.ToMilliseconds() > time.time() * 1000

    await eventually(on_time, PATIENCE_S)
    return (await fleet.ask(lambda stubs: stubs.schedule.PauseSchedule(schedule_pb2.PauseScheduleRequest(**named)))).schedule


async def drained(fleet: Fleet) -> bool:
    stats = [await fleet.ask(lambda stubs, queue=queue: stubs.stats(queue)) for queue in QUEUES]
    return not any(one.waiting + one.active + one.delayed for one in stats)


async def test_no_run_is_made_twice_and_none_is_missed_when_brokers_are_killed():
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}, {SECONDS} s")
    with short_directory() as directory, StoreProcess(directory / "store") as store, contextlib.ExitStack() as stack:
        brokers = [stack.enter_context(BrokerProcess(directory, store=store.url)) for _ in range(BROKERS)]
        async with contextlib.AsyncExitStack() as channels:
            stubs = [await channels.enter_async_context(Stubs(broker.address)) for broker in brokers]
            fleet, seen = Fleet(brokers, stubs, random.Random(seed)), Seen()
            said = schedules()
            firsts = [(await upsert(fleet, schedule)).next_run_time.ToMilliseconds() for schedule in said]
            background = [asyncio.create_task(seen.work(fleet, number)) for number in range(6)]
            background.append(asyncio.create_task(say_again(fleet, said)))
            await fleet.kill_and_restart(time.monotonic() + SECONDS)
            background.pop().cancel()
            ends = [await paused(fleet, schedule) for schedule in said]
            await eventually(lambda: drained(fleet), PATIENCE_S)
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await compare(fleet, seen, firsts, ends)
        print(f"{fleet.kills} kills, {sum(end.run_count for end in ends)} runs")
        print_lateness(seen)


async def compare(fleet: Fleet, seen: Seen, firsts: list[int], ends: list[schedule_pb2.Schedule]) -> None:
    assert fleet.kills > SECONDS / 5
    twice = {job: times for job, times in seen.made.items() if len(times) != 1}
    assert not twice, f"made twice: {twice}"
    for first, end in zip(firsts, ends, strict=True):
        last, every_ms = end.last_run_time.ToMilliseconds(), end.every.ToMilliseconds()
        times = sorted(int(job.rpartition(":")[2]) for job in seen.made if job.startswith(f"{end.queue}/{end.id}:"))
        timetable = range(first, last + 1, every_ms)
        assert end.run_count == len(times), f"{end.id}: {end.run_count} runs, {len(times)} jobs"
        assert set(times) <= set(timetable)
        assert times[-1] == last
        if end.HasField("catch_up_window"):
            assert times == list(timetable), f"{end.id} missed {sorted(set(timetable) - set(times))}"
    for queue in QUEUES:
        stats = await fleet.ask(lambda stubs, queue=queue: stubs.stats(queue))
        assert stats.added_total == sum(end.run_count for end in ends if end.queue == queue)


def print_lateness(seen: Seen) -> None:
    late = sorted(min(times) - int(job.rpartition(":")[2]) for job, times in seen.made.items())
    assert late[0] >= 0, "a run was made before its time"
    print(f"lateness in ms: p50 {late[len(late) // 2]}, p90 {late[len(late) * 9 // 10]}, most {late[-1]}")


async def test_no_run_is_made_twice_and_none_is_missed_when_the_store_is_killed():
    """It keeps what it has acknowledged: a run and the move of the next time are one write."""
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(short_directory())
        store = stack.enter_context(StoreProcess(directory / "store", appendonly="yes", appendfsync="always"))
        broker = stack.enter_context(BrokerProcess(directory, store=store.url))
        async with Stubs(broker.address) as stubs:
            fleet = Fleet([broker], [stubs], random.Random(0))
            spec = job_pb2.JobSpec(name="n")
            said = schedule_pb2.Schedule(id="s", queue="q", every=seconds(0.1), catch_up_window=seconds(600), job=spec)
            first = (await upsert(fleet, said)).next_run_time.ToMilliseconds()
            for _ in range(4):
                before = (await upsert(fleet, said)).run_count
                await eventually(lambda before=before: runs_more_than(fleet, said, before), PATIENCE_S)
                store.kill()
                down_ms = time.time() * 1000
                await eventually(lambda since=down_ms: time.time() * 1000 > since + MISSED_MS, PATIENCE_S)
                store.start()
            end = await paused(fleet, said)
            listed = await stubs.admin.ListJobs(admin_pb2.ListJobsRequest(queue="q", page_size=1000))
    last = end.last_run_time.ToMilliseconds()
    assert [job.id for job in listed.jobs] == [f"s:{at}" for at in range(first, last + 1, 100)]
    assert end.run_count == len(listed.jobs)


async def runs_more_than(fleet: Fleet, schedule: schedule_pb2.Schedule, count: int) -> bool:
    return (await upsert(fleet, schedule)).run_count > count
