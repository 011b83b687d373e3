"""What a queue tells of itself: each transition once, in order, and no more of it than is kept."""

import asyncio
import random
from typing import Any

import pytest
from leasemq_server.jobs.events import LOST, Event, events_after
from leasemq_server.store.schedules import FireStep
from leasemq_server.store.types import LeasedJob

from tests.store.harness import HOUR, LEASE_MS, START_MS, Desk, new_job
from tests.store.test_flows import Flow
from tests.store.test_schedules import NEXT, Office


async def told(desk: Desk, after: int = 0) -> list[Event]:
    """All events after a position."""
    events: list[Event] = []
    while entries := await desk.store.read_events(desk.queue, after):
        events += events_after(entries, after)
        after = entries[-1].last
    return events


class Ear:
    """Hears what is new since it was asked last, in short: "kind id", and more where it is asked for."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._after = 0

    async def heard(self) -> list[tuple[str, ...]]:
        events = await told(self._desk, self._after)
        self._after = events[-1].number if events else self._after
        return [
            tuple(word for word in (event.kind, event.job_id, event.state, event.worker, event.reason) if word)
            for event in events
        ]


@pytest.fixture
def ear(desk: Desk) -> Ear:
    return Ear(desk)


async def test_a_plain_life_is_told_in_order(desk: Desk, ear: Ear) -> None:
    await desk.add("a", "b", "c")
    jobs = await desk.lease(2)
    await desk.store.complete(desk.queue, [(job.id, job.nonce, b"", "") for job in jobs])
    await desk.lease_one("c", worker="w2")
    assert await ear.heard() == [
        ("added", "a", "waiting"),
        ("added", "b", "waiting"),
        ("added", "c", "waiting"),
        ("leased", "a", "active", "w1"),
        ("leased", "b", "active", "w1"),
        ("completed", "a", "completed"),
        ("completed", "b", "completed"),
        ("leased", "c", "active", "w2"),
        ("drained",),
    ]


async def test_events_are_numbered_without_gaps_and_have_the_stores_time(desk: Desk) -> None:
    await desk.add("a", "b")
    desk.clock.advance(5)
    await desk.add("c", "a")
    events = await told(desk)
    assert [event.number - events[0].number for event in events] == [0, 1, 2, 3]
    assert [event.ms for event in events] == [START_MS, START_MS, START_MS + 5, START_MS + 5]
    assert await desk.store.last_event(desk.queue) == events[-1].number


async def test_any_position_can_be_gone_on_from(desk: Desk) -> None:
    await desk.add("a", "b", "c")
    await desk.lease(2)
    events = await told(desk)
    for seen in range(1, len(events) + 1):
        assert await told(desk, events[seen - 1].number) == events[seen:]


async def test_an_add_tells_what_became_of_each_job(desk: Desk, ear: Ear) -> None:
    await desk.add("a", new_job("later", delay_ms=HOUR), "a")
    assert await ear.heard() == [("added", "a", "waiting"), ("added", "later", "delayed"), ("duplicated", "a")]


async def test_a_delayed_job_is_promoted_by_time_or_when_asked(desk: Desk, ear: Ear) -> None:
    await desk.add("a", "b", "c", delay_ms=HOUR)
    await desk.store.promote(desk.queue, ["b"])
    await desk.after(HOUR)
    assert (await ear.heard())[3:] == [
        ("promoted", "b", "waiting", "asked"),
        ("promoted", "a", "waiting", "due"),
        ("promoted", "c", "waiting", "due"),
    ]


async def test_what_fails_is_retried_or_has_failed(desk: Desk, ear: Ear) -> None:
    await desk.add("a", rp=1, ma=3, bo={"k": "list", "l": [0, 1000]})
    await desk.fail(await desk.lease_one("a"), failure='{"type":"ValueError","message":"no"}')
    await desk.fail(await desk.lease_one("a"))
    await desk.after(1000)
    await desk.fail(await desk.lease_one("a"), failure='{"message":"never"}')
    heard = [event for event in await ear.heard() if event[0] in ("retrying", "failed", "promoted")]
    assert heard == [
        ("retrying", "a", "waiting", "w1", "ValueError: no"),
        ("retrying", "a", "delayed", "w1"),
        ("promoted", "a", "waiting", "due"),
        ("failed", "a", "failed", "w1", "never"),
    ]


async def test_what_time_ends_is_told_with_its_reason(desk: Desk, ear: Ear) -> None:
    await desk.add(new_job("expires", me=0), new_job("slow", to=LEASE_MS), new_job("lost"))
    await desk.add("unstarted", tl=LEASE_MS)
    await desk.lease(3)
    await ear.heard()
    await desk.after(LEASE_MS)
    heard = await ear.heard()
    assert heard[0] == ("failed", "unstarted", "failed", "not started within its ttl")
    assert sorted(heard[1:]) == [
        ("failed", "expires", "failed", "w1", "lease expired"),
        ("failed", "slow", "failed", "w1", "timeout"),
        ("lease_expired", "lost", "waiting", "w1", "lease expired"),
    ]


async def test_what_is_given_back_is_released(desk: Desk, ear: Ear) -> None:
    await desk.add("a", "b", "c", "d")
    await desk.lease(1, request_id="gone")
    await desk.store.give_back(desk.queue, [("gone", False)])
    await desk.lease(1, request_id="read")
    await desk.store.give_back(desk.queue, [("read", True)])
    a, b = await desk.lease(2)
    await desk.release(a)
    await desk.release(b, 1000)
    heard = [event for event in await ear.heard() if event[0] in ("released", "lease_expired")]
    assert heard == [
        ("released", "a", "waiting", "w1"),
        ("lease_expired", "a", "waiting", "w1", "the worker was gone right after the job was sent to it"),
        ("released", "a", "waiting", "w1"),
        ("released", "b", "delayed", "w1"),
    ]


async def test_a_cancel_is_asked_for_once_and_done_once(desk: Desk, ear: Ear) -> None:
    await desk.add("a", "b", "c", "d")
    a, b, c = await desk.lease(3)
    await ear.heard()
    for job_id in ("a", "a", "b", "c", "d", "d"):
        await desk.cancel(job_id)
    await desk.release(a)
    await desk.fail(b)
    await desk.complete(c)
    assert await ear.heard() == [
        ("cancel_requested", "a", "active", "w1", "changed my mind"),
        ("cancel_requested", "b", "active", "w1", "changed my mind"),
        ("cancel_requested", "c", "active", "w1", "changed my mind"),
        ("cancelled", "d", "cancelled", "changed my mind"),
        ("cancelled", "a", "cancelled", "w1", "changed my mind"),
        ("cancelled", "b", "cancelled", "w1", "changed my mind"),
        ("completed", "c", "completed"),
    ]


async def test_a_queue_is_drained_when_no_group_has_a_waiting_job_either(desk: Desk, ear: Ear) -> None:
    await desk.configure_group("shut", xa=1)
    await desk.add(new_job("a"), new_job("b", group="shut"), new_job("c", group="shut"))
    a, b = await desk.lease(3)
    assert ("drained",) not in await ear.heard()
    await desk.complete(b)
    await desk.lease_one("c")
    assert (await ear.heard())[-1] == ("drained",)
    await desk.complete(a)


@pytest.mark.parametrize("end", ["complete", "fail", "cancel", "release"])
async def test_a_job_that_was_kept_aside_is_told_of_after_the_end_that_let_it_in(desk: Desk, ear: Ear, end: str) -> None:
    await desk.add("first", dd={"k": "key", "m": "l"})
    job = await desk.lease_one("first")
    await desk.add("next", dd={"k": "key", "m": "l"})
    if end in ("cancel", "release"):
        await desk.cancel("first")
    await ear.heard()
    settle = {"complete": desk.complete, "fail": desk.fail, "cancel": desk.fail, "release": desk.release}
    await settle[end](job)
    state = {"complete": "completed", "fail": "failed"}.get(end, "cancelled")
    heard = [event[:3] for event in await ear.heard()]
    assert heard == [(state, "first", *heard[0][2:]), ("added", "next", "waiting")]


async def test_a_job_that_loses_its_place_within_a_batch_is_added_before_it_is_removed(desk: Desk, ear: Ear) -> None:
    debounced = [new_job(job_id, delay_ms=500, dd={"k": "key", "m": "d"}) for job_id in ("a", "b", "c")]
    await desk.add(debounced[0], "x", *debounced[1:])
    assert await ear.heard() == [
        ("added", "x", "waiting"),
        ("added", "a", "delayed"),
        ("removed", "a", "deduplicated"),
        ("added", "b", "delayed"),
        ("removed", "b", "deduplicated"),
        ("added", "c", "delayed"),
    ]


async def test_what_a_batch_does_not_add_is_told_in_its_order(desk: Desk, ear: Ear) -> None:
    await desk.add("a", dd={"k": "key", "m": "u"})
    await ear.heard()
    await desk.add(new_job("b", dd={"k": "key", "m": "u"}), new_job("a"), new_job("c", dd={"k": "key", "m": "u"}), "d")
    assert await ear.heard() == [
        ("added", "d", "waiting"),
        ("deduplicated", "a"),
        ("duplicated", "a"),
        ("deduplicated", "a"),
    ]


async def test_operators_are_told_of_too(desk: Desk, ear: Ear) -> None:
    await desk.fail_for_good("dead")
    await ear.heard()
    await desk.store.retry(desk.queue, ["dead"])
    await desk.store.pause(desk.queue, paused=True)
    await desk.store.pause(desk.queue, paused=True)
    await desk.store.pause(desk.queue, paused=False)
    await desk.store.pause(desk.queue, paused=False)
    await desk.configure(ma=2)
    await desk.add("b")
    await desk.store.delete(desk.queue, ["dead", "nobody"])
    await desk.store.drain(desk.queue, "waiting")
    assert await ear.heard() == [
        ("retried", "dead", "waiting"),
        ("paused",),
        ("resumed",),
        ("configured",),
        ("added", "b", "waiting"),
        ("removed", "dead", "deleted"),
        ("removed", "b", "drained"),
    ]


async def test_progress_and_schedules_are_told_of(desk: Desk, ear: Ear) -> None:
    office = Office(desk)
    await office.put()
    await office.store.trigger_schedule(desk.queue, "s", "by-hand")
    job = await desk.lease_one("by-hand")
    await desk.store.progress(desk.queue, [(job.id, job.nonce, "0.5"), (job.id, "x" * 24, "0.6")])
    assert await ear.heard() == [
        ("added", "by-hand", "waiting", "schedule"),
        ("leased", "by-hand", "active", "w1"),
        ("drained",),
        ("progress", "by-hand", "active"),
    ]
    desk.clock.ms = NEXT
    assert (await desk.store.due_schedules(desk.queue, 10)).schedules
    before = await told(desk)
    await _fire(office)
    (event,) = await told(desk, before[-1].number)
    assert (event.kind, event.reason) == ("added", "schedule")


async def _fire(office: Office) -> None:
    stored = await office.get()
    step = FireStep("s", stored.revision, stored.next_ms, NEXT, "run-1", NEXT + HOUR)
    assert await office.store.fire(office.queue, [step]) == ["FIRED"]


async def test_jobs_that_wait_for_others_are_told_of(desk: Desk, ear: Ear) -> None:
    flow = Flow(desk)
    await desk.add("a", "b")
    await flow.add("waits", ("a", "f"))
    await flow.add("fails", ("b", "f"))
    a, b = await desk.lease(2)
    await desk.complete(a)
    await desk.fail(b)
    await flow.relay_all()
    await desk.add("c")
    job = await desk.lease_one("waits")
    await flow.block(job.id, job.nonce, ("c", "f"))
    heard = [event for event in await ear.heard() if event[1:2] in (("waits",), ("fails",)) and event[0] != "leased"]
    assert sorted(heard) == sorted(
        [
            ("added", "waits", "blocked"),
            ("added", "fails", "blocked"),
            ("unblocked", "waits", "waiting"),
            ("failed", "fails", "failed", "the dependency email/b failed"),
            ("blocked", "waits", "blocked", "w1"),
        ]
    )


async def test_what_changes_nothing_tells_nothing(desk: Desk, ear: Ear) -> None:
    await desk.add("a")
    job = await desk.lease_one("a")
    await desk.complete(job)
    await ear.heard()
    await desk.complete(job)
    await desk.fail(job)
    await desk.release(job)
    await desk.extend(job)
    await desk.cancel("a")
    await desk.store.promote(desk.queue, ["a"])
    await desk.store.retry(desk.queue, ["nobody"])
    await desk.lease(5)
    await desk.tick()
    assert await ear.heard() == []


async def test_a_queue_keeps_about_as_many_events_as_it_is_set_to(desk: Desk) -> None:
    await desk.configure(ev=300)
    for n in range(30):
        await desk.add(*(f"{n}-{m}" for m in range(100)))
    assert 300 <= len(await told(desk)) < 1500
    events = await told(desk, 1)
    assert events[0].kind == LOST
    assert events[1].number == events[0].number + 1


async def test_a_queue_without_events_writes_none(desk: Desk) -> None:
    await desk.configure(ev=0)
    await desk.finish("a")
    assert await told(desk) == []
    assert await desk.store.last_event(desk.queue) == 0


async def test_a_queue_that_was_deleted_and_made_again_goes_on_above_its_old_numbers(desk: Desk) -> None:
    await desk.finish("a")
    last = await desk.store.last_event(desk.queue)
    await desk.store.delete(desk.queue, ["a"])
    assert await desk.store.drop_queue(desk.queue)
    assert await desk.store.last_event(desk.queue) == 0
    desk.clock.advance(1)
    await desk.add("b")
    events = await told(desk, last)
    assert [event.kind for event in events] == [LOST, "added"]


async def test_whoever_waits_for_an_event_is_told_by_the_store(desk: Desk) -> None:
    await desk.add("a")
    last = await desk.store.last_event(desk.queue)
    waits = [asyncio.create_task(desk.store.wait_for_event(desk.queue, last)) for _ in range(3)]
    await desk.store.wait_for_event(desk.queue, last - 1)  # there is one already
    await desk.add("b")
    await asyncio.wait_for(asyncio.gather(*waits), 3)
    assert [event.job_id for event in await told(desk, last)] == ["b"]


# -- random histories ----------------------------------------------------------------------------------------------

MOVES: dict[str, set[tuple[str | None, str | None]]] = {
    "added": {(None, "waiting"), (None, "delayed")},
    "promoted": {("delayed", "waiting")},
    "leased": {("waiting", "active")},
    "completed": {("active", "completed")},
    "retrying": {("active", "waiting"), ("active", "delayed")},
    "failed": {("active", "failed"), ("waiting", "failed"), ("delayed", "failed")},
    "released": {("active", "waiting"), ("active", "delayed")},
    "lease_expired": {("active", "waiting")},
    "cancelled": {(state, "cancelled") for state in ("active", "waiting", "delayed")},
    "retried": {(state, "waiting") for state in ("completed", "failed", "cancelled")},
    "removed": {(state, None) for state in ("completed", "failed", "cancelled", "waiting", "delayed")},
}
IDS = [f"job-{n}" for n in range(12)]


class Life:
    """Does something at random, many times."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk = desk
        self.random = random.Random(seed)
        self.leased: list[LeasedJob] = []

    def some(self) -> list[str]:
        return self.random.sample(IDS, self.random.randint(1, 4))

    def _options(self) -> dict[str, Any]:
        return self.random.choice(
            [
                {},
                {},
                {"rp": 1, "ma": 2},
                {"rp": 1, "ma": 3, "bo": {"k": "fixed", "d": 5000}},
                {"to": 9000},
                {"tl": 15_000},
                {"me": 0},
            ]
        )

    async def step(self) -> None:
        desk, queue = self.desk, self.desk.queue
        held = [self.leased.pop(self.random.randrange(len(self.leased)))] if self.leased else []
        match self.random.choice(("add", "add", "lease", "lease", "settle", "settle", "settle", "time", "steer")):
            case "add":
                delay = self.random.choice(["", "", 7000])
                await desk.add(*(new_job(job_id, delay_ms=delay, **self._options()) for job_id in self.some()))
            case "lease":
                self.leased += await desk.lease(self.random.randint(1, 4), lease_ms=10_000)
            case "settle":
                for job in held:
                    await self.random.choice((desk.complete, desk.complete, desk.fail, desk.release))(job)
                return
            case "time":
                desk.clock.advance(self.random.choice((1000, 6000, 12_000)))
                if self.random.random() < 0.7:
                    await desk.tick()
            case _:
                verb = self.random.choice((self._cancel, desk.store.promote, desk.store.retry, desk.store.delete))
                await verb(queue, self.some())
        self.leased += held

    async def _cancel(self, queue: str, ids: list[str]) -> None:
        await self.desk.store.cancel(queue, [(job_id, "why") for job_id in ids])


@pytest.mark.parametrize("seed", range(6))
async def test_the_events_tell_exactly_the_states_that_are_read(desk: Desk, seed: int) -> None:
    """Each event is a move that exists from where the job stood; after each step, all stand where they were told to be."""
    life = Life(desk, seed)
    stands: dict[str, str | None] = dict.fromkeys(IDS)
    after, kinds = 0, set()
    for _ in range(250):
        await life.step()
        for event in await told(desk, after):
            after = event.number
            kinds.add(event.kind)
            if event.kind in MOVES:
                assert (stands[event.job_id], event.state or None) in MOVES[event.kind], event
                stands[event.job_id] = event.state or None
        stored = await desk.store.read(desk.queue, IDS)
        assert stands == {job_id: job and job.state for job_id, job in zip(IDS, stored, strict=True)}
    assert {"added", "leased", "completed", "cancelled", "removed", "retried"} <= kinds
