"""Leases in the model: given, kept, settled, given back, and ended by time."""

from tests.model.job import LOST, Job, Outcome, Request
from tests.model.queue import NEVER, Queue

MAX_REASON = 200


class Leases(Queue):
    """A part of `Model`."""

    # -- time ----------------------------------------------------------------------------------------------------

    def _maintain(self) -> None:
        self.groups.look_again(self.now)
        unstarted = [
            job for job in self.jobs.values() if job.state in ("waiting", "delayed", "blocked") and job.expire_ms is not None
        ]
        for job in sorted(unstarted, key=lambda job: (job.expire_ms, job.id)):
            if job.expire_ms <= self.now:
                self._record(job, "EXPIRED")
                self._bury(job, "not started within its ttl")
        self._trim()
        for job_id in self.of("delayed"):
            if self.jobs[job_id].due[0] <= self.now:
                self._queue_up(self.jobs[job_id])
                self._tell("promoted", job_id, "waiting", reason="due")
        over = [self.jobs[job_id] for job_id in self.of("active") if self.jobs[job_id].lease_ms <= self.now]
        to_head = [job for job in over if self._end_lease(job, "lease expired")]
        for job in reversed(to_head):
            self._wait(job, head=True)
        self._trim()

    def _end_lease(self, job: Job, why: str) -> bool:
        """The lease is over; returns whether the job goes back to the head."""
        self._lease_ended(job)
        job.token, job.outcome = "", None
        timed_out = job.deadline is not None and job.deadline <= self.now
        self._record(job, "CANCELLED" if job.cancel is not None else "TIMEOUT" if timed_out else "LEASE_EXPIRED")
        if job.cancel is not None or timed_out:
            self._after_failure(job, "timeout" if timed_out else why, fatal=False, retry_delay=None)
            return False
        job.attempt -= 1
        job.expirations += 1
        if job.expirations > job.options.get("me", self.config.get("me", 3)):
            self._bury(job, why)
            return False
        self._tell("lease_expired", job.id, "waiting", worker=job.worker, reason=why)
        return True

    # -- leasing -------------------------------------------------------------------------------------------------

    def lease(self, requests: list[tuple[str, str, int, int]]) -> list[list[str]]:
        """Requests as (request_id, worker, max_jobs, lease_ms); returns the ids for each. `leased` then tells the tokens."""
        self._maintain()
        self.next_ms = self.next_change()
        answers: list[list[str]] = [[] for _ in requests]
        new = [index for index, it in enumerate(requests) if it[0] not in self.requests and not self.paused]
        given = 0
        for job_id in self._take(min(self._room(), sum(requests[index][2] for index in new))):
            index = next(index for index in new if len(answers[index]) < requests[index][2])
            self._hold(self.jobs[job_id], requests[index][1], requests[index][3])
            answers[index].append(job_id)
            given += 1
        self._count(given)
        if given and not self.of("waiting"):
            self._tell("drained")
        self.next_ms = min(self.next_ms, self.groups.opens_ms() or NEVER)
        if self.groups.leasable() and not self.paused and not self.slots():
            self.full = True
        for index, (request_id, *_) in enumerate(requests):
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

    def _hold(self, job: Job, worker: str, lease_ms: int) -> None:
        if not job.started:
            self.metrics.started(job.due_ms, self.now)
        job.state, job.token, job.started, job.leased_ms = "active", "told by the store", True, self.now
        job.attempt += 1
        job.expire_ms = None
        job.deadline = self.now + job.options["to"] if "to" in job.options else None
        job.lease_ms = min(self.now + lease_ms, job.deadline or self.now + lease_ms)
        self.next_ms = min(self.next_ms, job.lease_ms)
        job.worker = worker
        self._tell("leased", job.id, "active", worker=worker)

    def leased(self, request_id: str, leases: list[tuple[str, str]], call: str) -> None:
        """The tokens that the store gave."""
        if leases and request_id not in self.requests:
            self.requests[request_id] = Request(leases, call)
            for job_id, token in leases:
                self.jobs[job_id].token, self.jobs[job_id].outcome = token, None

    # -- settling ------------------------------------------------------------------------------------------------

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
        self.metrics.completed(job.leased_ms, self.now)
        self._finish(job, "completed")
        if "g" in job.options:
            self.ended.append((job.options["g"], job_id))
        return ("completed", 0, 0)

    def fail(self, job_id: str, token: str, said: dict[str, str], *, fatal: bool, retry_delay: int | None) -> Outcome:
        """`said`: the type and the message of the failure."""
        job = self._held(job_id, token)
        if not isinstance(job, Job):
            return job
        self._lease_ended(job)
        self._record(job, "CANCELLED" if job.cancel is not None else "ERROR")
        why = ": ".join(said[name] for name in ("type", "message") if name in said)[:MAX_REASON]
        job.outcome = self._after_failure(job, why, fatal=fatal, retry_delay=retry_delay)
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

    def _after_failure(self, job: Job, why: str, *, fatal: bool, retry_delay: int | None) -> Outcome:
        if job.cancel is not None:
            self._finish(job, "cancelled", job.cancel)
            return ("cancelled", 0, 0)
        left = 0 if fatal else max(0, self._max_attempts(job) - job.attempt)
        if left == 0:
            self._bury(job, why)
            return ("failed", 0, 0)
        wait = self._backoff(job) if retry_delay is None else retry_delay
        self._tell("retrying", job.id, "delayed" if wait else "waiting", worker=job.worker, reason=why)
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
        if job.cancel is not None:
            job.outcome = ("cancelled", 0, 0)
            self._finish(job, "cancelled", job.cancel)
        elif delay:
            job.outcome = ("delayed", self.now + delay, left)
            job.attempt -= 1
            self._delay(job, self.now + delay)
        else:
            job.outcome = ("waiting", 0, left)
            job.attempt -= 1
            self._wait(job, head=True)
        if job.outcome[0] != "cancelled":
            self._tell("released", job.id, job.outcome[0], worker=job.worker)
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
                elif self._end_lease(job, "the worker was gone right after the job was sent to it"):
                    self._wait(job, head=True)
        return given_back

    def extend(self, job_id: str, token: str, lease_ms: int) -> tuple[str, int]:
        job = self._held(job_id, token)
        if not isinstance(job, Job):
            return ("LOST", 0)
        job.lease_ms = min(self.now + lease_ms, job.deadline or self.now + lease_ms)
        return ("CANCEL_REQUESTED" if job.cancel is not None else "EXTENDED", job.lease_ms)

    def report(self, job_id: str, token: str, progress: str) -> bool:
        job = self._held(job_id, token)
        if not isinstance(job, Job):
            return False
        job.progress = progress
        self._tell("progress", job_id, "active")
        return True
