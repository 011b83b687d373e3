"""Long polls: parked in the broker, woken at once by whatever makes a job leasable, ended in time."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from leasemq.v1 import admin_pb2, job_pb2, producer_pb2, worker_pb2

from tests.support import BrokerProcess, StoreProcess, Stubs, eventually, parked, running, seconds, short_directory

AT_ONCE_S = 1.0


async def woken(waiting: "asyncio.Task[worker_pb2.Lease | None]", since: float, within: float = AT_ONCE_S) -> worker_pb2.Lease:
    """The lease that a parked poll got; fails when it took too long."""
    lease = await asyncio.wait_for(waiting, within)
    assert lease is not None
    assert time.monotonic() - since < within
    return lease


async def test_an_added_job_wakes_a_parked_poll(stubs: Stubs, queue: str):
    async with running(stubs.lease(queue, wait=15)) as waiting:
        await parked(stubs)
        since = time.monotonic()
        added = await stubs.add(queue)
        assert (await woken(waiting, since)).job.id == added.job_id


async def test_a_delayed_job_wakes_a_parked_poll_when_it_is_due_and_not_before(stubs: Stubs, queue: str):
    async with running(stubs.lease(queue, wait=15)) as waiting:
        await parked(stubs)
        await stubs.add(queue, delay=seconds(0.4))
        lease = await woken(waiting, time.monotonic(), 0.4 + AT_ONCE_S)
        due = lease.job.create_time.ToMilliseconds() + 400
        assert due <= lease.job.start_time.ToMilliseconds() < due + 1000


async def test_a_job_that_is_due_before_one_that_was_waited_for_wakes_at_its_own_time(stubs: Stubs, queue: str):
    await stubs.add(queue, delay=seconds(3600))
    async with running(stubs.lease(queue, wait=15)) as waiting:
        await parked(stubs)
        await stubs.add(queue, id="sooner", delay=seconds(0.3))
        assert (await woken(waiting, time.monotonic(), 0.3 + AT_ONCE_S)).job.id == "sooner"


async def test_a_released_job_wakes_a_parked_poll(stubs: Stubs, queue: str):
    await stubs.add(queue)
    lease = await stubs.must_lease(queue)
    async with running(stubs.lease(queue, wait=15)) as waiting:
        await parked(stubs)
        since = time.monotonic()
        await stubs.worker.ReleaseJob(worker_pb2.ReleaseJobRequest(lease_token=lease.lease_token))
        assert (await woken(waiting, since)).attempt == 1


async def test_a_failed_attempt_without_a_wait_wakes_a_parked_poll(stubs: Stubs, queue: str):
    await stubs.add(queue, retry=job_pb2.RetryPolicy(max_attempts=2))
    lease = await stubs.must_lease(queue)
    async with running(stubs.lease(queue, wait=15)) as waiting:
        await parked(stubs)
        since = time.monotonic()
        await stubs.fail(lease)
        assert (await woken(waiting, since)).attempt == 2


async def test_a_resumed_queue_wakes_a_parked_poll(stubs: Stubs, queue: str):
    await stubs.admin.PauseQueue(admin_pb2.PauseQueueRequest(queue=queue))
    await stubs.add(queue)
    async with running(stubs.lease(queue, wait=15)) as waiting:
        await parked(stubs)
        assert not waiting.done()
        since = time.monotonic()
        await stubs.admin.ResumeQueue(admin_pb2.ResumeQueueRequest(queue=queue))
        await woken(waiting, since)


async def test_an_expired_lease_wakes_a_parked_poll(stubs: Stubs, queue: str):
    await stubs.add(queue)
    lost = await stubs.must_lease(queue, lease_duration=seconds(1))
    async with running(stubs.lease(queue, wait=15)) as waiting:
        await parked(stubs)
        again = await woken(waiting, time.monotonic(), 1.0 + AT_ONCE_S)
    assert (again.job.id, again.attempt, again.job.lease_expirations) == (lost.job.id, 1, 1)
    assert again.job.start_time.ToMilliseconds() >= lost.lease_expire_time.ToMilliseconds()
    job = await stubs.job(queue, lost.job.id)
    assert [failure.kind for failure in job.failures] == [job_pb2.FAILURE_KIND_LEASE_EXPIRED]


async def test_promoted_and_redriven_jobs_wake_a_parked_poll(stubs: Stubs, queue: str):
    await stubs.add(queue, id="delayed", delay=seconds(3600))
    async with running(stubs.lease(queue, wait=15)) as waiting:
        await parked(stubs)
        since = time.monotonic()
        await stubs.admin.PromoteJobs(
            admin_pb2.PromoteJobsRequest(queue=queue, filter=admin_pb2.JobFilter(state=job_pb2.JOB_STATE_DELAYED))
        )
        lease = await woken(waiting, since)
    await stubs.fail(lease)
    async with running(stubs.lease(queue, wait=15)) as waiting:
        await parked(stubs)
        since = time.monotonic()
        await stubs.admin.RetryJobs(admin_pb2.RetryJobsRequest(queue=queue, filter=admin_pb2.JobFilter()))
        assert (await woken(waiting, since)).job.id == "delayed"


async def test_a_poll_on_several_queues_is_woken_by_any_of_them(stubs: Stubs, new_queue: Callable[[], str]):
    queues = [new_queue() for _ in range(3)]
    for chosen in reversed(queues):
        async with running(stubs.lease(*queues, wait=15)) as waiting:
            await parked(stubs)
            since = time.monotonic()
            await stubs.add(chosen)
            assert (await woken(waiting, since)).job.queue == chosen


async def test_a_burst_reaches_all_parked_polls_one_job_each(stubs: Stubs, queue: str):
    polls = [asyncio.ensure_future(stubs.lease(queue, worker=f"w-{number}", wait=15)) for number in range(30)]
    await parked(stubs, len(polls))
    jobs = [job_pb2.JobSpec(name="n") for _ in polls]
    since = time.monotonic()
    await stubs.producer.BatchAddJobs(producer_pb2.BatchAddJobsRequest(queue=queue, jobs=jobs))
    leases = await asyncio.wait_for(asyncio.gather(*polls), 2.0)
    assert time.monotonic() - since < 2.0
    assert len({lease.job.id for lease in leases if lease}) == len(polls)


async def test_a_wake_is_not_lost_with_the_poll_that_it_roused(stubs: Stubs, broker: BrokerProcess, queue: str):
    """Two polls, one job: whichever of them goes away, the other gets the job."""
    for _ in range(10):
        async with Stubs(broker.address) as fickle, running(stubs.lease(queue, worker="steady", wait=15)) as steady:
            gone = asyncio.ensure_future(fickle.lease(queue, worker="fickle", wait=15))
            await parked(stubs, 2)
            adding = asyncio.ensure_future(stubs.add(queue))
            gone.cancel()
            await adding
            done, _ = await asyncio.wait([gone, steady], timeout=2.0)
            assert done
            lease = await asyncio.wait_for(steady, 2.0)
            assert lease is not None
            await stubs.complete(lease)


async def test_a_poll_without_a_job_is_an_empty_ok_when_its_time_is_over(stubs: Stubs, queue: str):
    started = time.monotonic()
    assert await stubs.lease(queue, wait=0.4) is None
    assert 0.4 <= time.monotonic() - started < 1.4


async def test_draining_a_worker_ends_its_open_polls_and_its_late_ones_but_no_others(stubs: Stubs, queue: str):
    drained = [asyncio.ensure_future(stubs.lease(queue, worker=f"drains-{queue}", wait=15)) for _ in range(3)]
    async with running(stubs.lease(queue, worker="stays", wait=15)) as staying:
        await parked(stubs, 4)
        since = time.monotonic()
        await stubs.worker.DrainWorker(worker_pb2.DrainWorkerRequest(worker_id=f"drains-{queue}"))
        assert await asyncio.wait_for(asyncio.gather(*drained), 1.0) == [None] * 3
        assert await asyncio.wait_for(stubs.lease(queue, worker=f"drains-{queue}", wait=15), 1.0) is None
        assert time.monotonic() - since < 1.0
        added = await stubs.add(queue)
        lease = await asyncio.wait_for(staying, 1.0)
        assert lease is not None
        assert lease.job.id == added.job_id


async def test_a_drained_worker_gets_no_job_even_if_one_is_there(stubs: Stubs, queue: str):
    await stubs.add(queue)
    await stubs.worker.DrainWorker(worker_pb2.DrainWorkerRequest(worker_id=f"drains-{queue}"))
    assert await stubs.lease(queue, worker=f"drains-{queue}", wait=15) is None
    assert await stubs.lease(queue, worker="another") is not None


@pytest.fixture
def own_store() -> Iterator[tuple[BrokerProcess, StoreProcess]]:
    with ExitStack() as stack:
        directory = stack.enter_context(short_directory())
        store = stack.enter_context(StoreProcess(directory / "store"))
        yield stack.enter_context(BrokerProcess(directory, store=store.url)), store


async def test_an_idle_broker_leaves_the_store_almost_alone_however_many_polls_wait(
    own_store: tuple[BrokerProcess, StoreProcess], queue: str
):
    broker, store = own_store
    async with Stubs(broker.address) as stubs:
        polls = [asyncio.ensure_future(stubs.lease(queue, f"{queue}-b", worker=f"w-{n}", wait=19)) for n in range(50)]
        await parked(stubs, 50)
        with store.client() as client:

            async def commands_in(span: float) -> int:
                before = client.info("stats")["total_commands_processed"]
                await asyncio.sleep(span)  # what is measured is a span of nothing
                return int(client.info("stats")["total_commands_processed"] - before - 1)

            async def quiet() -> bool:
                return await commands_in(0.1) < 5

            await eventually(quiet)  # all have looked
            commands = await commands_in(3.0)
        assert not any(poll.done() for poll in polls)
        assert commands / 3.0 < 10, f"{commands} commands in 3 s"
        for poll in polls:
            poll.cancel()


async def test_a_batch_call_waits_for_as_many_as_are_worth_it(stubs: Stubs, queue: str):
    request = worker_pb2.BatchLeaseJobsRequest(
        queues=[queue], worker_id="w", max_jobs=10, min_jobs=3, linger=seconds(10), wait_duration=seconds(20)
    )
    call = asyncio.ensure_future(stubs.worker.BatchLeaseJobs(request))
    for number in range(3):
        await stubs.add(queue, id=str(number))
    assert [lease.job.id for lease in (await call).leases] == ["0", "1", "2"]
    await stubs.add(queue, id="late")
    request.linger.CopyFrom(seconds(0.05))
    request.ClearField("min_jobs")
    assert [lease.job.id for lease in (await stubs.worker.BatchLeaseJobs(request)).leases] == ["late"]


async def test_a_batch_call_that_is_gone_while_it_waits_for_more_gives_its_jobs_back(stubs: Stubs, queue: str):
    waits = {"linger": seconds(10), "wait_duration": seconds(20)}
    request = worker_pb2.BatchLeaseJobsRequest(queues=[queue], worker_id="w", max_jobs=10, **waits)
    call = stubs.worker.BatchLeaseJobs(request)
    await stubs.add(queue, id="a")

    async def is_active() -> bool:
        return (await stubs.stats(queue)).active == 1

    await eventually(is_active)
    call.cancel()
    lease = await stubs.must_lease(queue, wait=20)
    assert (lease.job.id, lease.attempt, lease.job.lease_expirations) == ("a", 1, 0)


async def test_a_thousand_jobs_are_leased_by_one_call_and_again_by_its_retry(stubs: Stubs, queue: str):
    ids = [f"job-{number:04}" for number in range(1000)]
    jobs = [job_pb2.JobSpec(name="n", id=job_id) for job_id in ids]
    await stubs.producer.BatchAddJobs(producer_pb2.BatchAddJobsRequest(queue=queue, jobs=jobs))
    request = worker_pb2.BatchLeaseJobsRequest(queues=[queue], worker_id="w", request_id="r", max_jobs=1000)
    leases = (await stubs.worker.BatchLeaseJobs(request)).leases
    assert [lease.job.id for lease in leases] == ids
    again = (await stubs.worker.BatchLeaseJobs(request)).leases
    assert [lease.lease_token for lease in again] == [lease.lease_token for lease in leases]
    settlements = [worker_pb2.Settlement(lease_token=it.lease_token, complete=worker_pb2.CompleteOutcome()) for it in leases]
    results = (await stubs.worker.SettleJobs(worker_pb2.SettleJobsRequest(settlements=settlements))).results
    assert not any(result.HasField("error") for result in results)
    assert (await stubs.stats(queue)).completed == 1000
