"""What follows a failed attempt: retry policy and backoff, timeout, ttl, dead letters."""

from typing import Any

import pytest
from leasemq_server.store.types import LOST, Outcome

from tests.store.harness import HOUR, LEASE_MS, SECOND, Desk, new_job

EXPONENTIAL = {"k": "exponential", "i": 1000, "m": 2, "x": 6000}


async def _waits(desk: Desk, attempts: int, **options: Any) -> list[int]:
    """The waits after each failed attempt, ms."""
    await desk.add("a", **options)
    waits = []
    for _ in range(attempts):
        outcome = await desk.fail(await desk.lease_one("a"))
        assert outcome.state in ("delayed", "waiting")
        waits.append(outcome.run_ms - desk.clock.ms if outcome.run_ms else 0)
        desk.clock.advance(waits[-1])
    return waits


@pytest.mark.parametrize(
    ("backoff", "waits"),
    [
        (None, [0, 0, 0, 0, 0]),
        ({"k": "fixed", "d": 2500}, [2500] * 5),
        ({"k": "fixed", "d": 0}, [0] * 5),
        (EXPONENTIAL, [1000, 2000, 4000, 6000, 6000]),
        ({"k": "exponential", "i": 1000, "m": 2, "x": 86_400_000}, [1000, 2000, 4000, 8000, 16000]),
        ({"k": "exponential", "i": 100, "m": 1.5, "x": HOUR}, [100, 150, 225, 338, 506]),
        ({"k": "list", "l": [10, 500, 60_000]}, [10, 500, 60_000, 60_000, 60_000]),
    ],
)
async def test_the_backoff_is_as_the_policy_says(desk: Desk, backoff: Any, waits: list[int]) -> None:
    options = {"bo": backoff} if backoff else {}
    assert await _waits(desk, 5, rp=1, ma=10, **options) == waits


@pytest.mark.parametrize("jitter", [0.25, 1])
@pytest.mark.parametrize(("backoff", "full"), [({"k": "fixed", "d": 10_000}, 10_000), ({"k": "list", "l": [8000]}, 8000)])
async def test_jitter_shortens_a_wait_by_up_to_its_share(desk: Desk, jitter: float, backoff: Any, full: int) -> None:
    waits = await _waits(desk, 25, rp=1, ma=100, bo=backoff | {"j": jitter})
    assert all(full * (1 - jitter) <= wait <= full for wait in waits)
    assert len(set(waits)) > 15
    assert max(waits) - min(waits) > full * jitter / 2


async def test_jobs_that_fail_together_do_not_come_back_together(desk: Desk) -> None:
    await desk.add(*(f"job-{n}" for n in range(50)), rp=1, ma=2, bo={"k": "fixed", "d": 60_000, "j": 1})
    jobs = await desk.lease(50)
    outcomes = await desk.store.fail(desk.queue, [(job.id, job.nonce, "", 0, "") for job in jobs])
    assert len({outcome.run_ms for outcome in outcomes}) > 40


async def test_one_attempt_is_the_default(desk: Desk) -> None:
    await desk.add("a")
    assert await desk.fail(await desk.lease_one("a")) == Outcome("failed", 0, 0)
    assert await desk.ids("failed") == ["a"]


async def test_attempts_count_up_to_the_maximum(desk: Desk) -> None:
    await desk.add("a", rp=1, ma=3)
    outcomes = [await desk.fail(await desk.lease_one("a")) for _ in range(3)]
    assert outcomes == [Outcome("waiting", 0, 2), Outcome("waiting", 0, 1), Outcome("failed", 0, 0)]
    assert await desk.attempt("a") == 3


async def test_non_retryable_fails_at_once(desk: Desk) -> None:
    await desk.add("a", rp=1, ma=3)
    assert await desk.fail(await desk.lease_one("a"), fatal=True, retry_delay_ms=5) == Outcome("failed", 0, 0)


async def test_a_retry_delay_of_the_workers_own_replaces_the_backoff(desk: Desk) -> None:
    await desk.add("a", rp=1, ma=3, bo={"k": "fixed", "d": 5000})
    assert await desk.fail(await desk.lease_one("a"), retry_delay_ms=123) == Outcome("delayed", desk.clock.ms + 123, 2)
    desk.clock.advance(123)
    assert await desk.fail(await desk.lease_one("a"), retry_delay_ms=0) == Outcome("waiting", 0, 1)


async def test_a_retry_delay_gives_no_further_attempt(desk: Desk) -> None:
    await desk.add("a")
    assert await desk.fail(await desk.lease_one("a"), retry_delay_ms=123) == Outcome("failed", 0, 0)


async def test_a_queues_default_retry_holds_for_jobs_without_a_policy(desk: Desk) -> None:
    await desk.configure(ma=2, bo={"k": "fixed", "d": 700})
    await desk.add("default")
    await desk.add("own", p=1, rp=1, ma=5)
    assert await desk.fail(await desk.lease_one("default")) == Outcome("delayed", desk.clock.ms + 700, 1)
    assert await desk.fail(await desk.lease_one("own")) == Outcome("waiting", 0, 4)


# -- timeout and ttl ---------------------------------------------------------------------------------------------


async def test_an_attempt_that_times_out_fails_with_that_kind_and_uses_the_attempt(desk: Desk) -> None:
    await desk.add("a", to=5000, rp=1, ma=2, bo={"k": "fixed", "d": 1000})
    job = await desk.lease_one("a")
    desk.clock.advance(5000)
    assert await desk.complete(job) == LOST
    await desk.tick()
    assert (await desk.state("a"), (await desk.job("a")).delayed_ms) == ("delayed", desk.clock.ms + 1000)
    assert [failure["kind"] for failure in await desk.failures("a")] == ["TIMEOUT"]
    desk.clock.advance(1000)
    again = await desk.lease_one("a")
    assert (again.attempt, again.lease_expirations) == (2, 0)
    await desk.after(5000)
    assert await desk.state("a") == "failed"


async def test_a_lease_that_runs_out_before_the_timeout_is_an_expiry(desk: Desk) -> None:
    await desk.add("a", to=LEASE_MS + 1)
    await desk.lease_one("a")
    await desk.after(LEASE_MS)
    assert (await desk.state("a"), await desk.field("a", "n")) == ("waiting", "1")


@pytest.mark.parametrize("delay_ms", ["", 60_000])
async def test_a_job_that_nobody_starts_in_time_fails_as_expired(desk: Desk, delay_ms: int | str) -> None:
    await desk.add("a", tl=5000, rp=1, ma=5, delay_ms=delay_ms)
    await desk.after(4999)
    assert await desk.state("a") == ("delayed" if delay_ms else "waiting")
    await desk.after(1)
    assert await desk.state("a") == "failed"
    (failure,) = await desk.failures("a")
    assert (failure["kind"], failure["attempt"]) == ("EXPIRED", 0)
    assert await desk.lease_ids() == []
    assert (await desk.store.stats(desk.queue)).failed_total == 1


async def test_an_expired_job_is_not_leased_at_its_very_last_moment(desk: Desk) -> None:
    await desk.add("a", "b", tl=5000)
    desk.clock.advance(4999)
    await desk.lease_one("a")
    desk.clock.advance(1)
    assert await desk.lease_ids() == []


async def test_a_job_that_was_started_does_not_expire(desk: Desk) -> None:
    await desk.add("a", "b", tl=5000, rp=1, ma=2)
    running, released = await desk.lease(2)
    await desk.release(released)
    await desk.after(10_000)
    assert (await desk.state("a"), await desk.state("b")) == ("active", "waiting")
    await desk.fail(running)
    await desk.after(10_000)
    assert await desk.state("a") == "waiting"


# -- dead letters ------------------------------------------------------------------------------------------------


async def test_a_failed_job_with_a_dead_letter_queue_is_written_to_the_outbox(desk: Desk) -> None:
    await desk.add(new_job("a", spec=b"the spec", dl="dead"))
    job = await desk.lease_one("a")
    outcomes = await desk.store.fail(desk.queue, [(job.id, job.nonce, '{"message":"no"}', 0, "")])
    assert desk.told == [desk.queue]
    assert outcomes[0].state == "failed"
    (entry,) = await desk.store.outbox(desk.queue)
    assert (entry.target, entry.job_id, entry.finish_ms, entry.spec) == ("dead", "a", desk.clock.ms, b"the spec")
    assert '"message":"no"' in entry.failure
    assert (await desk.sweep()).outbox == 1
    await desk.store.outbox_done(desk.queue, [entry.entry_id])
    assert await desk.store.outbox(desk.queue) == []
    assert (await desk.sweep()).outbox == 0


async def test_a_dead_letter_leaves_even_when_the_job_is_removed_at_once(desk: Desk) -> None:
    await desk.add(new_job("a", spec=b"the spec", dl="dead", fr={"c": 0}))
    await desk.fail(await desk.lease_one("a"))
    assert await desk.state("a") is None
    (entry,) = await desk.store.outbox(desk.queue)
    assert entry.spec == b"the spec"


@pytest.mark.parametrize("size", [1, 4_000, 4_096, 5_000])
async def test_a_dead_letter_of_a_job_that_nobody_started_is_whole_whatever_its_size(desk: Desk, size: int) -> None:
    """The head of what is stored of a job is read first, and is all of it where that is short."""
    await desk.add(new_job("a", spec=b"x" * size, dl="dead", tl=2000))
    await desk.after(2000)
    (entry,) = await desk.store.outbox(desk.queue)
    assert entry.spec == b"x" * size


async def test_all_ways_to_fail_lead_to_the_dead_letter_queue(desk: Desk) -> None:
    await desk.configure(dl="dead", me=0)
    await desk.add(new_job("failed"), new_job("expired lease"), new_job("timed out", to=1000), new_job("unstarted", tl=2000))
    await desk.fail(await desk.lease_one("failed"))
    await desk.lease(2)
    desk.clock.advance(LEASE_MS)
    desk.told.clear()
    await desk.lease_reply()
    assert desk.told == [desk.queue]
    assert {entry.job_id for entry in await desk.store.outbox(desk.queue)} == {
        "failed",
        "expired lease",
        "timed out",
        "unstarted",
    }


async def test_what_did_not_fail_for_good_is_no_dead_letter(desk: Desk) -> None:
    await desk.configure(dl="dead")
    await desk.add("cancelled", "completed", "retried", "running", rp=1, ma=2)
    await desk.cancel("cancelled")
    await desk.complete(await desk.lease_one("completed"))
    await desk.fail(await desk.lease_one("retried"))
    await desk.lease_one("running")
    await desk.cancel("running")
    await desk.after(LEASE_MS)
    assert await desk.state("running") == "cancelled"
    assert await desk.store.outbox(desk.queue) == []


async def test_a_jobs_own_dead_letter_queue_wins_and_a_queue_is_never_its_own(desk: Desk) -> None:
    await desk.configure(dl="email")
    await desk.fail_for_good("loop")
    await desk.fail_for_good("own", dl="mine")
    assert [(entry.job_id, entry.target) for entry in await desk.store.outbox(desk.queue)] == [("own", "mine")]


async def test_the_outbox_is_read_in_order_and_in_parts(desk: Desk) -> None:
    await desk.fail_for_good(*"abcd", dl="dead")
    first = await desk.store.outbox(desk.queue, count=3)
    assert [entry.job_id for entry in first] == ["a", "b", "c"]
    await desk.store.outbox_done(desk.queue, [entry.entry_id for entry in first])
    assert [entry.job_id for entry in await desk.store.outbox(desk.queue)] == ["d"]


async def test_jobs_leased_until_the_deadline_are_told_to_stop(desk: Desk) -> None:
    await desk.add("a", to=40 * SECOND)
    job = await desk.lease_one("a")
    await desk.after(20 * SECOND)
    assert (await desk.extend(job))[0] == "EXTENDED"
    await desk.after(20 * SECOND)
    assert (await desk.extend(job))[0] == "LOST"
