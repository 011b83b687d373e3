import asyncio
import logging
import os
import signal
import time
from contextlib import AsyncExitStack

import pytest
from leasemq import Client, Job, JobState, NewJob, Unavailable
from leasemq.connection import Outage

from tests.sdk.support import Broker, is_state, until, worker

KILLS = int(os.environ.get("LEASEMQ_BROKER_KILLS", "5"))


async def test_work_goes_on_when_the_broker_is_killed_and_comes_back(
    lasting_broker: Broker, queue: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "leasemq")
    gate = asyncio.Event()
    runs: list[int] = []

    async def handler(job: Job) -> int:
        runs.append(job.payload)
        if job.payload == 0:
            await gate.wait()
        return int(job.payload)

    async with Client(lasting_broker.address) as client, worker(client, queue, handler, lease=30) as running:
        first = await client.add(queue, 0)
        await until(lambda: running.running == 1)
        await lasting_broker.end(signal.SIGKILL)
        adding = asyncio.create_task(client.add(queue, 1))
        await until(lambda: "lost the broker" in caplog.text)
        gate.set()  # it finishes while the broker is away
        await until(lambda: running.running == 0)
        await lasting_broker.start()
        second = await adding
        jobs = [await client.wait(queue, job_id, 30) for job_id in (first.id, second.id)]
        third = await client.wait(queue, (await client.add(queue, 2)).id, 30)
        assert [job.result for job in (*jobs, third)] == [0, 1, 2]
        assert runs == [0, 1, 2]
        await until(lambda: "is back after" in caplog.text, 5)  # well before the next heartbeat, at a third of the lease
    lines = [record.message for record in caplog.records if record.name == "leasemq"]
    assert [line.split(" at ")[0] for line in lines] == ["lost the broker", "the broker"]


async def test_no_add_fails_however_often_the_broker_is_killed(lasting_broker: Broker, queue: str) -> None:
    added, over = 0, asyncio.Event()

    async with Client(lasting_broker.address) as client:

        async def add() -> None:
            nonlocal added
            while not over.is_set():
                await client.add(queue)
                added += 1

        async with asyncio.TaskGroup() as lanes:
            for _ in range(64):
                lanes.create_task(add())
            for _ in range(KILLS):
                before = added
                await until(lambda before=before: added >= before + 1_000)
                await lasting_broker.end(signal.SIGKILL)
                await lasting_broker.start()
            over.set()
        assert (await client.admin.stats(queue)).added_total == added


@pytest.mark.parametrize("waits_for", ["work", "the end of a job"])
async def test_who_waits_for_what_does_not_come_finds_the_broker_back_all_the_same(
    lasting_broker: Broker, queue: str, caplog: pytest.LogCaptureFixture, waits_for: str
) -> None:
    caplog.set_level(logging.INFO, "leasemq")
    async with Client(lasting_broker.address) as client, AsyncExitStack() as stack:
        if waits_for == "work":
            running = await stack.enter_async_context(worker(client, queue, lambda _: None, lease=30))
            await until(lambda: running._poller._in_flight)
        else:
            added = await client.add(queue)
            waiting = asyncio.create_task(client.wait(queue, added.id))
            stack.callback(waiting.cancel)
        await lasting_broker.end(signal.SIGKILL)
        await until(lambda: "lost the broker" in caplog.text)
        await lasting_broker.start()
        await until(lambda: "is back after" in caplog.text, 8)  # a poll waits for 20 s


def test_an_outage_is_over_when_every_channel_that_lost_the_broker_has_it_again(caplog: pytest.LogCaptureFixture) -> None:
    """The heartbeats' channel may be back while the client's still waits before it tries again, and fails what is asked of it."""
    caplog.set_level(logging.WARNING, "leasemq")
    outage, heartbeats = Outage("here:1"), object()
    outage.noticed(Unavailable("gone"))
    outage.noticed(Unavailable("gone"), heartbeats)
    outage.over(heartbeats)
    outage.noticed(Unavailable("not yet"))
    assert outage.is_on
    outage.over()
    assert not outage.is_on
    assert [record.message.split(" at ")[0] for record in caplog.records] == ["lost the broker", "the broker"]


def test_a_channel_that_was_closed_keeps_no_outage_on(caplog: pytest.LogCaptureFixture) -> None:
    outage, heartbeats = Outage("here:1"), object()
    outage.noticed(Unavailable("gone"))
    outage.noticed(Unavailable("gone"), heartbeats)
    outage.forget(heartbeats)
    outage.over()
    assert not outage.is_on
    assert "is back after" in caplog.text


async def test_who_waits_with_a_timeout_is_told_in_time_that_the_broker_is_away(lasting_broker: Broker, queue: str) -> None:
    async with Client(lasting_broker.address) as client:
        added = await client.add(queue)
        await lasting_broker.end(signal.SIGKILL)
        began = time.monotonic()
        with pytest.raises(TimeoutError, match=rf"^job {added.id} of .* is out of reach, with its broker, after 0\.5 s$"):
            await client.wait(queue, added.id, 0.5)
        assert time.monotonic() - began < 10  # and not 30, for which other calls are tried again


async def test_a_worker_may_start_before_its_broker(lasting_broker: Broker, queue: str) -> None:
    await lasting_broker.end()
    async with Client(lasting_broker.address) as client, worker(client, queue, lambda job: job.payload):
        await lasting_broker.start()
        added = await client.add(queue, "hello")
        assert (await client.wait(queue, added.id, 30)).result == "hello"


async def test_a_worker_can_be_stopped_while_its_broker_is_away(lasting_broker: Broker, queue: str) -> None:
    async with Client(lasting_broker.address) as client:
        running = worker(client, queue, lambda job: job.payload)
        await running.start()
        await until(lambda: running._poller._in_flight)
        await lasting_broker.end(signal.SIGKILL)
        async with asyncio.timeout(20):
            await running.stop()


async def test_a_lease_that_runs_out_in_an_outage_stops_its_handler(lasting_broker: Broker, queue: str) -> None:
    ends: list[str] = []

    async def handler(_: Job) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ends.append("stopped")
            raise

    async with Client(lasting_broker.address) as client, worker(client, queue, handler, lease=1) as running:
        added = await client.add(queue)
        await until(lambda: running.running == 1)
        await lasting_broker.end(signal.SIGKILL)
        await until(lambda: ends == ["stopped"])
        await lasting_broker.start()
        assert await until(is_state(client, queue, added.id, JobState.ACTIVE, lease_expirations=1))


async def test_a_frozen_broker_is_an_outage_like_any_other(lasting_broker: Broker, queue: str) -> None:
    done: list[int] = []

    async def handler(job: Job) -> None:
        done.append(job.payload)

    async with Client(lasting_broker.address) as client, worker(client, queue, handler, lease=30):
        await client.add(queue, 0)
        await until(lambda: done == [0])
        assert lasting_broker._process is not None
        lasting_broker._process.send_signal(signal.SIGSTOP)
        adding = asyncio.create_task(client.add_many(queue, [NewJob(1), NewJob(2)]))
        await asyncio.sleep(1)
        lasting_broker._process.send_signal(signal.SIGCONT)
        await adding
        await until(lambda: done == [0, 1, 2])
