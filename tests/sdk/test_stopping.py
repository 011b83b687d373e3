import asyncio
import os
import signal
import sys
import threading
import time
from typing import Any

import pytest
from leasemq import Cancelled, CancelSignal, Client, Job, JobState, NewJob
from leasemq.lifeline import Lifeline
from leasemq.stream import WorkStream
from leasemq.v1 import worker_pb2

from tests.sdk.support import Broker, is_state, new_queue, until, worker


async def test_a_running_async_handler_is_cancelled_without_waiting_for_a_heartbeat(client: Client, queue: str) -> None:
    stopped: list[Any] = []

    async def handler(job: Job) -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            stopped.append((time.monotonic(), job.cancelled.reason))
            raise

    async with worker(client, queue, handler, lease=30, on_failed=lambda *_: None):
        added = await client.add(queue, attempts=5)
        await until(is_state(client, queue, added.id, JobState.ACTIVE))
        asked = time.monotonic()
        assert await client.cancel(queue, added.id, "not wanted") is JobState.ACTIVE
        job = await client.wait(queue, added.id, 30)
    assert (job.state, job.failures[-1].type, stopped[0][1]) == (JobState.CANCELLED, "Cancelled", "not wanted")
    assert stopped[0][0] - asked < 3  # the next heartbeat is 8 s away


async def test_a_running_plain_handler_hears_of_it_without_waiting_for_a_heartbeat(client: Client, queue: str) -> None:
    heard: list[float] = []

    def handler(job: Job) -> None:
        assert job.cancelled.wait_sync(10)
        heard.append(time.monotonic())
        job.raise_if_cancelled()

    async with worker(client, queue, handler, lease=30, on_failed=lambda *_: None):
        added = await client.add(queue, attempts=5)
        await until(is_state(client, queue, added.id, JobState.ACTIVE))
        asked = time.monotonic()
        await client.cancel(queue, added.id)
        job = await client.wait(queue, added.id, 30)
    assert (job.state, job.failures[-1].type) == (JobState.CANCELLED, "Cancelled")
    assert heard[0] - asked < 3


async def test_a_cancel_that_overtakes_the_lease_on_its_way_is_not_forgotten(client: Client, queue: str) -> None:
    ran: list[str] = []

    async def handler(job: Job) -> None:
        ran.append(job.id)

    async with worker(client, new_queue(), handler, lease=30, on_failed=lambda *_: None) as it:
        added = await client.add(queue)
        request = worker_pb2.LeaseJobRequest(queues=[queue], worker_id=it.worker_id)
        lease = (await client.connection.stubs.worker.LeaseJob(request)).lease  # on its way for a while
        await client.cancel(queue, added.id, "not wanted")
        await until(lambda: lease.lease_token in it._unseen)
        it._take([lease], time.monotonic())
        job = await client.wait(queue, added.id, 30)
    assert (job.state, ran) == (JobState.CANCELLED, [])


async def test_a_handler_that_finishes_despite_the_cancel_completes_its_job(client: Client, queue: str) -> None:
    async def handler(job: Job) -> str:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            return "finished anyway"
        return "never"

    async with worker(client, queue, handler):
        added = await client.add(queue)
        await until(is_state(client, queue, added.id, JobState.ACTIVE))
        await client.cancel(queue, added.id)
        job = await client.wait(queue, added.id, 30)
    assert (job.state, job.result) == (JobState.COMPLETED, "finished anyway")


async def test_an_attempt_that_takes_too_long_is_stopped_and_settles_nothing(client: Client, queue: str) -> None:
    lost: list[Any] = []
    outcome: list[str] = []

    async def handler(_: Job) -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            outcome.append("stopped")
            raise

    async with worker(client, queue, handler, lease=30, on_lost=lambda job, reason: lost.append((job.id, reason))):
        added = await client.add(queue, timeout=0.3)
        job = await client.wait(queue, added.id, 30)
        await until(lambda: lost)
    assert (job.state, job.failures[-1].kind.name, outcome) == (JobState.FAILED, "TIMEOUT", ["stopped"])
    assert lost == [(added.id, "timeout")]


async def test_a_lost_lease_stops_the_handler_and_its_result_is_thrown_away(client: Client, queue: str) -> None:
    lost: list[str] = []
    release = threading.Event()

    def handler(job: Job) -> str:
        job.cancelled.wait_sync(10)
        release.wait(10)
        return "too late"

    async with worker(client, queue, handler, lease=1, on_lost=lambda job, _: lost.append(job.id)) as running:
        added = await client.add(queue)
        await until(is_state(client, queue, added.id, JobState.ACTIVE))
        await client.admin.delete_queue(queue, force=True)
        await until(lambda: any(attempt.job.cancelled.is_set() for attempt in running._attempts.values()))
        assert lost == []
        release.set()
        await until(lambda: lost == [added.id])
    assert (await client.admin.stats(queue)).completed == 0


@pytest.mark.parametrize("what", ["cancelled", "lost"])
async def test_what_the_control_stream_fails_to_tell_the_next_heartbeat_tells(
    client: Client, queue: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lifeline, "_obey", lambda *_: None)
    heard: list[str] = []

    async def handler(_: Job) -> None:
        await asyncio.sleep(60)

    def failed(job: Job, _error: BaseException) -> None:
        heard.append(f"cancelled, {job.state.name}")

    async with worker(client, queue, handler, lease=1, on_failed=failed, on_lost=lambda *_: heard.append("lost")):
        added = await client.add(queue)
        await until(is_state(client, queue, added.id, JobState.ACTIVE))
        if what == "cancelled":
            await client.cancel(queue, added.id)
        else:
            await client.admin.delete_queue(queue, force=True)
        await until(lambda: heard)
    assert heard == ["cancelled, CANCELLED" if what == "cancelled" else "lost"]


async def test_a_heartbeat_counts_the_lease_anew(client: Client, queue: str) -> None:
    gate = asyncio.Event()

    async def handler(_: Job) -> None:
        await gate.wait()

    async with worker(client, queue, handler, lease=1) as running:
        await client.add(queue)
        (attempt,) = await until(lambda: list(running._attempts.values()))
        first = attempt.expires_at
        await until(lambda: attempt.expires_at > first)
        gate.set()


async def test_async_code_can_wait_for_the_signal(client: Client, queue: str) -> None:
    async def handler(job: Job) -> str:
        watcher = asyncio.create_task(job.cancelled.wait())
        try:
            await asyncio.shield(watcher)
        except asyncio.CancelledError:
            await watcher
        return "saw it"

    async with worker(client, queue, handler):
        added = await client.add(queue)
        await until(is_state(client, queue, added.id, JobState.ACTIVE))
        await client.cancel(queue, added.id)
        assert (await client.wait(queue, added.id, 30)).result == "saw it"


async def test_stopping_lets_running_handlers_finish(client: Client, queue: str) -> None:
    gate = asyncio.Event()

    async def handler(_: Job) -> str:
        await gate.wait()
        return "finished"

    running = worker(client, queue, handler, drain_timeout=10)
    await running.start()
    added = await client.add(queue)
    await until(lambda: running.running == 1)
    stopping = asyncio.create_task(running.stop())
    late = await client.add(queue)
    await asyncio.sleep(0.1)
    gate.set()
    await stopping
    assert (await client.get(queue, added.id)).state is JobState.COMPLETED
    assert (await client.get(queue, late.id)).state is JobState.WAITING


async def test_what_still_runs_after_the_drain_timeout_is_given_back_without_using_an_attempt(client: Client, queue: str) -> None:
    ended = threading.Event()

    async def sleeper(_: Job) -> None:
        await asyncio.sleep(30)

    def checker(job: Job) -> None:
        while True:
            job.raise_if_cancelled()
            time.sleep(0.01)

    def deaf(_: Job) -> None:
        ended.wait(10)

    running = worker(client, queue, {"sleeper": sleeper, "checker": checker, "deaf": deaf}, lease=30)
    await running.start()
    await client.add_many(queue, [NewJob(name=name) for name in ("sleeper", "checker", "deaf")])
    await until(lambda: running.running == 3)
    began = time.monotonic()
    await running.stop(drain_timeout=0.2)
    assert time.monotonic() - began < 10
    jobs = [job async for job in client.admin.jobs(queue)]
    ended.set()
    assert [(job.state, job.attempt, job.failure_count, job.lease_expirations) for job in jobs] == [
        (JobState.WAITING, 0, 0, 0)
    ] * 3


async def test_stopping_an_idle_worker_takes_no_time(client: Client, queue: str) -> None:
    running = worker(client, queue, lambda _: None, drain_timeout=30)
    await running.start()
    await until(lambda: running._poller._in_flight)
    began = time.monotonic()
    await running.stop()
    assert time.monotonic() - began < 10


async def test_stopping_leaves_no_thread_and_no_task_behind(client: Client, queue: str) -> None:
    await client.add(queue)  # the client reads its own stream from then on
    before, threads = asyncio.all_tasks(), set(threading.enumerate())
    async with worker(client, queue, lambda _: None):
        await client.wait(queue, (await client.add(queue)).id, 30)
    await until(lambda: not [new for new in set(threading.enumerate()) - threads if new.name.startswith("leasemq-")])
    await until(lambda: asyncio.all_tasks() == before)


async def test_a_quiet_worker_asks_for_no_jobs_until_it_may_run_again(
    client: Client, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    polls = 0
    lease = WorkStream.lease

    async def counted(self: WorkStream, request: worker_pb2.BatchLeaseJobsRequest, seconds: float) -> Any:
        nonlocal polls
        polls += 1
        return await lease(self, request, seconds)

    monkeypatch.setattr(WorkStream, "lease", counted)
    monkeypatch.setattr(Lifeline, "_learn", lambda *_: None)  # each heartbeat of the broker says RUN
    async with worker(client, queue, lambda _: "done") as running:
        await until(lambda: running._poller._in_flight)
        running._directed(worker_pb2.WORKER_DIRECTIVE_QUIET)
        await until(lambda: not running._poller._in_flight)
        await asyncio.sleep(0.5)
        assert polls == 1
        running._directed(worker_pb2.WORKER_DIRECTIVE_RUN)
        await until(lambda: polls > 1)


async def test_the_directive_to_terminate_drains_and_ends_the_worker(client: Client, queue: str) -> None:
    running = worker(client, queue, lambda _: "done")
    run = asyncio.create_task(running.run(install_signal_handlers=False))
    await client.wait(queue, (await client.add(queue)).id, 30)
    running._directed(worker_pb2.WORKER_DIRECTIVE_TERMINATE)
    await asyncio.wait_for(run, 30)


PROGRAM = """
import asyncio, sys
from leasemq import Client, Worker

async def handler(job):
    print("started", flush=True)
    await asyncio.sleep(float(job.payload))

async def main(address, queues):
    async with Client(address) as client:
        await asyncio.gather(*(Worker(client, queue, handler, lease=30, drain_timeout=20).run() for queue in queues))
    print("ended", flush=True)

asyncio.run(main(sys.argv[1], sys.argv[2:]))
"""


async def _program(broker: Broker, *queues: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, broker.address, *queues, stdout=asyncio.subprocess.PIPE
    )


async def test_a_signal_drains_every_worker_of_the_process(broker: Broker, client: Client, queue: str) -> None:
    queues = [queue, f"{queue}-b"]
    process = await _program(broker, *queues)
    ids = [(await client.add(each, 1)).id for each in queues]
    for _ in queues:
        assert await asyncio.wait_for(process.stdout.readline(), 30) == b"started\n"
    os.kill(process.pid, signal.SIGTERM)
    assert await asyncio.wait_for(process.stdout.readline(), 30) == b"ended\n"
    assert await asyncio.wait_for(process.wait(), 30) == 0
    states = [(await client.get(each, job_id)).state for each, job_id in zip(queues, ids, strict=True)]
    assert states == [JobState.COMPLETED] * 2


async def test_a_second_signal_gives_the_jobs_back_at_once(broker: Broker, client: Client, queue: str) -> None:
    process = await _program(broker, queue)
    added = await client.add(queue, 60)
    assert await asyncio.wait_for(process.stdout.readline(), 30) == b"started\n"
    began = time.monotonic()
    os.kill(process.pid, signal.SIGINT)
    await asyncio.sleep(0.2)
    os.kill(process.pid, signal.SIGINT)
    assert await asyncio.wait_for(process.wait(), 30) == 0
    assert time.monotonic() - began < 15
    job = await client.get(queue, added.id)
    assert (job.state, job.attempt) == (JobState.WAITING, 0)


async def test_cancelled_may_be_raised_by_hand(client: Client, queue: str) -> None:
    async def handler(_: Job) -> None:
        raise Cancelled("my own idea")

    async with worker(client, queue, handler, on_failed=lambda *_: None):
        job = await client.wait(queue, (await client.add(queue)).id, 30)
    assert (job.state, job.failures[0].message) == (JobState.FAILED, "my own idea")


@pytest.mark.parametrize("which", ["before", "after"])
async def test_the_signal_wakes_who_waits_before_and_after_it_is_set(which: str) -> None:
    cancelled = CancelSignal()
    if which == "after":
        cancelled.set("why")
    waiting = asyncio.create_task(cancelled.wait())
    blocked = asyncio.create_task(asyncio.to_thread(cancelled.wait_sync, 5))
    await asyncio.sleep(0.02)
    cancelled.set("why")
    cancelled.set("another reason")
    await asyncio.wait_for(waiting, 1)
    assert await asyncio.wait_for(blocked, 1)
    assert cancelled.reason == "why"
