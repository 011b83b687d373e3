import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from leasemq import (
    BulkResult,
    Client,
    Durability,
    InvalidField,
    JobNotFound,
    JobNotInState,
    JobState,
    NewJob,
    QueueNotEmpty,
    QueueNotFound,
    Retention,
    exponential,
    fixed,
)

from tests.sdk.support import worker


async def test_an_added_job_can_be_read_as_it_was_said(client: Client, queue: str) -> None:
    added = await client.add(
        queue,
        {"to": "å@example.com"},
        name="welcome",
        priority=3,
        attempts=5,
        backoff=exponential(1),
        headers={"traceparent": "00-1"},
    )
    assert added.created
    assert added.state is JobState.WAITING
    assert added.durability >= Durability.MEMORY
    job = await client.get(queue, added.id)
    assert (job.payload, job.name, job.priority, job.max_attempts) == ({"to": "å@example.com"}, "welcome", 3, 5)
    assert (job.headers, job.content_type, job.attempt, job.state) == (
        {"traceparent": "00-1"},
        "application/json",
        0,
        JobState.WAITING,
    )
    assert job.create_time is not None
    assert abs(datetime.now(UTC) - job.create_time) < timedelta(minutes=1)


async def test_an_id_that_exists_changes_nothing(client: Client, queue: str) -> None:
    first = await client.add(queue, 1, id="same")
    again = await client.add(queue, 2, id="same")
    assert (first.created, again.created, again.id) == (True, False, "same")
    assert (await client.get(queue, "same")).payload == 1


async def test_a_delayed_job_says_when_it_runs(client: Client, queue: str) -> None:
    added = await client.add(queue, delay=timedelta(hours=1))
    assert added.state is JobState.DELAYED
    assert added.run_time is not None
    assert timedelta(minutes=59) < added.run_time - datetime.now(UTC) < timedelta(minutes=61)
    at = datetime(2100, 1, 1, tzinfo=UTC)
    assert (await client.add(queue, run_time=at)).run_time == at


async def test_many_jobs_are_added_in_order(client: Client, queue: str) -> None:
    added = await client.add_many(queue, [NewJob(number, name=f"n{number % 2}") for number in range(1_500)])
    assert len(added) == 1_500
    assert [job.payload async for job in client.admin.jobs(queue)] == list(range(1_500))
    assert [job.payload async for job in client.admin.jobs(queue, name="n1", limit=3, descending=True)] == [1499, 1497, 1495]


async def test_jobs_can_be_listed_without_their_payloads(client: Client, queue: str) -> None:
    added = await client.add(queue, "a payload", name="welcome", headers={"a": "b"})
    (job,) = [job async for job in client.admin.jobs(queue, with_payload=False)]
    assert (job.id, job.state, job.name, job.headers) == (added.id, JobState.WAITING, "welcome", {"a": "b"})
    assert job.raw_payload == b""


async def test_waiting_ends_when_the_job_is_cancelled(client: Client, queue: str) -> None:
    added = await client.add(queue)
    waiting = asyncio.create_task(client.wait(queue, added.id))
    assert await client.cancel(queue, added.id, "not needed") is JobState.CANCELLED
    assert (await waiting).state is JobState.CANCELLED


async def test_waiting_ends_with_its_timeout(client: Client, queue: str) -> None:
    added = await client.add(queue)
    with pytest.raises(TimeoutError, match=rf"^job {added.id} of queue {queue} is WAITING after 0\.2 s$"):
        await client.wait(queue, added.id, timeout=0.2)


async def test_a_job_that_is_not_there_is_said_to_be_so(client: Client, queue: str) -> None:
    await client.add(queue, id="there")
    for call in (client.get(queue, "nowhere"), client.wait(queue, "nowhere"), client.cancel(queue, "nowhere")):
        with pytest.raises(JobNotFound):
            await call


async def test_a_queue_name_that_breaks_the_rule_is_an_invalid_field(client: Client) -> None:
    with pytest.raises(InvalidField) as caught:
        await client.add("e{mail")
    assert [violation.field for violation in caught.value.field_violations] == ["queue"]


async def test_one_bad_job_among_many_fails_alone_at_the_real_broker(client: Client, queue: str) -> None:
    adds = [client.add(queue, number, name="x" * 200 if number == 7 else "ok") for number in range(20)]
    results = await asyncio.gather(*adds, return_exceptions=True)
    assert [number for number, result in enumerate(results) if isinstance(result, InvalidField)] == [7]
    assert (await client.admin.stats(queue)).waiting == 19


async def test_a_queue_is_configured_and_read(client: Client, queue: str) -> None:
    info = await client.admin.update_queue(
        queue,
        attempts=3,
        backoff=fixed(2),
        completed_retention=Retention(3600, 5),
        dead_letter_queue="dead",
        max_lease_expirations=0,
    )
    assert info == await client.admin.queue(queue)
    config = info.config
    assert (config.attempts, config.backoff, config.dead_letter_queue, config.max_lease_expirations) == (
        3, fixed(timedelta(seconds=2)), "dead", 0
    )  # fmt: skip
    assert config.completed_retention == Retention(timedelta(hours=1), 5)
    config = (await client.admin.update_queue(queue, dead_letter_queue=None)).config
    assert (config.dead_letter_queue, config.attempts) == (None, 3)
    config = (await client.admin.update_queue(queue, attempts=None, backoff=None)).config
    assert (config.attempts, config.backoff, config.max_lease_expirations) == (None, None, 0)
    assert queue in [each.name async for each in client.admin.queues()]


async def test_a_queue_is_paused_resumed_drained_and_deleted(client: Client, queue: str) -> None:
    await client.add_many(queue, [NewJob(), NewJob(), NewJob(delay=60)])
    await client.admin.pause(queue)
    assert (await client.admin.stats(queue)).paused
    await client.admin.resume(queue)
    assert not (await client.admin.stats(queue)).paused
    assert await client.admin.drain(queue) == 2
    with pytest.raises(QueueNotEmpty):
        await client.admin.delete_queue(queue)
    assert await client.admin.delete_queue(queue, force=True) == 1
    with pytest.raises(QueueNotFound):
        await client.admin.queue(queue)


async def test_jobs_are_promoted_cancelled_retried_and_deleted_in_bulk(client: Client, queue: str) -> None:
    ids = [job.id for job in await client.add_many(queue, [NewJob(delay=60) for _ in range(5)])]
    assert await client.admin.promote(queue, ids=[*ids[:2], "nowhere"]) == BulkResult(done=2, not_found=1, skipped=0)
    assert await client.admin.promote(queue) == BulkResult(done=3, not_found=0, skipped=0)
    for job_id in ids[:3]:
        await client.cancel(queue, job_id)
    assert await client.admin.retry(queue, state=JobState.CANCELLED, limit=1) == BulkResult(1, 0, 0)
    assert await client.admin.delete(queue, state=JobState.CANCELLED) == BulkResult(2, 0, 0)
    assert (await client.admin.stats(queue)).waiting == 3
    with pytest.raises(ValueError, match="not by both"):
        await client.admin.delete(queue, ids=ids, state=JobState.FAILED)


async def test_cancelling_what_has_ended_is_refused_with_its_state(client: Client, queue: str) -> None:
    async with worker(client, queue, lambda _: None):
        added = await client.add(queue)
        await client.wait(queue, added.id, timeout=30)
    with pytest.raises(JobNotInState) as caught:
        await client.cancel(queue, added.id)
    assert "COMPLETED" in caught.value.metadata["state"]


async def test_the_server_says_what_it_is(client: Client) -> None:
    info = await client.admin.server_info()
    assert (info.store.kind, info.max_batch_size) == ("memory", 1_000)
    assert info.start_time is not None


async def test_big_batches_fit_through_the_channel(client: Client, queue: str) -> None:
    added = await client.add_many(queue, [NewJob(bytes(60_000)) for _ in range(600)])
    assert len(added) == 600
    assert sum([len(job.raw_payload) async for job in client.admin.jobs(queue)]) == 36_000_000
