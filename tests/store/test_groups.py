"""Groups: whose turn it is, what limits let through, and that nothing waits for ever."""

import math
from collections.abc import Awaitable, Callable, Sequence

import pytest
from leasemq_server.errors import GroupFullError
from leasemq_server.store.flows import Edge, JobRef
from leasemq_server.store.store import MOST_LEASES
from leasemq_server.store.types import LeasedJob, LeaseRequest

from tests.store.grouped import disorder
from tests.store.harness import HOUR, LEASE_MS, SECOND, Desk, ids_of, new_job
from tests.store.test_wakes import listening


def of(group: str, *names: str, **options: object) -> list:
    """Jobs of a group, named "<group><name>"."""
    return [new_job(f"{group}{name}", group=group, **options) for name in names]


async def complete_all(desk: Desk, jobs: Sequence[LeasedJob]) -> None:
    await desk.store.complete(desk.queue, [(job.id, job.nonce, b"", "") for job in jobs])


# -- turns -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at_once", [1, 2, 3, 100])
async def test_groups_take_turns_however_many_are_leased_at_once(desk: Desk, at_once: int) -> None:
    await desk.add(*of("a", "1", "2", "3"), *of("b", "1"), *of("c", "1", "2"))
    leased = []
    while ids := await desk.lease_ids(at_once):
        leased += ids
    assert leased == ["a1", "b1", "c1", "a2", "c2", "a3"]


@pytest.mark.parametrize("at_once", [1, 4, 5])
async def test_the_turns_go_on_with_the_group_that_leased_longest_ago(desk: Desk, at_once: int) -> None:
    await desk.add(*of("a", *"1234"), *of("b", *"123"), *of("c", *"123"))
    leased = []
    while ids := await desk.lease_ids(at_once):
        leased += ids
    assert leased == ["a1", "b1", "c1", "a2", "b2", "c2", "a3", "b3", "c3", "a4"]


async def test_jobs_without_a_group_come_first(desk: Desk) -> None:
    await desk.add(*of("a", "1", "2"), new_job("late", p=2_097_151), new_job("plain"))
    assert await desk.lease_ids(3) == ["plain", "late", "a1"]
    await desk.add("next")
    assert await desk.lease_ids() == ["next", "a2"]


async def test_a_group_that_comes_later_has_its_turn_after_those_that_wait(desk: Desk) -> None:
    await desk.add(*of("a", "1", "2", "3"))
    assert await desk.lease_ids(1) == ["a1"]
    await desk.add(*of("b", "1", "2"))
    assert await desk.lease_ids() == ["a2", "b1", "a3", "b2"]


async def test_within_a_group_priority_lifo_and_order_hold(desk: Desk) -> None:
    await desk.add(
        *of("a", "5", p=5), *of("a", "1", "2"), *of("b", "1"), *of("a", "0", l=1), *of("a", "4", p=4), *of("a", "3", p=4, l=1)
    )
    assert await desk.lease_ids() == ["a0", "b1", "a1", "a2", "a3", "a4", "a5"]


async def test_a_more_urgent_job_takes_the_place_of_its_groups_head_and_its_turn(desk: Desk) -> None:
    await desk.add(*of("a", "later", p=3), *of("b", "1"))
    await desk.add(*of("a", "urgent"))
    assert await desk.lease_ids() == ["aurgent", "b1", "alater"]


async def test_a_job_given_back_is_the_first_of_its_group_again(desk: Desk) -> None:
    await desk.add(*of("a", "1", "2"), *of("b", "1"))
    first = await desk.lease_one("a1")
    await desk.release(first)
    assert await desk.lease_ids() == ["b1", "a1", "a2"]


async def test_the_first_job_of_a_group_may_come_due_in_the_call_that_leases_it(desk: Desk) -> None:
    await desk.configure(gd={"xa": 1})
    await desk.add(*of("a", "1", "2", delay_ms=SECOND, to=HOUR))
    desk.clock.advance(SECOND)
    await desk.complete(await desk.lease_one("a1"))
    assert await disorder(desk.client, desk.queue) == []
    await desk.complete(await desk.lease_one("a2"))
    assert await desk.groups() == {}


async def test_a_lease_that_ran_out_is_the_first_of_its_group_again(desk: Desk) -> None:
    await desk.add(*of("a", "1", "2", "3"))
    await desk.lease(2)
    await desk.after(LEASE_MS)
    assert await desk.lease_ids() == ["a1", "a2", "a3"]


async def test_requests_of_one_call_go_on_where_the_one_before_ended(desk: Desk) -> None:
    await desk.add(*of("a", "1", "2", "3"), *of("b", "1", "2"))
    reply = await desk.store.lease(desk.queue, [LeaseRequest(f"r{n}", "w", 2, LEASE_MS) for n in range(3)])
    assert [ids_of(answer) for answer in reply.answers] == [["a1", "b1"], ["a2", "b2"], ["a3"]]
    assert not reply.more


async def test_a_delayed_job_joins_its_group_when_it_is_due(desk: Desk) -> None:
    await desk.add(*of("a", "late", delay_ms=SECOND), *of("a", "1", "2"), *of("b", "1"))
    await desk.after(SECOND)
    assert await desk.lease_ids() == ["a1", "b1", "a2", "alate"]


@pytest.mark.parametrize("at_once", [1, 2, 100])
async def test_a_group_leases_as_many_a_turn_as_its_weight(desk: Desk, at_once: int) -> None:
    await desk.configure_group("a", w=3)
    await desk.add(*of("a", *map(str, range(7))), *of("b", *map(str, range(4))))
    leased = []
    while ids := await desk.lease_ids(at_once):
        leased += ids
    assert leased == ["a0", "a1", "a2", "b0", "a3", "a4", "a5", "b1", "a6", "b2", "b3"]


@pytest.mark.parametrize("at_once", [1, 2, 100])
async def test_a_turn_in_which_a_lower_weight_was_passed_ends_with_the_next_lease(desk: Desk, at_once: int) -> None:
    await desk.configure_group("a", w=4)
    await desk.add(*of("a", *map(str, range(7))), *of("b", *map(str, range(3))))
    assert await desk.lease_ids(3) == ["a0", "a1", "a2"]
    await desk.configure_group("a", w=3)
    leased = []
    while ids := await desk.lease_ids(at_once):
        leased += ids
    assert leased == ["a3", "b0", "a4", "a5", "a6", "b1", "b2"]


# -- going --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gone", ["a1", "a2", "a3"])
@pytest.mark.parametrize("how", ["cancel", "delete"])
async def test_a_job_that_goes_leaves_the_turns_as_they_were(desk: Desk, how: str, gone: str) -> None:
    await desk.add(*of("a", "1", "2", "3"), *of("b", "1", "2"))
    if how == "cancel":
        assert await desk.cancel(gone) == ("OK", "cancelled")
    else:
        assert await desk.store.delete(desk.queue, [gone]) == ["OK"]
    assert (
        await desk.lease_ids()
        == {"a1": ["a2", "b1", "a3", "b2"], "a2": ["a1", "b1", "a3", "b2"], "a3": ["a1", "b1", "a2", "b2"]}[gone]
    )
    assert await desk.groups() == {"a": (0, 2), "b": (0, 2)}


async def test_the_last_job_of_a_group_that_goes_leaves_nothing_behind(desk: Desk) -> None:
    await desk.add(*of("a", "1"))
    await desk.cancel("a1")
    assert await desk.lease_ids() == []
    assert await desk.groups() == {}
    await desk.add(*of("a", "2"))
    assert await desk.lease_ids() == ["a2"]


async def test_the_last_job_of_a_shut_group_that_goes_leaves_nothing_behind(desk: Desk) -> None:
    await desk.configure_group("a", p=1)
    await desk.add(*of("a", "1"))
    await desk.cancel("a1")
    assert await disorder(desk.client, desk.queue) == []
    await desk.configure_group("a")
    assert await desk.groups() == {}


async def test_a_job_not_started_within_its_ttl_leaves_its_group(desk: Desk) -> None:
    await desk.add(*of("a", "1", "2", tl=SECOND), *of("a", "3"))
    await desk.after(SECOND)
    assert await desk.ids("failed") == ["a1", "a2"]
    assert await desk.lease_ids() == ["a3"]


@pytest.mark.parametrize("most", [1, 2, 1000])
async def test_draining_takes_out_the_jobs_of_groups_too(desk: Desk, most: int) -> None:
    await desk.configure(gd={"xa": 1})
    await desk.add("x", *of("a", "1", "2", "3"), *of("b", "1", "2"))
    await desk.lease_one("x")
    await desk.lease_one("a1")
    removed, more = 0, True
    while more:
        reply = await desk.store._run("drain", desk.queue, state="waiting", max_jobs=most)
        removed, more = removed + reply[0], bool(reply[1])
    assert removed == 4
    assert await desk.ids("waiting") == []
    assert await desk.groups() == {"a": (0, 1)}
    await desk.add(*of("b", "3"))
    assert await desk.lease_ids() == ["b3"]


async def test_a_change_of_priority_moves_a_job_within_its_group(desk: Desk) -> None:
    await desk.add(*of("a", "1", "2", "3"), *of("b", "1"))
    blob = await desk.store.stored_spec(desk.queue, "a1")
    assert blob is not None
    word, _ = await desk.store.update_if(desk.queue, "a1", blob, b"spec", '{"p":1}\ta', to_tail=True, run_ms=None)
    assert word == "OK"
    assert await desk.lease_ids() == ["a2", "b1", "a3", "a1"]


@pytest.mark.parametrize("descending", [False, True])
async def test_listing_shows_all_that_waits_once_however_short_the_pages(desk: Desk, descending: bool) -> None:
    await desk.add("x", "y", *of("a", "1", "2", "3"), *of("b", "1", "2"))
    seen, after = [], None
    while page := await desk.store.page(desk.queue, "waiting", after, 2, descending=descending):
        seen += [position.id for position in page]
        after = page[-1]
    order = ["x", "y", "a1", "b1", "a2", "a3", "b2"]
    assert seen == (order[::-1] if descending else order)
    assert (await desk.store.stats(desk.queue)).waiting == 7


# -- limits -------------------------------------------------------------------------------------------------------


async def test_an_ordering_key_runs_one_job_after_the_other(desk: Desk) -> None:
    await desk.configure(gd={"xa": 1})
    await desk.add(*of("a", "1", "2", "3"), *of("b", "1"))
    first = await desk.lease(10)
    assert ids_of(first) == ["a1", "b1"]
    assert await desk.lease_ids() == []
    await complete_all(desk, first)
    (second,) = await desk.lease(10)
    assert second.id == "a2"
    await desk.fail(second, retry_delay_ms=0)
    assert await desk.lease_ids() == ["a3"]


async def complete_a_hash(desk: Desk, job: LeasedJob) -> None:
    await desk.store.progress(desk.queue, [(job.id, job.nonce, "1")])
    await desk.complete(job, b"1")


async def cancel_running(desk: Desk, job: LeasedJob) -> None:
    await desk.cancel(job.id)
    await desk.fail(job)


ENDS: dict[str, Callable[[Desk, LeasedJob], Awaitable[object]]] = {
    "complete": lambda desk, job: desk.complete(job),
    "complete a hash": complete_a_hash,
    "fail": lambda desk, job: desk.fail(job, fatal=True),
    "retry later": lambda desk, job: desk.fail(job, retry_delay_ms=HOUR),
    "release": lambda desk, job: desk.release(job),
    "snooze": lambda desk, job: desk.release(job, HOUR),
    "give back": lambda desk, _: desk.store.give_back(desk.queue, [("r", False)]),
    "delete": lambda desk, job: desk.store.delete(desk.queue, [job.id], force=True),
    "expire": lambda desk, _: desk.after(LEASE_MS),
    "block": lambda desk, job: desk.store.block(desk.queue, [(job.id, job.nonce, (Edge(JobRef("other", "x"), "f"),))]),
    "cancel": cancel_running,
}


@pytest.mark.parametrize("end", ENDS)
async def test_each_end_of_a_lease_gives_its_groups_room_back(desk: Desk, end: str) -> None:
    await desk.configure_group("a", xa=1)
    await desk.add(*of("a", "1", "2", ma=2))
    job = await desk.lease_one("a1", request_id="r")
    assert await desk.lease_ids() == []
    await ENDS[end](desk, job)
    assert await desk.lease_ids() == ["a1" if end in ("release", "give back", "expire") else "a2"]
    assert (await desk.groups())["a"][1] == 1


async def test_the_running_jobs_of_a_group_that_gets_a_limit_count_at_once(desk: Desk) -> None:
    await desk.add(*of("a", "1", "2", "3"))
    running = await desk.lease(2)
    await desk.configure_group("a", xa=1)
    await desk.complete(running[0])
    assert await desk.lease_ids() == []
    await desk.complete(running[1])
    assert await desk.lease_ids() == ["a3"]


async def test_a_limit_of_the_group_overrides_the_default_and_zero_is_none(desk: Desk) -> None:
    await desk.configure(gd={"xa": 1})
    await desk.configure_group("a", xa=2)
    await desk.configure_group("b", xa=0)
    await desk.add(*of("a", "1", "2", "3"), *of("b", "1", "2", "3"), *of("c", "1", "2"))
    assert sorted(await desk.lease_ids()) == ["a1", "a2", "b1", "b2", "b3", "c1"]


async def test_taking_a_limit_away_opens_what_it_had_shut(desk: Desk) -> None:
    await desk.configure(gd={"xa": 1})
    await desk.add(*of("a", "1", "2"), *of("b", "1", "2"))
    await desk.lease(10)
    async with listening(desk) as ear:
        await desk.configure()
        assert await ear.wakes() == [f"{desk.queue} 0"]
    assert sorted(await desk.lease_ids()) == ["a2", "b2"]


async def test_a_new_limit_of_all_groups_holds_for_those_that_have_their_turn(desk: Desk) -> None:
    await desk.add(*of("a", "1", "2", "3"), *of("b", "1", "2"))
    await desk.lease(2)
    await desk.configure(gd={"xa": 1})
    assert await desk.lease_ids() == []
    assert await desk.groups() == {"a": (2, 1), "b": (1, 1)}


async def test_new_defaults_open_a_group_at_once_though_another_waits_for_the_end_of_its_window(desk: Desk) -> None:
    await desk.configure(gd={"xa": 1})
    await desk.configure_group("b", rl={"n": 1, "d": 10 * SECOND})
    await desk.add(*of("a", "1", "2"), *of("b", "1", "2"))
    assert await desk.lease_ids() == ["a1", "b1"]
    await desk.configure()
    assert await desk.lease_ids() == ["a2"]


async def test_a_window_that_new_defaults_make_full_says_when_to_look(desk: Desk) -> None:
    await desk.configure(gd={"rl": {"n": 2, "d": 10 * SECOND}})
    await desk.add(*of("a", "1", "2"))
    await desk.complete(await desk.lease_one("a1"))
    await desk.configure(gd={"rl": {"n": 1, "d": 10 * SECOND}})
    reply = await desk.lease_reply(1)
    assert (reply.answers, reply.next_in_ms) == ([[]], 10 * SECOND)


async def test_groups_that_new_defaults_leave_shut_are_looked_at_once(desk: Desk) -> None:
    await desk.configure(gd={"xa": 1})
    await desk.add(*of("a", "1", "2"), *of("b", "1", "2"))
    await desk.lease(10)
    await desk.configure(gd={"xa": 1, "mw": 7})
    assert (await desk.tick()).moved == 2
    assert (await desk.lease_reply(10)).next_in_ms == LEASE_MS
    assert (await desk.tick()).moved == 0


async def test_a_job_that_comes_when_the_window_is_over_waits_behind_those_that_were_there(desk: Desk) -> None:
    await desk.configure_group("a", rl={"n": 1, "d": SECOND})
    await desk.add(*of("a", "1", "2"))
    await desk.complete(await desk.lease_one("a1"))
    desk.clock.advance(SECOND)
    await desk.add(*of("a", "3"))
    await desk.complete(await desk.lease_one("a2"))
    desk.clock.advance(SECOND)
    assert await desk.lease_ids() == ["a3"]


async def test_a_group_that_was_shut_meanwhile_gives_its_turn_to_the_next_and_not_to_the_one_before(desk: Desk) -> None:
    await desk.add(*of("a", *"1234"), *of("b", *"1234"), *of("c", *"1234"))
    await desk.configure_group("b", xa=0)
    await desk.configure_group("c", xa=0)
    assert await desk.lease_ids(6) == ["a1", "b1", "c1", "a2", "b2", "c2"]
    await desk.configure(gd={"xa": 2})
    reply = await desk.lease_reply(2)
    assert (ids_of(reply.answers[0]), reply.more) == (["b3"], True)
    assert await desk.lease_ids() == ["c3", "b4", "c4"]


async def test_taking_a_rate_limit_of_all_groups_away_opens_what_waits_for_its_window(desk: Desk) -> None:
    await desk.configure(gd={"rl": {"n": 1, "d": HOUR}})
    await desk.add(*of("a", "1", "2"), *of("b", "1", "2"))
    await complete_all(desk, await desk.lease(10))
    await desk.configure(gd={"rl": {"n": 2, "d": HOUR}})
    await complete_all(desk, await desk.lease(10))
    await desk.add(*of("a", "3"))
    await desk.configure()
    assert await desk.lease_ids() == ["a3"]
    assert len(await desk.ids("completed")) == 4


async def test_one_call_goes_past_all_groups_that_were_shut_meanwhile(desk: Desk) -> None:
    for n in range(20):
        await desk.add(*of(f"g{n:02}-", "1", "2"))
    await desk.lease(20)
    await desk.add(*of("other", "1"))
    await desk.configure(gd={"xa": 1})
    assert await desk.lease_ids(1) == ["other1"]


async def test_a_job_that_was_tried_before_keeps_its_attempts_in_line_too(desk: Desk) -> None:
    await desk.add(*of("a", "1", "2", "3", ma=3))
    first = await desk.lease_one("a1")
    await desk.fail(first, retry_delay_ms=0)
    leased = await desk.lease(10)
    assert [(job.id, job.attempt) for job in leased] == [("a2", 1), ("a3", 1), ("a1", 2)]
    await complete_all(desk, leased)
    assert len(await desk.ids("completed")) == 3


async def test_a_rate_limit_lets_so_many_through_and_opens_by_time(desk: Desk) -> None:
    await desk.configure_group("a", rl={"n": 2, "d": 10 * SECOND})
    await desk.add(*of("a", "1", "2", "3", "4", "5"), *of("b", "1"))
    reply = await desk.lease_reply(10)
    assert ids_of(reply.answers[0]) == ["a1", "b1", "a2"]
    assert reply.next_in_ms == 10 * SECOND
    await complete_all(desk, reply.answers[0])
    desk.clock.advance(10 * SECOND - 1)
    assert await desk.lease_ids() == []
    desk.clock.advance(1)
    assert await desk.lease_ids() == ["a3", "a4"]


async def test_a_clock_that_is_set_back_opens_another_window(desk: Desk) -> None:
    await desk.configure_group("a", rl={"n": 2, "d": 10 * SECOND})
    await desk.add(*of("a", "1", "2"))
    assert await desk.lease_ids() == ["a1", "a2"]
    desk.clock.advance(-HOUR)
    await desk.add(*of("a", "3"))
    assert await desk.lease_ids() == ["a3"]


async def test_a_job_added_while_the_window_is_full_says_when_to_look(desk: Desk) -> None:
    await desk.configure_group("a", rl={"n": 1, "d": 10 * SECOND})
    await desk.add(*of("a", "1"))
    await desk.complete(await desk.lease_one("a1"))
    async with listening(desk) as ear:
        await desk.add(*of("a", "2"))
        assert await ear.wakes() == [f"{desk.queue} {10 * SECOND}"]
    assert await desk.lease_ids() == []
    await desk.after(10 * SECOND)
    assert await desk.lease_ids() == ["a2"]


async def test_a_paused_group_waits_and_the_others_go_on(desk: Desk) -> None:
    await desk.add(*of("a", "1", "2"), *of("b", "1"))
    await desk.configure_group("a", p=1)
    await desk.add(*of("a", "3"))
    assert await desk.lease_ids() == ["b1"]
    assert await desk.ids("waiting") == ["a1", "a2", "a3"]
    async with listening(desk) as ear:
        await desk.configure_group("a")
        assert await ear.wakes() == [f"{desk.queue} 0"]
    assert await desk.lease_ids() == ["a1", "a2", "a3"]


async def test_a_full_group_takes_no_more_and_nothing_of_the_batch_is_added(desk: Desk) -> None:
    await desk.configure(gd={"mw": 2})
    await desk.add(*of("a", "1", "2"))
    before = await desk.dump()
    with pytest.raises(GroupFullError) as refused:
        await desk.add("x", *of("b", "1"), *of("a", "3"))
    assert refused.value.metadata == {"queue": desk.queue, "group": "a", "limit": "2"}
    assert await desk.dump() == before
    with pytest.raises(GroupFullError):
        await desk.add(*of("b", "1", "2", "3"))
    added = await desk.add(*of("a", "1", "2"), *of("a", "late", delay_ms=HOUR))  # no new jobs, and one that does not wait yet
    assert [it.created for it in added] == [False, False, True]
    await desk.lease_one("a1")
    assert (await desk.add(*of("a", "3")))[0].created
    assert [it.created for it in await desk.add(*of("c", "1", "2", "2", "1"))] == [True, True, False, False]


async def test_what_a_key_leaves_out_makes_a_full_group_no_fuller(desk: Desk) -> None:
    await desk.configure(gd={"mw": 1})
    held = {"dd": {"k": "key", "m": "u"}}
    assert [it.created for it in await desk.add(*of("a", "1", "2", **held))] == [True, False]
    assert [it.created for it in await desk.add(*of("a", "3", **held))] == [False]
    with pytest.raises(GroupFullError):
        await desk.add(*of("a", "4", dd={"k": "another", "m": "u"}))
    late = {"dd": {"k": "late", "m": "d"}}
    await desk.add(*of("a", "5", **late, delay_ms=HOUR))
    with pytest.raises(GroupFullError):
        await desk.add(*of("a", "6", **late))  # in its place, but at once


async def test_a_line_does_not_go_before_heads_that_were_not_read_for_being_large(desk: Desk) -> None:
    for group in "abcdefg":
        await desk.add(new_job(f"{group}0", group=group), new_job(f"{group}1", group=group))
    assert len(await desk.lease_ids()) == 14
    for group in "abcdefghijkl":
        await desk.add(new_job(f"{group}2", spec=b"x" * 1_000_000, group=group))
    await desk.add(new_job("h3", spec=b"x" * 1_000_000, group="h"))
    await desk.configure(gd={"xa": 2})  # a to g have their turns still, but none to lease; and eight jobs are read at once
    assert await desk.lease_ids(12) == ["h2"]
    assert (await desk.lease_ids(12))[0] == "i2"


async def test_a_weight_takes_no_more_than_the_room_of_the_queue(desk: Desk) -> None:
    await desk.configure(xa=3)
    await desk.configure_group("a", w=3)
    await desk.add(*of("a", *"1234"), *of("b", "1"), *of("c", "1"))
    reply = await desk.store.lease(desk.queue, [LeaseRequest("r1", "w", 3, LEASE_MS), LeaseRequest("r2", "w", 2, LEASE_MS)])
    assert [ids_of(answer) for answer in reply.answers] == [["a1", "a2", "a3"], []]
    await complete_all(desk, reply.answers[0])
    assert await desk.lease_ids() == ["b1", "c1", "a4"]


async def test_requests_beyond_the_room_of_the_queue_leave_the_groups_as_they_were(desk: Desk) -> None:
    await desk.configure(xa=3)
    await desk.add(*of("a", "1", "2"), *of("b", "1", "2"))
    first = await desk.lease(10)
    assert ids_of(first) == ["a1", "b1", "a2"]
    await complete_all(desk, first)
    assert await desk.lease_ids() == ["b2"]


async def test_a_thousand_groups_and_a_thousand_jobs_of_one_are_leased_in_order(desk: Desk) -> None:
    calls = range(math.ceil(1000 / MOST_LEASES))
    await desk.add(*[new_job(f"j{n:04}", group=f"g{n:04}") for n in range(1000)])
    assert [job_id for _ in calls for job_id in await desk.lease_ids()] == [f"j{n:04}" for n in range(1000)]
    await desk.add(*[new_job(f"k{n:04}", group="one") for n in range(1000)])
    assert [job_id for _ in calls for job_id in await desk.lease_ids()] == [f"k{n:04}" for n in range(1000)]
    assert len(await desk.groups()) == 1001
