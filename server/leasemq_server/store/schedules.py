"""The store's verbs for schedules: a part of `Store`. Each is one script call, but for the registry of queues that have some."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from leasemq_server.store import keys
from leasemq_server.store.calls import MAX_REPLY_BYTES, Calls
from leasemq_server.store.types import NewJob, as_text

NAMES_A_CALL = 1000


class NewSchedule(NamedTuple):
    """A schedule to be stored: serialized rules, and the job that each run adds (its id is of no account)."""

    id: str
    rules: bytes
    job: NewJob
    skips_overlap: bool
    max_runs: int


@dataclass(frozen=True, slots=True)
class StoredSchedule:
    """A schedule as it is stored; times are 0 where there is none."""

    id: str
    revision: str
    rules: bytes
    spec: bytes
    next_ms: int
    last_ms: int
    run_count: int
    paused: bool
    last_job_id: str


class DueSchedule(NamedTuple):
    """A schedule whose next time has come."""

    id: str
    revision: str
    rules: bytes
    next_ms: int


class Due(NamedTuple):
    """What is due in a queue, the store's time, and in how many ms to look (-1: nothing is to come)."""

    now_ms: int
    next_in_ms: int
    schedules: list[DueSchedule]


class FireStep(NamedTuple):
    """One compare-and-set on a schedule's next time.

    "" for run_ms: there is no run to make; for next_ms: none is to come.
    """

    id: str
    revision: str
    expected_ms: int
    run_ms: int | str
    job_id: str
    next_ms: int | str


class Triggered(NamedTuple):
    """The job that was added, or that was there already."""

    job_id: str
    created: bool
    state: str


class ScheduleVerbs(Calls):
    """What `Store` has to say about schedules."""

    async def put_schedule(self, queue: str, new: NewSchedule, expected: StoredSchedule | None, next_ms: int | None) -> bool:
        """Makes a schedule (nothing is expected), or changes it if it still is as expected; False when it is not.

        `next_ms` is not taken while it is paused.
        """
        reply = await self._run(
            "schedule_put",
            queue,
            id=new.id,
            expected_revision=expected.revision if expected else "",
            expected_next_ms=(expected.next_ms or "") if expected else "",
            revision=_new_revision(),
            rules=new.rules,
            spec=new.job.spec,
            options=new.job.options,
            skips_overlap=int(new.skips_overlap),
            max_runs=new.max_runs,
            next_ms=_or_none(next_ms),
        )
        return as_text(reply) == "OK"

    async def read_schedules(self, queue: str, ids: Sequence[str]) -> list[StoredSchedule | None]:
        """Schedules by id, None for each that does not exist; fewer than asked for when they are too large for one reply."""
        replies = await self._run("schedule_read", queue, [(schedule_id,) for schedule_id in ids], max_bytes=MAX_REPLY_BYTES)
        return [_stored(schedule_id, reply) if reply else None for schedule_id, reply in zip(ids, replies, strict=False)]

    async def schedule_ids(self, queue: str, after: str, count: int) -> list[str]:
        """Up to so many ids of a queue's schedules, in order, from the one after `after` ("": the first)."""
        return await self._names_in(keys.queue_keys(queue)["schedules"], after, count)

    async def delete_schedules(self, queue: str, ids: Sequence[str]) -> list[bool]:
        """Removes schedules; False for each that does not exist."""
        replies = await self._run("schedule_delete", queue, [(schedule_id,) for schedule_id in ids])
        return [as_text(word) == "OK" for word in replies]

    async def pause_schedule(self, queue: str, schedule_id: str) -> bool:
        """Stops firing; False when there is no such schedule."""
        return await self._set_paused(queue, schedule_id, paused=1, expected_revision="", next_ms="") != "SCHEDULE_NOT_FOUND"

    async def resume_schedule(self, queue: str, paused: StoredSchedule, next_ms: int | None) -> str:
        """Fires again from that time on: OK, CONFLICT (it was changed meanwhile) or SCHEDULE_NOT_FOUND."""
        return await self._set_paused(queue, paused.id, paused=0, expected_revision=paused.revision, next_ms=_or_none(next_ms))

    async def _set_paused(self, queue: str, schedule_id: str, **how: Any) -> str:
        return as_text(await self._run("schedule_pause", queue, id=schedule_id, revision=_new_revision(), **how))

    async def due_schedules(self, queue: str, most: int, first: int = 0) -> Due:
        """The schedules whose time has come, the longest overdue first: at most so many, without the `first` of them."""
        now_ms, next_in_ms, found = await self._run("schedule_due", queue, max_schedules=most, first=first)
        schedules = [DueSchedule(as_text(it[0]), as_text(it[1]), it[2], int(it[3])) for it in found]
        return Due(int(now_ms), int(next_in_ms), schedules)

    async def fire(self, queue: str, steps: Sequence[FireStep]) -> list[str]:
        """Makes runs that are due: FIRED, OVERLAP, MISSED or CONFLICT each."""
        return [as_text(word) for word in await self._run("schedule_fire", queue, steps)]

    async def trigger_schedule(self, queue: str, schedule_id: str, job_id: str) -> Triggered | None:
        """Adds a schedule's job now; None when there is no such schedule."""
        reply = await self._run("schedule_trigger", queue, id=schedule_id, job_id=job_id)
        if as_text(reply[0]) != "OK":
            return None
        return Triggered(as_text(reply[1]), bool(reply[2]), as_text(reply[3]))

    async def register_schedule_queue(self, queue: str) -> None:
        """Makes it known to all brokers that the queue has schedules. To be called before the first one is stored."""
        await self._command("ZADD", keys.SCHEDULE_QUEUES, 0, queue)

    async def schedule_queues(self) -> list[str]:
        """All queues that have, or had, schedules."""
        names: list[str] = []
        while page := await self.schedule_queue_names(names[-1] if names else "", NAMES_A_CALL):
            names += page
        return names

    async def schedule_queue_names(self, after: str, count: int) -> list[str]:
        """Up to so many of them, by name, from the one after `after`."""
        return await self._names_in(keys.SCHEDULE_QUEUES, after, count)

    async def _names_in(self, key: str, after: str, count: int) -> list[str]:
        found = await self._command("ZRANGEBYLEX", key, f"({after}" if after else "-", "+", "LIMIT", 0, count)
        return [as_text(name) for name in found]


def _new_revision() -> str:
    return secrets.token_hex(8)


def _or_none(ms: int | None) -> int | str:
    return "" if ms is None else ms


def _stored(schedule_id: str, reply: Any) -> StoredSchedule:
    fields = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
    return StoredSchedule(
        schedule_id,
        fields[b"v"].decode(),
        fields[b"r"],
        fields[b"j"],
        next_ms=int(fields.get(b"n", 0)),
        last_ms=int(fields.get(b"l", 0)),
        run_count=int(fields.get(b"c", 0)),
        paused=b"p" in fields,
        last_job_id=fields.get(b"lj", b"").decode(),
    )
