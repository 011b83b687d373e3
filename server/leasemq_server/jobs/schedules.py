"""When a schedule runs: pure functions of its rules and a time, in milliseconds since the epoch.

What a cron means is for cronsim to say, which follows Debian's cron. Two things are decided here, since cronsim decides
them for five fields only. A cron that names its minutes and hours means local times: one that a change of the clocks
leaves out is made up for at once after the gap, one that comes twice is taken the first time. Any other cron goes by the
time that has passed.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError
from google.protobuf.timestamp_pb2 import Timestamp
from leasemq.v1 import schedule_pb2

from leasemq_server.jobs import limits
from leasemq_server.jobs.check import Check, span_ms, time_ms

MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
FIELDS = (5, 6)
YEAR_2200_MS = 7_258_118_400_000
OF_THE_MACHINE = {"localtime", "posixrules", "Factory"}  # names that mean another zone, or none, on another broker


class Timetable(NamedTuple):
    """When it runs, but for its end: a schedule keeps its next run for as long as this is the same. cron or every_ms is set."""

    cron: str
    every_ms: int
    time_zone: str
    start_ms: int | None


@dataclass(frozen=True, slots=True)
class Rules:
    """All that decides when a schedule runs."""

    timetable: Timetable
    end_ms: int | None
    max_runs: int
    window_ms: int | None


class Step(NamedTuple):
    """One compare-and-set on a schedule's next time.

    If that is `expected_ms`, make the run `run_ms` (None: there is none to make), and the next time is `next_ms` (None: never).
    """

    expected_ms: int
    run_ms: int | None
    next_ms: int | None


class Past(NamedTuple):
    """What a schedule has behind it when it is changed."""

    rules: Rules
    next_ms: int | None
    last_ms: int | None
    run_count: int


def rules_of(schedule: schedule_pb2.Schedule) -> Rules:
    """A schedule's rules, as they are stored."""
    return Rules(
        Timetable(
            cron=schedule.cron,
            every_ms=span_ms(schedule.every),
            time_zone=schedule.time_zone,
            start_ms=time_ms(schedule.start_time) if schedule.HasField("start_time") else None,
        ),
        end_ms=time_ms(schedule.end_time) if schedule.HasField("end_time") else None,
        max_runs=schedule.max_runs,
        window_ms=span_ms(schedule.catch_up_window) if schedule.HasField("catch_up_window") else None,
    )


# -- times -------------------------------------------------------------------------------------------------------


def next_run(rules: Rules, after_ms: int) -> int | None:
    """The first run later than `after_ms`, or None when there is none."""
    timetable = rules.timetable
    if timetable.start_ms is not None:
        after_ms = max(after_ms, timetable.start_ms - 1)
    if timetable.every_ms:
        origin = timetable.start_ms or 0
        run: int | None = after_ms + timetable.every_ms - (after_ms - origin) % timetable.every_ms
    else:
        run = _cron_after(timetable.cron, _zone(timetable.time_zone), after_ms)
    return None if run is None or (rules.end_ms is not None and run > rules.end_ms) else run


def plan(rules: Rules, next_ms: int, now_ms: int, most: int) -> list[Step]:
    """What to do about a next time that has come: at most so many steps, each from where the one before led to."""
    if rules.window_ms is None:
        latest = _latest_run(rules, next_ms, now_ms)
        return [Step(next_ms, latest, next_run(rules, latest))]
    run: int | None = next_ms
    if next_ms < now_ms - rules.window_ms:
        run = next_run(rules, now_ms - rules.window_ms - 1)
        if run is None or run > now_ms:
            return [Step(next_ms, None, run)]
    steps: list[Step] = []
    expected = next_ms
    while run is not None and run <= now_ms and len(steps) < most:
        following = next_run(rules, run)
        steps.append(Step(expected, run, following))
        run = following
        expected = following if following is not None else expected
    return steps


def first_run(rules: Rules, past: Past | None, now_ms: int) -> int | None:
    """The next time of a schedule that is made (no past), changed or resumed.

    The one that it had if its timetable is the same; else the first from now on, and never one that was made before.
    """
    if past is not None and rules.max_runs and past.run_count >= rules.max_runs:
        return None
    if past is not None and past.next_ms is not None and past.rules.timetable == rules.timetable:
        return past.next_ms if rules.end_ms is None or past.next_ms <= rules.end_ms else None
    made = past.last_ms if past is not None and past.last_ms is not None else 0
    return next_run(rules, max(now_ms, made))


def firing_id(schedule_id: str, run_ms: int) -> str:
    """The id of a run's job: the same whoever makes it."""
    return _short(f"{schedule_id}:{run_ms}")


def trigger_id(schedule_id: str, request_id: str) -> str:
    """The id of a job that was asked for by hand: the same at each try of the request."""
    return _short(f"{schedule_id}:trigger:{request_id}")


def _short(readable: str) -> str:
    if len(readable) <= limits.MAX_NAME:
        return readable
    return f"schedule:{hashlib.sha256(readable.encode()).hexdigest()}"


def _latest_run(rules: Rules, first_ms: int, now_ms: int) -> int:
    """The last run until now, of which `first_ms` is one. By halves, since an outage may have left out a million of them."""
    low, high = first_ms, max(now_ms, first_ms)
    while low < high:
        middle = (low + high) // 2
        following = next_run(rules, middle)
        if following is None or following > now_ms:
            high = middle
        else:
            low = following
    return low


# -- cron --------------------------------------------------------------------------------------------------------


def _fields(cron: str) -> str:
    return MACROS.get(cron.strip().lower(), cron)


def _cron_after(cron: str, zone: ZoneInfo, after_ms: int) -> int | None:
    fields = _fields(cron)
    local = datetime.fromtimestamp(after_ms // 1000, zone)
    if _names_local_times(fields):
        for time in CronSim(fields, local.replace(tzinfo=None, fold=0)):
            run_ms = int(_first_moment(time, zone).timestamp()) * 1000
            if run_ms > after_ms:
                return run_ms
        return None
    # as six fields, for which cronsim goes by the time that has passed
    run = next(CronSim(fields if len(fields.split()) == max(FIELDS) else f"0 {fields}", local), None)
    return None if run is None else int(run.timestamp()) * 1000


def _names_local_times(fields: str) -> bool:
    return not any(field.startswith("*") for field in fields.split()[-5:-3])


def _first_moment(local: datetime, zone: ZoneInfo) -> datetime:
    """When the zone's clocks first show that time or, if they leave it out, a later one."""
    moment = local.replace(tzinfo=zone)
    while moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != local:
        local = local.replace(second=0) + timedelta(minutes=1)
        moment = local.replace(tzinfo=zone)
    return moment


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name or "UTC")


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - OF_THE_MACHINE)


# -- what breaks a rule ------------------------------------------------------------------------------------------


def check_schedule(schedule: schedule_pb2.Schedule, check: Check) -> None:
    """Notes what breaks a rule in `check`; the job is another matter."""
    check.queue(schedule.queue)
    check.text(schedule.id, "id")
    _check_time(schedule, "start_time", check)
    _check_time(schedule, "end_time", check)
    if schedule.HasField("start_time") and schedule.HasField("end_time"):
        start_ms, end_ms = time_ms(schedule.start_time), time_ms(schedule.end_time)
        if end_ms <= start_ms:
            check.wrong("end_time", f"must be later than start_time; got {(start_ms - end_ms) / 1000:g} s before it")
    timetable = schedule.WhichOneof("timetable")
    if timetable == "cron":
        _check_cron(schedule, check)
    elif timetable == "every":
        check.span(schedule.every, "every", limits.MIN_EVERY_MS)
        if schedule.time_zone:
            check.wrong("time_zone", "goes with cron only: every counts seconds, which are the same everywhere")
    else:
        check.wrong("timetable", "is required: cron or every")
    if schedule.overlap not in schedule_pb2.ScheduleOverlap.values():
        check.wrong("overlap", f"must be one of the enum's values; got {schedule.overlap}")
    if schedule.HasField("catch_up_window"):
        check.span(schedule.catch_up_window, "catch_up_window", limits.MIN_CATCH_UP_MS)


def _check_time(schedule: schedule_pb2.Schedule, field: str, check: Check) -> None:
    value: Timestamp = getattr(schedule, field)
    if schedule.HasField(field) and not 0 <= time_ms(value) <= YEAR_2200_MS:
        check.wrong(field, f"must be a time between the years 1970 and 2200; got {value.seconds} s since 1970")


def _check_cron(schedule: schedule_pb2.Schedule, check: Check) -> None:
    zone = schedule.time_zone
    if zone and zone not in _zones():
        check.wrong("time_zone", f"must be the IANA name of a time zone, as in Europe/Berlin; got {zone[: limits.MAX_NAME]!r}")
    if len(schedule.cron) > limits.MAX_CRON:
        check.wrong("cron", f"must have at most {limits.MAX_CRON} characters; got {len(schedule.cron)}")
    elif wrong := _wrong_with(schedule.cron):
        check.wrong("cron", f"{wrong}; got {schedule.cron!r}")


@lru_cache(maxsize=4096)
def _wrong_with(cron: str) -> str:
    """What is wrong with a cron, if anything. One that never runs costs a look at each day of 50 years, so it is remembered."""
    fields = _fields(cron)
    if fields.lstrip().startswith("@"):
        return f"must be one of {', '.join(MACROS)}, or 5 or 6 fields"
    if (count := len(fields.split())) not in FIELDS:
        return f"must have 5 fields, or 6 with the second first; it has {count}"
    try:
        runs = next(CronSim(fields, datetime(2000, 1, 1, tzinfo=UTC)), None) is not None
    except CronSimError as error:
        runs = False
        if not _has_valid_fields(fields):
            return f"must be a cron: {error}"
    return "" if runs else "must run at least once in 50 years"


def _has_valid_fields(cron: str) -> bool:
    """Whether it is only as a whole that it is refused, which is of one whose months have no such day."""
    parts = cron.split()
    for either in (-2, -3):  # month, day of the month
        try:
            CronSim(" ".join([*parts[:either], "*", *parts[either + 1 :]]), datetime(2000, 1, 1, tzinfo=UTC))
        except CronSimError:
            return False
    return True
