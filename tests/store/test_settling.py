"""complete, fail, release: the lease token decides, and decides once."""

import pytest
from leasemq_server.store.types import LOST, LeasedJob, Outcome

from tests.store.harness import DAY, LEASE_MS, SECOND, Desk, ids_of, new_job

SETTLE = {
    "complete": lambda desk, job: desk.complete(job, b"late"),
    "fail": lambda desk, job: desk.fail(job, failure='{"message":"late"}'),
    "fail for good": lambda desk, job: desk.fail(job, fatal=True),
    "release": lambda desk, job: desk.release(job),
    "release with delay": lambda desk, job: desk.release(job, 7 * SECOND),
}
VERBS = list(SETTLE)


async def _lost_by_release(desk: Desk, job: LeasedJob) -> None:
    await desk.release(job)
    await desk.lease_one("a")


async def _lost_by_expiry(desk: Desk, _: LeasedJob) -> None:
    await desk.after(LEASE_MS)


async def _lost_by_expiry_and_leased_again(desk: Desk, _: LeasedJob) -> None:
    desk.clock.advance(LEASE_MS)
    await desk.lease_one("a")


async def _lost_by_redrive(desk: Desk, job: LeasedJob) -> None:
    await desk.fail(job, fatal=True)
    await desk.store.retry(desk.queue, ["a"])


async def _lost_by_force(desk: Desk, _: LeasedJob) -> None:
    await desk.store.delete(desk.queue, ["a"], force=True)


async def _lost_by_sweep(desk: Desk, job: LeasedJob) -> None:
    await desk.complete(job)
    await desk.after(2 * DAY)


LOSE = [
    _lost_by_release,
    _lost_by_expiry,
    _lost_by_expiry_and_leased_again,
    _lost_by_redrive,
    _lost_by_force,
    _lost_by_sweep,
]


async def test_a_completed_job_keeps_its_result(desk: Desk) -> None:
    await desk.add("a", "b")
    job, plain = await desk.lease(2)
    desk.clock.advance(70)
    assert await desk.complete(job, b'{"sent":1}') == Outcome("completed", 0, 0)
    assert await desk.complete(plain) == Outcome("completed", 0, 0)
    stored = await desk.job("a")
    assert (stored.state, stored.fields[b"r"], stored.fields[b"rt"]) == ("completed", b'{"sent":1}', b"application/json")
    assert int(float(stored.fields[b"ft"])) == desk.clock.ms
    assert b"r" not in (await desk.job("b")).fields
    assert (await desk.store.stats(desk.queue)).completed_total == 2


async def test_a_failed_attempt_is_recorded(desk: Desk) -> None:
    await desk.add("a", rp=1, ma=3, bo={"k": "fixed", "d": 5000})
    job = await desk.lease_one("a", worker="w9")
    assert await desk.fail(job, failure='{"type":"SMTPError","message":"451 \\n later"}') == Outcome(
        "delayed", desk.clock.ms + 5000, 2
    )
    (failure,) = await desk.failures("a")
    assert failure == {
        "kind": "ERROR",
        "type": "SMTPError",
        "message": "451 \n later",
        "attempt": 1,
        "time": desk.clock.ms,
        "worker": "w9",
    }


async def test_only_the_newest_ten_failures_are_kept_but_all_are_counted(desk: Desk) -> None:
    await desk.add("a", rp=1, ma=100)
    for n in range(12):
        await desk.fail(await desk.lease_one("a"), failure=f'{{"message":"{n}"}}')
    assert [failure["message"] for failure in await desk.failures("a")] == [str(n) for n in range(2, 12)]
    assert (await desk.lease_one("a")).failure_count == 12


async def test_a_released_job_waits_again_with_its_attempt_given_back(desk: Desk) -> None:
    await desk.add("a", rp=1, ma=3)
    assert await desk.release(await desk.lease_one("a")) == Outcome("waiting", 0, 3)
    assert (await desk.state("a"), await desk.attempt("a")) == ("waiting", 0)
    assert (await desk.lease_one("a")).attempt == 1


async def test_a_job_released_with_a_delay_comes_back_after_it(desk: Desk) -> None:
    await desk.add("a")
    assert await desk.release(await desk.lease_one("a"), 5000) == Outcome("delayed", desk.clock.ms + 5000, 1)
    assert (await desk.job("a")).delayed_ms == desk.clock.ms + 5000
    desk.clock.advance(4999)
    assert await desk.lease_ids() == []
    desk.clock.advance(1)
    assert (await desk.lease_one("a")).attempt == 1


@pytest.mark.parametrize("first", VERBS)
@pytest.mark.parametrize("second", VERBS)
async def test_the_same_token_settling_twice_gets_the_first_outcome_and_changes_nothing(
    desk: Desk, first: str, second: str
) -> None:
    await desk.add("a", rp=1, ma=3, bo={"k": "fixed", "d": 5000})
    job = await desk.lease_one("a")
    outcome = await SETTLE[first](desk, job)
    before = await desk.dump()
    desk.clock.advance(SECOND)
    assert await SETTLE[second](desk, job) == outcome
    assert await desk.dump() == before


@pytest.mark.parametrize("first", ["fail", "release with delay"])
async def test_the_first_outcome_is_told_after_time_moved_the_job_on(desk: Desk, first: str) -> None:
    await desk.add("a", rp=1, ma=3, bo={"k": "fixed", "d": 5000})
    job = await desk.lease_one("a")
    outcome = await SETTLE[first](desk, job)
    await desk.after(10 * SECOND)
    assert await desk.state("a") == "waiting"
    assert await desk.complete(job) == outcome
    await desk.cancel("a")
    assert await desk.complete(job) == outcome


@pytest.mark.parametrize("lose", LOSE)
@pytest.mark.parametrize("verb", VERBS)
async def test_a_lost_token_changes_nothing(desk: Desk, verb: str, lose) -> None:
    await desk.add("a", "b", rp=1, ma=5)
    job = await desk.lease_one("a")
    await lose(desk, job)
    before = await desk.dump()
    assert await SETTLE[verb](desk, job) == LOST
    assert await desk.store.progress(desk.queue, [(job.id, job.nonce, "1")]) == [False]
    assert await desk.store.log(desk.queue, job.id, job.nonce, ["late"]) is None
    assert await desk.dump() == before


@pytest.mark.parametrize("verb", VERBS)
async def test_garbage_and_another_jobs_token_change_nothing(desk: Desk, verb: str) -> None:
    await desk.add("a", "b", "c")
    a, b = await desk.lease(2)
    before = await desk.dump()
    for wrong in (a._replace(nonce="garbage"), a._replace(nonce=b.nonce), a._replace(id="c"), a._replace(id="nobody")):
        assert await SETTLE[verb](desk, wrong) == LOST
    assert await desk.dump() == before


async def test_a_batch_settles_each_for_itself(desk: Desk) -> None:
    await desk.add(*"abc")
    a, b, c = await desk.lease(3)
    await desk.release(b)
    await desk.lease_one("b")
    items = [(job.id, job.nonce, b"", "") for job in (a, b, c, a)]
    assert [outcome.state for outcome in await desk.store.complete(desk.queue, items)] == [
        "completed",
        "",
        "completed",
        "completed",
    ]
    assert (await desk.store.stats(desk.queue)).completed_total == 2


async def test_a_batch_of_failures_decides_for_each_by_its_own_policy(desk: Desk) -> None:
    await desk.add(new_job("once"), new_job("again", rp=1, ma=2), new_job("later", rp=1, ma=2, bo={"k": "fixed", "d": 1000}))
    jobs = await desk.lease(3)
    outcomes = await desk.store.fail(desk.queue, [(job.id, job.nonce, "", 0, "") for job in jobs])
    assert outcomes == [Outcome("failed", 0, 0), Outcome("waiting", 0, 1), Outcome("delayed", desk.clock.ms + 1000, 1)]
    assert desk.told == []


async def test_a_token_that_settled_is_no_lease_any_more(desk: Desk) -> None:
    await desk.add("a")
    job = await desk.lease_one("a")
    await desk.release(job)
    assert await desk.extend(job) == ("LOST", 0)
    assert await desk.store.progress(desk.queue, [(job.id, job.nonce, "1")]) == [False]


async def test_a_thousand_settlements_of_each_kind_keep_their_order(desk: Desk) -> None:
    """They go to the store in several script calls."""
    ids = [f"job-{number:04}" for number in range(1000)]
    await desk.add(*ids, rp=1, ma=2)
    jobs = [job for _ in range(4) for job in await desk.lease(250)]
    outcomes = await desk.store.release(desk.queue, [(job.id, job.nonce, 0, 0) for job in jobs])
    assert [outcome.state for outcome in outcomes] == ["waiting"] * 1000
    assert await desk.ids("waiting") == ids
    jobs = [job for _ in range(4) for job in await desk.lease(250)]
    assert ids_of(jobs) == ids
    wrong = jobs[777]._replace(nonce="wrong")
    outcomes = await desk.store.fail(desk.queue, [(job.id, job.nonce, "", 0, 5000) for job in [*jobs[:777], wrong, *jobs[778:]]])
    assert [outcome.lost for outcome in outcomes] == [index == 777 for index in range(1000)]
    assert await desk.ids("delayed") == [*ids[:777], *ids[778:]]
