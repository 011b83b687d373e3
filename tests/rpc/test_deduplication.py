"""Deduplication by key over a real channel: what the reply says, with two brokers too."""

import asyncio
import time

import pytest
from leasemq.v1 import job_pb2, producer_pb2

from tests.support import Stubs, eventually, seconds

WAITING, DELAYED, ACTIVE = job_pb2.JOB_STATE_WAITING, job_pb2.JOB_STATE_DELAYED, job_pb2.JOB_STATE_ACTIVE


def keyed(mode: str = "UNTIL_FINISHED", ttl: float | None = None) -> job_pb2.Deduplication:
    said = job_pb2.Deduplication(key="report of 2026", mode=f"DEDUPLICATION_MODE_{mode}")
    if ttl is not None:
        said.ttl.CopyFrom(seconds(ttl))
    return said


async def test_the_reply_names_the_job_that_holds_the_key(stubs: Stubs, queue: str):
    first = await stubs.add(queue, id="first", deduplication=keyed())
    assert (first.job_id, first.created, first.deduplicated) == ("first", True, False)
    second = await stubs.add(queue, id="second", deduplication=keyed())
    assert (second.job_id, second.created, second.deduplicated, second.state) == ("first", False, True, WAITING)
    assert (await stubs.job(queue, "first")).spec.deduplication == keyed()
    again = await stubs.add(queue, id="first", deduplication=keyed())
    assert (again.job_id, again.created, again.deduplicated) == ("first", False, False)


async def test_of_jobs_that_come_at_the_same_time_one_is_added(stubs: Stubs, queue: str):
    added = await asyncio.gather(*(stubs.add(queue, deduplication=keyed()) for _ in range(50)))
    assert sum(one.created for one in added) == 1
    assert len({one.job_id for one in added}) == 1
    assert (await stubs.stats(queue)).waiting == 1


async def test_within_a_batch(stubs: Stubs, queue: str):
    jobs = [job_pb2.JobSpec(name="n", id=f"j{n}", deduplication=keyed("DEBOUNCE"), delay=seconds(60)) for n in range(3)]
    reply = await stubs.producer.BatchAddJobs(producer_pb2.BatchAddJobsRequest(queue=queue, jobs=jobs))
    assert [(it.job_id, it.created, it.deduplicated) for it in reply.results] == [
        ("j0", True, False),
        ("j1", True, True),
        ("j2", True, True),
    ]
    assert (await stubs.stats(queue)).delayed == 1


async def test_a_batch_of_jobs_whose_key_is_held_names_the_holder_for_each(stubs: Stubs, queue: str):
    await stubs.add(queue, id="first", deduplication=keyed())
    jobs = [job_pb2.JobSpec(name="n", id=f"j{n}", deduplication=keyed()) for n in range(2)]
    reply = await stubs.producer.BatchAddJobs(producer_pb2.BatchAddJobsRequest(queue=queue, jobs=jobs))
    assert [(it.job_id, it.created, it.deduplicated) for it in reply.results] == [("first", False, True)] * 2


async def test_a_throttle_holds_when_its_job_is_gone(stubs: Stubs, queue: str):
    gone = job_pb2.Retention(max_count=0)
    await stubs.add(queue, id="a", deduplication=keyed("THROTTLE", 3600), completed_retention=gone)
    await stubs.complete(await stubs.must_lease(queue))
    throttled = await stubs.add(queue, deduplication=keyed("THROTTLE", 3600))
    assert (throttled.job_id, throttled.created, throttled.state) == ("a", False, job_pb2.JOB_STATE_UNSPECIFIED)


async def test_a_throttle_ends_by_the_stores_clock(stubs: Stubs, queue: str):
    await stubs.add(queue, deduplication=keyed("THROTTLE", 0.05))
    deadline = time.monotonic() + 5
    while not (await stubs.add(queue, deduplication=keyed("THROTTLE", 0.05))).created:
        assert time.monotonic() < deadline


async def test_the_latest_wakes_a_parked_poll_when_the_running_one_is_done(stubs: Stubs, queue: str):
    await stubs.add(queue, deduplication=keyed("KEEP_LATEST"))
    running = await stubs.must_lease(queue)
    kept = await stubs.add(queue, id="latest", payload=b"2", deduplication=keyed("KEEP_LATEST"))
    assert (kept.job_id, kept.state, kept.deduplicated) == (running.job.id, ACTIVE, True)
    poll = asyncio.create_task(stubs.must_lease(queue, wait=20))
    await stubs.complete(running)
    following = await poll
    assert (following.job.id, following.job.spec.payload) == ("latest", b"2")


@pytest.mark.parametrize("held", [True, False])
async def test_a_key_can_be_removed(stubs: Stubs, queue: str, held: bool):
    if held:
        await stubs.add(queue, id="a", deduplication=keyed())
    request = producer_pb2.RemoveDeduplicationKeyRequest(queue=queue, key="report of 2026")
    reply = await stubs.producer.RemoveDeduplicationKey(request)
    assert (reply.removed, reply.job_id) == ((True, "a") if held else (False, ""))
    assert (await stubs.add(queue, id="b", deduplication=keyed())).created


async def test_a_job_that_depends_on_one_whose_place_was_taken_is_not_stranded(stubs: Stubs, queue: str):
    first = await stubs.add(queue, deduplication=keyed("DEBOUNCE"), delay=seconds(3600))
    on_first = [job_pb2.Dependency(queue=queue, job_id=first.job_id)]
    dependent = await stubs.add(f"{queue}-next", dependencies=on_first)
    assert dependent.state == job_pb2.JOB_STATE_BLOCKED
    assert (await stubs.add(queue, deduplication=keyed("DEBOUNCE"), delay=seconds(3600))).deduplicated

    async def has_failed() -> bool:
        return (await stubs.job(f"{queue}-next", dependent.job_id)).state == job_pb2.JOB_STATE_FAILED

    await eventually(has_failed)
