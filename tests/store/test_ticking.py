"""The moment that a tick names for the next one, after it has done what was due: of one job, and of more than one."""

import pytest

from tests.store.harness import LEASE_MS, SECOND, Desk, new_job

pytestmark = pytest.mark.parametrize("due", [1, 2])


def ids(n: int) -> list[str]:
    return [f"due-{i}" for i in range(n)]


async def test_after_jobs_that_were_due_comes_the_next_delayed_one(desk: Desk, due: int) -> None:
    await desk.add(*(new_job(job_id, delay_ms=SECOND) for job_id in ids(due)), new_job("later", delay_ms=5 * SECOND))
    tick = await desk.after(SECOND)
    assert (tick.moved, tick.next_in_ms) == (due, 4 * SECOND)


async def test_after_leases_that_ended_comes_the_next_lease(desk: Desk, due: int) -> None:
    await desk.add(*ids(due), "held")
    await desk.lease(due)
    desk.clock.advance(SECOND)
    await desk.lease()
    tick = await desk.after(LEASE_MS - SECOND)
    assert (tick.moved, tick.next_in_ms) == (due, SECOND)


async def test_after_jobs_that_expired_comes_the_next_ttl(desk: Desk, due: int) -> None:
    await desk.add(*(new_job(job_id, tl=SECOND) for job_id in ids(due)), new_job("later", tl=5 * SECOND))
    tick = await desk.after(SECOND)
    assert (tick.moved, tick.next_in_ms) == (due, 4 * SECOND)


async def test_a_delayed_job_that_expired_is_not_what_comes_next(desk: Desk, due: int) -> None:
    await desk.add(*(new_job(job_id, delay_ms=3 * SECOND, tl=SECOND) for job_id in ids(due)))
    await desk.add(new_job("later", delay_ms=5 * SECOND))
    tick = await desk.after(SECOND)
    assert (tick.moved, tick.next_in_ms) == (due, 4 * SECOND)


async def test_a_delayed_job_that_expired_is_not_what_comes_after_one_that_is_due(desk: Desk, due: int) -> None:
    await desk.add(new_job("first", delay_ms=SECOND), new_job("later", delay_ms=5 * SECOND))
    await desk.add(*(new_job(job_id, delay_ms=3 * SECOND, tl=SECOND) for job_id in ids(due)))
    tick = await desk.after(SECOND)
    assert (tick.moved, tick.next_in_ms) == (1 + due, 4 * SECOND)
    assert await desk.state("first") == "waiting"


async def test_nothing_comes_after_the_last_one(desk: Desk, due: int) -> None:
    await desk.add(*(new_job(job_id, delay_ms=SECOND) for job_id in ids(due)))
    assert (await desk.after(SECOND)).next_in_ms == -1
