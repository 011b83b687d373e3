"""The life of a job as DESIGN.md has it, once more, in plain Python: what the store must do is what this does.

Nothing here is shared with the scripts. The order of waiting jobs is a list a priority; the sets of the store are the
jobs' states. All times are milliseconds.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.model.groups import Groups, Rules
from tests.model.keys import FINISHED, Keys, NewJob
from tests.model.schedules import Schedules

DAY = 86_400_000
AWAITED_MS = 60_000
NEVER = 2**63
MAX_FAILURES = 10
DEFAULT_RETENTION = {"cr": {"a": DAY, "c": 10_000}, "fr": {"a": 30 * DAY, "c": 100_000}}

Outcome = tuple[str, int, int]  # state, run_ms, attempts left
LOST: Outcome = ("", 0, 0)


@dataclass
class Job:
    """A job, whatever its state."""

    id: str
    options: dict[str, Any]
    create_ms: int
    payload: bytes = b""
    state: str = "waiting"
    due: tuple[int, int] = (0, 0)  # when delayed: the due time, and the place in its batch
    attempt: int = 0
    expirations: int = 0
    failures: list[str] = field(default_factory=list)  # their kinds
    failure_count: int = 0
    expire_ms: int | None = None  # the ttl, until the first lease
    token: str = ""  # of the newest lease, while it means something
    outcome: Outcome | None = None  # how that token was settled
    lease_ms: int = 0  # when the lease ends
    deadline: int | None = None  # when the attempt times out
    cancel: bool = False
    awaited: bool = False
    finish_ms: int | None = None
    purge_ms: int | None = None  # when it goes by an age of its own
    progress: str | None = None
    blocked_ms: int = 0  # since when it is blocked
    started: bool = False  # ever
    start_delay: int = 0  # that begins when it no longer is

    @property
    def priority(self) -> int:
        return self.options.get("p", 0)


@dataclass
class Request:
    """What a lease request was answered with."""

    leases: list[tuple[str, str]]
    call: str
    replayed: bool = False


class Model:
    """One queue."""

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
        self.failed_for: set[str] = set()  # dependents of which a dependency failed that may not
        self.dependents: dict[str, dict[str, bool]] = {}  # of a dependency: who depends on it, and was told its end
        self.keys = Keys(self.jobs)
        self.schedules = Schedules("email", self.jobs, self._add_one)
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

    def configure_group(self, group: str, own: Rules) -> None:
        self.groups.configure(group, own, self.now)

    def pause(self, *, paused: bool) -> None:
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

    def is_over(self, new: list[NewJob]) -> bool:
        """Whether max_waiting refuses the batch."""
        added = len({job_id for job_id, _, _ in new} - self.jobs.keys())
        return added > 0 and len(self.of("waiting")) + len(self.of("delayed")) + added > self.config.get("mw", NEVER)

    def full_group(self, new: list[NewJob]) -> str | None:
        """The group whose max_waiting refuses the batch."""
        first = {job_id: (options, delay) for job_id, options, delay in reversed(new) if job_id not in self.jobs}
        ids = dict.fromkeys(job_id for job_id, _, _ in new if job_id in first)
        return self.groups.full(first[job_id][0]["g"] for job_id in ids if "g" in first[job_id][0] and not first[job_id][1])

    # -- where jobs go -------------------------------------------------------------------------------------------

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

    def _remove(self, job: Job) -> None:
        self._leave(job)
        if job.state not in FINISHED and job.id in self.dependents:
            self.outbox.append(("ended", job.id, "deleted"))
        if "dd" in job.options:
            self.keys.removed(job.id, job.options["dd"]["k"])
        self._forget(job.id)

    def _forget(self, job_id: str) -> None:
        del self.jobs[job_id]
        self.edges.pop(job_id, None)
        self.failed_for.discard(job_id)
        if all(self.dependents.get(job_id, {}).values()):
            self.dependents.pop(job_id, None)

    def _finish(self, job: Job, state: str) -> None:
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
        if kept_aside and self._add_one(kept_aside):
            self.keys.take(kept_aside[0], kept_aside[1]["dd"], self.now)

    def _trim(self) -> None:
        """At the end of a verb: what it finished counts together."""
        for state, count in self._keep.items():
            ids = self.of(state)
            for job_id in ids[: max(0, len(ids) - count)]:
                self._forget(job_id)
        self._keep = {}

    def _record(self, job: Job, kind: str) -> None:
        job.failures = [*job.failures, kind][-MAX_FAILURES:]
        job.failure_count += 1

    def _bury(self, job: Job) -> None:
        target = job.options.get("dl") or self.config.get("dl")
        if target:
            self.outbox.append((target, job.id, self.now))
        self.failed += 1
        self._finish(job, "failed")

    # -- time ----------------------------------------------------------------------------------------------------

    def _maintain(self) -> None:
        self.groups.look_again(self.now)
        unstarted = [
            job for job in self.jobs.values() if job.state in ("waiting", "delayed", "blocked") and job.expire_ms is not None
        ]
        for job in sorted(unstarted, key=lambda job: (job.expire_ms, job.id)):
            if job.expire_ms <= self.now:
                self._record(job, "EXPIRED")
                self._bury(job)
        for job_id in self.of("delayed"):
            if self.jobs[job_id].due[0] <= self.now:
                self._queue_up(self.jobs[job_id])
        over = [self.jobs[job_id] for job_id in self.of("active") if self.jobs[job_id].lease_ms <= self.now]
        to_head = [job for job in over if self._end_lease(job)]
        for job in reversed(to_head):
            self._wait(job, head=True)
        self._trim()

    def _end_lease(self, job: Job) -> bool:
        """The lease is over; says whether the job goes back to the head."""
        self._lease_ended(job)
        job.token, job.outcome = "", None
        timed_out = job.deadline is not None and job.deadline <= self.now
        self._record(job, "CANCELLED" if job.cancel else "TIMEOUT" if timed_out else "LEASE_EXPIRED")
        if job.cancel or timed_out:
            self._after_failure(job, fatal=False, retry_delay=None)
            return False
        job.attempt -= 1
        job.expirations += 1
        if job.expirations > job.options.get("me", self.config.get("me", 3)):
            self._bury(job)
            return False
        return True

    def tick(self) -> None:
        self._maintain()
        for state in FINISHED:
            retention = self.config.get(
                "fr" if state == "failed" else "cr", DEFAULT_RETENTION["fr" if state == "failed" else "cr"]
            )
            for job_id in self.of(state):
                job = self.jobs[job_id]
                goes = job.finish_ms + retention["a"] if job.purge_ms is None else job.purge_ms
                if goes <= self.now:
                    self._forget(job_id)
            if "c" in retention:
                self._keep[state] = retention["c"]
        self._trim()

    # -- jobs that depend on others ------------------------------------------------------------------------------

    def pending(self) -> list[str]:
        """The jobs that others are blocked by, and that are there and unfinished."""
        blocking = {
            name for job_id in self.of("blocked") for name, (_, outcome) in self.edges[job_id].items() if outcome == "pending"
        }
        return sorted(name for name in blocking if name in self.jobs and self.jobs[name].state not in FINISHED)

    def _pending(self, job_id: str) -> int:
        return sum(outcome == "pending" for _, outcome in self.edges.get(job_id, {}).values())

    def register(self, dependent: str, job_ids: list[str], *, expected: bool) -> list[str]:
        words = []
        for job_id in job_ids:
            job = self.jobs.get(job_id)
            if job is None and not expected:
                words.append("JOB_NOT_FOUND")
                continue
            self.dependents.setdefault(job_id, {})[dependent] = False
            finished = job is not None and job.state in FINISHED
            words.append("FINISHED" if finished else "OK")
            if finished:
                self.outbox.append(("ended", job_id, job.state))
        return words

    def _join(self, job: Job, edges: list[tuple[str, str]]) -> str:
        """The job is blocked until all are done; returns its state then."""
        known = self.edges.setdefault(job.id, {})
        for dependency, policy in edges:
            told_before = known.get(dependency, ("", ""))
            if not told_before[0]:
                known[dependency] = (policy, "pending")
            elif told_before[0] == "?":
                self._close(job.id, dependency, policy, told_before[1])
        job.state, job.blocked_ms = "blocked", self.now
        return self._go_on(job)

    def _close(self, dependent: str, dependency: str, policy: str, outcome: str) -> None:
        self.edges[dependent][dependency] = (policy, outcome)
        if policy == "i" and outcome != "completed":
            del self.edges[dependent][dependency]
        if policy == "f" and outcome != "completed":
            self.failed_for.add(dependent)

    def _go_on(self, job: Job) -> str:
        if job.id in self.failed_for:
            self._record(job, "DEPENDENCY")
            self._bury(job)
            return "failed"
        if self._pending(job.id):
            return "blocked"
        if job.start_delay:
            self._delay(job, self.now + job.start_delay)
        else:
            self._queue_up(job)
        job.start_delay = 0
        return job.state

    def add_dependent(
        self, job_id: str, options: dict[str, Any], delay: int, edges: list[tuple[str, str]]
    ) -> tuple[bool, str, int]:
        job = self.jobs.get(job_id)
        if job is not None:
            return (False, job.state, job.due[0] if job.state == "delayed" else 0)
        job = self.jobs[job_id] = Job(job_id, options, self.now, start_delay=delay)
        job.expire_ms = self.now + options["tl"] if "tl" in options else None
        self.added += 1
        state = self._join(job, edges)
        self._trim()
        return (True, state, job.due[0] if state == "delayed" else 0)

    def block(self, job_id: str, token: str, edges: list[tuple[str, str]]) -> Outcome:
        job = self._held(job_id, token)
        if not isinstance(job, Job):
            return job
        self._lease_ended(job)
        left = max(0, self._max_attempts(job) - job.attempt + 1)
        if job.cancel:
            job.outcome = ("cancelled", 0, 0)
            self._finish(job, "cancelled")
        else:
            job.attempt -= 1
            job.start_delay = 0
            state = self._join(job, edges)
            job.outcome = (state, 0, 0 if state == "failed" else left)
        self._trim()
        return job.outcome

    def tell_first_end(self) -> list[str]:
        """The first end in the outbox is told to all who were not told yet; returns them, in the store's order."""
        entry = next(entry for entry in self.outbox if entry[0] == "ended")
        self.outbox.remove(entry)
        _, job_id, outcome = entry
        dependents = self.dependents.get(job_id, {})
        untold = sorted(dependent for dependent, told in dependents.items() if not told)
        for dependent in untold:
            self._note_end(dependent, job_id, str(outcome))
        for dependent in untold:
            job = self.jobs.get(dependent)
            if job is not None and job.state == "blocked":
                self._go_on(job)
        self._trim()
        if job_id in self.dependents:
            dependents.update(dict.fromkeys(untold, True))
            if untold and job_id not in self.jobs and all(dependents.values()):
                del self.dependents[job_id]
        return untold

    def _note_end(self, dependent: str, dependency: str, outcome: str) -> None:
        policy, before = self.edges.setdefault(dependent, {}).get(dependency, ("?", ""))
        if policy == "?" and not before:
            self.edges[dependent][dependency] = ("?", outcome)
        elif before == "pending":
            self._close(dependent, dependency, policy, outcome)

    # -- verbs ---------------------------------------------------------------------------------------------------

    def add(self, new: Iterable[NewJob]) -> list[tuple[bool, str, int, str]]:
        """Returns (created, state, run_ms, who has its key now if another had it) of each."""
        return [self._answer(*self._add_with_key(job, place), job[0]) for place, job in enumerate(new)]

    def _answer(self, created: bool, holder: str, job_id: str) -> tuple[bool, str, int, str]:
        job = self.jobs.get(job_id if created else holder or job_id)
        if job is None:
            return (created, "", 0, holder)
        return (created, job.state, job.due[0] if job.state == "delayed" else 0, holder)

    def _add_with_key(self, new: NewJob, place: int) -> tuple[bool, str]:
        """Whether it was added, and who has its key if another one had it."""
        job_id, options, _ = new
        own = options.get("dd")
        if own is None or job_id in self.jobs:
            return self._add_one(new, place), ""
        holder = self.keys.holder(own["k"], self.now)
        replaces = holder and own["m"] == "d" and self.keys.gives_way(holder)
        if holder and not replaces:
            if own["m"] == "l":
                self.keys.keep_aside(holder, new)
            return False, holder
        if replaces:
            self._remove(self.jobs[holder])
            self.replaced = True
        self.keys.take(job_id, own, self.now)
        return self._add_one(new, place), job_id if replaces else ""

    def _add_one(self, new: NewJob, place: int = 0) -> bool:
        job_id, options, delay = new
        if job_id in self.jobs:
            return False
        job = self.jobs[job_id] = Job(job_id, options, self.now)
        job.expire_ms = self.now + options["tl"] if "tl" in options else None
        self.added += 1
        if delay:
            self._delay(job, self.now + delay, place)
        else:
            self._queue_up(job)
        return True

    def free_key(self, key: str) -> str:
        holder, kept_aside = self.keys.free(key, self.now)
        if kept_aside:
            self._add_one(kept_aside)
        return holder

    def lease(self, requests: list[tuple[str, int, int]]) -> list[list[str]]:
        """Requests as (request_id, max_jobs, lease_ms); returns the ids that each gets. `leased` then tells the tokens."""
        self._maintain()
        self.next_ms = self.next_change()
        answers: list[list[str]] = [[] for _ in requests]
        new = [index for index, it in enumerate(requests) if it[0] not in self.requests and not self.paused]
        given = 0
        for job_id in self._take(min(self._room(), sum(requests[index][1] for index in new))):
            index = next(index for index in new if len(answers[index]) < requests[index][1])
            self._hold(self.jobs[job_id], requests[index][2])
            answers[index].append(job_id)
            given += 1
        self._count(given)
        self.next_ms = min(self.next_ms, self.groups.opens_ms() or NEVER)
        if self.groups.leasable() and not self.paused and not self.slots():
            self.full = True
        for index, (request_id, _, _) in enumerate(requests):
            if request_id in self.requests:
                self.requests[request_id].replayed = True
                answers[index] = [job_id for job_id, token in self.requests[request_id].leases if self._is_held(job_id, token)]
        return answers

    def _is_held(self, job_id: str, token: str) -> bool:
        job = self.jobs.get(job_id)
        return job is not None and job.state == "active" and job.token == token

    def _pop(self, asked: int) -> list[str]:
        """The first that may be leased, without groups that were shut since their turn came: these lose it."""
        while asked and (seen := self.groups.leasable()[:asked]):
            names = {name: job_id for job_id in seen if (name := self.groups.of(job_id))}
            closed = self.groups.close_the_shut(names, self.now)
            popped = [job_id for job_id in seen if self.groups.of(job_id) not in closed]
            if popped:
                self.others_wait = len(seen) == asked
                return popped
        return []

    def _take(self, asked: int) -> list[str]:
        """Takes as many out of those that wait: first those without a group, then by turns."""
        popped = self._pop(asked)
        taken = [job_id for job_id in popped if not self.groups.of(job_id)]
        for job_id in taken:
            self.order[self.jobs[job_id].priority].remove(job_id)
        names = {name for job_id in popped if (name := self.groups.of(job_id))}
        while len(taken) < asked and (name := self.groups.first(names)):
            job_id = next(job_id for job_id in self._placed() if self.groups.of(job_id) == name)
            self.order[self.jobs[job_id].priority].remove(job_id)
            taken.append(job_id)
            goes_on = self.groups.leased(name, job_id, self.now)
            if not self.groups.has_turn(name) or (self.others_wait and not goes_on):
                names.remove(name)
        return taken

    def next_change(self) -> int:
        """When time alone changes something."""
        if self.groups.stale():
            return self.now
        times = [self.earliest_due(), self.earliest_expiry(), self.groups.opens_ms() or NEVER]
        times += [self.jobs[job_id].lease_ms for job_id in self.of("active")]
        return max(self.now, min(times))

    def _hold(self, job: Job, lease_ms: int) -> None:
        job.state, job.token, job.started = "active", "told by the store", True
        job.attempt += 1
        job.expire_ms = None
        job.deadline = self.now + job.options["to"] if "to" in job.options else None
        job.lease_ms = min(self.now + lease_ms, job.deadline or self.now + lease_ms)
        self.next_ms = min(self.next_ms, job.lease_ms)

    def leased(self, request_id: str, leases: list[tuple[str, str]], call: str) -> None:
        """The tokens that the store gave."""
        if leases and request_id not in self.requests:
            self.requests[request_id] = Request(leases, call)
            for job_id, token in leases:
                self.jobs[job_id].token, self.jobs[job_id].outcome = token, None

    def _held(self, job_id: str, token: str) -> Job | Outcome:
        """The job if the token is its lease, else the answer."""
        job = self.jobs.get(job_id)
        if job is None or not job.token or job.token != token:
            return LOST
        if job.outcome is not None:
            return job.outcome
        if job.deadline is not None and job.deadline <= self.now:
            return LOST
        return job

    def complete(self, job_id: str, token: str) -> Outcome:
        job = self._held(job_id, token)
        if not isinstance(job, Job):
            return job
        self.woken, self.full = self.woken or self.full, False
        job.outcome = ("completed", 0, 0)
        self.completed += 1
        self._finish(job, "completed")
        if "g" in job.options:
            self.ended.append((job.options["g"], job_id))
        return ("completed", 0, 0)

    def fail(self, job_id: str, token: str, *, fatal: bool, retry_delay: int | None) -> Outcome:
        job = self._held(job_id, token)
        if not isinstance(job, Job):
            return job
        self._lease_ended(job)
        self._record(job, "CANCELLED" if job.cancel else "ERROR")
        job.outcome = self._after_failure(job, fatal=fatal, retry_delay=retry_delay)
        return job.outcome

    def _max_attempts(self, job: Job) -> int:
        return job.options.get("ma", self.config.get("ma", 1))

    def _backoff(self, job: Job) -> int:
        backoff = job.options.get("bo") if job.options.get("rp") else self.config.get("bo")
        if backoff is None:
            return 0
        if backoff["k"] == "fixed":
            return backoff["d"]
        if backoff["k"] == "list":
            return (backoff["l"] + [backoff["l"][-1]] * job.attempt)[job.attempt - 1]
        return min(backoff["x"], backoff["i"] * backoff["m"] ** (job.attempt - 1))

    def _after_failure(self, job: Job, *, fatal: bool, retry_delay: int | None) -> Outcome:
        if job.cancel:
            self._finish(job, "cancelled")
            return ("cancelled", 0, 0)
        left = 0 if fatal else max(0, self._max_attempts(job) - job.attempt)
        if left == 0:
            self._bury(job)
            return ("failed", 0, 0)
        wait = self._backoff(job) if retry_delay is None else retry_delay
        if wait:
            self._delay(job, self.now + wait)
            return ("delayed", self.now + wait, left)
        self._queue_up(job)
        return ("waiting", 0, left)

    def release(self, job_id: str, token: str, delay: int, hold: int = 0) -> Outcome:
        job = self._held(job_id, token)
        if not isinstance(job, Job):
            return job
        self._lease_ended(job)
        if hold:
            self.hold = max(self.hold, self.now + hold)
        left = max(0, self._max_attempts(job) - job.attempt + 1)
        if job.cancel:
            job.outcome = ("cancelled", 0, 0)
            self._finish(job, "cancelled")
        elif delay:
            job.outcome = ("delayed", self.now + delay, left)
            job.attempt -= 1
            self._delay(job, self.now + delay)
        else:
            job.outcome = ("waiting", 0, left)
            job.attempt -= 1
            self._wait(job, head=True)
        return job.outcome

    def done(self) -> None:
        """A settling verb, a give-back or a cancel is over."""
        self.groups.leases_ended(self.ended, self.now)
        self.ended = []
        self._trim()

    def give_back(self, request_id: str, *, perhaps: bool, call: str) -> int:
        request = self.requests.get(request_id)
        if request is None or request.replayed or call not in ("", request.call):
            return 0
        del self.requests[request_id]
        given_back = 0
        for job_id, token in reversed(request.leases):
            job = self._held(job_id, token)
            if isinstance(job, Job):
                given_back += 1
                if not perhaps:
                    state, _, _ = self.release(job_id, token, 0)
                    if state == "waiting":
                        job.token, job.outcome = "", None
                elif self._end_lease(job):
                    self._wait(job, head=True)
        return given_back

    def extend(self, job_id: str, token: str, lease_ms: int) -> tuple[str, int]:
        job = self._held(job_id, token)
        if not isinstance(job, Job):
            return ("LOST", 0)
        job.lease_ms = min(self.now + lease_ms, job.deadline or self.now + lease_ms)
        return ("CANCEL_REQUESTED" if job.cancel else "EXTENDED", job.lease_ms)

    def report(self, job_id: str, token: str, progress: str) -> bool:
        job = self._held(job_id, token)
        if not isinstance(job, Job):
            return False
        job.progress = progress
        return True

    def cancel(self, job_id: str) -> tuple[str, str]:
        job = self.jobs.get(job_id)
        if job is None:
            return ("JOB_NOT_FOUND", "")
        if job.state in ("completed", "failed"):
            return ("JOB_NOT_IN_STATE", job.state)
        if job.state == "active":
            job.cancel = True
            return ("OK", "active")
        if job.state != "cancelled":
            job.cancel = True
            self._finish(job, "cancelled")
        return ("OK", "cancelled")

    def retry(self, job_id: str, *, keep_attempts: bool) -> str:
        job = self.jobs.get(job_id)
        if job is None:
            return "JOB_NOT_FOUND"
        if job.state not in FINISHED:
            return "JOB_NOT_IN_STATE"
        if not keep_attempts:
            job.attempt = job.expirations = 0
        job.token, job.outcome, job.progress = "", None, None
        job.cancel = False
        job.finish_ms = job.purge_ms = job.deadline = job.expire_ms = None
        self.failed_for.discard(job_id)
        if "dd" in job.options:
            self.keys.retake(job_id, job.options["dd"], self.now)
        if self._pending(job_id):
            job.state, job.blocked_ms = "blocked", self.now
        else:
            self._queue_up(job)
        return "OK"

    def promote(self, job_id: str) -> str:
        job = self.jobs.get(job_id)
        if job is None:
            return "JOB_NOT_FOUND"
        if job.state != "delayed":
            return "JOB_NOT_IN_STATE"
        self._queue_up(job)
        return "OK"

    def change(self, job_id: str, payload: bytes | None, priority: int | None, run_ms: int | None) -> str:
        job = self.jobs.get(job_id)
        if job is None:
            return "JOB_NOT_FOUND"
        if job.state not in ("waiting", "delayed") and not (job.state == "blocked" and run_ms is None):
            return "JOB_NOT_IN_STATE"
        if payload is not None:
            job.payload = payload
        moves = priority is not None and priority != job.priority
        later = run_ms is not None and run_ms > self.now
        at_once = job.state == "delayed" and run_ms is not None and not later
        if later or moves:
            self._leave(job)
        to_tail = at_once or (moves and not later and job.state == "waiting")
        if moves:
            job.options = {**job.options, "p": priority}
        if later:
            self._delay(job, run_ms)
        elif to_tail:
            self._wait(job, head=False)
        return "OK"

    def delete(self, job_id: str, *, force: bool) -> str:
        job = self.jobs.get(job_id)
        if job is None:
            return "JOB_NOT_FOUND"
        if job.state == "active" and not force:
            return "JOB_NOT_IN_STATE"
        if job.state == "active":
            self._lease_ended(job)
        self._remove(job)
        return "OK"

    def drain(self, state: str) -> int:
        ids = self.of(state)
        if state == "waiting":  # those behind the first of their groups go first
            first = self.groups.leasable()
            ids = [job_id for job_id in ids if job_id not in first] + first
        for job_id in ids:
            self._remove(self.jobs[job_id])
        return len(ids)

    def await_mark(self, job_id: str) -> str:
        job = self.jobs.get(job_id)
        if job is None:
            return "JOB_NOT_FOUND"
        if job.state not in FINISHED:
            job.awaited = True
        return job.state
