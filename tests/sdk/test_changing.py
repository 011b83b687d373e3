"""client.admin.update_job."""

from datetime import UTC, datetime, timedelta

import pytest
from leasemq import Client, Job, JobNotInState, JobState

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
