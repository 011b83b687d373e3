"""What the entries of a queue's events say, and positions among them.

Events are numbered; an entry of the store holds those of one script call, and its id is the number of its last one
(lua/lib/publish_events.lua). A position is the number of the last event that was seen.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from leasemq_server.jobs.check import Check, is_queue_name

LOST = "events_lost"

# what a kind leads to where its head does not say
_LEADS_TO = {"completed": "completed", "failed": "failed", "cancelled": "cancelled", "blocked": "blocked"}


class Event(NamedTuple):
    """One event; `kind` and `state` are words, "" where there is no state."""

    number: int
    kind: str
    job_id: str
    ms: int
    state: str
    worker: str
    reason: str


class Entry(NamedTuple):
    """What one script call told of: the number of its last event, its time, and heads with ids in the order of the events."""

    last: int
    ms: int
    parts: list[tuple[str, str]]


def events_after(entries: Iterable[Entry], after: int) -> Iterator[Event]:
    """The events of entries that come after a position, with one that says so where some are missing in between.

    Position 0 is before the oldest that is kept: none are missing before that.
    """
    for entry in entries:
        events = list(_events(entry))
        if after and events[0].number > after + 1:
            yield lost(events[0].number - 1, entry.ms)
        for event in events:
            if event.number > after:
                yield event
        after = max(after, entry.last)


def lost(number: int, ms: int) -> Event:
    """Says that the events up to this number are not there."""
    return Event(number, LOST, "", ms, "", "", "")


def _events(entry: Entry) -> Iterator[Event]:
    told = [(head, ids.split("\n")) for head, ids in entry.parts]
    number = entry.last - sum(len(ids) for _, ids in told)
    for head, ids in told:
        kind, state, worker, reason = (*head.split("\t", 3), "", "", "")[:4]
        for job_id in ids:
            number += 1
            yield Event(number, kind, job_id, entry.ms, state or _LEADS_TO.get(kind, ""), worker, reason)


def resume_token(queue: str, number: int) -> str:
    """A position in a queue's events as callers hold it."""
    return f"{number}.{queue}"


def resume_number(token: str, queue: str, check: Check) -> int | None:
    """The number in a token; None when it is empty or (noted in `check`) not of this queue."""
    if not token:
        return None
    number, _, of_queue = token.partition(".")
    if not (number.isascii() and number.isdigit() and len(number) < 17) or not is_queue_name(of_queue):  # noqa: PLR2004 - below 2^53
        check.wrong("resume_token", "must be the resume_token of an event or response of this queue")
        return None
    if of_queue != queue:
        check.wrong("resume_token", f"is of queue {of_queue!r}, not of {queue!r}")
    return int(number)
