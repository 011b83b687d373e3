"""What a running job's worker hears: on its control stream within a second, and by its heartbeats."""

import asyncio
import time
from collections.abc import AsyncIterator

import grpc
import pytest
from leasemq.v1 import admin_pb2, job_pb2, producer_pb2, worker_pb2

from tests.support import BrokerProcess, Stubs, seconds

SOON_S = 1.0
CANCEL_REQUESTED, LOST = worker_pb2.LEASE_STATUS_CANCEL_REQUESTED, worker_pb2.LEASE_STATUS_LOST


class Watch:
    """A worker's control stream, open once `opened` returns."""

    def __init__(self, stubs: Stubs, worker: str) -> None:
        self._call = stubs.worker.WatchWorker(worker_pb2.WatchWorkerRequest(worker_id=worker))

    async def opened(self) -> "Watch":
        assert (await self._call.read()).HasField("keep_alive")
        return self

    async def heard(self, within: float = SOON_S) -> worker_pb2.LeaseCancelled:
        message = await asyncio.wait_for(self._call.read(), within)
        assert message.HasField("cancel"), message
        return message.cancel

    def close(self) -> None:
        self._call.cancel()


@pytest.fixture
async def watch(stubs: Stubs, queue: str) -> AsyncIterator[Watch]:
    opened = await Watch(stubs, f"w-{queue}").opened()
    yield opened
    opened.close()


async def test_cancelling_a_running_job_reaches_its_worker_within_a_second(stubs: Stubs, watch: Watch, queue: str):
    added = await stubs.add(queue)
    lease = await stubs.must_lease(queue, worker=f"w-{queue}")
    await stubs.producer.CancelJob(producer_pb2.CancelJobRequest(queue=queue, job_id=added.job_id, reason="changed my mind"))
    heard = await watch.heard()
    assert (heard.lease_token, heard.status, heard.reason) == (lease.lease_token, CANCEL_REQUESTED, "changed my mind")
    info = worker_pb2.WorkerInfo(worker_id=f"w-{queue}")
    (found,) = (await stubs.worker.Heartbeat(worker_pb2.HeartbeatRequest(worker=info, lease_tokens=[lease.lease_token]))).leases
    assert found.status == CANCEL_REQUESTED
    assert found.HasField("lease_expire_time")


async def test_a_timed_out_attempt_is_lost_and_its_worker_is_told(stubs: Stubs, watch: Watch, queue: str):
    policy = job_pb2.RetryPolicy(max_attempts=2, backoff=job_pb2.Backoff(fixed=job_pb2.FixedBackoff(delay=seconds(100))))
    added = await stubs.add(queue, timeout=seconds(0.4), retry=policy)
    lease = await stubs.must_lease(queue, worker=f"w-{queue}")
    heard = await watch.heard(0.4 + SOON_S)
    assert (heard.lease_token, heard.status, heard.reason) == (lease.lease_token, LOST, "timeout")
    job = await stubs.job(queue, added.job_id)
    assert (job.state, job.attempt, job.failures[0].kind) == (job_pb2.JOB_STATE_DELAYED, 1, job_pb2.FAILURE_KIND_TIMEOUT)


async def test_a_lease_that_runs_out_is_lost_and_its_worker_is_told(stubs: Stubs, watch: Watch, queue: str):
    added = await stubs.add(queue)
    lease = await stubs.must_lease(queue, worker=f"w-{queue}", lease_duration=seconds(1))
    heard = await watch.heard(1.0 + SOON_S)
    assert (heard.lease_token, heard.status, heard.reason) == (lease.lease_token, LOST, "lease expired")
    job = await stubs.job(queue, added.job_id)
    assert (job.state, job.attempt, job.lease_expirations) == (job_pb2.JOB_STATE_WAITING, 0, 1)


async def test_deleting_a_queue_by_force_tells_the_worker_that_its_lease_is_lost(stubs: Stubs, watch: Watch, queue: str):
    await stubs.add(queue)
    lease = await stubs.must_lease(queue, worker=f"w-{queue}")
    await stubs.admin.DeleteQueue(admin_pb2.DeleteQueueRequest(queue=queue, force=True))
    heard = await watch.heard()
    assert (heard.lease_token, heard.status) == (lease.lease_token, LOST)


async def test_a_workers_stream_says_nothing_of_other_workers_jobs(stubs: Stubs, watch: Watch, queue: str):
    other, mine = await stubs.add(queue), await stubs.add(queue)
    await stubs.must_lease(queue, worker="another")
    lease = await stubs.must_lease(queue, worker=f"w-{queue}")
    for added in (other, mine):
        await stubs.producer.CancelJob(producer_pb2.CancelJobRequest(queue=queue, job_id=added.job_id))
    assert (await watch.heard()).lease_token == lease.lease_token


async def test_leases_that_a_broken_connection_may_not_have_carried_are_given_back_at_once(broker: BrokerProcess, queue: str):
    async with Stubs(broker.address) as stubs:
        worker = Stubs(broker.address)
        await Watch(worker, f"w-{queue}").opened()
        added = await stubs.add(queue)
        lost = await worker.must_lease(queue, worker=f"w-{queue}", lease_duration=seconds(600))
        since = time.monotonic()
        await worker.channel.close()
        again = await stubs.must_lease(queue, wait=5)
        assert time.monotonic() - since < SOON_S
        assert (again.job.id, again.attempt, again.job.lease_expirations) == (added.job_id, 1, 1)
        assert again.lease_token != lost.lease_token


async def test_leases_that_the_worker_has_shown_to_have_stay_when_its_stream_breaks(broker: BrokerProcess, queue: str):
    async with Stubs(broker.address) as stubs:
        worker = Stubs(broker.address)
        await Watch(worker, f"w-{queue}").opened()
        added = await stubs.add(queue)
        lease = await worker.must_lease(queue, worker=f"w-{queue}")
        info = worker_pb2.WorkerInfo(worker_id=f"w-{queue}")
        await worker.worker.Heartbeat(worker_pb2.HeartbeatRequest(worker=info, lease_tokens=[lease.lease_token]))
        await worker.channel.close()
        assert await stubs.lease(queue, wait=0.5) is None
        assert (await stubs.job(queue, added.job_id)).state == job_pb2.JOB_STATE_ACTIVE
        await stubs.complete(lease)


async def test_every_lease_of_a_worker_with_several_open_calls_is_given_back_when_it_dies(broker: BrokerProcess, queue: str):
    async with Stubs(broker.address) as stubs:
        worker = Stubs(broker.address)
        await Watch(worker, f"w-{queue}").opened()
        for number in range(5):
            await stubs.add(queue, id=f"job-{number}")
        leases = await asyncio.gather(*(worker.must_lease(queue, worker=f"w-{queue}", wait=5) for _ in range(5)))
        assert len({lease.job.id for lease in leases}) == 5
        await worker.channel.close()
        for _ in leases:
            assert (await stubs.must_lease(queue, wait=2)).attempt == 1


async def test_a_control_stream_ends_with_an_error_when_the_broker_is_killed(tmp_path_factory: pytest.TempPathFactory):
    with BrokerProcess(tmp_path_factory.mktemp("killed"), store="memory://") as broker:
        async with Stubs(broker.address) as stubs:
            call = stubs.worker.WatchWorker(worker_pb2.WatchWorkerRequest(worker_id="w"))
            await call.read()
            broker.kill()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await asyncio.wait_for(call.read(), 5.0)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
