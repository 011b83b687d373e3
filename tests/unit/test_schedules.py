"""When a schedule runs: the rules alone, at times that the tests choose."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as some
from leasemq.v1 import schedule_pb2
from leasemq_server.jobs import limits
from leasemq_server.jobs.check import Check
from leasemq_server.jobs.schedules import (
    MACROS,
    Past,
    Rules,
    Step,
    Timetable,
    check_schedule,
    firing_id,
    first_run,
    next_run,
    plan,
    rules_of,
    trigger_id,
)

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
BERLIN = "Europe/Berlin"


def ms(text: str) -> int:
    """A time with its offset, as 2026-03-29T03:00+02:00; without one it is UTC."""
    time = datetime.fromisoformat(text)
    return round((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)


def cron(text: str, zone: str = "", **more) -> Rules:
    return _rules(Timetable(text, 0, zone, more.pop("start_ms", None)), **more)


def every(span_ms: int, **more) -> Rules:
    return _rules(Timetable("", span_ms, "", more.pop("start_ms", None)), **more)


def _rules(timetable: Timetable, end_ms=None, max_runs=0, window_ms=None) -> Rules:
    return Rules(timetable, end_ms, max_runs, window_ms)


def runs(rules: Rules, after: str, count: int) -> list[int]:
    found, at = [], ms(after)
    while len(found) < count and (at := next_run(rules, at)) is not None:
        found.append(at)
    return found


# -- cron --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("*/15 * * * *", "2026-01-01T00:15", "2026-01-01T00:30"),
        ("30 8 * * MON-FRI", "2026-01-01T08:30", "2026-01-02T08:30"),
        ("0 0 L * *", "2026-01-31T00:00", "2026-02-28T00:00"),
        ("0 12 * * 5#2", "2026-01-09T12:00", "2026-02-13T12:00"),
        ("0 0 29 FEB *", "2028-02-29T00:00", "2032-02-29T00:00"),
        ("*/20 0 0 * * *", "2026-01-01T00:00:20", "2026-01-01T00:00:40"),
        ("5 30 8 1 * *", "2026-01-01T08:30:05", "2026-02-01T08:30:05"),
        ("@yearly", "2027-01-01T00:00", "2028-01-01T00:00"),
        ("@annually", "2027-01-01T00:00", "2028-01-01T00:00"),
        ("@monthly", "2026-02-01T00:00", "2026-03-01T00:00"),
        ("@weekly", "2026-01-04T00:00", "2026-01-11T00:00"),
        ("@daily", "2026-01-02T00:00", "2026-01-03T00:00"),
        ("@Midnight", "2026-01-02T00:00", "2026-01-03T00:00"),
        ("@hourly", "2026-01-01T01:00", "2026-01-01T02:00"),
    ],
)
def test_a_cron_of_five_or_six_fields_or_a_macro_runs_when_it_says(text: str, first: str, second: str):
    assert runs(cron(text), "2026-01-01T00:00", 2) == [ms(first), ms(second)]


def test_a_cron_is_read_in_its_time_zone():
    assert runs(cron("0 9 * * *", "America/New_York"), "2026-01-01T00:00", 1) == [ms("2026-01-01T09:00-05:00")]
    assert runs(cron("0 9 * * *", "Asia/Kathmandu"), "2026-01-01T00:00", 1) == [ms("2026-01-01T09:00+05:45")]


SPRING, AUTUMN = "2026-03-28T12:00+01:00", "2026-10-24T12:00+02:00"


@pytest.mark.parametrize(("text", "second"), [("30 2 * * *", 0), ("0 30 2 * * *", 0), ("17 30 2 * * *", 17)])
def test_a_run_whose_local_time_is_left_out_in_spring_is_made_at_once_after_the_gap(text: str, second: int):
    on_the_next_day = ms("2026-03-30T02:30+02:00") + second * SECOND
    assert runs(cron(text, BERLIN), SPRING, 2) == [ms("2026-03-29T03:00+02:00"), on_the_next_day]


@pytest.mark.parametrize("text", ["30 2 * * *", "0 30 2 * * *"])
def test_a_run_whose_local_time_comes_twice_in_autumn_is_made_the_first_time_only(text: str):
    expected = [ms("2026-10-25T02:30+02:00"), ms("2026-10-26T02:30+01:00")]
    assert runs(cron(text, BERLIN), AUTUMN, 2) == expected
    within_the_hour_that_comes_again = "2026-10-25T02:15+01:00"
    assert runs(cron(text, BERLIN), within_the_hour_that_comes_again, 1) == expected[1:]


@pytest.mark.parametrize("text", ["0 * * * *", "0 0 * * * *", "@hourly"])
def test_a_cron_of_every_hour_goes_by_the_time_that_has_passed_over_both_changes(text: str):
    for change in ("2026-03-28T20:00+01:00", "2026-10-24T20:00+02:00"):
        found = runs(cron(text, BERLIN), change, 12)
        assert {later - earlier for earlier, later in pairwise(found)} == {HOUR}


@pytest.mark.parametrize("text", ["*/30 2 * * *", "0 */30 2 * * *"])
def test_the_minutes_of_a_named_hour_are_none_in_spring_and_twice_as_many_in_autumn(text: str):
    assert runs(cron(text, BERLIN), SPRING, 1) == [ms("2026-03-30T02:00+02:00")]
    twice = [f"2026-10-25T02:{minute}+{offset}" for offset in ("02:00", "01:00") for minute in ("00", "30")]
    assert runs(cron(text, BERLIN), AUTUMN, 5) == [*map(ms, twice), ms("2026-10-26T02:00+01:00")]


def test_two_runs_that_fall_into_one_gap_are_one_run():
    assert runs(cron("15,45 2 * * *", BERLIN), SPRING, 2) == [ms("2026-03-29T03:00+02:00"), ms("2026-03-30T02:15+02:00")]


def test_noon_stays_noon_over_a_change():
    found = runs(cron("0 12 * * *", BERLIN), SPRING, 2)
    assert found == [ms("2026-03-29T12:00+02:00"), ms("2026-03-30T12:00+02:00")]
    assert found[0] - ms(SPRING) == 23 * HOUR


def test_a_zone_that_skips_a_whole_day_makes_the_run_when_the_next_one_begins():
    """Samoa had no 30 December 2011."""
    found = runs(cron("0 9 30 12 *", "Pacific/Apia"), "2011-06-01T00:00", 1)
    assert found == [ms("2011-12-31T00:00+14:00")]


@given(
    text=some.sampled_from(["30 2 * * *", "*/7 * * * *", "10,50 1-3 * * *", "0 */5 * * * *", "15 0 2 * * SUN", "0 0 L * *"]),
    zone=some.sampled_from(["", BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo"]),
    after=some.integers(ms("2017-01-01T00:00"), ms("2027-01-01T00:00")),
)
def test_the_next_run_is_the_same_from_wherever_before_it_one_looks(text: str, zone: str, after: int):
    """So that two brokers, and a broker that starts anew, agree."""
    rules = cron(text, zone)
    following = next_run(rules, after)
    assert following is not None
    assert following > after
    assert following % SECOND == 0
    assert next_run(rules, following - 1) == following
    assert next_run(rules, (after + following) // 2) == following


# -- every, start and end ----------------------------------------------------------------------------------------


def test_every_is_aligned_to_the_epoch_when_there_is_no_start():
    assert runs(every(HOUR), "2026-01-01T10:17:03", 2) == [ms("2026-01-01T11:00"), ms("2026-01-01T12:00")]
    assert runs(every(HOUR), "2026-01-01T11:00", 1) == [ms("2026-01-01T12:00")]
    assert next_run(every(7), 20) == 21


def test_every_is_aligned_to_its_start_whether_that_is_past_or_to_come():
    rules = every(HOUR, start_ms=ms("2026-01-01T00:17"))
    assert runs(rules, "2025-12-24T00:00", 2) == [ms("2026-01-01T00:17"), ms("2026-01-01T01:17")]
    assert runs(rules, "2026-03-05T10:00", 1) == [ms("2026-03-05T10:17")]
    assert runs(rules, "2026-03-05T10:17", 1) == [ms("2026-03-05T11:17")]


def test_a_cron_runs_at_its_start_but_never_before():
    rules = cron("0 * * * *", start_ms=ms("2026-01-01T10:00"))
    assert runs(rules, "2025-12-24T00:30", 2) == [ms("2026-01-01T10:00"), ms("2026-01-01T11:00")]


def test_nothing_runs_after_the_end_and_a_run_at_the_end_is_made():
    rules = every(HOUR, end_ms=ms("2026-01-01T02:00"))
    assert runs(rules, "2026-01-01T00:00", 9) == [ms("2026-01-01T01:00"), ms("2026-01-01T02:00")]
    assert next_run(cron("@daily", end_ms=ms("2026-01-01T02:00")), ms("2026-01-01T00:00")) is None


# -- what to do about runs that are due --------------------------------------------------------------------------


def test_a_run_in_time_is_made_and_the_next_one_is_set():
    for window in (None, MINUTE):
        assert plan(every(HOUR, window_ms=window), 5 * HOUR, 5 * HOUR + 3, 10) == [Step(5 * HOUR, 5 * HOUR, 6 * HOUR)]


def test_without_a_window_the_latest_missed_run_is_made_and_the_others_are_not():
    assert plan(every(HOUR), 5 * HOUR, 9 * HOUR + 30 * MINUTE, 10) == [Step(5 * HOUR, 9 * HOUR, 10 * HOUR)]
    assert plan(every(HOUR), 5 * HOUR, 9 * HOUR, 10) == [Step(5 * HOUR, 9 * HOUR, 10 * HOUR)]
    nightly = cron("0 2 * * *", BERLIN)
    first, late = ms("2026-03-20T02:00+01:00"), ms("2026-03-29T11:00+02:00")
    last = ms("2026-03-29T03:00+02:00")  # the gap's
    assert plan(nightly, first, late, 10) == [Step(first, last, ms("2026-03-30T02:00+02:00"))]


def test_the_latest_of_a_million_missed_runs_is_found_at_once():
    rules = cron("* * * * * *", BERLIN)
    start = ms("2026-01-01T00:00")
    (step,) = plan(rules, start, start + 20 * DAY + 5, 10)
    assert step == Step(start, start + 20 * DAY, start + 20 * DAY + SECOND)


def test_with_a_window_the_missed_runs_within_it_are_made_one_after_the_other():
    rules = every(HOUR, window_ms=2 * HOUR)
    steps = plan(rules, 5 * HOUR, 9 * HOUR + MINUTE, 10)
    assert steps == [Step(5 * HOUR, 8 * HOUR, 9 * HOUR), Step(9 * HOUR, 9 * HOUR, 10 * HOUR)]
    assert [step.run_ms for step in plan(rules, 5 * HOUR, 9 * HOUR, 10)] == [7 * HOUR, 8 * HOUR, 9 * HOUR]


def test_with_a_window_that_no_missed_run_is_in_none_is_made():
    assert plan(every(HOUR, window_ms=SECOND), 5 * HOUR, 9 * HOUR + MINUTE, 10) == [Step(5 * HOUR, None, 10 * HOUR)]
    ended = every(HOUR, window_ms=SECOND, end_ms=7 * HOUR)
    assert plan(ended, 5 * HOUR, 9 * HOUR + MINUTE, 10) == [Step(5 * HOUR, None, None)]


def test_catching_up_is_cut_into_bounded_parts_that_go_on_where_the_one_before_ended():
    rules = every(SECOND, window_ms=DAY)
    steps = plan(rules, 5 * SECOND, HOUR, 7)
    assert [step.run_ms for step in steps] == [second * SECOND for second in range(5, 12)]
    assert all(earlier.next_ms == later.expected_ms for earlier, later in pairwise(steps))
    assert plan(rules, steps[-1].next_ms or 0, HOUR, 1)[0].run_ms == 12 * SECOND


def test_the_last_run_before_the_end_leads_to_none():
    rules = every(HOUR, end_ms=6 * HOUR)
    assert plan(rules, 5 * HOUR, 20 * HOUR, 10) == [Step(5 * HOUR, 6 * HOUR, None)]
    caught_up = plan(every(HOUR, end_ms=6 * HOUR, window_ms=DAY), 5 * HOUR, 20 * HOUR, 10)
    assert caught_up == [Step(5 * HOUR, 5 * HOUR, 6 * HOUR), Step(6 * HOUR, 6 * HOUR, None)]


# -- made, changed, resumed --------------------------------------------------------------------------------------

NOW = 5 * HOUR + 20 * MINUTE


def test_a_new_schedule_begins_with_the_first_run_from_now_on():
    assert first_run(every(HOUR), None, NOW) == 6 * HOUR
    assert first_run(every(HOUR, end_ms=5 * HOUR), None, NOW) is None


def test_a_schedule_that_says_the_same_keeps_its_next_run_even_if_that_is_due():
    past = Past(every(HOUR), 5 * HOUR, 4 * HOUR, 7)
    assert first_run(every(HOUR, window_ms=DAY), past, NOW) == 5 * HOUR


def test_another_timetable_counts_from_now_and_never_from_before_the_last_run():
    past = Past(every(HOUR), 6 * HOUR, 5 * HOUR, 7)
    assert first_run(every(30 * MINUTE), past, NOW) == 5 * HOUR + 30 * MINUTE
    ahead = Past(every(HOUR), 7 * HOUR, 6 * HOUR, 7)  # the run at six was made by a clock that was ahead of ours
    assert first_run(every(30 * MINUTE), ahead, NOW) == 6 * HOUR + 30 * MINUTE


def test_a_new_end_or_limit_holds_for_the_next_run_too():
    past = Past(every(HOUR), 6 * HOUR, 5 * HOUR, 7)
    assert first_run(every(HOUR, end_ms=6 * HOUR - 1), past, NOW) is None
    assert first_run(every(HOUR, max_runs=7), past, NOW) is None
    assert first_run(every(HOUR, max_runs=8), past, NOW) == 6 * HOUR


def test_one_that_had_come_to_its_end_goes_on_when_it_may():
    past = Past(every(HOUR, max_runs=7), None, 4 * HOUR, 7)
    assert first_run(every(HOUR, max_runs=8), past, NOW) == 6 * HOUR


# -- ids ---------------------------------------------------------------------------------------------------------


def test_a_runs_job_has_an_id_of_schedule_and_time_and_a_digest_where_that_is_too_long():
    assert firing_id("nightly", 1_763_780_000_000) == "nightly:1763780000000"
    assert trigger_id("nightly", "r1") == "nightly:trigger:r1"
    ids = {firing_id("s" * 128, time) for time in range(3)} | {trigger_id("s" * 128, "r" * 128)}
    assert len(ids) == 4
    assert max(map(len, ids)) <= limits.MAX_NAME
    assert firing_id("s" * 128, 1) == firing_id("s" * 128, 1)


# -- what is refused ---------------------------------------------------------------------------------------------


def schedule(**said) -> schedule_pb2.Schedule:
    whole = {"id": "s", "queue": "q", **said}
    if "cron" not in whole and "every" not in whole:
        whole["cron"] = "@daily"
    return schedule_pb2.Schedule(**whole)


def wrong_with(message: schedule_pb2.Schedule) -> list[str]:
    check = Check()
    check_schedule(message, check)
    return [violation.field for violation in check.violations]


def at(seconds: int) -> Timestamp:
    return Timestamp(seconds=seconds)


BAD_CRONS = [
    "", " ", "* * * *", "* * * * * * *", "0 0 30 2 *", "0 0 31 4,6,9,11 *", "* * */20 * 1L", "60 * * * *", "* 24 * * *",
    "* * 0 * *", "* * * 13 *", "* * * * 8", "60 * * * * *", "-1 * * * *", "*/0 * * * *", "1.5 * * * *", "a * * * *", "@reboot",
    "@every 5m", "@", "5-1 * * * *", "1,,2 * * * *", "* * * * MON#6", "\u0661 * * * *", "* * ? * *", "R * * * *", "* * * * *\0",
    "x" * 300, "0-59," * 60 + "0 * * * *",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD_CRONS)
def test_a_cron_that_is_none_or_never_runs_is_refused(text: str):
    assert wrong_with(schedule(cron=text)) == ["cron"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0 0 30 2 *", "at least once"),
        ("0 0 31 2,4 *", "at least once"),
        ("0 0 0 30 FEB *", "at least once"),
        ("0 0 32 2 *", "Bad day-of-month"),
        ("0 0 30 13 *", "Bad month"),
        ("0 25 30 2 *", "Bad hour"),
    ],
)
def test_a_cron_whose_months_have_no_such_day_is_told_from_one_that_is_none(text: str, why: str):
    check = Check()
    check_schedule(schedule(cron=text), check)
    assert why in check.violations[0].description


@given(some.text(alphabet="0123456789*/,-#LW MONFRIJA@?dh", max_size=40))
def test_any_text_is_a_cron_that_runs_or_is_refused(text: str):
    message = schedule(cron=text, time_zone=BERLIN)
    if not wrong_with(message):
        assert next_run(rules_of(message), ms("2026-01-01T00:00")) is not None


@pytest.mark.parametrize(
    "zone", ["Nowhere/City", "europe/berlin ", "Europe", "../etc/passwd", "/etc/localtime", "localtime", "UTC+1", "\0", "x" * 200]
)
def test_an_unknown_time_zone_is_refused(zone: str):
    assert wrong_with(schedule(time_zone=zone)) == ["time_zone"]


@pytest.mark.parametrize("zone", ["", "UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+3"])
def test_a_time_zone_of_the_iana_database_is_taken(zone: str):
    assert wrong_with(schedule(time_zone=zone)) == []


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        ({"id": ""}, ["id"]),
        ({"id": "x" * 129}, ["id"]),
        ({"id": "a\nb"}, ["id"]),
        ({"queue": "a b"}, ["queue"]),
        ({"every": Duration()}, ["every"]),
        ({"every": Duration(nanos=99_000_000)}, ["every"]),
        ({"every": Duration(seconds=-1)}, ["every"]),
        ({"every": Duration(seconds=11 * 366 * 86_400)}, ["every"]),
        ({"every": Duration(seconds=1), "time_zone": BERLIN}, ["time_zone"]),
        ({"start_time": at(-1)}, ["start_time"]),
        ({"start_time": at(7_258_118_401)}, ["start_time"]),
        ({"end_time": at(2**40)}, ["end_time"]),
        ({"start_time": at(100), "end_time": at(100)}, ["end_time"]),
        ({"start_time": at(100), "end_time": at(99)}, ["end_time"]),
        ({"overlap": 3}, ["overlap"]),
        ({"overlap": -1}, ["overlap"]),
        ({"catch_up_window": Duration()}, ["catch_up_window"]),
        ({"catch_up_window": Duration(nanos=999_000_000)}, ["catch_up_window"]),
        ({"catch_up_window": Duration(seconds=-5)}, ["catch_up_window"]),
        ({"catch_up_window": Duration(seconds=11 * 366 * 86_400)}, ["catch_up_window"]),
        ({"cron": "bad", "time_zone": "bad", "overlap": 9, "id": ""}, ["id", "time_zone", "cron", "overlap"]),
    ],
)
def test_each_broken_rule_is_named_by_its_field(said: dict, fields: list[str]):
    assert wrong_with(schedule(**said)) == fields


def test_without_a_timetable_there_is_no_schedule():
    assert wrong_with(schedule_pb2.Schedule(id="s", queue="q")) == ["timetable"]


def test_what_is_just_within_the_rules_is_taken():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    end = start + timedelta(milliseconds=1)
    just = schedule(
        id="i" * 128, every=Duration(nanos=100_000_000), catch_up_window=Duration(seconds=1), start_time=start, end_time=end
    )
    assert wrong_with(just) == []
    rules = rules_of(just)
    assert (rules.timetable, rules.end_ms, rules.window_ms) == (
        Timetable("", 100, "", ms("2026-01-01T00:00")),
        ms("2026-01-01T00:00") + 1,
        1000,
    )
    assert [text for text in MACROS if wrong_with(schedule(cron=text))] == []
