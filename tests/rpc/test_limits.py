"""Limits over real channels: who is refused and how, and that a parked poll is woken by what opens a limit."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import grpc
import pytest
from leasemq.v1 import admin_pb2, job_pb2, producer_pb2, worker_pb2

from tests.rpc.test_admin import update
from tests.rpc.test_polls import woken
from tests.support import BrokerProcess, StoreProcess, Stubs, eventually, parked, refusal, running, seconds, short_directory


def rate(max_jobs: int, duration: float) -> admin_pb2.RateLimit:
    return admin_pb2.RateLimit(max_jobs=max_jobs, duration=seconds(duration))


async def batch(stubs: Stubs, queue: str, *ids: str) -> producer_pb2.BatchAddJobsResponse:
    specs = [job_pb2.JobSpec(name="n", id=job_id) for job_id in ids]
    return await stubs.producer.BatchAddJobs(producer_pb2.BatchAddJobsRequest(queue=queue, jobs=specs))


async def test_limits_are_set_read_and_taken_off(stubs: Stubs, queue: str):
    config = await update(stubs, queue, max_active=2, rate_limit=rate(10, 1), max_waiting=100)
    assert (config.max_active, config.rate_limit, config.max_waiting) == (2, rate(10, 1), 100)
    assert (await update(stubs, queue, max_active=3)).rate_limit == rate(10, 1)
    assert await update(stubs, queue, "max_active", "rate_limit", "max_waiting") == admin_pb2.QueueConfig()


async def test_the_next_job_starts_when_a_running_one_ends(stubs: Stubs, queue: str):
    await update(stubs, queue, max_active=1)
    await batch(stubs, queue, "a", "b", "c")
    lease = await stubs.must_lease(queue)
    async with running(stubs.lease(queue, wait=15)) as waiting:
        await parked(stubs)
        since = time.monotonic()
        await stubs.complete(lease)
        second = await woken(waiting, since)
    assert second.job.id == "b"
    async with running(stubs.lease(queue, wait=15)) as waiting:
        await parked(stubs)
        since = time.monotonic()
        await update(stubs, queue, max_active=2)
        assert (await woken(waiting, since)).job.id == "c"


async def test_a_slot_of_a_lease_that_ran_out_goes_to_a_parked_poll(stubs: Stubs, queue: str):
    await update(stubs, queue, max_active=1)
    await stubs.add(queue)
    await stubs.must_lease(queue, lease_duration=seconds(1))
    async with running(stubs.lease(queue, wait=15)) as waiting:
        await parked(stubs)
        await woken(waiting, time.monotonic(), 2.0)


async def test_a_parked_poll_gets_its_job_when_the_window_is_over(stubs: Stubs, queue: str):
    await update(stubs, queue, rate_limit=rate(1, 0.5))
    await batch(stubs, queue, "a", "b")
    first = await stubs.must_lease(queue)
    second = await stubs.must_lease(queue, wait=15)
    between = second.job.start_time.ToMilliseconds() - first.job.start_time.ToMilliseconds()
    assert 500 <= between < 1500


async def test_a_worker_holds_the_whole_queue(stubs: Stubs, queue: str):
    await batch(stubs, queue, "a", "b")
    lease = await stubs.must_lease(queue)
    since = time.monotonic()
    held = worker_pb2.ReleaseJobRequest(lease_token=lease.lease_token, hold_queue=seconds(0.5))
    assert (await stubs.worker.ReleaseJob(held)).next_state == job_pb2.JOB_STATE_WAITING
    assert (await stubs.stats(queue)).HasField("hold_expire_time")
    again = await stubs.must_lease(queue, wait=15)
    assert time.monotonic() - since >= 0.5
    assert (again.job.id, again.attempt) == ("a", 1)
    assert not (await stubs.stats(queue)).HasField("hold_expire_time")
    settle = worker_pb2.ReleaseOutcome(hold_queue=seconds(60))
    settlement = worker_pb2.Settlement(lease_token=again.lease_token, release=settle)
    await stubs.worker.SettleJobs(worker_pb2.SettleJobsRequest(settlements=[settlement]))
    assert await stubs.lease(queue) is None
    await stubs.admin.ResumeQueue(admin_pb2.ResumeQueueRequest(queue=queue))
    assert (await stubs.must_lease(queue)).job.id == "a"


async def test_a_full_queue_refuses_a_batch_whole_and_says_when_to_come_back(stubs: Stubs, queue: str):
    await update(stubs, queue, max_waiting=2)
    await batch(stubs, queue, "a")
    refused = await refusal(batch(stubs, queue, "b", "c"))
    assert (refused.code, refused.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")
    assert refused.metadata == {"queue": queue, "limit": "2"}
    assert refused.retry_after
    assert refused.quotas == [f"queue:{queue}"]
    await batch(stubs, queue, "b")
    assert [it.created for it in (await batch(stubs, queue, "a", "b")).results] == [False, False]
    assert (await refusal(stubs.add(queue))).reason == "QUEUE_FULL"
    assert (await stubs.stats(queue)).added_total == 2


async def test_adds_that_come_together_are_refused_one_by_one(stubs: Stubs, queue: str):
    await update(stubs, queue, max_waiting=7)
    answers = await asyncio.gather(*(stubs.add(queue, id=str(n)) for n in range(20)), return_exceptions=True)
    assert sum(not isinstance(answer, Exception) for answer in answers) == 7
    assert (await stubs.stats(queue)).waiting == 7


async def test_dead_letters_come_into_a_full_queue(stubs: Stubs, queue: str):
    await update(stubs, f"{queue}-dead", max_waiting=1)
    await stubs.add(f"{queue}-dead")
    await stubs.add(queue, dead_letter_queue=f"{queue}-dead")
    await stubs.fail(await stubs.must_lease(queue))

    async def arrived() -> bool:
        return (await stubs.stats(f"{queue}-dead")).waiting == 2

    await eventually(arrived)


@pytest.fixture
def own_store() -> Iterator[tuple[BrokerProcess, StoreProcess]]:
    with ExitStack() as stack:
        directory = stack.enter_context(short_directory())
        store = stack.enter_context(StoreProcess(directory / "store"))
        yield stack.enter_context(BrokerProcess(directory, store=store.url)), store


@pytest.fixture
async def own(own_store: tuple[BrokerProcess, StoreProcess]) -> AsyncIterator[tuple[Stubs, StoreProcess]]:
    async with Stubs(own_store[0].address) as stubs:
        yield stubs, own_store[1]


LIMITS = {"max active": {"max_active": 1}, "rate": {"rate_limit": rate(1, 3600)}, "hold": {}}


@pytest.mark.parametrize("limit", LIMITS)
async def test_a_limit_that_is_shut_costs_no_looks_while_polls_are_parked(own: tuple[Stubs, StoreProcess], limit: str):
    stubs, store = own
    await update(stubs, "q", max_lease_expirations=1, **LIMITS[limit])
    await batch(stubs, "q", "a", "b", "c")
    lease = await stubs.must_lease("q", lease_duration=seconds(3600))
    if limit == "hold":
        held = worker_pb2.ReleaseJobRequest(lease_token=lease.lease_token, hold_queue=seconds(3600))
        await stubs.worker.ReleaseJob(held)
    polls = [asyncio.ensure_future(stubs.lease("q", worker=f"w-{n}", wait=19)) for n in range(20)]
    await parked(stubs, 20)
    with store.client() as client:

        async def scripts_in(span: float) -> int:
            def calls() -> int:
                return sum(it["calls"] for name, it in client.info("commandstats").items() if name.startswith("cmdstat_eval"))

            before = calls()
            await asyncio.sleep(span)  # what is measured is a span of nothing
            return calls() - before

        async def quiet() -> bool:
            return await scripts_in(0.2) == 0

        await eventually(quiet)  # all have looked
        assert await scripts_in(2.0) <= 1  # the tick of a queue that has jobs comes every 5 s
    assert not any(poll.done() for poll in polls)
    for poll in polls:
        poll.cancel()
