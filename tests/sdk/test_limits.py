"""A queue's limits from the SDK, and a worker that says that it is rate limited."""

import asyncio
import time
from datetime import timedelta

import pytest
from leasemq import Client, Job, JobState, NewJob, QueueFull, RateLimit, RateLimited

from tests.sdk.support import Broker, worker


async def test_limits_are_set_one_by_one_and_taken_off(client: Client, queue: str) -> None:
    found = await client.admin.update_queue(queue, max_active=3, rate_limit=RateLimit(10, 0.5), max_waiting=9)
    assert (found.config.max_active, found.config.max_waiting) == (3, 9)
    assert found.config.rate_limit == RateLimit(10, timedelta(seconds=0.5))
    left = await client.admin.update_queue(queue, rate_limit=None, max_active=4)
    assert (left.config.max_active, left.config.rate_limit, left.config.max_waiting) == (4, None, 9)


async def test_no_more_jobs_run_than_max_active(client: Client, queue: str) -> None:
    running, most = set[str](), 0

    async def handler(job: Job) -> None:
        nonlocal most
        running.add(job.id)
        most = max(most, len(running))
        await asyncio.sleep(0.02)
        running.discard(job.id)

    await client.admin.update_queue(queue, max_active=3)
    added = await client.add_many(queue, [NewJob(number) for number in range(20)])
    async with worker(client, queue, handler), worker(client, queue, handler):
        for job in added:
            assert (await client.wait(queue, job.id, 30)).state is JobState.COMPLETED
    assert most == 3


async def test_rate_limited_gives_the_job_back_and_lets_the_queue_rest(client: Client, queue: str) -> None:
    starts: list[float] = []

    async def handler(_: Job) -> None:
        starts.append(time.monotonic())
        if len(starts) == 1:
            raise RateLimited(0.5)

    added = await client.add(queue)
    async with worker(client, queue, handler, concurrency=1):
        job = await client.wait(queue, added.id, 30)
    assert (job.attempt, job.failure_count) == (1, 0)
    assert starts[1] - starts[0] >= 0.5


@pytest.mark.parametrize("seconds", [float("nan"), float("inf")])
def test_a_rest_is_a_finite_time(seconds: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        RateLimited(seconds)


async def test_adds_to_a_full_queue_wait_for_room_and_then_give_up(broker: Broker, queue: str) -> None:
    async with Client(broker.address, retry_timeout=0.5) as client:
        await client.admin.update_queue(queue, max_waiting=5)
        answers = await asyncio.gather(*(client.add(queue, number) for number in range(20)), return_exceptions=True)
        assert sum(isinstance(answer, QueueFull) for answer in answers) == 15
        assert not any(isinstance(answer, Exception) for answer in answers[:5])
        assert (await client.admin.stats(queue)).waiting == 5


async def test_an_add_to_a_full_queue_goes_through_when_there_is_room(client: Client, queue: str) -> None:
    await client.admin.update_queue(queue, max_waiting=1)
    await client.add(queue, 1)
    late = asyncio.create_task(client.add(queue, 2))

    async def handler(_: Job) -> None: ...

    async with worker(client, queue, handler):
        await client.wait(queue, (await late).id, 30)
