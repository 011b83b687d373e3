"""What happened in a chaos run, as its actors saw it, and what must never have happened.

Each actor appends one JSON object a line to a file of its own; what it wrote survives its SIGKILL. All times are
milliseconds of this machine's clock, which is the store's clock too.
"""

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FINISHED = ("COMPLETED", "FAILED")
LEADS_TO = {"complete": {"COMPLETED"}, "fail": {"WAITING", "DELAYED", "FAILED"}, "release": {"WAITING"}}


def now_ms() -> int:
    return int(time.time() * 1000)


class Recorder:
    """One actor's file."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def __call__(self, kind: str, **facts: Any) -> None:
        os.write(self._file, json.dumps({"kind": kind, **facts}).encode() + b"\n")


@dataclass
class Lease:
    """A lease that a worker read."""

    job: str
    token: str
    worker: str
    attempt: int
    start: int
    expire: int
    max_attempts: int
    tries: list[tuple[str, int]] = field(default_factory=list)  # outcomes that it sent, and when
    accepted: list[tuple[str, int]] = field(default_factory=list)  # those that were acknowledged, and when they were sent
    states: list[tuple[str, str]] = field(default_factory=list)  # those that were acknowledged, and with which state


@dataclass
class History:
    """All that was seen."""

    added: set[str] = field(default_factory=set)
    leases: dict[str, Lease] = field(default_factory=dict)
    killed: dict[str, int] = field(default_factory=dict)
    final: dict[str, str] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)

    def read(self, lines: Iterable[str]) -> "History":
        """Takes over what actors wrote; a last line that a kill cut off is dropped."""
        self.events = [event for line in lines if (event := _parsed(line))]
        for event in self.events:
            self._take(**event)
        for event in self.events:
            self._take_of_lease(event)
        return self

    def story_of(self, job: str) -> list[str]:
        """What was seen of a job, and what died beside it."""
        tokens = {lease.token for lease in self.leases.values() if lease.job == job}
        told = [event for event in self.events if event.get("job") == job or event.get("token") in tokens]
        told += [event for event in self.events if event["kind"] in ("chaos", "killed")]
        return [
            json.dumps(event)
            for event in sorted(told, key=lambda event: event.get("start", event.get("at", event.get("sent", 0))))
        ]

    def _take(self, kind: str, **event: Any) -> None:
        if kind == "added":
            self.added.add(event["job"])
        elif kind == "leased":
            self.leases.setdefault(event["token"], Lease(**event))  # a retried call reads its leases again
        elif kind == "killed":
            self.killed[event["worker"]] = event["at"]
        elif kind == "final":
            self.final[event["job"]] = event["state"]

    def _take_of_lease(self, event: dict[str, Any]) -> None:
        lease = self.leases.get(event.get("token", ""))
        if lease is None:
            return
        if event["kind"] == "extended":
            lease.expire = max(lease.expire, event["expire"])
        elif event["kind"] == "sent":
            lease.tries.append((event["outcome"], event["at"]))
        elif event["kind"] == "accepted":
            lease.accepted.append((event["outcome"], event["sent"]))
            lease.states.append((event["outcome"], event["state"]))

    def live_until(self, lease: Lease) -> int:
        """The latest moment up to which the lease was certainly held: nobody else may have started the job before."""
        ends = [lease.expire, *(at for _, at in lease.tries)]
        if lease.worker in self.killed:
            ends.append(self.killed[lease.worker])
        return min(ends)


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        event: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return event


def violations(history: History) -> list[str]:
    """Everything that must not have happened, and did."""
    by_job: dict[str, list[Lease]] = defaultdict(list)
    for lease in history.leases.values():
        by_job[lease.job].append(lease)
    found = list(_lost_jobs(history))
    for leases in by_job.values():
        leases.sort(key=lambda lease: lease.start)
        found += _answers(leases)
        found += _overlaps(history, leases)
        found += _superseded(leases)
        found += _after_completion(history, leases)
        found += _attempts(leases)
    return found


def _lost_jobs(history: History) -> Iterator[str]:
    for job in sorted(history.added):
        state = history.final.get(job)
        if state is None:
            yield f"{job}: acknowledged, and gone"
        elif state not in FINISHED:
            yield f"{job}: acknowledged, and {state} at the end"


def _answers(leases: list[Lease]) -> Iterator[str]:
    for lease in leases:
        for outcome, state in lease.states:
            if state not in LEADS_TO[outcome]:
                yield f"{lease.job}: {outcome} was answered with {state}"


def _overlaps(history: History, leases: list[Lease]) -> Iterator[str]:
    for number, first in enumerate(leases):
        until = history.live_until(first)
        for second in leases[number + 1 :]:
            if second.start < until:
                yield f"{first.job}: leased at {second.start} while the lease from {first.start} was live until {until}"


def _superseded(leases: list[Lease]) -> Iterator[str]:
    for number, first in enumerate(leases):
        for second in leases[number + 1 :]:
            for outcome, sent in first.accepted:
                if second.start < sent:
                    yield f"{first.job}: {outcome} of {sent} was accepted: the lease from {second.start} superseded its token"


def _after_completion(history: History, leases: list[Lease]) -> Iterator[str]:
    for number, first in enumerate(leases):
        if not any(outcome == "complete" for outcome, _ in first.accepted):
            continue
        for second in leases[number + 1 :]:
            yield f"{first.job}: leased at {second.start} though the lease from {first.start} had completed it"
        state = history.final.get(first.job)
        if state != "COMPLETED":
            yield f"{first.job}: completed, and {state} at the end"


def _attempts(leases: list[Lease]) -> Iterator[str]:
    for lease in leases:
        if lease.attempt > lease.max_attempts:
            yield f"{lease.job}: attempt {lease.attempt} of {lease.max_attempts}"
    for number, lease in enumerate(leases):
        before = leases[:number]
        failed = sum(1 for one in before if any(outcome == "fail" for outcome, _ in one.accepted))
        if lease.attempt <= failed:
            yield f"{lease.job}: attempt {lease.attempt} after {failed} failures: one was forgotten"
