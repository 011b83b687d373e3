"""Schedules in the model: docs/schedules.md once more. What a run adds goes into the model's jobs.

A revision is the store's own; the model is told it, and sees to it that it is a new one whenever it must be.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from tests.model.keys import FINISHED, NewJob


class ScheduledJob(Protocol):
    """What is asked of a job."""

    state: str


@dataclass(frozen=True)
class Plan:
    """What a schedule says; a window of None makes the latest of the missed runs."""

    every: int
    start: int | None
    end: int | None
    most: int  # runs in all, 0: any number
    window: int | None
    skips: bool
    options: dict[str, Any]
    delay: int | None

    def from_now(self, now: int) -> "Plan":
        """With the start and the end that are so many ms from now."""
        start, end = (None if it is None else now + it for it in (self.start, self.end))
        return replace(self, start=start, end=end)

    def after(self, ms: int) -> int | None:
        """The first time later than that."""
        if self.start is None:
            run = (ms // self.every + 1) * self.every
        elif ms < self.start:
            run = self.start
        else:
            run = self.start + ((ms - self.start) // self.every + 1) * self.every
        return None if self.end is not None and run > self.end else run

    def until(self, first: int, now: int) -> list[int]:
        """All times from the first one to now."""
        runs: list[int] = []
        run: int | None = first
        while run is not None and run <= now:
            runs.append(run)
            run = self.after(run)
        return runs


class Step(NamedTuple):
    """If the next time is as expected, make the run (None: it is too old), and then another is the next (None: there is none)."""

    schedule_id: str
    revision: str
    expected: int
    run: int | None
    then: int | None


@dataclass
class Schedule:
    """A schedule, and what it has behind it."""

    plan: Plan
    next_ms: int | None = None
    revision: str = ""
    last_ms: int | None = None
    count: int = 0
    paused: bool = False
    last_job: str = ""


class Schedules:
    """The schedules of a queue; `jobs` are the model's, and `add` adds one."""

    def __init__(self, queue: str, jobs: dict[str, Any], add: Callable[[NewJob], bool]) -> None:
        self._queue = queue
        self._jobs: dict[str, ScheduledJob] = jobs
        self._add = add
        self._revisions: set[str] = set()
        self._told: list[str] = []
        self.all: dict[str, Schedule] = {}

    # -- what can be seen ----------------------------------------------------------------------------------------

    def copy_of(self, name: str) -> Schedule | None:
        """As it is now, for one who comes back to it later."""
        return replace(self.all[name]) if name in self.all else None

    def due(self, now: int) -> list[str]:
        """Whose next time has come, the longest overdue first."""
        times = sorted((it.next_ms, name) for name, it in self.all.items() if it.next_ms is not None)
        return [name for next_ms, name in times if next_ms <= now]

    def next_in(self, now: int) -> int:
        times = [it.next_ms for it in self.all.values() if it.next_ms is not None]
        return max(0, min(times) - now) if times else -1

    def told(self) -> list[str]:
        """What the brokers were told since the last time."""
        told, self._told = self._told, []
        return told

    def _tell(self, now: int) -> None:
        self._told.append(f"{self._queue} {self.next_in(now)}")

    # -- changing ------------------------------------------------------------------------------------------------

    def first(self, plan: Plan, seen: Schedule | None, now: int) -> int | None:
        """The next time of a schedule that is put or resumed by one who has seen it so."""
        if seen is None:
            return plan.after(now)
        if plan.most and seen.count >= plan.most:
            return None
        if seen.next_ms is not None and (plan.every, plan.start) == (seen.plan.every, seen.plan.start):
            return None if plan.end is not None and seen.next_ms > plan.end else seen.next_ms
        return plan.after(max(now, seen.last_ms or 0))

    def put(self, name: str, plan: Plan, seen: Schedule | None, next_ms: int | None, now: int) -> bool:
        known = self.all.get(name)
        if (known and (known.revision, known.next_ms)) != (seen and (seen.revision, seen.next_ms)):
            return False
        schedule = self.all.setdefault(name, Schedule(plan))
        schedule.plan, schedule.revision = plan, ""
        schedule.next_ms = None if schedule.paused else next_ms
        self._tell(now)
        return True

    def set_revision(self, name: str, revision: str) -> None:
        """To be called when it has another one: never one that was before."""
        assert revision not in self._revisions, f"{name} has an old revision"
        self._revisions.add(revision)
        self.all[name].revision = revision

    def pause(self, name: str, now: int) -> bool:
        if name not in self.all:
            return False
        if not self.all[name].paused:
            self.all[name].paused, self.all[name].next_ms, self.all[name].revision = True, None, ""
            self._tell(now)
        return True

    def resume(self, name: str, revision: str, next_ms: int | None, now: int) -> str:
        if name not in self.all:
            return "SCHEDULE_NOT_FOUND"
        schedule = self.all[name]
        if not schedule.paused:
            return "OK"
        if schedule.revision != revision:
            return "CONFLICT"
        schedule.paused, schedule.next_ms, schedule.revision = False, next_ms, ""
        self._tell(now)
        return "OK"

    def delete(self, names: list[str], now: int) -> list[bool]:
        deleted = [self.all.pop(name, None) is not None for name in names]
        self._tell(now)
        return deleted

    # -- running -------------------------------------------------------------------------------------------------

    def plan(self, name: str, now: int, most: int) -> list[Step]:
        """What is to be done about a schedule that is due."""
        schedule = self.all[name]
        plan, expected = schedule.plan, schedule.next_ms
        assert expected is not None
        missed = plan.until(expected, now)
        runs = missed[-1:] if plan.window is None else [run for run in missed if run >= now - plan.window][:most]
        steps = []
        for run in runs or [None]:
            then = plan.after(now if run is None else run)
            steps.append(Step(name, schedule.revision, expected, run, then))
            expected = then or 0
        return steps

    def fire(self, steps: list[Step], now: int) -> list[str]:
        words = [self._fire(step) for step in steps]
        self._tell(now)
        return words

    def _fire(self, step: Step) -> str:
        schedule = self.all.get(step.schedule_id)
        if schedule is None or (schedule.revision, schedule.next_ms) != (step.revision, step.expected):
            return "CONFLICT"
        schedule.next_ms = step.then
        if step.run is None:
            return "MISSED"
        if self._in_the_way(schedule):
            return "OVERLAP"
        self._make_run(step.schedule_id, schedule, step.run)
        return "FIRED"

    def _make_run(self, name: str, schedule: Schedule, run: int) -> None:
        plan = schedule.plan
        assert schedule.last_ms is None or run > schedule.last_ms, f"{name} makes the run of {run} twice"
        assert not plan.most or schedule.count < plan.most, f"{name} makes a run too many"
        schedule.count, schedule.last_ms, schedule.last_job = schedule.count + 1, run, f"{name}:{run}"
        self._add((schedule.last_job, plan.options, plan.delay))
        if schedule.count == plan.most:
            schedule.next_ms = None

    def _in_the_way(self, schedule: Schedule) -> bool:
        last = self._jobs.get(schedule.last_job)
        return schedule.plan.skips and last is not None and last.state not in FINISHED

    def trigger(self, name: str, job_id: str) -> tuple[str, bool, str] | None:
        """Returns (the job that is there now, whether it is a new one, its state)."""
        if name not in self.all:
            return None
        schedule = self.all[name]
        if self._in_the_way(schedule):
            return (schedule.last_job, False, self._jobs[schedule.last_job].state)
        created = self._add((job_id, schedule.plan.options, schedule.plan.delay))
        if created:
            schedule.last_job = job_id
        return (job_id, created, self._jobs[job_id].state)
