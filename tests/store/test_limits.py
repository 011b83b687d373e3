"""Limits of a queue: running jobs, leases in a time, waiting jobs, and a hold that a worker asked for."""

from typing import Any

import pytest
from leasemq_server.errors import QueueFullError
from leasemq_server.store.types import Durability, LeaseRequest

from tests.store.harness import HOUR, LEASE_MS, SECOND, START_MS, Desk, ids_of, new_job
from tests.store.test_wakes import listening

# -- max_active --------------------------------------------------------------------------------------------------


async def test_no_more_than_max_active_jobs_run_at_once(desk: Desk) -> None:
    await desk.configure(xa=2)
    await desk.add("a", "b", "c", "d")
    first = await desk.lease_reply(3)
    assert ids_of(first.answers[0]) == ["a", "b"]
    assert not first.more
    assert await desk.lease_ids() == []
    await desk.complete(first.answers[0][0])
    assert await desk.lease_ids() == ["c"]


async def test_requests_of_one_call_share_the_room(desk: Desk) -> None:
    await desk.configure(xa=3)
    await desk.add("a", "b", "c", "d", "e")
    reply = await desk.store.lease(desk.queue, [LeaseRequest(f"r{n}", "w", 2, LEASE_MS) for n in range(3)])
    assert [ids_of(answer) for answer in reply.answers] == [["a", "b"], ["c"], []]


async def test_room_that_is_left_is_told(desk: Desk) -> None:
    await desk.configure(xa=3)
    await desk.add("a", "b", "c", "d")
    assert (await desk.lease_reply(1)).more
    assert not (await desk.lease_reply(2)).more


ENDS = ["complete", "fail", "retry later", "release", "snooze", "give back", "give back what was read", "delete", "expire"]


@pytest.mark.parametrize("end", ENDS)
async def test_each_end_of_a_lease_gives_its_room_back(desk: Desk, end: str) -> None:
    await desk.configure(xa=1)
    await desk.add("a", "b", rp=1, ma=2)
    job = (await desk.lease(request_id="r"))[0]
    assert await desk.lease_ids() == []
    async with listening(desk) as ear:
        if end == "complete":
            await desk.complete(job)
        elif end == "fail":
            await desk.fail(job, fatal=True)
        elif end == "retry later":
            await desk.fail(job, retry_delay_ms=HOUR)
        elif end == "release":
            await desk.release(job)
        elif end == "snooze":
            await desk.release(job, HOUR)
        elif end == "give back":
            await desk.store.give_back(desk.queue, [("r", False)])
        elif end == "give back what was read":
            await desk.store.give_back(desk.queue, [("r", True)])
        elif end == "delete":
            await desk.store.delete(desk.queue, ["a"], force=True)
        else:
            await desk.after(LEASE_MS)
        assert "email 0" in await ear.wakes()
    assert await desk.lease_ids() == ["a" if end.startswith(("release", "give back", "expire")) else "b"]


async def test_a_lease_that_ran_out_makes_room_in_the_very_call_that_finds_it(desk: Desk) -> None:
    await desk.configure(xa=1)
    await desk.add("a", "b", me=0)
    await desk.lease(1)
    desk.clock.advance(LEASE_MS)
    assert await desk.lease_ids() == ["b"]


async def test_an_end_of_a_lease_is_silent_while_nobody_was_left_waiting(desk: Desk) -> None:
    await desk.configure(xa=1)
    await desk.add("a", "b", "c")
    async with listening(desk) as ear:
        await desk.complete(await desk.lease_one("a"))
        assert await ear.wakes() == ["email 0"]  # b waits, and was left
        job = await desk.lease_one("b")
        await desk.lease_ids()
        await desk.complete(job)
        assert await ear.wakes() == ["email 0"]
        await desk.complete(await desk.lease_one("c"))
        assert await ear.wakes() == []  # nothing was left


async def test_without_a_limit_no_end_of_a_lease_is_told(desk: Desk) -> None:
    await desk.add("a", "b")
    job = await desk.lease_one("a")
    async with listening(desk) as ear:
        await desk.complete(job)
        assert await ear.wakes() == []


async def test_a_limit_follows_the_configuration_at_once(desk: Desk) -> None:
    await desk.add("a", "b", "c", "d")
    assert await desk.lease_ids(2) == ["a", "b"]
    await desk.configure(xa=1)  # less than run
    assert await desk.lease_ids() == []
    async with listening(desk) as ear:
        await desk.configure(xa=3)
        assert await ear.wakes() == ["email 0"]
        assert await desk.lease_ids() == ["c"]
        await desk.configure(ma=2)
        assert await ear.wakes() == ["email 0"]
        assert await desk.lease_ids() == ["d"]
        await desk.configure(ma=3)
        assert await ear.wakes() == []


async def test_a_retried_request_gets_its_leases_though_there_is_no_room(desk: Desk) -> None:
    await desk.configure(xa=1)
    await desk.add("a", "b")
    jobs = await desk.lease(request_id="r")
    assert await desk.lease(request_id="r") == jobs


# -- rate_limit --------------------------------------------------------------------------------------------------


async def test_a_window_is_opened_by_its_first_lease(desk: Desk) -> None:
    await desk.configure(rl={"n": 2, "d": SECOND})
    desk.clock.advance(700)
    await desk.add(*"abcdef")
    assert await desk.lease_ids(1) == ["a"]
    desk.clock.advance(900)
    reply = await desk.lease_reply(5)
    assert ids_of(reply.answers[0]) == ["b"]
    assert (reply.more, reply.next_in_ms) == (False, 100)
    desk.clock.advance(99)
    assert (await desk.lease_reply(5)).next_in_ms == 1
    desk.clock.advance(1)
    assert await desk.lease_ids() == ["c", "d"]
    desk.clock.advance(5 * SECOND + 1)
    assert await desk.lease_ids() == ["e", "f"]


async def test_a_clock_that_is_set_back_opens_another_window(desk: Desk) -> None:
    await desk.configure(rl={"n": 2, "d": SECOND})
    await desk.add(*"abcd")
    assert await desk.lease_ids() == ["a", "b"]
    desk.clock.advance(-HOUR)
    assert await desk.lease_ids() == ["c", "d"]
    await desk.add("e")
    assert (await desk.lease_reply()).next_in_ms == SECOND


async def test_a_window_counts_leases_whatever_becomes_of_them(desk: Desk) -> None:
    await desk.configure(rl={"n": 2, "d": SECOND})
    await desk.add("a", "b", "c")
    await desk.complete(await desk.lease_one("a"))
    await desk.lease(request_id="r")
    await desk.store.give_back(desk.queue, [("r", False)])
    assert await desk.lease_ids() == []
    desk.clock.advance(SECOND)
    assert await desk.lease_ids() == ["b", "c"]


async def test_an_open_or_idle_queue_is_not_looked_at_for_its_window(desk: Desk) -> None:
    await desk.configure(rl={"n": 1, "d": SECOND})
    await desk.add("a")
    await desk.complete(await desk.lease_one("a"))
    assert (await desk.lease_reply()).next_in_ms == -1
    await desk.add("b")
    assert (await desk.lease_reply()).next_in_ms == SECOND


async def test_a_rate_follows_the_configuration_at_once(desk: Desk) -> None:
    await desk.configure(rl={"n": 1, "d": HOUR})
    await desk.add(*"abcd")
    assert await desk.lease_ids() == ["a"]
    await desk.configure(rl={"n": 2, "d": HOUR})
    assert await desk.lease_ids() == ["b"]
    desk.clock.advance(SECOND)
    await desk.configure(rl={"n": 1, "d": SECOND})  # the window that is open is over
    assert await desk.lease_ids() == ["c"]
    await desk.configure()
    assert await desk.lease_ids() == ["d"]
    assert not {b"rw", b"rc", b"rn", b"rd"} & (await desk.client.hgetall(b"lmq:q:{email}:meta")).keys()


async def test_the_tighter_limit_holds(desk: Desk) -> None:
    await desk.configure(xa=2, rl={"n": 3, "d": SECOND})
    await desk.add(*"abcde")
    jobs = await desk.lease(5)
    assert ids_of(jobs) == ["a", "b"]
    await desk.complete(jobs[0])
    await desk.complete(jobs[1])
    reply = await desk.lease_reply(5)
    assert ids_of(reply.answers[0]) == ["c"]
    assert reply.next_in_ms == SECOND


# -- a hold ------------------------------------------------------------------------------------------------------


async def test_a_held_queue_gives_out_no_leases_until_its_time(desk: Desk) -> None:
    await desk.add("a", "b")
    job = await desk.lease_one("a")
    assert (await desk.release(job, hold_ms=5 * SECOND)).state == "waiting"
    assert (await desk.store.stats(desk.queue)).held_until_ms == START_MS + 5 * SECOND
    assert await desk.attempt("a") == 0
    reply = await desk.lease_reply(2)
    assert (reply.answers, reply.more, reply.next_in_ms) == ([[]], False, 5 * SECOND)
    desk.clock.advance(5 * SECOND)
    assert (await desk.store.stats(desk.queue)).held_until_ms == 0
    assert await desk.lease_ids() == ["a", "b"]
    assert b"hold" not in await desk.client.hgetall(b"lmq:q:{email}:meta")


async def test_the_longest_of_several_holds_counts(desk: Desk) -> None:
    await desk.add("a", "b", "c")
    for job, seconds in zip(await desk.lease(3), (1, 9, 2), strict=True):
        await desk.release(job, hold_ms=seconds * SECOND)
    assert (await desk.lease_reply()).next_in_ms == 9 * SECOND


async def test_a_lost_or_settled_lease_holds_nothing(desk: Desk) -> None:
    await desk.add("a", "b")
    job = await desk.lease_one("a")
    await desk.release(job, SECOND)
    await desk.release(job, hold_ms=HOUR)
    assert await desk.lease_ids() == ["b"]


async def test_resuming_ends_a_hold(desk: Desk) -> None:
    await desk.add("a")
    await desk.release(await desk.lease_one("a"), hold_ms=HOUR)
    async with listening(desk) as ear:
        await desk.store.pause(desk.queue, paused=False)
        assert await ear.wakes() == ["email 0"]
    assert await desk.lease_ids() == ["a"]


# -- max_waiting -------------------------------------------------------------------------------------------------


async def test_a_batch_that_would_be_too_many_is_refused_whole(desk: Desk) -> None:
    await desk.configure(mw=3)
    await desk.add("a", "b")
    before = await desk.dump()
    with pytest.raises(QueueFullError) as refused:
        await desk.add("c", "d")
    assert refused.value.metadata == {"queue": "email", "limit": "3"}
    assert await desk.dump() == before
    await desk.add("c")
    with pytest.raises(QueueFullError):
        await desk.add("d")


async def test_delayed_jobs_count_and_running_ones_do_not(desk: Desk) -> None:
    await desk.configure(mw=2)
    await desk.add("a", delay_ms=HOUR)
    await desk.add("b")
    with pytest.raises(QueueFullError):
        await desk.add("c", delay_ms=HOUR)
    await desk.lease_one("b")
    await desk.add("c")


async def test_ids_that_exist_are_no_new_jobs(desk: Desk) -> None:
    await desk.configure(mw=2)
    await desk.add("a", "b")
    assert [it.created for it in await desk.add("a", "b", "a")] == [False] * 3
    await desk.configure(mw=3)
    assert [it.created for it in await desk.add("a", "c", "c")] == [False, True, False]


KEY = {"dd": {"k": "key", "m": "u"}}
THROTTLED = {"dd": {"k": "key", "m": "t", "t": HOUR}}
DEBOUNCED = {"dd": {"k": "key", "m": "d"}, "delay_ms": HOUR}
LATEST = {"dd": {"k": "key", "m": "l"}}


@pytest.mark.parametrize("options", [KEY, THROTTLED, DEBOUNCED, LATEST], ids=["u", "t", "d", "l"])
async def test_what_a_key_leaves_out_or_replaces_makes_a_full_queue_no_fuller(desk: Desk, options: dict[str, Any]) -> None:
    await desk.configure(mw=1)
    (first,) = await desk.add("a", **options)
    (second,) = await desk.add("b", **options)
    assert (first.created, second.created) == (True, options is DEBOUNCED)
    with pytest.raises(QueueFullError):
        await desk.add("c")
    with pytest.raises(QueueFullError):
        await desk.add(new_job("d", **options), new_job("e", dd={"k": "another", "m": "u"}))
    waiting = await desk.ids("delayed" if options is DEBOUNCED else "waiting")
    assert waiting == ["b" if options is DEBOUNCED else "a"]


async def test_a_key_of_a_batch_leaves_its_others_out_before_they_are_counted(desk: Desk) -> None:
    await desk.configure(mw=1)
    created = [it.created for it in await desk.add(*(new_job(job_id, **KEY) for job_id in "abc"))]
    assert (created, await desk.ids("waiting")) == ([True, False, False], ["a"])
    await desk.store.delete(desk.queue, ["a"])
    let_go = {"dd": {"k": "key", "m": "d"}}  # with no delay it is free at once
    with pytest.raises(QueueFullError):
        await desk.add(new_job("d", **let_go), new_job("e", **let_go))


async def test_what_is_kept_aside_makes_a_full_queue_no_fuller(desk: Desk) -> None:
    await desk.configure(mw=1)
    await desk.add("a", **LATEST)
    job = await desk.lease_one("a")
    await desk.add("full")
    assert [it.created for it in await desk.add("b", **LATEST)] == [False]
    await desk.complete(job)
    assert await desk.ids("waiting") == ["full", "b"]


async def test_a_queue_that_is_over_its_new_bound_keeps_its_jobs(desk: Desk) -> None:
    await desk.add("a", "b", "c")
    await desk.configure(mw=1)
    assert len(await desk.ids("waiting")) == 3
    assert [it.created for it in await desk.add("a")] == [False]
    with pytest.raises(QueueFullError):
        await desk.add("d")


async def test_what_is_there_already_goes_on_in_a_full_queue(desk: Desk) -> None:
    await desk.configure(mw=1)
    await desk.add("a", rp=1, ma=2)
    job = await desk.lease_one("a")
    await desk.add("b")
    assert (await desk.fail(job)).state == "waiting"
    await desk.store.add(desk.queue, [new_job("letter")], Durability.MEMORY, bounded=False)
    assert len(await desk.ids("waiting")) == 3
