"""What a queue holds in the model: its jobs, in which order they wait, what its limits let through, and where jobs go.

The order of waiting jobs is a list a priority; the sets of the store are the jobs' states. All times are milliseconds.
"""

from functools import partial
from typing import Any

from tests.model.events import Events, Told
from tests.model.groups import Groups, Rules
from tests.model.job import MAX_FAILURES, Job, Request
from tests.model.keys import FINISHED, Keys, NewJob
from tests.model.metrics import Metrics
from tests.model.schedules import Schedules

DAY = 86_400_000
AWAITED_MS = 60_000
NEVER = 2**63
DEFAULT_MAX_EVENTS = 10_000
DEFAULT_RETENTION = {"cr": {"a": DAY, "c": 10_000}, "fr": {"a": 30 * DAY, "c": 100_000}}


class Queue:
    """One queue, without the verbs."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.jobs: dict[str, Job] = {}
        self.order: dict[int, list[str]] = {}  # waiting ids by priority
        self.groups = Groups(self.jobs, self._placed)
        self.ended: list[tuple[str, str]] = []  # group and id of what this call has completed
        self.requests: dict[str, Request] = {}
        self.next_ms = NEVER  # when to look again, as the last lease call has it
        self.others_wait = False  # groups that the last lease call has not seen, and that come before any has a second turn
        self.outbox: list[tuple[str, str, int | str]] = []  # dead letters (target, id, time), and ("ended", id, how)
        self.edges: dict[str, dict[str, tuple[str, str]]] = {}  # of a dependent: policy and outcome by dependency
        self.failed_for: dict[str, str] = {}  # what is said of dependents of which a dependency failed that may not
        self.dependents: dict[str, dict[str, bool]] = {}  # of a dependency: who depends on it, and was told its end
        self.keys = Keys(self.jobs)
        self.schedules = Schedules("email", self.jobs, partial(self._add_one, why="schedule"))
        self.events = Events()
        self.metrics = Metrics(now)
        self.config: dict[str, Any] = {}
        self.paused = False
        self.hold = 0  # until when
        self.window: tuple[int, int] = (0, 0)  # of the rate limit: its start, and the leases in it
        self.full = False  # a lease call has left jobs to max_active since the last lease ended
        self.woken = False  # something opened a limit
        self.replaced = False  # a debounced job has taken another's place
        self.added = self.completed = self.failed = 0
        self._keep: dict[str, int] = {}

    # -- what can be seen ----------------------------------------------------------------------------------------

    def _placed(self) -> list[str]:
        return [job_id for priority in sorted(self.order) for job_id in self.order[priority]]

    def of(self, state: str) -> list[str]:
        """The ids of a state, in index order."""
        if state == "waiting":
            return self.groups.waiting()
        keys = {
            "delayed": lambda job: (*job.due, job.id),
            "active": lambda job: (job.lease_ms, job.id),
            "blocked": lambda job: (job.blocked_ms, job.id),
        }
        key = keys.get(state, lambda job: (job.finish_ms, job.id))
        return [job.id for job in sorted((job for job in self.jobs.values() if job.state == state), key=key)]

    def group_counts(self, group: str) -> tuple[int, int]:
        """Its waiting and its active jobs."""
        states = [job.state for job in self.jobs.values() if job.options.get("g") == group]
        return states.count("waiting"), states.count("active")

    def earliest_due(self) -> int:
        return min((job.due[0] for job in self.jobs.values() if job.state == "delayed"), default=NEVER)

    def earliest_expiry(self) -> int:
        unstarted = (job for job in self.jobs.values() if job.state in ("waiting", "delayed", "blocked"))
        return min((job.expire_ms for job in unstarted if job.expire_ms is not None), default=NEVER)

    # -- limits --------------------------------------------------------------------------------------------------

    def configure(self, config: dict[str, Any]) -> None:
        limits = ("xa", "rl")
        self.woken = self.woken or any(self.config.get(name) != config.get(name) for name in limits)
        if "gd" in config or "gd" in self.config:
            self.woken = True
            self.groups.set_defaults(config.get("gd", {}))
        self.config = config
        if "rl" not in config:
            self.window = (0, 0)
        self._tell("configured")

    def configure_group(self, group: str, own: Rules) -> None:
        was_paused, is_paused = self.groups.rules(group)["p"], own.get("p")
        self.groups.configure(group, own, self.now)
        kind = "configured" if was_paused == is_paused else "paused" if is_paused else "resumed"
        self._tell(f"group_{kind}", reason=group)

    def pause(self, *, paused: bool) -> None:
        if paused != self.paused:
            self._tell("paused" if paused else "resumed")
        self.paused = paused
        if not paused:
            self.hold = 0

    def opens_ms(self) -> int:
        """When time alone opens what is shut; 0 = nothing is shut by time."""
        rate = self.config.get("rl")
        start, count = self.window
        over = rate and self.now < start + rate["d"] and count >= rate["n"]
        return max(self.hold if self.hold > self.now else 0, start + rate["d"] if over else 0)

    def slots(self) -> int:
        """How many jobs more may run by max_active."""
        return max(0, self.config.get("xa", NEVER) - len(self.of("active")))

    def _room(self) -> int:
        if self.opens_ms():
            return 0
        rate, room = self.config.get("rl"), self.slots()
        if rate:
            start, count = self.window
            room = min(room, rate["n"] - (count if self.now < start + rate["d"] else 0))
        return room

    def _count(self, leases: int) -> None:
        if "rl" in self.config and leases:
            start, count = self.window
            self.window = (start, count + leases) if self.now < start + self.config["rl"]["d"] else (self.now, leases)

    def _lease_ended(self, job: Job) -> None:
        self.woken = self.woken or self.full
        self.full = False
        if "g" in job.options:
            self.groups.leases_ended([(job.options["g"], job.id)], self.now)

    # -- what is told --------------------------------------------------------------------------------------------

    def _tell(self, kind: str, job_id: str = "", state: str = "", worker: str = "", reason: str = "") -> None:
        most = self.config.get("ev", DEFAULT_MAX_EVENTS)
        self.events.tell(Told(self.now, kind, job_id, state, worker, reason, most))

    # -- where jobs go -------------------------------------------------------------------------------------------

    def _add_one(self, new: NewJob, place: int = 0, why: str = "") -> bool:
        job_id, options, delay = new
        if job_id in self.jobs:
            return False
        job = self.jobs[job_id] = Job(job_id, options, self.now, due_ms=self.now + (delay or 0))
        job.expire_ms = self.now + options["tl"] if "tl" in options else None
        self.added += 1
        if delay:
            self._delay(job, self.now + delay, place)
        else:
            self._queue_up(job)
        self._tell("added", job_id, job.state, reason=why)
        return True

    def _wait(self, job: Job, *, head: bool) -> None:
        if "g" in job.options:
            self.groups.joins(job.options["g"], self.now)
        else:
            self.groups.note_rise()
        job.state = "waiting"
        line = self.order.setdefault(job.priority, [])
        line.insert(0 if head else len(line), job.id)

    def _queue_up(self, job: Job) -> None:
        self._wait(job, head=bool(job.options.get("l")))

    def _delay(self, job: Job, run_ms: int, place: int = 0) -> None:
        job.state, job.due = "delayed", (run_ms, place)

    def _leave(self, job: Job) -> None:
        if job.state == "waiting":
            self.order[job.priority].remove(job.id)
            if "g" in job.options:
                self.groups.left(job.options["g"])

    def _remove(self, job: Job, why: str) -> None:
        self._tell("removed", job.id, reason=why)
        self._leave(job)
        if job.state not in FINISHED and job.id in self.dependents:
            self.outbox.append(("ended", job.id, "deleted"))
        if "dd" in job.options:
            self.keys.removed(job.id, job.options["dd"]["k"])
        self._forget(job.id)

    def _forget(self, job_id: str) -> None:
        del self.jobs[job_id]
        self.edges.pop(job_id, None)
        self.failed_for.pop(job_id, None)
        if all(self.dependents.get(job_id, {}).values()):
            self.dependents.pop(job_id, None)

    def _finish(self, job: Job, state: str, why: str = "") -> None:
        worker = job.worker if job.state == "active" and state != "completed" else ""
        self._tell(state, job.id, state, worker=worker, reason=why)
        self._leave(job)
        if "dd" in job.options:
            self._free_key(job.id, job.options["dd"]["k"])
        kind = "fr" if state == "failed" else "cr"
        own, queue = job.options.get(kind), self.config.get(kind, DEFAULT_RETENTION[kind])
        age, count = (own or queue).get("a"), (own or queue).get("c")
        if own and age is not None and count is None:
            count = queue.get("c")
        if job.awaited and 0 in (age, count):
            age, count, own = AWAITED_MS, None, {}
            job.purge_ms = self.now + age
        elif own and age is not None:
            job.purge_ms = self.now + age
        if job.id in self.dependents:
            self.outbox.append(("ended", job.id, state))
        if 0 in (age, count):
            self._forget(job.id)
            return
        job.state, job.finish_ms = state, self.now
        if count is not None:
            self._keep[state] = min(count, self._keep.get(state, count))

    def _free_key(self, job_id: str, key: str) -> None:
        kept_aside = self.keys.finished(job_id, key)
        if kept_aside and self._add_one(kept_aside, why="deduplication"):
            self.keys.take(kept_aside[0], kept_aside[1]["dd"], self.now)

    def _trim(self) -> None:
        """At the end of a verb, or of one part of what time brings about: what it finished counts together."""
        for state, count in self._keep.items():
            ids = self.of(state)
            for job_id in ids[: max(0, len(ids) - count)]:
                self._forget(job_id)
        self._keep = {}

    def _record(self, job: Job, kind: str) -> None:
        job.failures = [*job.failures, kind][-MAX_FAILURES:]
        job.failure_count += 1

    def _bury(self, job: Job, why: str) -> None:
        target = job.options.get("dl") or self.config.get("dl")
        if target:
            self.outbox.append((target, job.id, self.now))
        self.failed += 1
        self.metrics.failed(self.now)
        self._finish(job, "failed", why)
