"""How long finished jobs stay: by age and count, by queue and by job, swept by time."""

import pytest
from leasemq_server.store.calls import MAX_MOVES

from tests.store.harness import DAY, HOUR, SECOND, Desk, new_job

KINDS = ["completed", "failed", "cancelled"]
OPTION = {"completed": "cr", "failed": "fr", "cancelled": "cr"}


async def _end(desk: Desk, kind: str, *job_ids: str, **options) -> None:
    """Brings jobs to an end of that kind, one after the other."""
    if kind == "completed":
        await desk.finish(*job_ids, **options)
    elif kind == "failed":
        await desk.fail_for_good(*job_ids, **options)
    else:
        for job_id in job_ids:
            await desk.add(job_id, **options)
            await desk.cancel(job_id)


@pytest.mark.parametrize(("kind", "age"), [("completed", DAY), ("cancelled", DAY), ("failed", 30 * DAY)])
async def test_by_default_a_day_or_for_failures_a_month(desk: Desk, kind: str, age: int) -> None:
    await _end(desk, kind, "a")
    desk.clock.advance(SECOND)
    await _end(desk, kind, "b")
    await desk.after(age - SECOND - 1)
    assert await desk.ids(kind) == ["a", "b"]
    desk.clock.advance(1)
    assert ((await desk.sweep()).swept, await desk.ids(kind), await desk.state("a")) == (1, ["b"], None)
    desk.clock.advance(SECOND)
    assert (await desk.sweep()).swept == 1
    assert not (await desk.tick()).busy


@pytest.mark.parametrize("kind", KINDS)
async def test_a_queues_own_age_holds_for_all_its_jobs(desk: Desk, kind: str) -> None:
    await _end(desk, kind, "before")
    await desk.configure(**{OPTION[kind]: {"a": HOUR}})
    desk.clock.advance(1)
    await _end(desk, kind, "after")
    await desk.after(HOUR - 1)
    assert await desk.ids(kind) == ["after"]
    await desk.after(1)
    assert await desk.ids(kind) == []


@pytest.mark.parametrize("kind", KINDS)
async def test_a_queues_count_keeps_the_newest(desk: Desk, kind: str) -> None:
    await desk.configure(**{OPTION[kind]: {"a": DAY, "c": 2}})
    for job_id in "abcd":
        desk.clock.advance(1)
        await _end(desk, kind, job_id)
    assert await desk.ids(kind) == ["c", "d"]
    assert await desk.state("a") is None


@pytest.mark.parametrize("kind", KINDS)
async def test_a_smaller_count_is_applied_by_the_sweep_too(desk: Desk, kind: str) -> None:
    for job_id in "abcd":
        desk.clock.advance(1)
        await _end(desk, kind, job_id)
    await desk.configure(**{OPTION[kind]: {"a": DAY, "c": 1}})
    assert ((await desk.sweep()).swept, await desk.ids(kind)) == (3, ["d"])


@pytest.mark.parametrize("nothing", [{"a": 0}, {"c": 0}, {"a": 0, "c": 0}])
@pytest.mark.parametrize("kind", KINDS)
async def test_zero_removes_a_job_at_once_and_no_other(desk: Desk, kind: str, nothing: dict[str, int]) -> None:
    await _end(desk, kind, "kept")
    await _end(desk, kind, "gone", **{OPTION[kind]: nothing})
    assert await desk.state("gone") is None
    assert await desk.ids(kind) == ["kept"]
    counts = await desk.store.stats(desk.queue)
    assert counts.completed_total == (2 if kind == "completed" else 0)
    assert counts.failed_total == (2 if kind == "failed" else 0)


@pytest.mark.parametrize(("kind", "other"), [("failed", "cr"), ("completed", "fr"), ("cancelled", "fr")])
async def test_the_retention_of_one_end_says_nothing_of_the_other(desk: Desk, kind: str, other: str) -> None:
    await _end(desk, kind, "by its own", **{other: {"a": 0}})
    await desk.configure(**{other: {"a": 0}})
    await _end(desk, kind, "by its queue")
    await desk.tick()
    assert await desk.ids(kind) == ["by its own", "by its queue"]


async def test_a_removed_job_leaves_nothing_behind(desk: Desk) -> None:
    await desk.add(new_job("a", tl=HOUR, cr={"c": 0}))
    job = await desk.lease_one("a")
    await desk.store.progress(desk.queue, [(job.id, job.nonce, "0.5")])
    await desk.store.log(desk.queue, job.id, job.nonce, ["line"])
    await desk.store.give_back(desk.queue, [("own-1", False)])
    job = await desk.lease_one("a")
    await desk.complete(job, b"result")
    assert {key.decode() for key in await desk.dump(with_events=False)} == {"lmq:q:{email}:meta", "lmq:q:{email}:request:own-2"}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_jobs_own_age_may_be_shorter_or_longer_than_the_queues(desk: Desk, kind: str) -> None:
    await desk.configure(**{OPTION[kind]: {"a": 2 * HOUR}})
    await _end(desk, kind, "short", **{OPTION[kind]: {"a": HOUR}})
    await _end(desk, kind, "long", **{OPTION[kind]: {"a": 3 * HOUR}})
    await _end(desk, kind, "default")
    seen = []
    for _ in range(3):
        await desk.after(HOUR - 1)
        seen.append(sorted(await desk.ids(kind)))
        await desk.after(1)
    assert seen == [["default", "long", "short"], ["default", "long"], ["long"]]
    assert await desk.ids(kind) == []


@pytest.mark.parametrize("kind", KINDS)
async def test_a_jobs_own_count_keeps_the_newest_as_it_finishes(desk: Desk, kind: str) -> None:
    for job_id in "abc":
        desk.clock.advance(1)
        await _end(desk, kind, job_id)
    desk.clock.advance(1)
    await _end(desk, kind, "d", **{OPTION[kind]: {"c": 2}})
    assert await desk.ids(kind) == ["c", "d"]
    desk.clock.advance(1)
    await _end(desk, kind, "e")
    assert await desk.ids(kind) == ["c", "d", "e"]


async def test_the_counts_of_a_batch_hold_whatever_its_order(desk: Desk) -> None:
    await desk.finish("old")
    desk.clock.advance(1)
    await desk.add(new_job("a", cr={"c": 2}), new_job("b"), new_job("c", cr={"c": 0}))
    jobs = await desk.lease(3)
    await desk.store.complete(desk.queue, [(job.id, job.nonce, b"", "") for job in jobs])
    assert await desk.ids("completed") == ["a", "b"]


async def test_the_sweep_is_told_when_it_is_needed_next(desk: Desk) -> None:
    await desk.finish("a", cr={"a": 5000})
    assert (await desk.sweep()).next_in_ms == 5000
    await desk.after(5000)
    assert await desk.state("a") is None
    await desk.finish("b")
    assert (await desk.sweep()).next_in_ms == DAY


@pytest.mark.parametrize("kind", KINDS)
async def test_what_ends_after_the_clock_was_set_back_is_swept_too(desk: Desk, kind: str) -> None:
    await desk.configure(**{OPTION[kind]: {"a": 60 * SECOND}})
    await _end(desk, kind, "a")
    await desk.after(61 * SECOND)
    assert await desk.ids(kind) == []
    desk.clock.advance(-HOUR)
    await _end(desk, kind, "b")
    await desk.after(61 * SECOND)
    assert await desk.ids(kind) == []


async def test_a_large_backlog_is_swept_in_bounded_steps(desk: Desk) -> None:
    for batch in range(2):
        await desk.add(*(f"{batch}-{n:04}" for n in range(600)))
        jobs = [*await desk.lease(500), *await desk.lease(500)]
        await desk.store.complete(desk.queue, [(job.id, job.nonce, b"", "") for job in jobs])
    await desk.finish("own", cr={"a": 2 * DAY})
    desk.clock.advance(DAY)
    sweeps = [await desk.sweep()]
    while sweeps[-1].more_is_due:
        sweeps.append(await desk.sweep())
    swept = [sweep.swept for sweep in sweeps]
    assert (sum(swept), max(swept), await desk.ids("completed")) == (1200, MAX_MOVES, ["own"])
    await desk.after(DAY)
    assert await desk.ids("completed") == []


async def test_a_redriven_job_is_not_swept_by_its_old_end(desk: Desk) -> None:
    await desk.finish("a", cr={"a": HOUR})
    await desk.store.retry(desk.queue, ["a"])
    await desk.after(2 * DAY)
    assert await desk.state("a") == "waiting"
    await desk.complete(await desk.lease_one("a"))
    await desk.after(HOUR - 1)
    assert await desk.state("a") == "completed"
    await desk.after(1)
    assert await desk.state("a") is None


@pytest.mark.parametrize("nothing", [{"a": 0}, {"c": 0}])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_job_that_somebody_waits_for_outlives_its_end_by_a_minute(desk: Desk, kind: str, nothing: dict[str, int]) -> None:
    await desk.add("a", **{OPTION[kind]: nothing})
    assert await desk.store.await_mark(desk.queue, "a") == "waiting"
    if kind == "cancelled":
        await desk.cancel("a")
    elif kind == "completed":
        await desk.complete(await desk.lease_one("a"))
    else:
        await desk.fail(await desk.lease_one("a"))
    assert await desk.store.await_mark(desk.queue, "a") == kind
    await desk.after(60_000 - 1)
    assert await desk.state("a") == kind
    await desk.after(1)
    assert await desk.state("a") is None
    assert await desk.store.await_mark(desk.queue, "a") == "JOB_NOT_FOUND"


async def test_waiting_for_a_finished_job_changes_nothing(desk: Desk) -> None:
    await desk.finish("a")
    before = await desk.dump()
    assert await desk.store.await_mark(desk.queue, "a") == "completed"
    assert await desk.dump() == before
