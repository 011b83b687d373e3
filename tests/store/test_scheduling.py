"""What a broker does about schedules, at times that the tests own: missed runs, changes, and several brokers at once."""

import asyncio
from typing import Any

import pytest
import structlog
from leasemq.v1 import schedule_pb2
from leasemq_server.broker import schedules as scheduling
from leasemq_server.broker.queues import Queues
from leasemq_server.broker.schedules import Place, Schedules
from leasemq_server.errors import QueueNotEmptyError, ScheduleNotFoundError
from leasemq_server.store.schedules import NewSchedule, StoredSchedule
from leasemq_server.store.store import Store

from tests.store.harness import DAY, HOUR, SECOND, START_MS, Desk, new_job
from tests.support import seconds

FIRST = START_MS - START_MS % HOUR + HOUR  # of a schedule of every hour


class Clockwork:
    """A broker's schedules over the desk's store and time."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.store = desk.store
        self.schedules = Schedules(desk.store, Queues(desk.store))

    async def upsert(self, schedule_id: str = "s", *, skips: bool = False, **said: Any) -> StoredSchedule:
        rules = schedule_pb2.Schedule(**({"every": seconds(3600)} | said if "cron" not in said else said))
        new = NewSchedule(schedule_id, rules.SerializeToString(), new_job("", sc=schedule_id), skips, rules.max_runs)
        stored, _ = await self.schedules.upsert(self.desk.queue, new)
        return stored

    async def get(self, schedule_id: str = "s") -> StoredSchedule:
        return await self.schedules.get(self.desk.queue, schedule_id)

    async def at(self, ms: int) -> int:
        """It is that time, and a broker comes by; in how many ms it would again."""
        self.desk.clock.ms = ms
        return await self.schedules.fire_due(self.desk.queue)

    async def runs(self, schedule_id: str = "s") -> list[int]:
        """The times of the runs whose jobs wait, in their order."""
        ids = [job_id.rpartition(":") for job_id in await self.desk.ids("waiting")]
        return [int(time) for name, _, time in ids if name == schedule_id]


@pytest.fixture
def clockwork(desk: Desk) -> Clockwork:
    return Clockwork(desk)


# -- firing ------------------------------------------------------------------------------------------------------


async def test_a_run_is_made_when_its_time_has_come_and_not_a_millisecond_before(clockwork: Clockwork):
    await clockwork.upsert()
    assert await clockwork.at(FIRST - 1) == 1
    assert await clockwork.runs() == []
    assert await clockwork.at(FIRST) == HOUR
    assert await clockwork.runs() == [FIRST]


async def test_after_an_outage_the_latest_missed_run_is_made_late(clockwork: Clockwork):
    await clockwork.upsert()
    assert await clockwork.at(FIRST + 5 * HOUR + 7) == HOUR - 7
    assert await clockwork.runs() == [FIRST + 5 * HOUR]
    assert (await clockwork.get()).run_count == 1


async def test_with_a_window_the_missed_runs_within_it_are_made_in_their_order_and_the_older_ones_are_not(clockwork: Clockwork):
    await clockwork.upsert(catch_up_window=seconds(3 * 3600))
    await clockwork.at(FIRST + 5 * HOUR + 7)
    assert await clockwork.runs() == [FIRST + n * HOUR for n in (3, 4, 5)]
    stored = await clockwork.get()
    assert (stored.run_count, stored.last_ms, stored.next_ms) == (3, FIRST + 5 * HOUR, FIRST + 6 * HOUR)


async def test_with_a_window_that_is_over_nothing_is_made(clockwork: Clockwork):
    await clockwork.upsert(catch_up_window=seconds(1))
    assert await clockwork.at(FIRST + 2 * SECOND) == HOUR - 2 * SECOND
    stored = await clockwork.get()
    assert (await clockwork.runs(), stored.run_count, stored.next_ms) == ([], 0, FIRST + HOUR)


async def test_catching_up_over_many_calls_leaves_no_run_out(clockwork: Clockwork):
    await clockwork.upsert(every=seconds(1), catch_up_window=seconds(86_400))
    first = (await clockwork.get()).next_ms
    count = 3 * scheduling.MAX_STEPS + 7
    await clockwork.at(first + (count - 1) * SECOND)
    assert await clockwork.runs() == [first + n * SECOND for n in range(count)]


async def test_a_long_catching_up_gives_way_to_other_queues_and_is_taken_up_again(
    clockwork: Clockwork, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(scheduling, "MAX_ROUNDS", 2)
    monkeypatch.setattr(scheduling, "MAX_STEPS", 10)
    await clockwork.upsert(every=seconds(1), catch_up_window=seconds(86_400))
    late = (await clockwork.get()).next_ms + 24 * SECOND
    assert await clockwork.at(late) == 0
    assert len(await clockwork.runs()) == 20
    assert await clockwork.at(late) == SECOND
    assert len(await clockwork.runs()) == 25


async def test_many_schedules_that_are_due_at_once_are_all_made(clockwork: Clockwork):
    names = [f"s{number:03}" for number in range(2 * scheduling.MAX_DUE + 5)]
    for name in names:
        await clockwork.upsert(name)
    await clockwork.at(FIRST)
    assert await clockwork.desk.ids("waiting") == [f"{name}:{FIRST}" for name in names]


async def test_with_skip_missed_runs_and_a_window_make_one_job_at_a_time(clockwork: Clockwork):
    await clockwork.upsert(skips=True, catch_up_window=seconds(86_400))
    await clockwork.at(FIRST + 5 * HOUR)
    assert await clockwork.runs() == [FIRST]
    await clockwork.desk.complete(await clockwork.desk.lease_one())
    await clockwork.at(FIRST + 6 * HOUR)
    assert await clockwork.runs() == [FIRST + 6 * HOUR]


async def test_the_end_and_the_limit_are_kept(clockwork: Clockwork):
    await clockwork.upsert("limited", max_runs=2, catch_up_window=seconds(86_400))
    await clockwork.upsert("ended", end_time={"seconds": (FIRST + HOUR) // 1000}, catch_up_window=seconds(86_400))
    assert await clockwork.at(FIRST + 5 * HOUR) == -1
    assert await clockwork.runs("limited") == [FIRST, FIRST + HOUR]
    assert await clockwork.runs("ended") == [FIRST, FIRST + HOUR]


async def test_a_schedule_that_a_broker_can_not_read_does_not_stop_the_others(clockwork: Clockwork, caplog):
    """A time zone that this machine does not know, for one: another broker may."""
    rules = schedule_pb2.Schedule(cron="@hourly", time_zone="Mars/Olympus").SerializeToString()
    broken = NewSchedule("broken", rules, new_job(""), False, 0)
    assert await clockwork.store.put_schedule(clockwork.desk.queue, broken, None, FIRST - 1)
    await clockwork.upsert()
    assert await clockwork.at(FIRST) == scheduling.BROKEN_MS
    assert await clockwork.runs() == [FIRST]
    assert (await clockwork.get("broken")).next_ms == FIRST - 1


async def test_schedules_that_a_broker_can_not_read_do_not_make_the_others_late(
    clockwork: Clockwork, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(scheduling, "MAX_DUE", 2)
    rules = schedule_pb2.Schedule(cron="@hourly", time_zone="Mars/Olympus").SerializeToString()
    for number in range(5):
        broken = NewSchedule(f"broken {number}", rules, new_job(""), False, 0)
        assert await clockwork.store.put_schedule(clockwork.desk.queue, broken, None, FIRST - 9 + number)
    await clockwork.upsert(every=seconds(1))
    first = (await clockwork.get()).next_ms
    assert await clockwork.at(max(first, FIRST)) <= SECOND
    with structlog.testing.capture_logs() as logs:
        ran = len(await clockwork.runs())
        assert await clockwork.at(clockwork.desk.clock.ms + SECOND) <= SECOND
    assert (len(await clockwork.runs()) - ran, logs) == (1, [])


# -- several brokers ---------------------------------------------------------------------------------------------


async def test_brokers_side_by_side_make_each_run_once(valkey_desk: Desk):
    clockworks = [Clockwork(valkey_desk) for _ in range(5)]
    await clockworks[0].upsert(every=seconds(1), catch_up_window=seconds(86_400))
    await clockworks[0].upsert("latest", every=seconds(1))
    first = (await clockworks[0].get()).next_ms
    for second in range(0, 40, 4):  # the brokers come late, and at the same time
        await asyncio.gather(*(clockwork.at(first + second * SECOND) for clockwork in clockworks))
    assert await clockworks[0].runs() == [first + n * SECOND for n in range(37)]
    assert (await clockworks[0].get()).run_count == 37
    assert await clockworks[0].runs("latest") == [first + second * SECOND for second in range(0, 40, 4)]


async def test_brokers_whose_looks_lie_apart_make_each_run_once(clockwork: Clockwork, monkeypatch: pytest.MonkeyPatch):
    """One has looked, and stands still while the other makes the run and time goes on."""
    await clockwork.upsert()
    fire = Store.fire

    async def slow(store: Store, queue: str, steps: Any) -> list[str]:
        monkeypatch.setattr(Store, "fire", fire)
        await clockwork.at(FIRST + 2 * HOUR)
        words = await fire(store, queue, steps)
        assert words == ["CONFLICT"]
        return words

    monkeypatch.setattr(Store, "fire", slow)
    await clockwork.at(FIRST)
    assert await clockwork.runs() == [FIRST + 2 * HOUR]


async def test_a_broker_that_dies_between_its_look_and_the_run_leaves_it_due(
    clockwork: Clockwork, monkeypatch: pytest.MonkeyPatch
):
    await clockwork.upsert(catch_up_window=seconds(86_400))

    async def dies(*_: Any) -> list[str]:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(Store, "fire", dies)
        with pytest.raises(asyncio.CancelledError):
            await clockwork.at(FIRST)
    assert await clockwork.runs() == []
    await clockwork.at(FIRST + HOUR)
    assert await clockwork.runs() == [FIRST, FIRST + HOUR]


# -- changing ----------------------------------------------------------------------------------------------------


async def test_saying_the_same_again_changes_nothing_but_the_revision(clockwork: Clockwork):
    await clockwork.upsert()
    await clockwork.at(FIRST)
    before = await clockwork.get()
    clockwork.desk.clock.ms = FIRST + 59 * 60 * SECOND
    after = await clockwork.upsert()
    assert (after.next_ms, after.last_ms, after.run_count) == (before.next_ms, FIRST, 1)
    assert await clockwork.runs() == [FIRST]


async def test_a_change_makes_no_run_twice(clockwork: Clockwork):
    await clockwork.upsert()
    await clockwork.at(FIRST)
    changed = await clockwork.upsert(every=seconds(1800))
    assert (changed.next_ms, changed.run_count) == (FIRST + HOUR // 2, 1)
    await clockwork.upsert(cron="0 * * * *")
    await clockwork.at(FIRST + 1)
    assert await clockwork.runs() == [FIRST]


async def test_a_run_that_is_due_when_its_timetable_is_changed_is_made_before(clockwork: Clockwork):
    await clockwork.upsert()
    clockwork.desk.clock.ms = FIRST + 3
    changed = await clockwork.upsert(every=seconds(7200))
    assert await clockwork.runs() == [FIRST]
    assert changed.run_count == 1
    assert changed.next_ms > FIRST


async def test_two_changes_at_once_both_end_and_one_of_them_stands(valkey_desk: Desk):
    clockworks = [Clockwork(valkey_desk) for _ in range(4)]
    spans = [600, 1200, 1800, 3600]
    await asyncio.gather(*(one.upsert(every=seconds(span)) for one, span in zip(clockworks, spans, strict=True)))
    stored = await clockworks[0].get()
    rules = schedule_pb2.Schedule.FromString(stored.rules)
    assert rules.every.seconds in spans
    span_ms = rules.every.seconds * SECOND
    assert stored.next_ms == START_MS - START_MS % span_ms + span_ms


async def test_a_paused_schedule_stays_so_when_it_is_changed(clockwork: Clockwork):
    await clockwork.upsert()
    await clockwork.schedules.pause(clockwork.desk.queue, "s")
    changed = await clockwork.upsert(every=seconds(60))
    assert (changed.paused, changed.next_ms) == (True, 0)
    assert await clockwork.at(FIRST + DAY) == -1


async def test_the_runs_of_a_pause_are_skipped(clockwork: Clockwork):
    await clockwork.upsert(catch_up_window=seconds(86_400))
    await clockwork.schedules.pause(clockwork.desk.queue, "s")
    clockwork.desk.clock.ms = FIRST + 2 * HOUR + 1
    resumed = await clockwork.schedules.resume(clockwork.desk.queue, "s")
    assert resumed.next_ms == FIRST + 3 * HOUR
    await clockwork.at(FIRST + 3 * HOUR)
    assert await clockwork.runs() == [FIRST + 3 * HOUR]


async def test_resuming_one_that_runs_moves_nothing(clockwork: Clockwork):
    await clockwork.upsert()
    clockwork.desk.clock.ms = FIRST + 5  # a run is due
    assert (await clockwork.schedules.resume(clockwork.desk.queue, "s")).next_ms == FIRST


async def test_a_limit_that_is_raised_and_an_end_that_is_put_off_let_it_go_on(clockwork: Clockwork):
    await clockwork.upsert(max_runs=1)
    await clockwork.at(FIRST)
    assert (await clockwork.get()).next_ms == 0
    assert (await clockwork.upsert(max_runs=2)).next_ms == FIRST + HOUR
    assert (await clockwork.upsert(max_runs=1)).next_ms == 0


async def test_a_schedule_that_is_deleted_and_made_again_does_not_repeat_a_run(clockwork: Clockwork):
    await clockwork.upsert()
    await clockwork.at(FIRST)
    await clockwork.schedules.delete(clockwork.desk.queue, "s")
    clockwork.desk.clock.ms = FIRST - 1  # the clock of a store that another one has taken over from
    await clockwork.upsert()
    await clockwork.at(FIRST)
    assert await clockwork.runs() == [FIRST]


async def test_the_same_trigger_adds_one_job_and_each_other_one_more(clockwork: Clockwork):
    await clockwork.upsert()
    queue = clockwork.desk.queue
    first = await clockwork.schedules.trigger(queue, "s", "r1")
    assert (first.job_id, first.created) == ("s:trigger:r1", True)
    assert not (await clockwork.schedules.trigger(queue, "s", "r1")).created
    assert {(await clockwork.schedules.trigger(queue, "s", "")).created for _ in range(2)} == {True}
    assert len(await clockwork.desk.ids("waiting")) == 3


# -- listing and deleting ----------------------------------------------------------------------------------------


async def test_pages_go_over_queues_without_gaps(desk: Desk):
    wanted = []
    for queue in ("a", "b", "c", "d"):
        clockwork = Clockwork(desk.other(queue))
        for schedule_id in ("x", "y", "z")[: ord(queue) - ord("a")]:  # a has had one, and has none
            await clockwork.upsert(schedule_id)
            wanted.append((queue, schedule_id))
    empty = Clockwork(desk.other("a"))
    await empty.upsert()
    await empty.schedules.delete("a", "s")
    for size in (1, 2, 3, 7):
        found, place = [], None
        while True:
            page, place = await empty.schedules.page("", place, size)
            found += [(queue, schedule.id) for queue, schedule in page]
            assert len(page) <= size
            if place is None:
                break
        assert found == wanted
    page, _ = await empty.schedules.page("c", Place("c", "x"), 9)
    assert [(queue, schedule.id) for queue, schedule in page] == [("c", "y")]


async def test_a_queue_is_deleted_with_its_schedules_by_force_only(clockwork: Clockwork):
    await clockwork.schedules.delete_all(clockwork.desk.queue, force=False)
    await clockwork.upsert()
    with pytest.raises(QueueNotEmptyError):
        await clockwork.schedules.delete_all(clockwork.desk.queue, force=False)
    await clockwork.schedules.delete_all(clockwork.desk.queue, force=True)
    with pytest.raises(ScheduleNotFoundError):
        await clockwork.get()
    assert await clockwork.at(FIRST) == -1
