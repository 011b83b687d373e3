"""Handlers that take a list of jobs, and checkpoints."""

import asyncio
from typing import Any

import pytest
from leasemq import Client, Fatal, InvalidField, Job, JobState, LeaseLost, NewJob, Snooze, Worker

from tests.sdk.support import is_state, until, worker


async def test_a_batch_is_handled_at_once_and_each_job_has_its_own_end(client: Client, queue: str) -> None:
    batches: list[list[Any]] = []

    async def handle(jobs: list[Job]) -> list[Any]:
        batches.append([job.payload for job in jobs])
        ends = {1: Fatal("no"), 2: Snooze(60), 3: object()}
        return [ends.get(job.payload, job.payload * 10) for job in jobs]

    added = await client.add_many(queue, [NewJob(number) for number in range(5)])
    async with worker(client, queue, handle, batch=5, linger=0.5):
        await until(is_state(client, queue, added[2].id, JobState.DELAYED))
        await until(is_state(client, queue, added[3].id, JobState.FAILED))
        jobs = [await client.get(queue, it.id) for it in added]
    assert batches == [[0, 1, 2, 3, 4]]
    assert [job.state.name for job in jobs] == ["COMPLETED", "FAILED", "DELAYED", "FAILED", "COMPLETED"]
    assert (jobs[0].result, jobs[4].result, jobs[1].failures[-1].message) == (0, 40, "no")
    assert jobs[3].failures[-1].type == "TypeError"


async def test_the_broker_waits_for_a_full_batch(client: Client, queue: str) -> None:
    sizes: list[int] = []

    def handle(jobs: list[Job]) -> None:
        sizes.append(len(jobs))

    async with worker(client, queue, handle, batch=3, linger=1, lease=10):
        for number in range(3):
            await client.add(queue, number)
            await asyncio.sleep(0.02)
        await until(lambda: sizes)
    assert sizes == [3]


async def test_what_is_raised_is_for_all_of_the_batch(client: Client, queue: str) -> None:
    def handle(jobs: list[Job]) -> list[int]:
        if jobs[0].attempt == 1:
            raise RuntimeError("the database is away")
        return [1] if len(jobs) == 3 else [1, 2, 3, 4]

    added = await client.add_many(queue, [NewJob(number, attempts=2) for number in range(3)])
    async with worker(client, queue, handle, batch=3, linger=0.5):
        jobs = [await client.wait(queue, it.id, 20) for it in added]
    assert [job.state for job in jobs] == [JobState.FAILED] * 3
    for job in jobs:
        assert job.failures[0].message == "the database is away"
        assert "for each of its 3 jobs" in job.failures[1].message


async def test_jobs_of_different_names_come_in_lists_of_their_own(client: Client, queue: str) -> None:
    seen: list[list[str]] = []

    async def handle(jobs: list[Job]) -> None:
        seen.append([job.name for job in jobs])

    added = await client.add_many(queue, [NewJob(None, name) for name in ("a", "b", "a")])
    async with worker(client, queue, {"a": handle, "b": handle}, batch=3, linger=0.5):
        for it in added:
            await client.wait(queue, it.id, 20)
    assert sorted(seen) == [["a", "a"], ["b"]]


async def test_a_cancelled_job_of_a_batch_does_not_stop_the_others(client: Client, queue: str) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def handle(jobs: list[Job]) -> list[Any]:
        started.set()
        await jobs[0].cancelled.wait()
        await go_on.wait()
        return [RuntimeError("stopped") if job.cancelled.is_set() else "done" for job in jobs]

    added = await client.add_many(queue, [NewJob(1), NewJob(2)])
    async with worker(client, queue, handle, batch=2, linger=0.5, drain_timeout=10):
        await started.wait()
        await client.cancel(queue, added[0].id)
        go_on.set()
        first, second = [await client.wait(queue, it.id, 20) for it in added]
    assert (first.state, second.state, second.result) == (JobState.CANCELLED, JobState.COMPLETED, "done")


async def test_a_batch_that_is_cancelled_whole_is_interrupted(client: Client, queue: str) -> None:
    started = asyncio.Event()

    async def handle(_: list[Job]) -> None:
        started.set()
        await asyncio.sleep(60)

    added = await client.add_many(queue, [NewJob(1), NewJob(2)])
    async with worker(client, queue, handle, batch=2, linger=0.5):
        await started.wait()
        for it in added:
            await client.cancel(queue, it.id)
        assert [(await client.wait(queue, it.id, 20)).state for it in added] == [JobState.CANCELLED] * 2


@pytest.mark.parametrize(
    "options", [{"batch": 0}, {"batch": 11}, {"batch": 1001, "concurrency": 2000}, {"linger": 1}, {"batch": 2, "linger": 2}]
)
def test_numbers_out_of_range_are_refused(client: Client, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"batch|linger"):
        Worker(client, "q", print, **{"concurrency": 10, "lease": 2, **options})


# -- checkpoints -------------------------------------------------------------------------------------------------


async def test_the_next_attempt_goes_on_where_the_last_one_stopped(client: Client, queue: str) -> None:
    pages: list[int] = []

    async def copy(job: Job) -> list[int]:
        for page in range(job.last_checkpoint or 0, 4):
            pages.append(page)
            await job.checkpoint(page + 1)
            assert job.last_checkpoint == page + 1
            if page == 1 and job.attempt == 1:
                raise RuntimeError("no more today")
        return pages

    added = await client.add(queue, attempts=2)
    async with worker(client, queue, copy):
        job = await client.wait(queue, added.id, 20)
    assert (job.state, job.result) == (JobState.COMPLETED, [0, 1, 2, 3])


async def test_a_plain_function_has_checkpoints_too(client: Client, queue: str) -> None:
    def handle(job: Job) -> Any:
        if job.attempt == 1:
            job.checkpoint_sync({"row": "ü"})
            raise RuntimeError
        return job.last_checkpoint

    added = await client.add(queue, attempts=2)
    async with worker(client, queue, handle):
        assert (await client.wait(queue, added.id, 20)).result == {"row": "ü"}


async def test_what_can_not_be_kept_is_an_error(client: Client, queue: str) -> None:
    raised: list[type] = []

    async def handle(job: Job) -> None:
        for value in ("x" * 20_000, b"bytes", object()):
            try:
                await job.checkpoint(value)
            except (InvalidField, TypeError) as error:
                raised.append(type(error))
        job._lease.lease_token = job.lease_token = "lost/queue/id"
        try:
            await job.checkpoint(1)
        except LeaseLost as error:
            raised.append(type(error))

    await client.add(queue)
    async with worker(client, queue, handle):
        await until(lambda: len(raised) == 4)
    assert raised == [InvalidField, TypeError, TypeError, LeaseLost]
