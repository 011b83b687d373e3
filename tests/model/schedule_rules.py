"""Schedules: put, paused, resumed, triggered, deleted, and fired by brokers that may have read an older state."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from leasemq.v1.job_pb2 import JobSpec
from leasemq.v1.schedule_pb2 import Schedule as Message
from leasemq_server.jobs.schedules import Past, firing_id, first_run, plan, rules_of, trigger_id
from leasemq_server.store.schedules import DueSchedule, FireStep, NewSchedule, StoredSchedule

from tests.model.choices import KEPT_MS, of_jobs, spans
from tests.model.schedules import Plan, Schedule, Step

NAMES = ("hourly", "nightly")  # around the other jobs' ids
MOST_STEPS = 4  # of one schedule in one call: a broker has 100

names = st.sampled_from(NAMES)
plans = st.builds(
    Plan,
    every=st.sampled_from([700, 3000, 20_000]),
    start=st.sampled_from([None, None, None, -450, 1700]),
    end=st.sampled_from([None, None, None, None, 3000, 30_000]),
    most=st.sampled_from([0, 0, 0, 1, 2, 3]),
    window=st.sampled_from([None, None, None, 1000, 6000]),
    skips=st.booleans(),
    options=of_jobs,
    delay=st.sampled_from([None, None, None, 500]),
)
steering = st.sampled_from(["pause", "pause", "resume", "resume", "trigger", "trigger", "delete"])
others = st.sampled_from(
    [["fire"], ["fire"], ["put"], ["put"], ["fire", "pause"], ["resume", "fire"], ["resume", "fire", "pause"]]
) | st.lists(st.sampled_from(["fire", "pause", "resume", "put", "delete", "trigger"]), min_size=1, max_size=4)
requests = st.sampled_from(["1", "2", "3"])


class Reading(NamedTuple):
    """A schedule as a broker has read it, as the model had it then, and the time."""

    stored: StoredSchedule | None
    model: Schedule | None
    now: int


def _message(plan: Plan) -> bytes:
    message = Message(max_runs=plan.most)
    message.every.FromMilliseconds(plan.every)
    if plan.start is not None:
        message.start_time.FromMilliseconds(plan.start)
    if plan.end is not None:
        message.end_time.FromMilliseconds(plan.end)
    if plan.window is not None:
        message.catch_up_window.FromMilliseconds(plan.window)
    return message.SerializeToString()


def _past(stored: StoredSchedule | None) -> Past | None:
    if stored is None:
        return None
    rules = rules_of(Message.FromString(stored.rules))
    return Past(rules, stored.next_ms or None, stored.last_ms or None, stored.run_count)


def _fire_step(step: Step) -> FireStep:
    run, job_id = ("", "") if step.run is None else (step.run, firing_id(step.schedule_id, step.run))
    return FireStep(step.schedule_id, step.revision, step.expected, run, job_id, "" if step.then is None else step.then)


class ScheduleRules(RuleBasedStateMachine):
    """A part of `History`."""

    # -- changing ------------------------------------------------------------------------------------------------

    def _read_schedule(self, name: str) -> Reading:
        (stored,) = self.run(self.store.read_schedules(self.desk.queue, [name]))
        return Reading(stored, self.model.schedules.copy_of(name), self.model.now)

    def _first(self, plan: Plan, seen: Reading) -> int | None:
        first = first_run(rules_of(Message.FromString(_message(plan))), _past(seen.stored), seen.now)
        assert first == self.model.schedules.first(plan, seen.model, seen.now)
        return first

    def _hear_revision(self, name: str) -> None:
        """Of a schedule that must have a new one, if it is there."""
        (stored,) = self.run(self.store.read_schedules(self.desk.queue, [name]))
        if name in self.model.schedules.all and not self.model.schedules.all[name].revision:
            self.model.schedules.set_revision(name, stored.revision)

    def _put_schedule(self, name: str, plan: Plan, seen: Reading) -> None:
        first = self._first(plan, seen)
        new = NewSchedule(name, _message(plan), self._new(("", plan.options, plan.delay)), plan.skips, plan.most)
        done = self.run(self.store.put_schedule(self.desk.queue, new, seen.stored, first))
        assert done == self.model.schedules.put(name, plan, seen.model, first, self.model.now)
        self._hear_revision(name)

    @rule(name=names, plan=plans, keeps=st.booleans())
    def put_schedule(self, name: str, plan: Plan, keeps: bool) -> None:
        """A new one, or after its runs that are due, as a broker does; perhaps with the timetable that it has."""
        self._fire_all()
        known = self.model.schedules.all.get(name)
        said = plan.from_now(self.model.now)
        if keeps and known:
            said = replace(said, every=known.plan.every, start=known.plan.start)
        self._put_schedule(name, said, self._read_schedule(name))

    def _pause_schedule(self, name: str) -> None:
        assert self.run(self.store.pause_schedule(self.desk.queue, name)) == self.model.schedules.pause(name, self.model.now)
        self._hear_revision(name)

    def _resume_schedule(self, seen: Reading) -> None:
        if seen.stored is None or seen.model is None:
            return
        first = self._first(seen.model.plan, seen)
        name = seen.stored.id
        word = self.run(self.store.resume_schedule(self.desk.queue, seen.stored, first))
        assert word == self.model.schedules.resume(name, seen.model.revision, first, self.model.now)
        self._hear_revision(name)

    def _trigger_schedule(self, name: str, request: str) -> None:
        job_id = trigger_id(name, request)
        triggered = self.run(self.store.trigger_schedule(self.desk.queue, name, job_id))
        assert (triggered and tuple(triggered)) == self.model.schedules.trigger(name, job_id)

    def _delete_schedules(self, chosen: list[str]) -> None:
        deleted = self.run(self.store.delete_schedules(self.desk.queue, chosen))
        assert deleted == self.model.schedules.delete(chosen, self.model.now)

    @precondition(lambda self: self.model.schedules.all)
    @rule(how=steering, name=names, request=requests)
    def steer_schedule(self, how: str, name: str, request: str) -> None:
        verbs: dict[str, Callable[[], None]] = {
            "pause": lambda: self._pause_schedule(name),
            "resume": lambda: self._resume_schedule(self._read_schedule(name)),
            "trigger": lambda: self._trigger_schedule(name, request),
            "delete": lambda: self._delete_schedules([name]),
        }
        verbs[how]()

    # -- firing --------------------------------------------------------------------------------------------------

    def _plan_runs(self, most: int = 10) -> list[Step]:
        """As broker/schedules.py does."""
        now, schedules = self.model.now, self.model.schedules
        due = self.run(self.store.due_schedules(self.desk.queue, most))
        assert [one.id for one in due.schedules] == schedules.due(now)[:most]
        steps = []
        for one in due.schedules:
            planned = plan(rules_of(Message.FromString(one.rules)), one.next_ms, due.now_ms, MOST_STEPS)
            steps += [Step(one.id, one.revision, *step) for step in planned]
        assert steps == [step for one in due.schedules for step in schedules.plan(one.id, now, MOST_STEPS)]
        return steps

    def _fire(self, steps: list[Step]) -> None:
        if steps:
            words = self.run(self.store.fire(self.desk.queue, [_fire_step(step) for step in steps]))
            assert words == self.model.schedules.fire(steps, self.model.now)

    def _fire_all(self) -> None:
        while steps := self._plan_runs():
            self._fire(steps)

    @precondition(lambda self: self.model.schedules.all)
    @rule(ms=spans, most=st.sampled_from([1, 10]), again=st.booleans())
    def fire_due(self, ms: int, most: int, again: bool) -> None:
        """Once, or by two brokers that have read the same."""
        self._advance(ms)
        steps = self._plan_runs(most)
        self._fire(steps)
        if again:
            self._fire(steps)

    @rule(
        name=names,
        plan=plans,
        gaps=st.lists(spans, min_size=1, max_size=4),
        last=st.sampled_from(["", "trigger", "cancel", "lease", "delete"]),
        again=st.booleans(),
    )
    def live_on(self, name: str, plan: Plan, gaps: list[int], last: str, again: bool) -> None:
        """Runs for a while; the last jobs perhaps start, or go, or others come, in between."""
        if name not in self.model.schedules.all or again:
            self.put_schedule(name, plan, keeps=not again)
        self._resume_schedule(self._read_schedule(name))
        for ms in gaps:
            self._advance(ms)
            self._fire_all()
            jobs = [it.last_job for it in self.model.schedules.all.values() if it.last_job in self.model.jobs]
            if last == "lease":
                self.lease([2], KEPT_MS)
            elif last == "trigger":
                self._trigger_schedule(name, "1")
            elif last and jobs:
                self._cancel(jobs) if last == "cancel" else self._delete(jobs, force=True)
                self.looked = True  # what woke may be gone again

    @rule(
        name=names,
        plan=plans,
        is_last=st.booleans(),
        paused=st.sampled_from([False, False, True]),
        ms=spans,
        others=others,
        late=st.sampled_from(["fire", "fire", "put", "put", "resume"]),
    )
    def come_too_late(self, name: str, plan: Plan, is_last: bool, paused: bool, ms: int, others: list[str], late: str) -> None:
        """One broker reads, others do this and that, and then the first one goes on from what it has read.

        A put among those is by one who has read before the runs were due.
        """
        known = self.model.schedules.all.get(name)
        if is_last:
            plan = replace(plan, most=known.count + 1 if known else 1, end=None)
        if is_last or not known:
            self.put_schedule(name, plan, keeps=False)
        if paused:
            self._pause_schedule(name)
        early = self._read_schedule(name)
        self._come_to_a_run(name, ms)
        steps, seen = self._plan_runs(), self._read_schedule(name)
        for other in others:
            if other == "fire":
                self._come_to_a_run(name, ms)
                self._fire_all()
            elif other == "put":
                self._put_schedule(name, replace(early.model.plan, skips=plan.skips, delay=plan.delay), early)
            else:
                self.steer_schedule(other, name, "1")
        if late == "fire":
            self._fire(steps)
        elif late == "put":
            self._put_schedule(name, seen.model.plan if seen.model else plan.from_now(seen.now), seen)
        else:
            self._resume_schedule(seen)

    @precondition(lambda self: any(it.next_ms for it in self.model.schedules.all.values()))
    @rule(ms=spans, skips=st.booleans())
    def fire_by_old_rules(self, ms: int, skips: bool) -> None:
        """A put that was decided before a run was due comes between the reading of it and the firing."""
        name = min(name for name, it in self.model.schedules.all.items() if it.next_ms)
        early = self._read_schedule(name)
        self._come_to_a_run(name, ms)
        steps = self._plan_runs()
        self._put_schedule(name, replace(early.model.plan, skips=skips), early)
        self._fire(steps)

    def _come_to_a_run(self, name: str, ms: int) -> None:
        """Lets so much time pass, or more if the schedule's next run is later."""
        schedule = self.model.schedules.all.get(name)
        next_ms = schedule.next_ms if schedule else None
        self._advance(max(ms, (next_ms or 0) - self.model.now) - 1)
        self._plan_runs()  # not yet
        self._advance(1)

    # -- what must hold ------------------------------------------------------------------------------------------

    async def _compare_schedules(self) -> None:
        schedules, now = self.model.schedules, self.model.now
        stored = await self.store.read_schedules(self.desk.queue, NAMES)
        assert {it.id: it for it in stored if it} == {name: _shown(name, it) for name, it in schedules.all.items()}
        assert await self.store.schedule_ids(self.desk.queue, "", 10) == sorted(schedules.all)
        due = await self.store.due_schedules(self.desk.queue, 10)
        to_come = [it.next_ms - now for it in schedules.all.values() if it.next_ms and it.next_ms > now]
        assert (due.now_ms, due.next_in_ms) == (now, min(to_come, default=-1))
        assert due.schedules == [_shown_due(name, schedules.all[name]) for name in schedules.due(now)]
        if len(due.schedules) > 1:
            assert (await self.store.due_schedules(self.desk.queue, 1)).schedules == due.schedules[:1]


def _shown(name: str, it: Schedule) -> StoredSchedule:
    """As it must be stored."""
    spec = JobSpec(priority=it.plan.options.get("p", 0)).SerializeToString()
    return StoredSchedule(
        name,
        it.revision,
        _message(it.plan),
        spec,
        next_ms=it.next_ms or 0,
        last_ms=it.last_ms or 0,
        run_count=it.count,
        paused=it.paused,
        last_job_id=it.last_job,
    )


def _shown_due(name: str, it: Schedule) -> DueSchedule:
    return DueSchedule(name, it.revision, _message(it.plan), it.next_ms or 0)
