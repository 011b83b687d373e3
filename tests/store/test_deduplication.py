"""Deduplication by key: what each mode lets in, and that a key is free as soon as its job is done, in whichever way."""

from typing import Any

import pytest
from leasemq_server.store.reading import parse_blob
from leasemq_server.store.types import Added

from tests.store.harness import HOUR, LEASE_MS, SECOND, START_MS, Desk, new_job

BY_AGE_0 = {"cr": {"a": 0}, "fr": {"a": 0}}


def until_finished(key: str = "k", **more: Any) -> dict[str, Any]:
    return {"dd": {"k": key, "m": "u", **more}}


def throttle(ttl: int = HOUR) -> dict[str, Any]:
    return {"dd": {"k": "k", "m": "t", "t": ttl}}


def debounce(**more: Any) -> dict[str, Any]:
    return {"dd": {"k": "k", "m": "d", **more}}


LATEST = {"dd": {"k": "k", "m": "l"}}


def kept(by: str, state: str = "waiting", run_ms: int = 0) -> Added:
    """Not added, since that job holds the key."""
    return Added(False, state, run_ms, by)


async def add(desk: Desk, job_id: str, **how: Any) -> Added:
    (added,) = await desk.add(new_job(job_id, **how))
    return added


async def test_each_job_of_a_batch_has_its_own_group_and_key(desk: Desk) -> None:
    jobs = [("a", "g", "1"), ("b", "g", "2"), ("c", "", "3"), ("d", "h", "4")]
    await desk.add(*(new_job(job_id, group=group, **until_finished(key)) for job_id, group, key in jobs))
    again = await desk.add(*(new_job(f"again {key}", **until_finished(key)) for _, _, key in jobs))
    assert again == [kept(job_id) for job_id, _, _ in jobs]
    assert [job.id for job in await desk.lease(4)] == ["c", "a", "d", "b"]


async def is_free(desk: Desk) -> bool:
    """Whether the key is free; it is taken by the question."""
    return (await add(desk, "probe", **until_finished())).created


async def untold(desk: Desk) -> dict[bytes, Any]:
    """All that the store holds but what it tells of."""
    dump = await desk.dump()
    del dump[b"lmq:q:{email}:events"], dump[b"lmq:q:{email}:meta"][b"events"]
    return dump


async def test_what_became_of_a_job_with_a_held_key_is_told(desk: Desk):
    await add(desk, "a", **until_finished())
    await add(desk, "b", **until_finished())
    (told,) = await desk.client.xrange("lmq:q:{email}:events", "(1763780000000001-99999999999999")
    assert told[1] == {b"deduplicated": b"a"}


# -- until finished ----------------------------------------------------------------------------------------------


async def test_while_a_job_with_the_key_is_unfinished_nothing_is_added(desk: Desk):
    assert await add(desk, "a", **until_finished()) == Added(True, "waiting", 0)
    before = await untold(desk)
    assert await add(desk, "b", **until_finished()) == kept("a")
    assert await untold(desk) == before
    job = await desk.lease_one("a")
    assert await add(desk, "b", **until_finished()) == kept("a", "active")
    await desk.release(job, 5 * SECOND)
    assert await add(desk, "b", **until_finished()) == kept("a", "delayed", START_MS + 5 * SECOND)
    assert await desk.state("b") is None


async def test_another_key_and_another_queue_are_their_own(desk: Desk):
    await add(desk, "a", **until_finished())
    assert (await add(desk, "b", **until_finished("K"))).created
    assert (await add(desk.other("sms"), "c", **until_finished())).created


async def test_adding_the_same_id_again_says_what_an_id_says(desk: Desk):
    await add(desk, "a", **until_finished())
    assert await add(desk, "a", **until_finished()) == Added(False, "waiting", 0)


async def test_within_one_batch_the_first_one_has_the_key(desk: Desk):
    jobs = [new_job("x"), new_job("a", **until_finished()), new_job("b", **until_finished()), new_job("y")]
    assert [(it.created, it.holder) for it in await desk.add(*jobs)] == [(True, ""), (True, ""), (False, "a"), (True, "")]
    assert await desk.lease_ids() == ["x", "a", "y"]
    assert (await desk.store.stats(desk.queue)).added_total == 3


async def test_a_batch_may_have_an_id_twice_before_a_job_with_a_key(desk: Desk):
    new = [new_job("a"), new_job("a"), new_job("b", **until_finished()), new_job("c", **until_finished())]
    assert await desk.add(*new) == [
        Added(True, "waiting", 0),
        Added(False, "waiting", 0),
        Added(True, "waiting", 0),
        kept("b"),
    ]
    assert await desk.lease_ids() == ["a", "b"]


async def test_a_ttl_frees_the_key_of_a_job_that_takes_too_long(desk: Desk):
    await add(desk, "a", **until_finished(t=SECOND))
    desk.clock.advance(SECOND - 1)
    assert await add(desk, "b", **until_finished(t=SECOND)) == kept("a")
    desk.clock.advance(1)
    assert (await add(desk, "b", **until_finished(t=SECOND))).created


async def test_a_ttl_does_not_hold_the_key_of_a_finished_job(desk: Desk):
    await desk.finish("a", **until_finished(t=HOUR))
    assert await is_free(desk)


@pytest.mark.parametrize("kept_how", [{}, BY_AGE_0])
async def test_the_key_is_free_when_the_job_has_completed_failed_or_was_cancelled(desk: Desk, kept_how: dict[str, Any]):
    await desk.finish("a", **until_finished(), **kept_how)
    await desk.fail_for_good("b", **until_finished(), **kept_how)
    assert (await add(desk, "c", **until_finished(), **kept_how)).created
    await desk.cancel("c")
    assert await is_free(desk)


async def test_the_key_is_free_when_the_job_was_cancelled_while_it_ran(desk: Desk):
    await add(desk, "a", **until_finished())
    job = await desk.lease_one()
    await desk.cancel("a")
    assert await add(desk, "b", **until_finished()) == kept("a", "active")
    await desk.fail(job)
    assert await is_free(desk)


async def test_the_key_is_free_when_leases_ran_out_too_often(desk: Desk):
    await add(desk, "a", me=0, **until_finished())
    await desk.lease_one()
    await desk.after(LEASE_MS + 1)
    assert await desk.state("a") == "failed"
    assert await is_free(desk)


async def test_the_key_is_free_when_the_job_was_not_started_in_time(desk: Desk):
    await add(desk, "a", tl=SECOND, **until_finished())
    await desk.after(SECOND)
    assert await is_free(desk)


async def test_the_key_is_free_when_the_job_was_deleted(desk: Desk):
    await add(desk, "a", **until_finished())
    await desk.store.delete(desk.queue, ["a"])
    assert await is_free(desk)


async def test_the_key_is_free_when_the_queue_was_drained(desk: Desk):
    await add(desk, "a", **until_finished())
    await desk.store.drain(desk.queue, "waiting")
    assert [key for key in await desk.dump() if b":dedup:" in key] == []
    assert await is_free(desk)


async def test_a_record_that_was_left_behind_blocks_nothing(desk: Desk):
    await desk.client.set("lmq:q:{email}:dedup:k", "u gone")
    assert await is_free(desk)


@pytest.mark.parametrize("held_before", [False, True])
async def test_a_record_that_outlives_its_job_goes_by_itself(desk: Desk, held_before: bool):
    if held_before:
        await desk.client.set("lmq:q:{email}:dedup:k", "u gone")
    await add(desk, "a", **throttle(10 * SECOND))
    assert 10 * SECOND < await desk.client.pttl("lmq:q:{email}:dedup:k") <= 11 * SECOND


async def test_a_record_that_goes_with_its_job_has_no_time_of_its_own(desk: Desk):
    await add(desk, "a", **until_finished(t=10 * SECOND))
    assert await desk.client.pttl("lmq:q:{email}:dedup:k") == -1


async def test_a_redriven_job_has_its_key_again(desk: Desk):
    await desk.fail_for_good("a", **until_finished())
    await desk.store.retry(desk.queue, ["a"])
    assert await add(desk, "b", **until_finished()) == kept("a")


async def test_a_redriven_job_leaves_the_key_to_the_one_that_has_it_now(desk: Desk):
    await desk.fail_for_good("a", **until_finished())
    await add(desk, "b", **until_finished())
    await desk.store.retry(desk.queue, ["a"])
    assert await add(desk, "c", **until_finished()) == kept("b")
    await desk.complete(await desk.lease_one("b"))
    assert (await add(desk, "c", **until_finished())).created


# -- throttle ----------------------------------------------------------------------------------------------------


async def test_a_throttle_lets_one_in_for_its_time_finished_or_not(desk: Desk):
    await add(desk, "a", **throttle())
    assert await add(desk, "b", **throttle()) == kept("a")
    await desk.complete(await desk.lease_one())
    assert await add(desk, "b", **throttle()) == kept("a", "completed")
    desk.clock.advance(HOUR - 1)
    assert not (await add(desk, "b", **throttle())).created
    desk.clock.advance(1)
    assert (await add(desk, "b", **throttle())).created


async def test_a_throttle_outlives_a_job_that_is_removed_at_once(desk: Desk):
    await desk.finish("a", **throttle(), **BY_AGE_0)
    assert await add(desk, "b", **throttle()) == kept("a", "")


async def test_deleting_the_job_ends_its_throttle(desk: Desk):
    await add(desk, "a", **throttle())
    await desk.store.delete(desk.queue, ["a"])
    assert (await add(desk, "b", **throttle())).created


# -- debounce ----------------------------------------------------------------------------------------------------


async def test_a_debounced_job_takes_the_place_of_the_delayed_one_and_its_delay_starts_anew(desk: Desk):
    await add(desk, "a", spec=b"old", delay_ms=10 * SECOND, tl=HOUR, **debounce())
    desk.clock.advance(9 * SECOND)
    added = await add(desk, "b", spec=b"new", delay_ms=10 * SECOND, **debounce())
    assert added == Added(True, "delayed", START_MS + 19 * SECOND, "b")
    assert (await desk.ids("delayed"), await desk.state("a")) == (["b"], None)
    await desk.after(10 * SECOND)
    (job,) = await desk.lease(10)
    assert (job.id, parse_blob(job.blob)[2]) == ("b", b"new")


async def test_a_burst_in_one_batch_leaves_its_last_job(desk: Desk):
    jobs = [new_job(f"job-{n}", delay_ms=SECOND, **debounce()) for n in range(5)]
    assert [it.created for it in await desk.add(*jobs)] == [True] * 5
    assert await desk.ids("delayed") == ["job-4"]


async def test_an_id_that_was_debounced_may_come_again_in_the_same_batch(desk: Desk):
    x, y = (new_job(job_id, delay_ms=SECOND, **debounce()) for job_id in "xy")
    assert [added.holder for added in await desk.add(x, y, x)] == ["", "y", "x"]
    assert await desk.ids("delayed") == ["x"]


async def test_an_id_that_the_batch_has_without_the_key_takes_nobodys_place(desk: Desk):
    await add(desk, "holder", delay_ms=SECOND, **debounce())
    same, with_key = new_job("a"), new_job("a", delay_ms=SECOND, **debounce())
    assert await desk.add(same, with_key) == [Added(True, "waiting", 0), Added(False, "waiting", 0)]
    assert await desk.ids("delayed") == ["holder"]
    assert (await add(desk, "b", delay_ms=SECOND, **debounce())).holder == "b"


async def test_a_debounce_is_over_when_the_delay_is(desk: Desk):
    await add(desk, "a", delay_ms=SECOND, **debounce())
    await desk.after(SECOND)
    assert await add(desk, "b", delay_ms=SECOND, **debounce()) == Added(True, "delayed", START_MS + 2 * SECOND)
    assert await desk.ids("waiting") == ["a"]


async def test_a_debounce_with_a_ttl_holds_the_key_for_so_long_after_the_last_one(desk: Desk):
    await add(desk, "a", delay_ms=SECOND, **debounce(t=10 * SECOND))
    desk.clock.advance(500)
    await add(desk, "b", delay_ms=SECOND, **debounce(t=10 * SECOND))
    await desk.after(SECOND)
    assert await add(desk, "c", delay_ms=SECOND, **debounce(t=10 * SECOND)) == kept("b")
    desk.clock.advance(9 * SECOND)
    assert (await add(desk, "c", delay_ms=SECOND, **debounce(t=10 * SECOND))).created


async def test_a_job_that_waits_for_its_retry_does_not_give_up_its_place(desk: Desk):
    await add(desk, "a", delay_ms=SECOND, ma=3, rp=1, **debounce())
    await desk.after(SECOND)
    await desk.fail(await desk.lease_one("a"), retry_delay_ms=HOUR)
    assert (await add(desk, "b", delay_ms=SECOND, **debounce())).holder == ""
    assert sorted(await desk.ids("delayed")) == ["a", "b"]


# -- keep latest -------------------------------------------------------------------------------------------------


async def test_the_latest_is_kept_aside_while_one_runs_and_added_when_it_has_finished(desk: Desk):
    await add(desk, "a", **LATEST)
    assert await add(desk, "early", **LATEST) == kept("a")
    job = await desk.lease_one("a")
    assert await add(desk, "b", spec=b"older", **LATEST) == kept("a", "active")
    assert await add(desk, "c", spec=b"latest", **LATEST) == kept("a", "active")
    assert await desk.ids("waiting") == []
    await desk.complete(job)
    assert await add(desk, "d", **LATEST) == kept("c")
    following = await desk.lease_one("c")
    assert parse_blob(following.blob)[2] == b"latest"
    await desk.complete(following)
    assert await is_free(desk)
    assert [await desk.state(job_id) for job_id in ("early", "b", "d")] == [None] * 3


async def test_it_is_added_once_however_the_running_one_ends(desk: Desk):
    await add(desk, "a", ma=2, rp=1, **LATEST)
    job = await desk.lease_one("a")
    await add(desk, "b", **LATEST)
    await desk.fail(job)
    assert await desk.ids("waiting") == ["a"]
    assert await add(desk, "c", **LATEST) == kept("a")
    await desk.fail(await desk.lease_one("a"))
    assert (await desk.state("a"), await desk.ids("waiting")) == ("failed", ["c"])


async def test_what_is_kept_aside_waits_its_own_delay(desk: Desk):
    await add(desk, "a", **LATEST)
    job = await desk.lease_one("a")
    await add(desk, "b", delay_ms=5 * SECOND, **LATEST)
    desk.clock.advance(SECOND)
    await desk.complete(job)
    assert (await desk.job("b")).delayed_ms == START_MS + 6 * SECOND


async def test_what_is_kept_aside_goes_with_the_job_that_is_deleted(desk: Desk):
    await add(desk, "a", **LATEST)
    await desk.lease_one("a")
    await add(desk, "b", **LATEST)
    await desk.store.delete(desk.queue, ["a"], force=True)
    assert await is_free(desk)
    assert await desk.state("b") is None


# -- removing the key --------------------------------------------------------------------------------------------


async def test_a_key_that_is_removed_lets_the_next_one_in(desk: Desk):
    await add(desk, "a", **until_finished())
    assert await desk.store.remove_deduplication_key(desk.queue, "k") == "a"
    assert await desk.store.remove_deduplication_key(desk.queue, "k") == ""
    assert (await add(desk, "b", **until_finished())).created
    await desk.complete(await desk.lease_one("a"))
    assert await add(desk, "c", **until_finished()) == kept("b")


async def test_removing_a_key_adds_what_was_kept_aside_for_it(desk: Desk):
    await add(desk, "a", **LATEST)
    await desk.lease_one("a")
    await add(desk, "b", **LATEST)
    assert await desk.store.remove_deduplication_key(desk.queue, "k") == "a"
    assert await desk.ids("waiting") == ["b"]
    assert await is_free(desk)
