"""Jobs that depend on others in the model: docs/flows.md once more."""

from typing import Any

from tests.model.job import Job, Outcome
from tests.model.keys import FINISHED
from tests.model.leases import Leases


class Flows(Leases):
    """A part of `Model`."""

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
            ended = "failed" if outcome == "failed" else f"was {outcome}"
            self.failed_for.setdefault(dependent, f"the dependency email/{dependency} {ended}")

    def _go_on(self, job: Job) -> str:
        if job.id in self.failed_for:
            self._record(job, "DEPENDENCY")
            self._bury(job, self.failed_for[job.id])
            return "failed"
        if self._pending(job.id):
            return "blocked"
        if job.start_delay:
            self._delay(job, self.now + job.start_delay)
        else:
            self._queue_up(job)
        job.start_delay = 0
        self._tell("unblocked", job.id, job.state)
        return job.state

    def add_dependent(
        self, job_id: str, options: dict[str, Any], delay: int, edges: list[tuple[str, str]]
    ) -> tuple[bool, str, int]:
        job = self.jobs.get(job_id)
        if job is not None:
            self._tell("duplicated", job_id)
            return (False, job.state, job.due[0] if job.state == "delayed" else 0)
        job = self.jobs[job_id] = Job(job_id, options, self.now, due_ms=self.now + delay, start_delay=delay)
        job.expire_ms = self.now + options["tl"] if "tl" in options else None
        self.added += 1
        self._tell("added", job_id, "blocked")
        state = self._join(job, edges)
        self._trim()
        return (True, state, job.due[0] if state == "delayed" else 0)

    def block(self, job_id: str, token: str, edges: list[tuple[str, str]]) -> Outcome:
        job = self._held(job_id, token)
        if not isinstance(job, Job):
            return job
        self._lease_ended(job)
        left = max(0, self._max_attempts(job) - job.attempt + 1)
        if job.cancel is not None:
            job.outcome = ("cancelled", 0, 0)
            self._finish(job, "cancelled", job.cancel)
        else:
            job.attempt -= 1
            job.start_delay = 0
            self._tell("blocked", job.id, "blocked", worker=job.worker)
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
