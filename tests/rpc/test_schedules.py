"""ScheduleService over real channels: every RPC, and jobs that the clock adds."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from leasemq.v1 import admin_pb2, job_pb2, producer_pb2, schedule_pb2

from tests.support import Stubs, eventually, refusal, seconds

SOON_S = 1.0
JOB = job_pb2.JobSpec(name="n", payload=b"\x00bytes", content_type="x/y", priority=3, delay=seconds(0), headers={"a": "b"})


async def upsert(stubs: Stubs, queue: str, schedule_id: str = "s", **said: Any) -> schedule_pb2.UpsertScheduleResponse:
    timetable = {} if said.keys() & {"cron", "every"} else {"cron": "0 0 29 2 *"}
    whole = schedule_pb2.Schedule(**{"id": schedule_id, "queue": queue, "job": JOB, **timetable, **said})
    return await stubs.schedule.UpsertSchedule(schedule_pb2.UpsertScheduleRequest(schedule=whole))


async def get(stubs: Stubs, queue: str, schedule_id: str = "s") -> schedule_pb2.Schedule:
    request = schedule_pb2.GetScheduleRequest(queue=queue, schedule_id=schedule_id)
    return (await stubs.schedule.GetSchedule(request)).schedule


async def trigger(stubs: Stubs, queue: str, request_id: str = "") -> schedule_pb2.TriggerScheduleResponse:
    request = schedule_pb2.TriggerScheduleRequest(queue=queue, schedule_id="s", request_id=request_id)
    return await stubs.schedule.TriggerSchedule(request)


async def jobs(stubs: Stubs, queue: str) -> list[job_pb2.Job]:
    return list((await stubs.admin.ListJobs(admin_pb2.ListJobsRequest(queue=queue, page_size=1000))).jobs)


def at(year: int) -> Timestamp:
    moment = Timestamp()
    moment.FromDatetime(datetime(year, 1, 1, tzinfo=UTC))
    return moment


# -- making, reading, changing -----------------------------------------------------------------------------------


async def test_a_schedule_reads_back_as_it_was_said_with_its_next_run(stubs: Stubs, queue: str):
    said = schedule_pb2.Schedule(
        id="nightly", queue=queue, cron="30 2 1 1 *", time_zone="Europe/Berlin", start_time=at(2030), end_time=at(2040),
        max_runs=7, overlap=schedule_pb2.SCHEDULE_OVERLAP_SKIP, catch_up_window=seconds(3600), job=JOB,
    )  # fmt: skip
    made = await stubs.schedule.UpsertSchedule(schedule_pb2.UpsertScheduleRequest(schedule=said))
    assert made.created
    assert made.schedule.next_run_time.ToDatetime(tzinfo=UTC) == datetime(2030, 1, 1, 1, 30, tzinfo=UTC)
    assert await get(stubs, queue, "nightly") == made.schedule
    said.next_run_time.CopyFrom(made.schedule.next_run_time)
    assert made.schedule == said
    again = await stubs.schedule.UpsertSchedule(schedule_pb2.UpsertScheduleRequest(schedule=made.schedule))
    assert (again.created, again.schedule) == (False, made.schedule)


async def test_what_only_the_server_can_know_is_not_taken_from_a_caller(stubs: Stubs, queue: str):
    told = {"paused": True, "run_count": 9, "last_run_time": at(2020), "next_run_time": at(2020), "last_job_id": "x"}
    schedule = (await upsert(stubs, queue, **told)).schedule
    assert (schedule.paused, schedule.run_count, schedule.last_job_id) == (False, 0, "")
    assert not schedule.HasField("last_run_time")
    assert schedule.next_run_time.seconds > time.time()


async def test_schedules_are_listed_by_queue_and_id_in_pages(stubs: Stubs, new_queue: Callable[[], str]):
    queues = sorted(new_queue() for _ in range(2))
    for queue in queues:
        for schedule_id in ("b", "a", "c"):
            await upsert(stubs, queue, schedule_id)
    found, request = [], schedule_pb2.ListSchedulesRequest(page_size=2)
    while not found or request.page_token:
        page = await stubs.schedule.ListSchedules(request)
        assert len(page.schedules) <= 2
        found += [(schedule.queue, schedule.id) for schedule in page.schedules]
        request.page_token = page.next_page_token
    assert [pair for pair in found if pair[0] in queues] == [(queue, schedule_id) for queue in queues for schedule_id in "abc"]
    one = await stubs.schedule.ListSchedules(schedule_pb2.ListSchedulesRequest(queue=queues[0]))
    assert [schedule.id for schedule in one.schedules] == ["a", "b", "c"]
    assert not one.next_page_token


async def test_a_page_of_one_listing_is_none_of_another(stubs: Stubs, queue: str):
    for schedule_id in ("a", "b"):
        await upsert(stubs, queue, schedule_id)
    page = await stubs.schedule.ListSchedules(schedule_pb2.ListSchedulesRequest(queue=queue, page_size=1))
    other = schedule_pb2.ListSchedulesRequest(page_token=page.next_page_token)
    assert (await refusal(stubs.schedule.ListSchedules(other))).fields == ["page_token"]


async def test_schedules_with_large_payloads_are_listed_over_several_pages(stubs: Stubs, queue: str):
    large = job_pb2.JobSpec(name="n", payload=b"x" * 1024 * 1024)
    for schedule_id in "abcdef":
        await upsert(stubs, queue, schedule_id, job=large)
    found, request = [], schedule_pb2.ListSchedulesRequest(queue=queue, page_size=6)
    while not found or request.page_token:
        page = await stubs.schedule.ListSchedules(request)
        found += [schedule.id for schedule in page.schedules]
        request.page_token = page.next_page_token
    assert found == list("abcdef")
    for schedule_id in "abcdef":
        await stubs.schedule.DeleteSchedule(schedule_pb2.DeleteScheduleRequest(queue=queue, schedule_id=schedule_id))


# -- runs --------------------------------------------------------------------------------------------------------


async def test_a_run_wakes_a_parked_poll_on_time_with_the_job_as_it_was_said(stubs: Stubs, queue: str):
    made = await upsert(stubs, queue, every=seconds(2))
    due = made.schedule.next_run_time.ToMilliseconds()
    lease = await stubs.must_lease(queue, wait=5)
    assert 0 <= lease.job.create_time.ToMilliseconds() - due < SOON_S * 1000
    assert lease.job.start_time.ToMilliseconds() - lease.job.create_time.ToMilliseconds() < SOON_S * 1000
    assert (lease.job.id, lease.job.schedule_id) == (f"s:{due}", "s")
    spec = job_pb2.JobSpec()
    spec.CopyFrom(JOB)
    spec.id = lease.job.id
    assert lease.job.spec == spec
    schedule = await get(stubs, queue)
    assert (schedule.run_count, schedule.last_run_time.ToMilliseconds(), schedule.last_job_id) == (1, due, lease.job.id)
    assert schedule.next_run_time.ToMilliseconds() == due + 2000
    assert (await stubs.job(queue, lease.job.id)).schedule_id == "s"
    await stubs.schedule.DeleteSchedule(schedule_pb2.DeleteScheduleRequest(queue=queue, schedule_id="s"))


async def test_runs_follow_their_timetable_to_the_limit(stubs: Stubs, queue: str):
    made = await upsert(stubs, queue, every=seconds(0.2), max_runs=5, catch_up_window=seconds(60))
    first = made.schedule.next_run_time.ToMilliseconds()

    async def over() -> bool:
        return not (await get(stubs, queue)).HasField("next_run_time")

    await eventually(over)
    assert [job.id for job in await jobs(stubs, queue)] == [f"s:{first + 200 * n}" for n in range(5)]
    assert (await get(stubs, queue)).run_count == 5
    assert (await stubs.stats(queue)).added_total == 5


async def test_a_cron_with_seconds_runs_within_them(stubs: Stubs, queue: str):
    await upsert(stubs, queue, cron="* * * * * *", max_runs=2)
    first, second = await stubs.must_lease(queue, wait=5), await stubs.must_lease(queue, wait=5)
    times = [int(lease.job.id.rpartition(":")[2]) for lease in (first, second)]
    assert [ms % 1000 for ms in times] == [0, 0]
    assert times[1] > times[0]


async def test_with_skip_at_most_one_job_is_unfinished(stubs: Stubs, queue: str):
    await upsert(stubs, queue, every=seconds(0.1), overlap=schedule_pb2.SCHEDULE_OVERLAP_SKIP)
    for _ in range(3):
        lease = await stubs.must_lease(queue, wait=5)
        next_seen = (await get(stubs, queue)).next_run_time.ToMilliseconds()

        async def two_runs_later(seen: int = next_seen) -> bool:
            return (await get(stubs, queue)).next_run_time.ToMilliseconds() > seen + 200

        await eventually(two_runs_later)
        stats = await stubs.stats(queue)
        assert (stats.active, stats.waiting) == (1, 0)
        await stubs.complete(lease)
    await stubs.schedule.DeleteSchedule(schedule_pb2.DeleteScheduleRequest(queue=queue, schedule_id="s"))


# -- changing while it runs --------------------------------------------------------------------------------------


async def test_saying_the_same_over_and_over_makes_no_run_twice_and_leaves_none_out(stubs: Stubs, queue: str):
    """As services do that say it at each start."""
    timetable = {"every": seconds(0.1), "max_runs": 12, "catch_up_window": seconds(60)}
    made = await upsert(stubs, queue, **timetable)
    first = made.schedule.next_run_time.ToMilliseconds()
    counts = []
    while (schedule := (await upsert(stubs, queue, **timetable)).schedule).HasField("next_run_time"):
        counts.append(schedule.run_count)
    assert counts == sorted(counts)
    assert len(counts) > 12
    assert [job.id for job in await jobs(stubs, queue)] == [f"s:{first + 100 * n}" for n in range(12)]


async def test_a_change_holds_from_the_next_run_on_and_keeps_the_count(stubs: Stubs, queue: str):
    await upsert(stubs, queue, every=seconds(0.2), max_runs=2)
    await stubs.must_lease(queue, wait=5)
    await stubs.must_lease(queue, wait=5)
    changed = await upsert(stubs, queue, every=seconds(0.3), max_runs=3, job=job_pb2.JobSpec(name="other"))
    assert changed.schedule.run_count == 2
    lease = await stubs.must_lease(queue, wait=5)
    assert lease.job.spec.name == "other"
    assert int(lease.job.id.rpartition(":")[2]) % 300 == 0


async def test_a_paused_schedule_makes_no_run_until_it_is_resumed(stubs: Stubs, queue: str):
    await upsert(stubs, queue, every=seconds(0.1))
    await stubs.must_lease(queue, wait=5)
    paused = (await stubs.schedule.PauseSchedule(schedule_pb2.PauseScheduleRequest(queue=queue, schedule_id="s"))).schedule
    assert paused.paused
    assert not paused.HasField("next_run_time")
    await upsert(stubs, f"{queue}-other", every=seconds(0.1), max_runs=4)

    async def time_has_passed() -> bool:
        return (await get(stubs, f"{queue}-other")).run_count == 4

    await eventually(time_has_passed)
    assert (await get(stubs, queue)).run_count == paused.run_count
    resumed = (await stubs.schedule.ResumeSchedule(schedule_pb2.ResumeScheduleRequest(queue=queue, schedule_id="s"))).schedule
    assert resumed.next_run_time.ToMilliseconds() > time.time() * 1000 - 500

    async def runs_again() -> bool:
        return (await get(stubs, queue)).run_count > paused.run_count

    await eventually(runs_again)
    await stubs.schedule.DeleteSchedule(schedule_pb2.DeleteScheduleRequest(queue=queue, schedule_id="s"))


async def test_a_trigger_adds_a_job_now_once_a_request(stubs: Stubs, queue: str):
    await upsert(stubs, queue)
    first = await trigger(stubs, queue, "r1")
    assert (first.job_id, first.created, first.state) == ("s:trigger:r1", True, job_pb2.JOB_STATE_WAITING)
    again = await trigger(stubs, queue, "r1")
    assert (again.job_id, again.created) == (first.job_id, False)
    assert (await trigger(stubs, queue)).created
    assert len(await jobs(stubs, queue)) == 2
    schedule = await get(stubs, queue)
    assert (schedule.run_count, schedule.HasField("last_run_time")) == (0, False)
    assert (await stubs.must_lease(queue)).job.schedule_id == "s"


async def test_a_deleted_schedule_makes_no_run_and_its_jobs_stay(stubs: Stubs, queue: str):
    await upsert(stubs, queue)
    job_id = (await trigger(stubs, queue)).job_id
    request = schedule_pb2.DeleteScheduleRequest(queue=queue, schedule_id="s")
    await stubs.schedule.DeleteSchedule(request)
    gone = await refusal(stubs.schedule.DeleteSchedule(request))
    assert (gone.reason, gone.metadata) == ("SCHEDULE_NOT_FOUND", {"queue": queue, "schedule_id": "s"})
    assert (await stubs.job(queue, job_id)).state == job_pb2.JOB_STATE_WAITING


# -- the queue ---------------------------------------------------------------------------------------------------


async def test_a_queue_begins_with_its_first_schedule(stubs: Stubs, queue: str):
    await upsert(stubs, queue)
    found = (await stubs.admin.GetQueue(admin_pb2.GetQueueRequest(queue=queue))).queue
    assert (found.name, found.stats.added_total) == (queue, 0)


async def test_a_queue_with_schedules_is_deleted_by_force_only_and_they_do_not_bring_it_back(stubs: Stubs, queue: str):
    await upsert(stubs, queue, every=seconds(0.2))
    assert (await refusal(stubs.admin.DeleteQueue(admin_pb2.DeleteQueueRequest(queue=queue)))).reason == "QUEUE_NOT_EMPTY"
    await stubs.must_lease(queue, wait=5)
    while (await stubs.admin.DeleteQueue(admin_pb2.DeleteQueueRequest(queue=queue, force=True))).more:
        pass
    listed = await stubs.schedule.ListSchedules(schedule_pb2.ListSchedulesRequest(queue=queue))
    assert not listed.schedules
    gone = await refusal(stubs.admin.GetQueue(admin_pb2.GetQueueRequest(queue=queue)))
    assert gone.reason == "QUEUE_NOT_FOUND"


async def test_the_server_says_that_it_has_schedules(stubs: Stubs):
    info = await stubs.admin.GetServerInfo(admin_pb2.GetServerInfoRequest())
    assert "schedules" in info.capabilities


@pytest.mark.parametrize("schedule_id", ["a b/{c}:d", '"\u00e9\U0001f600', "s" * 128])
async def test_ids_are_any_printable_text(stubs: Stubs, queue: str, schedule_id: str):
    await upsert(stubs, queue, schedule_id, every=seconds(0.2), max_runs=1)
    lease = await stubs.must_lease(queue, wait=5)
    assert lease.job.schedule_id == schedule_id
    assert (await stubs.job(queue, lease.job.id)).schedule_id == schedule_id
    request = producer_pb2.GetJobRequest(queue=queue, job_id=lease.job.id)
    request.read_mask.paths.append("schedule_id")
    assert (await stubs.producer.GetJob(request)).job == job_pb2.Job(schedule_id=schedule_id)
