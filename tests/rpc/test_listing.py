"""Pages, masks, and verbs over many jobs."""

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from leasemq.v1 import admin_pb2, job_pb2, producer_pb2

from tests.support import Stubs, seconds

State = job_pb2.JobState
WAITING, DELAYED, ACTIVE = job_pb2.JOB_STATE_WAITING, job_pb2.JOB_STATE_DELAYED, job_pb2.JOB_STATE_ACTIVE
COMPLETED, FAILED, CANCELLED = job_pb2.JOB_STATE_COMPLETED, job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED


async def add_many(stubs: Stubs, queue: str, prefix: str, count: int, **spec: Any) -> list[str]:
    ids = [f"{prefix}-{number:04}" for number in range(count)]
    jobs = [job_pb2.JobSpec(**{"name": "work", "id": job_id, **spec}) for job_id in ids]
    await stubs.producer.BatchAddJobs(producer_pb2.BatchAddJobsRequest(queue=queue, jobs=jobs))
    return ids


async def list_all(stubs: Stubs, queue: str, size: int, **more: Any) -> list[job_pb2.Job]:
    """All pages; each but those of a filtered listing is full until the last."""
    request = admin_pb2.ListJobsRequest(queue=queue, page_size=size, **more)
    jobs: list[job_pb2.Job] = []
    while True:
        page = await stubs.admin.ListJobs(request)
        assert len(page.jobs) <= size
        assert len(page.jobs) == size or not page.next_page_token or request.name
        jobs += page.jobs
        if not page.next_page_token:
            return jobs
        request.page_token = page.next_page_token


@pytest.mark.parametrize("size", [1, 3, 10, 1000])
async def test_every_job_is_on_exactly_one_page_whatever_the_states_and_the_size(stubs: Stubs, queue: str, size: int):
    failed = await add_many(stubs, queue, "f", 2)
    for _ in failed:
        await stubs.fail(await stubs.must_lease(queue))
    active = await add_many(stubs, queue, "a", 3)
    for _ in active:
        await stubs.must_lease(queue, lease_duration=seconds(600))
    waiting = await add_many(stubs, queue, "w", 13)
    delayed = await add_many(stubs, queue, "d", 7, delay=seconds(100))
    listed = [job.id for job in await list_all(stubs, queue, size)]
    assert listed == waiting + delayed + active + failed
    states = [FAILED, WAITING]
    assert [job.id for job in await list_all(stubs, queue, size, states=states)] == failed + waiting
    backwards = [job.id for job in await list_all(stubs, queue, size, states=states, order_by="desc")]
    assert backwards == failed[::-1] + waiting[::-1]


async def test_jobs_of_one_name_are_found_among_others(stubs: Stubs, queue: str):
    await add_many(stubs, queue, "a", 30)
    wanted = await add_many(stubs, queue, "b", 3, name="rare")
    await add_many(stubs, queue, "c", 30)
    assert [job.id for job in await list_all(stubs, queue, 10, name="rare")] == wanted


async def test_jobs_that_finished_in_the_same_millisecond_are_all_listed(stubs: Stubs, queue: str):
    ids = await add_many(stubs, queue, "job", 200)
    for job_id in ids:
        await stubs.producer.CancelJob(producer_pb2.CancelJobRequest(queue=queue, job_id=job_id))
    listed = [job.id for job in await list_all(stubs, queue, 7, states=[CANCELLED])]
    assert sorted(listed) == ids


async def test_a_read_mask_spares_what_is_not_asked_for(stubs: Stubs, queue: str):
    await stubs.add(queue, id="one", payload=b"x" * 1000)
    (job,) = await list_all(stubs, queue, 10, read_mask=FieldMask(paths=["id", "state"]))
    assert job == job_pb2.Job(id="one", state=WAITING)


async def test_a_page_of_large_payloads_fits_a_message(stubs: Stubs, queue: str):
    for number in range(12):
        await stubs.add(queue, id=f"{number:02}", payload=b"x" * 1_000_000)
    request = admin_pb2.ListJobsRequest(queue=queue, page_size=1000)
    ids: list[str] = []
    while True:
        page = await stubs.admin.ListJobs(request)
        ids += [job.id for job in page.jobs]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert ids == [f"{number:02}" for number in range(12)]


async def test_queues_are_listed_by_name_a_page_at_a_time(stubs: Stubs, new_queue: Callable[[], str]):
    names = sorted(f"listed-{new_queue()}" for _ in range(5))
    for name in names:
        await stubs.add(name)
    request = admin_pb2.ListQueuesRequest(page_size=2)
    found: list[str] = []
    while True:
        page = await stubs.admin.ListQueues(request)
        assert len(page.queues) <= 2
        found += [queue.name for queue in page.queues]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert found == sorted(found)
    assert [name for name in found if name.startswith("listed-")] == names


async def test_failed_jobs_are_redriven_by_id_with_their_attempts_at_zero(stubs: Stubs, queue: str):
    await stubs.add(queue, id="failed")
    await stubs.fail(await stubs.must_lease(queue))
    await stubs.add(queue, id="waiting")
    ids = admin_pb2.JobIds(ids=["failed", "waiting", "unknown"])
    answer = await stubs.admin.RetryJobs(admin_pb2.RetryJobsRequest(queue=queue, job_ids=ids))
    assert (answer.retried_count, answer.skipped_count, answer.not_found_count) == (1, 1, 1)
    job = await stubs.job(queue, "failed")
    assert (job.state, job.attempt, job.failure_count) == (WAITING, 0, 1)


async def test_a_redriven_job_may_keep_its_attempts_and_still_gets_one_more(stubs: Stubs, queue: str):
    await stubs.add(queue, id="failed")
    await stubs.fail(await stubs.must_lease(queue))
    request = admin_pb2.RetryJobsRequest(queue=queue, job_ids=admin_pb2.JobIds(ids=["failed"]), keep_attempts=True)
    assert (await stubs.admin.RetryJobs(request)).retried_count == 1
    lease = await stubs.must_lease(queue)
    assert lease.attempt == 2
    assert (await stubs.fail(lease)).next_state == FAILED


async def test_a_filter_goes_on_by_token_until_its_limit(stubs: Stubs, queue: str):
    ids = [
        *await add_many(stubs, queue, "a", 1000, delay=seconds(100)),
        *await add_many(stubs, queue, "b", 900, delay=seconds(200)),
    ]
    request = admin_pb2.PromoteJobsRequest(queue=queue, filter=admin_pb2.JobFilter(limit=1500))
    counts = []
    while True:
        answer = await stubs.admin.PromoteJobs(request)
        counts.append(answer.promoted_count)
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
    assert sum(counts) == 1500
    assert len(counts) > 1
    stats = await stubs.stats(queue)
    assert (stats.waiting, stats.delayed) == (1500, 400)
    left = [job.id for job in await list_all(stubs, queue, 1000, states=[DELAYED])]
    assert left == ids[1500:]


async def test_all_failed_jobs_are_redriven_when_nothing_is_said(stubs: Stubs, queue: str):
    for _ in range(3):
        await stubs.add(queue)
        await stubs.fail(await stubs.must_lease(queue))
    answer = await stubs.admin.RetryJobs(admin_pb2.RetryJobsRequest(queue=queue, filter=admin_pb2.JobFilter()))
    assert (answer.retried_count, answer.next_page_token) == (3, "")
    assert (await stubs.stats(queue)).waiting == 3


async def test_jobs_are_deleted_by_state_name_and_age_but_never_while_leased(stubs: Stubs, queue: str):
    await add_many(stubs, queue, "keep", 2)
    await add_many(stubs, queue, "drop", 2, name="drop")
    leased = await stubs.must_lease(queue)

    async def delete(**said: Any) -> admin_pb2.DeleteJobsResponse:
        return await stubs.admin.DeleteJobs(admin_pb2.DeleteJobsRequest(queue=queue, **said))

    old = await delete(filter=admin_pb2.JobFilter(state=WAITING, older_than=seconds(3600)))
    assert old.deleted_count == 0
    named = await delete(filter=admin_pb2.JobFilter(state=WAITING, name="drop"))
    assert named.deleted_count == 2
    by_id = await delete(job_ids=admin_pb2.JobIds(ids=[leased.job.id, "keep-0001"]))
    assert (by_id.deleted_count, by_id.skipped_count) == (1, 1)
    stats = await stubs.stats(queue)
    assert (stats.waiting, stats.active) == (0, 1)
    assert await stubs.complete(leased) == COMPLETED


async def test_promoted_jobs_wait_and_others_are_skipped(stubs: Stubs, queue: str):
    await stubs.add(queue, id="delayed", delay=seconds(1000))
    await stubs.add(queue, id="waiting")
    ids = admin_pb2.JobIds(ids=["delayed", "waiting", "unknown"])
    answer = await stubs.admin.PromoteJobs(admin_pb2.PromoteJobsRequest(queue=queue, job_ids=ids))
    assert (answer.promoted_count, answer.skipped_count, answer.not_found_count) == (1, 1, 1)
    assert (await stubs.job(queue, "delayed")).state == WAITING
