"""Deduplication keys in the model: who holds one is asked of time and of the state of its job, as docs/deduplication.md says."""

from dataclasses import dataclass
from typing import Any, Protocol

NewJob = tuple[str, dict[str, Any], int | None]  # id, options, delay
FINISHED = ("completed", "failed", "cancelled")


class KeyedJob(Protocol):
    """What is asked of a job."""

    id: str
    state: str
    started: bool


@dataclass
class Hold:
    """Who took a key, by which mode, and until when it is held at most."""

    job_id: str
    mode: str
    until: int | None
    aside: NewJob | None = None  # the job that is added when that one has finished


class Keys:
    """The keys of a queue; `jobs` are the model's."""

    def __init__(self, jobs: dict[str, Any]) -> None:
        self._jobs: dict[str, KeyedJob] = jobs
        self._holds: dict[str, Hold] = {}

    def _unfinished(self, job_id: str) -> bool:
        return job_id in self._jobs and self._jobs[job_id].state not in FINISHED

    def gives_way(self, job_id: str) -> bool:
        """Whether a debounced job may take its place."""
        return job_id in self._jobs and self._jobs[job_id].state == "delayed" and not self._jobs[job_id].started

    def holder(self, key: str, now: int) -> str | None:
        hold = self._holds.get(key)
        if hold is None or (hold.until is not None and now >= hold.until and not hold.aside):
            return None
        if hold.until is not None and hold.mode in "td":
            return hold.job_id
        held = self.gives_way(hold.job_id) if hold.mode == "d" else self._unfinished(hold.job_id)
        return hold.job_id if held else None

    def take(self, job_id: str, own: dict[str, Any], now: int) -> None:
        self._holds[own["k"]] = Hold(job_id, own["m"], now + own["t"] if "t" in own else None)

    def retake(self, job_id: str, own: dict[str, Any], now: int) -> None:
        """The job is redriven."""
        if "t" not in own and own["m"] != "d" and not self.holder(own["k"], now):
            self.take(job_id, own, now)

    def keep_aside(self, holder: str, new: NewJob) -> None:
        """For when the holder has finished, if it has started."""
        if self._unfinished(holder) and self._jobs[holder].started:
            self._holds[new[1]["dd"]["k"]].aside = new

    def finished(self, job_id: str, key: str) -> NewJob | None:
        """The job has finished; returns the one that is to be added."""
        hold = self._holds.get(key)
        if hold is None or hold.job_id != job_id:
            return None
        if hold.aside or hold.until is None or hold.mode == "u":
            del self._holds[key]
        return hold.aside

    def removed(self, job_id: str, key: str) -> None:
        if key in self._holds and self._holds[key].job_id == job_id:
            del self._holds[key]

    def free(self, key: str, now: int) -> tuple[str, NewJob | None]:
        """On request; returns who held it, and the job that is to be added without it."""
        holder = self.holder(key, now) or ""
        hold = self._holds.pop(key, None)
        return holder, hold and hold.aside
