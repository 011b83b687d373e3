"""client.schedules: what a service says of its schedules, and reads back."""

from datetime import UTC, datetime, timedelta

import leasemq.sync
import pytest
from leasemq import (
    Client,
    InvalidField,
    JobState,
    NewJob,
    Overlap,
    Retention,
    ScheduleNotFound,
    TriggeredJob,
    exponential,
)

from tests.sdk.support import Broker, until, worker

FAR = datetime(2100, 1, 1, tzinfo=UTC)


async def test_a_schedule_reads_back_as_it_was_said(client: Client, queue: str) -> None:
    job = NewJob(
        {"kind": "full"}, "report", delay=timedelta(seconds=2), priority=3, lifo=True, attempts=4,
        backoff=exponential(timedelta(seconds=1)), timeout=timedelta(minutes=1), ttl=timedelta(hours=1), headers={"a": "b"},
        completed_retention=Retention(timedelta(days=1)), failed_retention=Retention(None, 5), dead_letter_queue="dead",
        max_lease_expirations=2,
    )  # fmt: skip
    said = {
        "cron": "0 2 * * *",
        "time_zone": "Europe/Berlin",
        "start_time": datetime(2026, 1, 1, tzinfo=UTC),
        "end_time": FAR,
        "max_runs": 7,
        "overlap": Overlap.SKIP,
        "catch_up_window": timedelta(hours=1),
    }
    made = await client.schedules.upsert(queue, "nightly", job, **said)
    assert {name: getattr(made, name) for name in said} == said
    assert (made.queue, made.id, made.every, made.run_count, made.paused) == (queue, "nightly", None, 0, False)
    assert (made.last_run_time, made.last_job_id) == (None, None)
    assert made.next_run_time is not None
    assert made.next_run_time > datetime.now(UTC)
    assert made.job == job
    assert await client.schedules.get(queue, "nightly") == made


async def test_what_is_not_given_goes_back_to_its_default(client: Client, queue: str) -> None:
    await client.schedules.upsert(queue, "s", NewJob(1), every=3600, max_runs=7, overlap=Overlap.SKIP, catch_up_window=5)
    plain = await client.schedules.upsert(queue, "s", every=timedelta(hours=1))
    assert (plain.max_runs, plain.overlap, plain.catch_up_window, plain.time_zone) == (None, Overlap.ALLOW, None, "UTC")
    assert (plain.every, plain.cron, plain.job.payload, plain.job.name) == (timedelta(hours=1), None, None, queue)


async def test_a_worker_gets_the_runs_and_knows_their_schedule(client: Client, queue: str) -> None:
    seen = []

    async def handle(job: leasemq.Job) -> None:
        seen.append((job.id, job.schedule_id, job.payload))

    await client.schedules.upsert(queue, "tick", NewJob("now"), every=0.2, max_runs=3)
    async with worker(client, queue, handle):
        await until(lambda: len(seen) == 3)
    assert {(schedule, payload) for _, schedule, payload in seen} == {("tick", "now")}
    ended = await client.schedules.get(queue, "tick")
    assert (ended.run_count, ended.next_run_time, ended.last_job_id) == (3, None, seen[-1][0])
    last = await client.get(queue, seen[-1][0])
    assert last.schedule_id == "tick"
    assert ended.last_run_time is not None
    assert last.id == f"tick:{round(ended.last_run_time.timestamp() * 1000)}"
    assert (await client.get(queue, (await client.add(queue)).id)).schedule_id == ""


async def test_pause_resume_trigger_and_delete(client: Client, queue: str) -> None:
    await client.schedules.upsert(queue, "s", NewJob(1), cron="@yearly", overlap=Overlap.SKIP)
    paused = await client.schedules.pause(queue, "s")
    assert (paused.paused, paused.next_run_time) == (True, None)
    triggered = await client.schedules.trigger(queue, "s")
    assert (triggered.created, triggered.state) == (True, JobState.WAITING)
    assert await client.schedules.trigger(queue, "s") == TriggeredJob(triggered.id, created=False, state=JobState.WAITING)
    resumed = await client.schedules.resume(queue, "s")
    assert (resumed.paused, resumed.last_job_id, resumed.run_count) == (False, triggered.id, 0)
    assert resumed.next_run_time is not None
    await client.schedules.delete(queue, "s")
    assert (await client.get(queue, triggered.id)).state is JobState.WAITING
    for call in (
        client.schedules.get,
        client.schedules.delete,
        client.schedules.pause,
        client.schedules.resume,
        client.schedules.trigger,
    ):
        with pytest.raises(ScheduleNotFound) as error:
            await call(queue, "s")
        assert error.value.metadata == {"queue": queue, "schedule_id": "s"}


async def test_schedules_are_listed_over_all_pages_of_one_queue_and_of_all(client: Client, queue: str) -> None:
    names = [f"s-{number:03}" for number in range(230)]
    for name in names:
        await client.schedules.upsert(queue, name, cron="@yearly")
    assert [schedule.id async for schedule in client.schedules.list(queue)] == names
    await client.schedules.upsert(f"{queue}-b", "other", cron="@yearly")
    everywhere = [(schedule.queue, schedule.id) async for schedule in client.schedules.list()]
    assert [pair for pair in everywhere if pair[0].startswith(queue)] == [
        *((queue, name) for name in names),
        (f"{queue}-b", "other"),
    ]


async def test_what_the_sdk_itself_refuses(client: Client, queue: str) -> None:
    with pytest.raises(ValueError, match="not both"):
        await client.schedules.upsert(queue, "s", cron="@daily", every=5)
    for job in (NewJob(id="mine"), NewJob(run_time=FAR)):
        with pytest.raises(ValueError, match="each run has its own"):
            await client.schedules.upsert(queue, "s", job, cron="@daily")


async def test_what_the_server_refuses_names_its_field(client: Client, queue: str) -> None:
    with pytest.raises(InvalidField) as error:
        await client.schedules.upsert(queue, "s", cron="0 0 30 2 *", time_zone="Nowhere/City")
    assert [violation.field for violation in error.value.field_violations] == ["schedule.time_zone", "schedule.cron"]


def test_the_blocking_client_does_the_same(broker: Broker, queue: str) -> None:
    with leasemq.sync.Client(broker.address) as client:
        made = client.schedules.upsert(queue, "s", NewJob({"a": 1}), cron="@hourly")
        assert list(client.schedules.list(queue)) == [made]
        assert client.schedules.pause(queue, "s").paused
        assert not client.schedules.resume(queue, "s").paused
        assert client.get(queue, client.schedules.trigger(queue, "s").id).payload == {"a": 1}
        client.schedules.delete(queue, "s")
        assert list(client.schedules.list(queue)) == []
