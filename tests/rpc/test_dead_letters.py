"""Dead letters reach their queue, through an outbox that no crash can empty."""

import json
from collections.abc import Callable
from pathlib import Path

from leasemq.v1 import admin_pb2, job_pb2
from leasemq_server.store.connect import connect
from leasemq_server.store.store import Store
from leasemq_server.store.types import Durability, LeaseRequest, NewJob

from tests.support import BrokerProcess, StoreProcess, Stubs, seconds, short_directory


async def test_a_job_that_fails_for_good_is_copied_to_its_dead_letter_queue(stubs: Stubs, new_queue: Callable[[], str]):
    queue, dead = new_queue(), new_queue()
    await stubs.add(queue, name="welcome", id="doomed", payload=b"p", headers={"own": "1"}, dead_letter_queue=dead)
    await stubs.fail(await stubs.must_lease(queue), "no such address")
    letter = (await stubs.must_lease(dead, wait=5)).job
    assert (letter.spec.name, letter.spec.payload, letter.spec.headers["own"]) == ("welcome", b"p", "1")
    said = {name: value for name, value in letter.spec.headers.items() if name.startswith("leasemq-dead-letter-")}
    assert said == {
        "leasemq-dead-letter-queue": queue,
        "leasemq-dead-letter-job-id": "doomed",
        "leasemq-dead-letter-failure-kind": "ERROR",
        "leasemq-dead-letter-failure-type": "Error",
        "leasemq-dead-letter-failure-message": "no such address",
    }
    assert (await stubs.stats(queue)).failed == 1


async def test_a_queues_dead_letter_queue_holds_for_jobs_that_name_none(stubs: Stubs, new_queue: Callable[[], str]):
    queue, dead = new_queue(), new_queue()
    config = admin_pb2.QueueConfig(dead_letter_queue=dead, failed_retention=job_pb2.Retention(max_count=0))
    await stubs.admin.UpdateQueue(admin_pb2.UpdateQueueRequest(queue=queue, config=config))
    await stubs.add(queue, retry=job_pb2.RetryPolicy(max_attempts=2))
    await stubs.fail(await stubs.must_lease(queue))
    assert await stubs.lease(dead) is None
    await stubs.fail(await stubs.must_lease(queue))
    assert await stubs.lease(dead, wait=5) is not None
    assert (await stubs.stats(queue)).failed == 0


async def test_a_job_that_nobody_started_in_time_becomes_a_dead_letter(stubs: Stubs, new_queue: Callable[[], str]):
    queue, dead = new_queue(), new_queue()
    added = await stubs.add(queue, ttl=seconds(0.3), dead_letter_queue=dead)
    letter = (await stubs.must_lease(dead, wait=10)).job
    assert letter.spec.headers["leasemq-dead-letter-failure-kind"] == "EXPIRED"
    assert (await stubs.job(queue, added.job_id)).state == job_pb2.JOB_STATE_FAILED


async def test_a_lease_that_ran_out_too_often_makes_a_dead_letter(stubs: Stubs, new_queue: Callable[[], str]):
    queue, dead = new_queue(), new_queue()
    await stubs.add(queue, max_lease_expirations=0, dead_letter_queue=dead)
    await stubs.must_lease(queue, lease_duration=seconds(1))
    letter = (await stubs.must_lease(dead, wait=10)).job
    assert letter.spec.headers["leasemq-dead-letter-failure-kind"] == "LEASE_EXPIRED"


async def test_a_broker_relays_what_one_that_was_killed_left_in_its_outbox():
    """The moment between the failure and its relay, made by hand: the script ran, and then there was no broker."""
    with short_directory() as directory, StoreProcess(directory / "store") as process:
        await fail_without_a_broker(process.url)
        with process.client() as client:
            assert client.xlen("lmq:q:{source}:outbox") == 1
        with BrokerProcess(Path(directory), store=process.url) as broker:
            async with Stubs(broker.address) as stubs:
                letter = await stubs.must_lease("dead", wait=10)
                assert letter.job.spec.headers["leasemq-dead-letter-job-id"] == "doomed"
                assert (await stubs.stats("dead")).added_total == 1
        with process.client() as client:
            assert client.xlen("lmq:q:{source}:outbox") == 0


async def fail_without_a_broker(url: str) -> None:
    client, real = connect(url)
    store = Store(client, real=real)
    told: list[str] = []
    store.outbox_written = told.append
    await store.register_queue("source")
    spec = job_pb2.JobSpec(name="work", dead_letter_queue="dead").SerializeToString()
    await store.add("source", [NewJob("doomed", spec, json.dumps({"dl": "dead"}))], Durability.MEMORY)
    ((job,),) = (await store.lease("source", [LeaseRequest("r", "w", 1, 30_000)])).answers
    (outcome,) = await store.fail("source", [(job.id, job.nonce, "", 0, "")])
    assert (outcome.state, told) == ("failed", ["source"])
    await store.close()
