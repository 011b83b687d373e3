"""What a queue must have told in the model: docs/events.md once more. Each transition is one event, once, and in order."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from leasemq_server.jobs.events import LOST, Entry, Event, events_after
from leasemq_server.store.store import Store

TOGETHER = {"added": "add", "duplicated": "add", "deduplicated": "add", "completed": "complete"}  # told by one call of these
BLOCK_ENTRIES = 4  # by so many the store of these tests lets the oldest entries go (`stream-node-max-entries`)


class Told(NamedTuple):
    """An event as it must come; the store makes its number."""

    ms: int
    kind: str
    job_id: str
    state: str
    worker: str
    reason: str
    most: int  # how many events the queue keeps from then on


class Events:
    """The events of a queue: those that are to be heard, and all that were."""

    def __init__(self) -> None:
        self._to_hear: list[Told] = []
        self._heard: list[Event] = []
        self._entries: list[int] = []  # the numbers of their last events
        self._trimmed_to = 0  # up to here the store may let them go
        self.last = 0  # the number of the newest one that was heard

    def tell(self, told: Told) -> None:
        if told.most:
            self._to_hear.append(told)

    # -- what is compared ----------------------------------------------------------------------------------------

    def hear(self, entries: Sequence[Entry]) -> None:
        """What the store holds after the last that was heard: an entry for each call that made something happen.

        The first of them may be gone already, where one step of a history made more of them than are kept.
        """
        gone = self._lose_unheard(entries[0]) if entries else 0
        for entry in entries:
            events = list(events_after([entry], 0))
            expected, self._to_hear = self._to_hear[: len(events)], self._to_hear[len(events) :]
            self._compare(events, expected)
            self._heard += events
            self._entries.append(entry.last)
            self._trimmed_to = max(self._trimmed_to, entry.last - expected[-1].most)
        assert gone < max(self._trimmed_to, 1), "lost unheard"
        assert not self._to_hear, "happened in silence"

    def _lose_unheard(self, oldest: Entry) -> int:
        """Up to which number they are gone, 0 if none is."""
        self.last = self.last or self._to_hear[0].ms * 1000
        unheard = next(iter(events_after([oldest], 0))).number - self.last - 1
        self._to_hear = self._to_hear[unheard:]
        self.last += unheard
        return self.last if unheard else 0

    def _compare(self, events: Sequence[Event], expected: Sequence[Told]) -> None:
        ends_first = sorted(expected, key=lambda told: told.kind != "completed")  # and then what they let in
        assert _in_order(events) == _in_order(ends_first)
        assert [event.number for event in events] == list(range(self.last + 1, self.last + 1 + len(events)))
        self.last += len(events)

    async def check_reading(self, store: Store, queue: str, place: int) -> None:
        """From the oldest on, and from a place among all that were heard, 0 to 100."""
        kept = list(events_after(await read_entries(store, queue, 0), 0))
        self._check_kept(kept)
        if self._heard:
            number = self._heard[place * (len(self._heard) - 1) // 100].number
            assert list(events_after(await read_entries(store, queue, number), number)) == self._after(number, kept)

    def _check_kept(self, kept: Sequence[Event]) -> None:
        """The newest, as many as must be kept, and not many more."""
        assert list(kept) == self._heard[len(self._heard) - len(kept) :]
        first = kept[0].number if kept else self.last + 1
        gone = sum(last < first for last in self._entries)
        to_go = sum(last < self._trimmed_to for last in self._entries)
        assert gone <= to_go < gone + BLOCK_ENTRIES

    def _after(self, number: int, kept: Sequence[Event]) -> list[Event]:
        """What is read from there: first that some are not kept any more, if it is so."""
        later = [event for event in kept if event.number > number]
        lost = [Event(later[0].number - 1, LOST, "", later[0].ms, "", "", "")] if later and later[0].number > number + 1 else []
        return lost + later


def _in_order(events: Iterable[Event | Told]) -> list[tuple[int, str, str, str, str, str]]:
    """As they come; only the jobs that one call adds, or completes, may be told in any order among each other."""
    found: list[Event | Told] = []
    for together, run in groupby(events, lambda it: TOGETHER.get(it.kind)):
        some = list(run)
        found += sorted(some, key=lambda it: it.job_id) if together else some
    return [(it.ms, it.kind, it.job_id, it.state, it.worker, it.reason) for it in found]


async def read_entries(store: Store, queue: str, after: int) -> list[Entry]:
    """All that hold events after a number."""
    found: list[Entry] = []
    while entries := await store.read_events(queue, after):
        found += entries
        after = entries[-1].last
    return found
