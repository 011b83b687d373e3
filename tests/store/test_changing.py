"""update: what a job that has not started may become, and where it then stands."""

import pytest
from leasemq.v1 import job_pb2
from leasemq_server.broker.changes import update_job
from leasemq_server.errors import JobNotFoundError, JobNotInStateError, StoreFullError
from leasemq_server.jobs.changes import Change

from tests.store.harness import HOUR, SECOND, START_MS, Desk

SPEC = job_pb2.JobSpec(name="n", payload=b"old", priority=5).SerializeToString()
NOTHING = Change(None, None, None)


async def update(desk: Desk, job_id: str, **what: object) -> None:
    await update_job(desk.store, desk.queue, job_id, NOTHING._replace(**what))


async def spec(desk: Desk, job_id: str = "a") -> job_pb2.JobSpec:
    return job_pb2.JobSpec.FromString((await desk.job(job_id)).spec)


async def add(desk: Desk, *ids: str, **how: object) -> None:
    for job_id in ids:
        await desk.add(job_id, spec=SPEC, p=5, **how)


async def test_a_new_payload_leaves_the_job_where_it_is(desk: Desk):
    await add(desk, "a", "b", tl=HOUR)
    await update(desk, "a", payload=b"new")
    assert await spec(desk) == job_pb2.JobSpec(name="n", payload=b"new", priority=5)
    job = await desk.job("a")
    assert (job.create_ms, job.options) == (START_MS, b'{"p":5,"tl":3600000}')
    assert await desk.lease_ids() == ["a", "b"]


async def test_a_changed_priority_moves_the_job_to_the_tail_of_its_new_one(desk: Desk):
    await add(desk, "a", "b", "c")
    await desk.add("urgent")
    await update(desk, "b", priority=0)
    await update(desk, "a", priority=6)
    assert (await spec(desk, "b")).priority == 0
    assert (await desk.job("b")).options == b""
    assert await desk.lease_ids() == ["urgent", "b", "c", "a"]


async def test_the_same_priority_moves_nothing(desk: Desk):
    await add(desk, "a", "b")
    await update(desk, "a", priority=5)
    assert await desk.lease_ids() == ["a", "b"]


async def test_a_delayed_job_waits_by_its_new_priority_when_it_is_due(desk: Desk):
    await add(desk, "a", delay_ms=SECOND)
    await add(desk, "b")
    await update(desk, "a", priority=1)
    assert await desk.state("a") == "delayed"
    await desk.after(SECOND)
    assert await desk.lease_ids() == ["a", "b"]


async def test_a_run_time_to_come_delays_and_one_in_the_past_promotes(desk: Desk):
    await add(desk, "a", "b")
    await update(desk, "a", run_ms=START_MS + HOUR)
    assert ((await desk.job("a")).delayed_ms, await desk.ids("waiting")) == (START_MS + HOUR, ["b"])
    assert (await spec(desk)).run_time.ToMilliseconds() == START_MS + HOUR
    await update(desk, "a", run_ms=START_MS + 2 * HOUR)
    assert (await desk.job("a")).delayed_ms == START_MS + 2 * HOUR
    await update(desk, "a", run_ms=START_MS - 1)
    assert await desk.lease_ids() == ["b", "a"]


async def test_a_job_that_waits_for_its_retry_can_be_changed_too(desk: Desk):
    await add(desk, "a", ma=3, rp=1)
    await desk.fail(await desk.lease_one(), retry_delay_ms=HOUR)
    await update(desk, "a", payload=b"fixed", run_ms=0)
    assert (await desk.state("a"), await desk.attempt("a")) == ("waiting", 1)
    assert (await desk.lease_one("a")).attempt == 2
    assert (await spec(desk)).payload == b"fixed"


async def test_a_job_that_has_started_or_finished_is_not_changed(desk: Desk):
    await add(desk, "a")
    job = await desk.lease_one()
    before = await desk.dump()
    with pytest.raises(JobNotInStateError, match="ACTIVE"):
        await update(desk, "a", payload=b"new")
    assert await desk.dump() == before
    await desk.complete(job)
    with pytest.raises(JobNotInStateError, match="COMPLETED"):
        await update(desk, "a", priority=1)
    with pytest.raises(JobNotFoundError):
        await update(desk, "nowhere", priority=1)


async def test_what_was_changed_meanwhile_is_not_overwritten(desk: Desk):
    await add(desk, "a")
    seen = await desk.store.stored_spec(desk.queue, "a")
    assert seen is not None
    await update(desk, "a", payload=b"new")
    before = await desk.dump()
    words = await desk.store.update_if(desk.queue, "a", seen, SPEC, "", to_tail=True, run_ms=START_MS + HOUR)
    assert words == ("CONFLICT", "")
    assert await desk.dump() == before


async def test_a_full_store_refuses_it_and_nothing_changes(valkey_desk: Desk):
    await add(valkey_desk, "a")
    before = await valkey_desk.dump()
    await valkey_desk.client.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreFullError):
            await update(valkey_desk, "a", payload=b"new")
    finally:
        await valkey_desk.client.config_set("maxmemory", 0)
    assert await valkey_desk.dump() == before
