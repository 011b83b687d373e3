"""ProducerService: each RPC's promise, over a real channel."""

import asyncio
import time
import uuid

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from leasemq.v1 import job_pb2, producer_pb2

from tests.support import Stubs, parked, running, seconds

WAITING, DELAYED, ACTIVE = job_pb2.JOB_STATE_WAITING, job_pb2.JOB_STATE_DELAYED, job_pb2.JOB_STATE_ACTIVE
COMPLETED, CANCELLED = job_pb2.JOB_STATE_COMPLETED, job_pb2.JOB_STATE_CANCELLED


async def test_an_added_job_waits_and_is_safe_on_disk(stubs: Stubs, queue: str):
    added = await stubs.add(queue)
    assert (added.created, added.state, added.durability) == (True, WAITING, job_pb2.DURABILITY_FSYNC)
    assert uuid.UUID(added.job_id).version == 7
    assert (await stubs.stats(queue)).waiting == 1


async def test_an_id_that_exists_changes_nothing(stubs: Stubs, queue: str):
    assert (await stubs.add(queue, id="one", payload=b"first")).created
    again = await stubs.add(queue, id="one", payload=b"second", priority=5)
    assert (again.created, again.job_id, again.state) == (False, "one", WAITING)
    job = await stubs.job(queue, "one")
    assert (job.spec.payload, job.spec.priority) == (b"first", 0)


async def test_all_that_a_producer_says_can_be_read_again(stubs: Stubs, queue: str):
    said = job_pb2.JobSpec(
        name="welcome",
        payload=bytes(range(256)),
        content_type="application/octet-stream",
        headers={"traceparent": "00-1-2-01", "ünï": "✓"},
        id="id with spaces/and:more",
        priority=7,
        lifo=True,
        delay=seconds(3600),
        retry=job_pb2.RetryPolicy(
            max_attempts=5,
            backoff=job_pb2.Backoff(exponential=job_pb2.ExponentialBackoff(initial_delay=seconds(1)), jitter=0.5),
        ),
        timeout=seconds(60),
        ttl=seconds(7200),
        completed_retention=job_pb2.Retention(max_age=seconds(60), max_count=0),
        failed_retention=job_pb2.Retention(max_count=7),
        dead_letter_queue="dead",
        max_lease_expirations=0,
    )
    added = await stubs.producer.AddJob(producer_pb2.AddJobRequest(queue=queue, job=said))
    assert added.state == DELAYED
    job = await stubs.job(queue, said.id)
    assert job.spec == said
    assert (job.queue, job.id, job.state, job.attempt) == (queue, said.id, DELAYED, 0)
    assert job.run_time == added.run_time
    assert job.run_time.ToMilliseconds() == job.create_time.ToMilliseconds() + 3_600_000
    assert job.expire_time.ToMilliseconds() == job.create_time.ToMilliseconds() + 7_200_000


async def test_a_run_time_in_the_past_is_at_once_and_one_in_the_future_is_kept(stubs: Stubs, queue: str):
    assert (await stubs.add(queue, run_time=Timestamp(seconds=1))).state == WAITING
    due = Timestamp(seconds=int(time.time()) + 3600)
    later = await stubs.add(queue, run_time=due)
    assert (later.state, later.run_time) == (DELAYED, due)


async def test_a_batch_is_added_in_order_with_one_result_a_job(stubs: Stubs, queue: str):
    jobs = [job_pb2.JobSpec(name="n", id=f"job-{number}") for number in range(1000)]
    jobs[5].id = "job-4"
    response = await stubs.producer.BatchAddJobs(producer_pb2.BatchAddJobsRequest(queue=queue, jobs=jobs))
    assert [result.job_id for result in response.results] == [job.id for job in jobs]
    assert [number for number, result in enumerate(response.results) if not result.created] == [5]
    assert (await stubs.must_lease(queue)).job.id == "job-0"
    assert (await stubs.stats(queue)).waiting == 998


async def test_a_read_mask_gives_those_fields_alone(stubs: Stubs, queue: str):
    added = await stubs.add(queue, payload=b"x", headers={"a": "b"})

    async def read(*paths: str) -> job_pb2.Job:
        mask = FieldMask(paths=paths)
        request = producer_pb2.GetJobRequest(queue=queue, job_id=added.job_id, read_mask=mask)
        return (await stubs.producer.GetJob(request)).job

    assert await read("state", "id") == job_pb2.Job(state=WAITING, id=added.job_id)
    assert await read("spec.payload") == job_pb2.Job(spec=job_pb2.JobSpec(payload=b"x"))
    assert (await read("spec")).spec.headers == {"a": "b"}


async def test_await_job_answers_at_once_without_a_wait(stubs: Stubs, queue: str):
    added = await stubs.add(queue)
    answer = await stubs.producer.AwaitJob(producer_pb2.AwaitJobRequest(queue=queue, job_id=added.job_id))
    assert (answer.finished, answer.job.state) == (False, WAITING)


async def test_await_job_is_told_of_the_end_at_once(stubs: Stubs, queue: str):
    added = await stubs.add(queue)
    request = producer_pb2.AwaitJobRequest(queue=queue, job_id=added.job_id, wait_duration=seconds(15))
    async with running(stubs.producer.AwaitJob(request)) as waiting:
        await parked(stubs)
        lease = await stubs.must_lease(queue)
        started = time.monotonic()
        await stubs.complete(lease, b"42")
        answer = await asyncio.wait_for(waiting, 1.0)
    assert time.monotonic() - started < 1.0
    assert (answer.finished, answer.job.state, answer.job.result) == (True, COMPLETED, b"42")


async def test_await_job_sees_the_result_of_a_job_that_is_removed_at_once(stubs: Stubs, queue: str):
    added = await stubs.add(queue, completed_retention=job_pb2.Retention(max_age=seconds(0)))
    request = producer_pb2.AwaitJobRequest(queue=queue, job_id=added.job_id, wait_duration=seconds(15))
    async with running(stubs.producer.AwaitJob(request)) as waiting:
        await parked(stubs)
        await stubs.complete(await stubs.must_lease(queue), b"kept for the one who waits")
        answer = await asyncio.wait_for(waiting, 1.0)
    assert answer.job.result == b"kept for the one who waits"


async def test_await_job_is_an_ok_when_the_time_is_over(stubs: Stubs, queue: str):
    added = await stubs.add(queue)
    request = producer_pb2.AwaitJobRequest(queue=queue, job_id=added.job_id, wait_duration=seconds(0.3))
    started = time.monotonic()
    answer = await stubs.producer.AwaitJob(request)
    assert 0.3 <= time.monotonic() - started < 2.0
    assert not answer.finished


async def test_cancelling_a_job_that_nobody_works_is_at_once_and_again_the_same(stubs: Stubs, queue: str):
    waiting, delayed = await stubs.add(queue), await stubs.add(queue, delay=seconds(3600))
    for added in (waiting, delayed):
        request = producer_pb2.CancelJobRequest(queue=queue, job_id=added.job_id, reason="not wanted")
        for _ in range(2):
            assert (await stubs.producer.CancelJob(request)).state == CANCELLED
    assert (await stubs.stats(queue)).cancelled == 2
    assert await stubs.lease(queue) is None


async def test_a_job_that_completes_before_it_hears_of_its_cancellation_stays_completed(stubs: Stubs, queue: str):
    added = await stubs.add(queue)
    lease = await stubs.must_lease(queue)
    request = producer_pb2.CancelJobRequest(queue=queue, job_id=added.job_id)
    assert (await stubs.producer.CancelJob(request)).state == ACTIVE
    assert (await stubs.job(queue, added.job_id)).cancel_requested
    assert await stubs.complete(lease) == COMPLETED


async def test_a_cancelled_job_that_its_worker_fails_is_cancelled(stubs: Stubs, queue: str):
    added = await stubs.add(queue, retry=job_pb2.RetryPolicy(max_attempts=10))
    lease = await stubs.must_lease(queue)
    await stubs.producer.CancelJob(producer_pb2.CancelJobRequest(queue=queue, job_id=added.job_id, reason="too late"))
    assert (await stubs.fail(lease, "stopped")).next_state == CANCELLED
    assert (await stubs.job(queue, added.job_id)).failures[0].kind == job_pb2.FAILURE_KIND_CANCELLED
