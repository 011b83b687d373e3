"""A store that is gone, comes back, or is full."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from leasemq.v1 import admin_pb2, job_pb2, producer_pb2, worker_pb2

from tests.support import BrokerProcess, StoreProcess, Stubs, eventually, parked, refusal, running, seconds

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


class Place(NamedTuple):
    """A broker and the store under it."""

    broker: BrokerProcess
    store: StoreProcess


@pytest.fixture
def place(directory: Path) -> Iterator[Place]:
    with ExitStack() as stack:
        store = stack.enter_context(StoreProcess(directory / "store", appendonly="yes", appendfsync="always"))
        yield Place(stack.enter_context(BrokerProcess(directory, store=store.url)), store)


async def becomes(stubs: Stubs, status: int, service: str = "") -> None:
    health = health_pb2_grpc.HealthStub(stubs.channel)

    async def is_so() -> bool:
        return (await health.Check(health_pb2.HealthCheckRequest(service=service))).status == status

    await eventually(is_so)


async def test_without_its_store_a_broker_says_so_and_when_it_is_back_all_goes_on(place: Place):
    async with Stubs(place.broker.address) as stubs, running(stubs.lease("idle", wait=19)) as poll:
        await stubs.add("q", id="waiting")
        added = await stubs.add("q", id="running", priority=1)
        await stubs.complete(await stubs.must_lease("q"))
        lease = await stubs.must_lease("q")
        assert lease.job.id == added.job_id
        await parked(stubs)
        place.store.kill()
        await becomes(stubs, NOT_SERVING)
        await becomes(stubs, NOT_SERVING, "leasemq.v1.WorkerService")
        calls = [
            stubs.add("q"),
            stubs.lease("q", wait=5),
            stubs.complete(lease),
            stubs.job("q", "running"),
            stubs.stats("q"),
            stubs.worker.Heartbeat(worker_pb2.HeartbeatRequest(worker=worker_pb2.WorkerInfo(worker_id="w"))),
            stubs.producer.AwaitJob(producer_pb2.AwaitJobRequest(queue="q", job_id="running", wait_duration=seconds(5))),
        ]
        for call in calls:
            refused = await refusal(asyncio.wait_for(call, 3.0))
            assert (refused.code, refused.reason, refused.domain) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", "leasemq")
            assert refused.retry_after == 1.0
        place.store.start()
        await becomes(stubs, SERVING)
        assert await stubs.complete(lease) == job_pb2.JOB_STATE_COMPLETED
        assert (await stubs.job("q", "waiting")).state == job_pb2.JOB_STATE_COMPLETED
        assert not poll.done()  # it was parked through all of it, and is woken by what comes after
        since = time.monotonic()
        await stubs.add("idle")
        assert await asyncio.wait_for(poll, 2.0) is not None
        assert time.monotonic() - since < 1.0


async def test_a_store_with_too_few_replicas_to_write_is_unavailable_and_no_traceback(place: Place):
    async with Stubs(place.broker.address) as stubs:
        await stubs.add("q")
        with place.store.client() as client:
            client.config_set("min-replicas-to-write", 1)
        for call in (stubs.add("q"), stubs.lease("q")):
            refused = await refusal(call)
            assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
        with place.store.client() as client:
            client.config_set("min-replicas-to-write", 0)
        assert (await stubs.add("q")).created
        assert "Traceback" not in place.broker.log.read_text()


async def test_an_outage_is_one_log_line_when_it_begins_and_one_when_it_ends(place: Place):
    async with Stubs(place.broker.address) as stubs:
        place.store.kill()
        await becomes(stubs, NOT_SERVING)
        await asyncio.sleep(1.5)  # several looks at a store that is still gone
        place.store.start()
        await becomes(stubs, SERVING)
        log = place.broker.log.read_text()
        assert (log.count("store lost"), log.count("store back")) == (1, 1), log


async def test_a_store_that_comes_back_with_other_settings_is_taken_for_what_it_is(place: Place):
    async with Stubs(place.broker.address) as stubs:
        assert (await stubs.add("q")).durability == job_pb2.DURABILITY_FSYNC
        place.store.kill()
        await becomes(stubs, NOT_SERVING)
        place.store.settings |= {"maxmemory-policy": "allkeys-lru", "appendfsync": "everysec"}
        place.store.start()
        await becomes(stubs, SERVING)
        assert (await stubs.add("q")).durability == job_pb2.DURABILITY_MEMORY
        said = "maxmemory-policy is allkeys-lru: a full store would silently drop jobs: run CONFIG SET maxmemory-policy"
        (warning,) = (await stubs.admin.GetServerInfo(admin_pb2.GetServerInfoRequest())).store.warnings
        assert warning.startswith(said)
        assert place.broker.log.read_text().count(said) == 1


async def test_what_was_added_while_nobody_listened_is_found_as_soon_as_somebody_does(place: Place):
    async with Stubs(place.broker.address) as stubs, running(stubs.lease("q", wait=19)) as poll:
        await parked(stubs)
        with place.store.client() as client:
            assert client.client_kill_filter(_type="pubsub") == 1
        await stubs.add("q")  # its wake reaches nobody
        with place.store.client() as client:
            assert client.pubsub_numsub("lmq:wake")[0][1] == 0, "the broker was quicker than this test"
        assert await asyncio.wait_for(poll, 3.0) is not None


async def test_the_embedded_store_is_started_again_when_it_dies(directory: Path):
    with BrokerProcess(directory) as broker:
        async with Stubs(broker.address) as stubs:
            added = await stubs.add("q")
            (store,) = [child for child in psutil.Process(broker.pid).children() if "valkey" in child.name()]
            healths = health_pb2_grpc.HealthStub(stubs.channel).Watch(health_pb2.HealthCheckRequest())
            assert (await healths.read()).status == SERVING
            store.kill()
            assert [(await asyncio.wait_for(healths.read(), 10)).status for _ in range(2)] == [NOT_SERVING, SERVING]

            async def answers() -> bool:
                try:
                    return (await stubs.job("q", added.job_id)).state == job_pb2.JOB_STATE_WAITING
                except grpc.aio.AioRpcError as error:
                    assert error.code() is grpc.StatusCode.UNAVAILABLE  # noqa: PT017 - all other errors propagate
                    return False

            await eventually(answers)
            log = broker.log.read_text()
            assert (log.count("store lost"), log.count("store back")) == (1, 1), log
            await stubs.complete(await stubs.must_lease("q"))
            (again,) = [child for child in psutil.Process(broker.pid).children() if "valkey" in child.name()]
            assert again.pid != store.pid


async def test_a_full_store_refuses_adds_and_lets_everything_else_go_on(directory: Path):
    with StoreProcess(directory / "store") as store, BrokerProcess(directory, store=store.url) as broker:
        async with Stubs(broker.address) as stubs:
            for number in range(6):
                retry = job_pb2.RetryPolicy(max_attempts=2)
                await stubs.add("q", id=f"job-{number}", payload=b"x" * 1000, retry=retry)
            with store.client() as client:
                client.config_set("maxmemory", "1")
            refused = await refusal(stubs.add("q"))
            assert (refused.code, refused.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "STORE_FULL")
            assert refused.retry_after == 5.0
            assert refused.quotas == ["store"]
            batch = producer_pb2.BatchAddJobsRequest(queue="new-queue", jobs=[job_pb2.JobSpec(name="n")])
            assert (await refusal(stubs.producer.BatchAddJobs(batch))).reason == "STORE_FULL"
            await everything_but_adding(stubs)
            with store.client() as client:
                client.config_set("maxmemory", "0")
            assert (await stubs.add("q")).created


async def everything_but_adding(stubs: Stubs) -> None:
    assert await stubs.complete(await stubs.must_lease("q"), b"result") == job_pb2.JOB_STATE_COMPLETED
    assert (await stubs.fail(await stubs.must_lease("q"))).next_state == job_pb2.JOB_STATE_WAITING
    lease = await stubs.must_lease("q")
    await stubs.worker.ReleaseJob(worker_pb2.ReleaseJobRequest(lease_token=lease.lease_token))
    held = await stubs.must_lease("q", request_id="r")
    request = worker_pb2.HeartbeatRequest(worker=worker_pb2.WorkerInfo(worker_id="worker"), lease_tokens=[held.lease_token])
    assert (await stubs.worker.Heartbeat(request)).leases[0].status == worker_pb2.LEASE_STATUS_EXTENDED
    await stubs.worker.AppendLogs(worker_pb2.AppendLogsRequest(lease_token=held.lease_token, lines=["x"]))
    waiting = producer_pb2.CancelJobRequest(queue="q", job_id="job-5")
    assert (await stubs.producer.CancelJob(waiting)).state == job_pb2.JOB_STATE_CANCELLED
    assert await stubs.lease("never-used") is None
    await stubs.worker.DrainWorker(worker_pb2.DrainWorkerRequest(worker_id="another"))
    assert (await stubs.stats("q")).completed == 1
