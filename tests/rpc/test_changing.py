"""UpdateJob over a real channel."""

import asyncio
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from leasemq.v1 import admin_pb2, job_pb2

from tests.support import Stubs, refusal, seconds

WAITING, DELAYED = job_pb2.JOB_STATE_WAITING, job_pb2.JOB_STATE_DELAYED
FAR = Timestamp(seconds=4_000_000_000)


async def update(stubs: Stubs, queue: str, job_id: str, *mask: str, **changes: Any) -> job_pb2.Job:
    request = admin_pb2.UpdateJobRequest(queue=queue, job_id=job_id, **changes)
    request.update_mask.CopyFrom(FieldMask(paths=mask))
    return (await stubs.admin.UpdateJob(request)).job


async def test_what_is_set_is_changed_and_the_rest_stays(stubs: Stubs, queue: str):
    await stubs.add(queue, id="a", payload=b"1", priority=7, content_type="text/plain")
    job = await update(stubs, queue, "a", payload=b"2")
    assert (job.spec.payload, job.spec.priority, job.spec.content_type, job.state) == (b"2", 7, "text/plain", WAITING)
    job = await update(stubs, queue, "a", priority=3, run_time=FAR)
    assert (job.spec.payload, job.spec.priority, job.state, job.run_time) == (b"2", 3, DELAYED, FAR)
    assert await stubs.job(queue, "a") == job


async def test_what_the_mask_names_and_is_not_set_goes_back_to_its_default(stubs: Stubs, queue: str):
    await stubs.add(queue, id="a", payload=b"1", priority=7, delay=seconds(3600))
    job = await update(stubs, queue, "a", "payload", "run_time", priority=9)
    assert (job.spec.payload, job.spec.priority, job.state) == (b"", 7, WAITING)


async def test_a_run_time_in_the_past_wakes_a_parked_poll(stubs: Stubs, queue: str):
    await stubs.add(queue, id="a", delay=seconds(3600))
    poll = asyncio.create_task(stubs.must_lease(queue, wait=20))
    await update(stubs, queue, "a", run_time=Timestamp(seconds=1))
    assert (await poll).job.id == "a"


async def test_updates_of_different_fields_at_the_same_time_both_stand(stubs: Stubs, queue: str):
    await stubs.add(queue, id="a")
    await asyncio.gather(*(update(stubs, queue, "a", **change) for change in ({"payload": b"x"}, {"priority": 4}) * 10))
    job = await stubs.job(queue, "a")
    assert (job.spec.payload, job.spec.priority) == (b"x", 4)


@pytest.mark.parametrize("lease", [True, False])
async def test_a_job_that_has_started_is_not_changed(stubs: Stubs, queue: str, lease: bool):
    if lease:
        await stubs.add(queue, id="a")
        await stubs.must_lease(queue)
    refused = await refusal(stubs.admin.UpdateJob(admin_pb2.UpdateJobRequest(queue=queue, job_id="a", priority=1)))
    if lease:
        assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "JOB_NOT_IN_STATE")
        assert refused.metadata == {"job_id": "a", "state": "ACTIVE"}
    else:
        assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND")
