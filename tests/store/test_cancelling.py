"""cancel: any unfinished job ends; a running one is asked to, and what its worker does first stands."""

import pytest
from leasemq_server.store.types import LOST, LeasedJob, Outcome

from tests.store.harness import DAY, HOUR, LEASE_MS, SECOND, Desk

RETRYING = {"rp": 1, "ma": 5}


async def _fail(desk: Desk, job: LeasedJob) -> Outcome:
    return await desk.fail(job)


async def _fail_for_good(desk: Desk, job: LeasedJob) -> Outcome:
    return await desk.fail(job, fatal=True)


async def _release(desk: Desk, job: LeasedJob) -> Outcome:
    return await desk.release(job)


async def _release_with_delay(desk: Desk, job: LeasedJob) -> Outcome:
    return await desk.release(job, 5 * SECOND)


@pytest.mark.parametrize("delay_ms", [0, 5000])
async def test_a_job_that_is_not_running_is_cancelled_at_once(desk: Desk, delay_ms: int) -> None:
    await desk.add("a", "b", delay_ms=delay_ms, tl=60_000)
    assert await desk.cancel("a", "no longer wanted") == ("OK", "cancelled")
    job = await desk.job("a")
    assert (job.state, job.fields[b"c"]) == ("cancelled", b"no longer wanted")
    assert int(float(job.fields[b"ft"])) == desk.clock.ms
    await desk.after(5000)
    assert await desk.lease_ids() == ["b"]
    await desk.after(60_000)
    assert await desk.state("a") == "cancelled"


async def test_a_running_job_stays_active_until_its_worker_settles_it(desk: Desk) -> None:
    await desk.add("a")
    await desk.lease_one("a")
    assert await desk.cancel("a", "why") == ("OK", "active")
    job = await desk.job("a")
    assert (job.state, job.fields[b"c"]) == ("active", b"why")
    assert await desk.cancel("a") == ("OK", "active")


async def test_a_worker_that_completes_first_wins(desk: Desk) -> None:
    await desk.add("a")
    job = await desk.lease_one("a")
    await desk.cancel("a")
    assert await desk.complete(job, b"done") == Outcome("completed", 0, 0)
    assert (await desk.job("a")).fields[b"r"] == b"done"
    assert await desk.ids("cancelled") == []


@pytest.mark.parametrize("settle", [_fail, _fail_for_good, _release, _release_with_delay])
async def test_a_worker_that_gives_up_a_cancelled_job_ends_it(desk: Desk, settle) -> None:
    await desk.add("a", **RETRYING)
    job = await desk.lease_one("a")
    await desk.cancel("a")
    assert await settle(desk, job) == Outcome("cancelled", 0, 0)
    assert await desk.ids("cancelled") == ["a"]
    assert await settle(desk, job) == Outcome("cancelled", 0, 0)
    assert (await desk.store.stats(desk.queue)).failed_total == 0


@pytest.mark.parametrize("options", [{}, {"to": LEASE_MS}])
async def test_a_cancelled_job_whose_lease_ends_is_not_run_again(desk: Desk, options: dict[str, int]) -> None:
    await desk.add("a", **RETRYING, **options)
    job = await desk.lease_one("a")
    await desk.cancel("a", "why")
    await desk.after(LEASE_MS)
    assert await desk.state("a") == "cancelled"
    assert await desk.complete(job) == LOST
    (failure,) = await desk.failures("a")
    assert (failure["kind"], failure["message"]) == ("CANCELLED", "why")


async def test_a_job_that_waits_for_its_retry_is_cancelled(desk: Desk) -> None:
    await desk.add("a", "b", **RETRYING, bo={"k": "fixed", "d": 1000})
    a, b = await desk.lease(2)
    await desk.fail(a)
    await desk.fail(b, retry_delay_ms=0)
    assert await desk.cancel("a") == ("OK", "cancelled")
    assert await desk.cancel("b") == ("OK", "cancelled")
    await desk.after(LEASE_MS)
    assert await desk.lease_ids() == []


async def test_cancelling_what_is_over_says_so(desk: Desk) -> None:
    await desk.finish("done")
    await desk.fail_for_good("dead")
    await desk.add("gone")
    await desk.cancel("gone", "first")
    before = await desk.dump()
    assert await desk.cancel("done") == ("JOB_NOT_IN_STATE", "completed")
    assert await desk.cancel("dead") == ("JOB_NOT_IN_STATE", "failed")
    assert await desk.cancel("gone", "second") == ("OK", "cancelled")
    assert await desk.cancel("nobody") == ("JOB_NOT_FOUND", "")
    assert await desk.dump() == before


async def test_a_batch_cancels_each_for_itself(desk: Desk) -> None:
    await desk.add("running", "waiting")
    await desk.lease_one("running")
    items = [(job_id, "") for job_id in ("running", "nobody", "waiting")]
    assert await desk.store.cancel(desk.queue, items) == [("OK", "active"), ("JOB_NOT_FOUND", ""), ("OK", "cancelled")]


async def test_a_cancelled_job_does_not_expire_any_more(desk: Desk) -> None:
    await desk.add("a", "b", tl=HOUR)
    await desk.cancel("a")
    await desk.cancel("b")
    assert (await desk.sweep()).next_in_ms == DAY
