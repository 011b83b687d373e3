"""Two brokers on one store: what is said to one is heard by those who wait at the other."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import NamedTuple

import pytest
from leasemq.v1 import admin_pb2, job_pb2, producer_pb2, worker_pb2

from tests.support import BrokerProcess, StoreProcess, Stubs, parked, running, seconds, short_directory

SOON_S = 1.0


class Pair(NamedTuple):
    """Stubs of both."""

    a: Stubs
    b: Stubs


@pytest.fixture(scope="module")
def addresses() -> Iterator[list[str]]:
    with ExitStack() as stack:
        directory = stack.enter_context(short_directory())
        store = stack.enter_context(StoreProcess(directory / "store"))
        yield [stack.enter_context(BrokerProcess(directory, store=store.url)).address for _ in range(2)]


@pytest.fixture
async def pair(addresses: list[str]) -> AsyncIterator[Pair]:
    async with Stubs(addresses[0]) as a, Stubs(addresses[1]) as b:
        yield Pair(a, b)


async def test_an_add_at_one_wakes_a_poll_at_the_other(pair: Pair, queue: str):
    async with running(pair.a.lease(queue, wait=15)) as waiting:
        await parked(pair.a)
        since = time.monotonic()
        added = await pair.b.add(queue)
        lease = await asyncio.wait_for(waiting, SOON_S)
    assert time.monotonic() - since < SOON_S
    assert lease.job.id == added.job_id


async def test_a_delayed_job_added_at_one_wakes_a_poll_at_the_other_when_it_is_due(pair: Pair, queue: str):
    async with running(pair.a.lease(queue, wait=15)) as waiting:
        await parked(pair.a)
        await pair.b.add(queue, delay=seconds(0.4))
        assert await asyncio.wait_for(waiting, 0.4 + SOON_S) is not None


async def test_a_lease_given_out_by_one_expires_for_those_who_wait_at_the_other(pair: Pair, queue: str):
    await pair.a.add(queue)
    await pair.a.must_lease(queue, lease_duration=seconds(1))
    async with running(pair.b.lease(queue, wait=15)) as waiting:
        assert await asyncio.wait_for(waiting, 1.0 + SOON_S) is not None


async def test_a_job_is_leased_once_though_both_brokers_have_parked_polls(pair: Pair, queue: str):
    polls = [asyncio.ensure_future(stubs.lease(queue, wait=1)) for stubs in pair for _ in range(5)]
    await parked(pair.a, 5)
    await parked(pair.b, 5)
    await pair.a.add(queue)
    assert len([lease for lease in await asyncio.gather(*polls) if lease is not None]) == 1


async def test_a_drain_said_to_one_ends_the_workers_polls_at_the_other(pair: Pair, queue: str):
    async with running(pair.a.lease(queue, worker=f"drains-{queue}", wait=15)) as waiting:
        await parked(pair.a)
        await pair.b.worker.DrainWorker(worker_pb2.DrainWorkerRequest(worker_id=f"drains-{queue}"))
        assert await asyncio.wait_for(waiting, SOON_S) is None


async def test_a_cancellation_at_one_reaches_the_workers_stream_at_the_other(pair: Pair, queue: str):
    call = pair.a.worker.WatchWorker(worker_pb2.WatchWorkerRequest(worker_id=f"w-{queue}"))
    await call.read()
    added = await pair.a.add(queue)
    lease = await pair.a.must_lease(queue, worker=f"w-{queue}")
    await pair.b.producer.CancelJob(producer_pb2.CancelJobRequest(queue=queue, job_id=added.job_id, reason="by b"))
    heard = (await asyncio.wait_for(call.read(), SOON_S)).cancel
    assert (heard.lease_token, heard.status) == (lease.lease_token, worker_pb2.LEASE_STATUS_CANCEL_REQUESTED)
    call.cancel()


async def test_one_who_awaits_a_job_at_one_hears_of_its_end_at_the_other(pair: Pair, queue: str):
    added = await pair.a.add(queue)
    request = producer_pb2.AwaitJobRequest(queue=queue, job_id=added.job_id, wait_duration=seconds(15))
    async with running(pair.a.producer.AwaitJob(request)) as waiting:
        await parked(pair.a)
        await pair.b.complete(await pair.b.must_lease(queue), b"done at b")
        answer = await asyncio.wait_for(waiting, SOON_S)
    assert (answer.finished, answer.job.result) == (True, b"done at b")


async def test_a_token_given_out_by_one_settles_at_the_other(pair: Pair, queue: str):
    await pair.a.add(queue)
    lease = await pair.a.must_lease(queue)
    assert await pair.b.complete(lease) == job_pb2.JOB_STATE_COMPLETED
    assert await pair.a.complete(lease) == job_pb2.JOB_STATE_COMPLETED


async def test_a_retried_lease_call_finds_its_leases_at_the_other_broker(pair: Pair, queue: str):
    await pair.a.add(queue)
    first = await pair.a.must_lease(queue, request_id="r-1")
    again = await pair.b.must_lease(queue, request_id="r-1")
    assert again.lease_token == first.lease_token


async def test_a_pause_and_a_resume_at_one_hold_at_the_other(pair: Pair, queue: str):
    await pair.a.admin.PauseQueue(admin_pb2.PauseQueueRequest(queue=queue))
    await pair.a.add(queue)
    async with running(pair.b.lease(queue, wait=15)) as waiting:
        await parked(pair.b)
        assert not waiting.done()
        await pair.a.admin.ResumeQueue(admin_pb2.ResumeQueueRequest(queue=queue))
        assert await asyncio.wait_for(waiting, SOON_S) is not None


async def test_a_dead_letter_that_one_wrote_is_relayed_once_only(pair: Pair, queue: str):
    await pair.a.add(queue, id="doomed", dead_letter_queue=f"{queue}-dead")
    await pair.a.fail(await pair.a.must_lease(queue))
    assert await pair.b.lease(f"{queue}-dead", wait=5) is not None
    stats = await pair.b.stats(f"{queue}-dead")
    assert stats.added_total == 1
