"""client.admin: update_job, search, and verbs over many jobs."""

from datetime import UTC, datetime, timedelta

import pytest
from leasemq import BulkResult, Client, Job, JobNotInState, JobState, NewJob

from tests.sdk.support import worker


async def test_a_waiting_job_is_changed_and_read_back(client: Client, queue: str) -> None:
    added = await client.add(queue, {"a": 1})
    job = await client.admin.update_job(queue, added.id, payload={"a": 2}, priority=3)
    assert (job.payload, job.priority, job.state) == ({"a": 2}, 3, JobState.WAITING)
    later = datetime.now(UTC) + timedelta(hours=1)
    job = await client.admin.update_job(queue, added.id, run_time=later)
    assert (job.state, job.payload) == (JobState.DELAYED, {"a": 2})
    assert job.run_time is not None
    assert abs(job.run_time - later) < timedelta(milliseconds=2)
    assert (await client.admin.update_job(queue, added.id, run_time=None, payload=None)).state is JobState.WAITING
    assert (await client.get(queue, added.id)).payload is None


async def test_nothing_to_change_is_an_error_before_anything_is_sent(client: Client, queue: str) -> None:
    with pytest.raises(ValueError, match="nothing to change"):
        await client.admin.update_job(queue, "any")


async def test_a_job_that_is_done_is_not_changed(client: Client, queue: str) -> None:
    async def finish(_: Job) -> None:
        pass

    added = await client.add(queue)
    async with worker(client, queue, finish):
        await client.wait(queue, added.id, 20)
    with pytest.raises(JobNotInState):
        await client.admin.update_job(queue, added.id, priority=1)


async def test_jobs_are_found_by_what_they_hold(client: Client, queue: str) -> None:
    await client.add_many(queue, [NewJob({"to": f"user{number}"}, id=f"job-{number}") for number in range(300)])
    looked: list[int] = []
    found = [job async for job in client.admin.search(queue, payload="user7", id_prefix="job-7", on_progress=looked.append)]
    assert sorted(job.id for job in found) == ["job-7", *(f"job-7{digit}" for digit in range(10))]
    assert found[0].payload["to"].startswith("user7")
    assert looked[-1] == 300
    assert [job.id async for job in client.admin.search(queue, name=queue, states=[JobState.FAILED])] == []
    (bare,) = [job async for job in client.admin.search(queue, id_prefix="job-299", with_payload=False)]
    assert bare.raw_payload == b""


async def test_many_are_cancelled_with_a_word_on_the_way(client: Client, queue: str) -> None:
    await client.add_many(queue, [NewJob(number) for number in range(2500)])
    said: list[BulkResult] = []
    total = await client.admin.cancel(queue, state=JobState.WAITING, reason="no more", on_progress=said.append)
    assert total == BulkResult(2500, 0, 0) == said[-1]
    assert [result.done for result in said] == sorted({result.done for result in said})
    assert (await client.admin.stats(queue)).cancelled == 2500
    assert await client.admin.cancel(queue, ids=["unknown"]) == BulkResult(0, 1, 0)
