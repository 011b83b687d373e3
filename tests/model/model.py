"""The life of a job as DESIGN.md has it, once more, in plain Python: what the store must do is what this does.

Nothing here is shared with the scripts. What the verbs work on is in `queue.py`, those of a lease are in `leases.py`, those
of dependencies in `flows.py`.
"""

from collections.abc import Iterable
from copy import deepcopy

from tests.model.flows import Flows
from tests.model.job import Job
from tests.model.keys import FINISHED, NewJob
from tests.model.queue import DEFAULT_RETENTION, NEVER


class Model(Flows):
    """One queue."""

    def add(self, new: Iterable[NewJob]) -> list[tuple[bool, str, int, str]]:
        """Returns (created, state, run_ms, who has its key now if another had it) of each."""
        return [self._answer(*self._add_with_key(job, place), job[0]) for place, job in enumerate(new)]

    def is_over(self, new: list[NewJob]) -> bool:
        """Whether max_waiting refuses the batch."""
        added = len(self._after(new)) - len(self.jobs)
        return added > 0 and len(self.of("waiting")) + len(self.of("delayed")) + added > self.config.get("mw", NEVER)

    def full_group(self, new: list[NewJob]) -> str | None:
        """The group whose max_waiting refuses the batch."""
        added = self._after(new).keys() - self.jobs.keys()
        first = {job_id: (options, delay) for job_id, options, delay in reversed(new) if job_id in added}
        ids = dict.fromkeys(job_id for job_id, _, _ in new if job_id in first)
        return self.groups.full(first[job_id][0]["g"] for job_id in ids if "g" in first[job_id][0] and not first[job_id][1])

    def _after(self, new: list[NewJob]) -> dict[str, Job]:
        """The jobs that there would be with the batch: some are not added for their keys, some take the places of others."""
        then = deepcopy(self)
        then.add(new)
        return then.jobs

    def _answer(self, created: bool, holder: str, job_id: str) -> tuple[bool, str, int, str]:
        job = self.jobs.get(job_id if created else holder or job_id)
        if job is None:
            return (created, "", 0, holder)
        return (created, job.state, job.due[0] if job.state == "delayed" else 0, holder)

    def _add_with_key(self, new: NewJob, place: int) -> tuple[bool, str]:
        """Whether it was added, and who has its key if another one had it."""
        job_id, options, _ = new
        own = options.get("dd")
        if job_id in self.jobs:
            self._tell("duplicated", job_id)
            return False, ""
        if own is None:
            return self._add_one(new, place), ""
        holder = self.keys.holder(own["k"], self.now)
        replaces = holder and own["m"] == "d" and self.keys.gives_way(holder)
        if holder and not replaces:
            if own["m"] == "l":
                self.keys.keep_aside(holder, new)
            self._tell("deduplicated", holder)
            return False, holder
        if replaces:
            self._remove(self.jobs[holder], "deduplicated")
            self.replaced = True
        self.keys.take(job_id, own, self.now)
        return self._add_one(new, place), job_id if replaces else ""

    def free_key(self, key: str) -> str:
        holder, kept_aside = self.keys.free(key, self.now)
        if kept_aside:
            self._add_one(kept_aside, why="deduplication")
        return holder

    def cancel(self, job_id: str, reason: str) -> tuple[str, str]:
        job = self.jobs.get(job_id)
        if job is None:
            return ("JOB_NOT_FOUND", "")
        if job.state in ("completed", "failed"):
            return ("JOB_NOT_IN_STATE", job.state)
        if job.state == "active":
            if job.cancel is None:
                self._tell("cancel_requested", job_id, "active", worker=job.worker, reason=reason)
            job.cancel = reason
            return ("OK", "active")
        if job.state != "cancelled":
            job.cancel = reason
            self._finish(job, "cancelled", reason)
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
        job.cancel = None
        job.finish_ms = job.purge_ms = job.deadline = job.expire_ms = None
        self.failed_for.pop(job_id, None)
        if "dd" in job.options:
            self.keys.retake(job_id, job.options["dd"], self.now)
        if self._pending(job_id):
            job.state, job.blocked_ms = "blocked", self.now
        else:
            self._queue_up(job)
        self._tell("retried", job_id, job.state)
        return "OK"

    def promote(self, job_id: str) -> str:
        job = self.jobs.get(job_id)
        if job is None:
            return "JOB_NOT_FOUND"
        if job.state != "delayed":
            return "JOB_NOT_IN_STATE"
        self._queue_up(job)
        job.due_ms = self.now
        self._tell("promoted", job_id, "waiting", reason="asked")
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
        if at_once:
            job.due_ms = self.now
            self._tell("promoted", job_id, "waiting", reason="updated")
        elif later and job.state == "waiting":
            self._tell("released", job_id, "delayed", reason="updated")
        if later:
            job.due_ms = run_ms
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
        self._remove(job, "deleted")
        return "OK"

    def drain(self, state: str) -> int:
        ids = self.of(state)
        if state == "waiting":  # those behind the first of their groups go first
            first = self.groups.leasable()
            ids = [job_id for job_id in ids if job_id not in first] + first
        for job_id in ids:
            self._remove(self.jobs[job_id], "drained")
        return len(ids)

    def await_mark(self, job_id: str) -> str:
        job = self.jobs.get(job_id)
        if job is None:
            return "JOB_NOT_FOUND"
        if job.state not in FINISHED:
            job.awaited = True
        return job.state

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
