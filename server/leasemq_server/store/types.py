"""What the store takes and gives: plain records, times in milliseconds since the epoch by the store's clock."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple


class Durability(IntEnum):
    """How far an add has got when it is acknowledged; the values are those of leasemq.v1.Durability."""

    MEMORY = 1
    FSYNC = 2
    REPLICATED = 3


class NewJob(NamedTuple):
    """A job to add.

    `options` is what scripts decide by, as in jobs/options.py ("" when all is default).
    """

    id: str
    spec: bytes
    options: str


class Added(NamedTuple):
    """What became of an added job; run_ms is 0 unless it is delayed.

    `holder` is the job that holds its deduplication key now, where another one held it before, else "". `state` is "" when
    that one was removed since.
    """

    created: bool
    state: str
    run_ms: int
    holder: str = ""


class LeaseRequest(NamedTuple):
    """A worker's wish for up to max_jobs jobs."""

    request_id: str
    worker_id: str
    max_jobs: int
    lease_ms: int


class LeasedJob(NamedTuple):
    """A job in the hands of a worker."""

    id: str
    nonce: str
    blob: bytes
    attempt: int
    expire_ms: int
    lease_expirations: int
    failure_count: int
    start_ms: int
    checkpoint: bytes = b""


class LeaseReply(NamedTuple):
    """The leases, one list a request; next_in_ms is when to look again if nothing wakes the broker before (-1: never)."""

    next_in_ms: int
    more: bool
    answers: list[list[LeasedJob]]


class Lot(NamedTuple):
    """What one script call leased to one request from one queue; `left_out`: the call had given out all that it may before."""

    source: "Source"
    jobs: list[LeasedJob]
    left_out: bool = False


class Source(NamedTuple):
    """Where leases came from.

    A queue, the script call that made them, and the request that they were made for, where it is not the lease call's own: a
    call that waits for more jobs makes several.
    """

    queue: str
    call: str
    request_id: str = ""


class Outcome(NamedTuple):
    """What a settlement led to. `state` is "" when the lease is lost."""

    state: str
    run_ms: int
    attempts_left: int

    @property
    def lost(self) -> bool:
        """True when the token was superseded or its job is gone."""
        return not self.state


LOST = Outcome("", 0, 0)


class Extension(NamedTuple):
    """How a heartbeat found a lease: EXTENDED, CANCEL_REQUESTED or LOST."""

    word: str
    expire_ms: int


@dataclass(slots=True)
class StoredJob:
    """A job as it is stored: header and spec, and the fields of its hash (KEYS.md says what each is)."""

    id: str
    create_ms: int
    options: bytes
    spec: bytes
    delayed_ms: int
    lease_ms: int
    fields: dict[bytes, bytes]

    @property
    def state(self) -> str:
        """The state in words."""
        word = self.fields.get(b"s")
        if word:
            return word.decode()
        return "delayed" if self.delayed_ms else "waiting"


class Counts(NamedTuple):
    """A queue's counts, as in stats.lua."""

    waiting: int
    delayed: int
    active: int
    completed: int
    failed: int
    cancelled: int
    paused: bool
    oldest_waiting_ms: int
    added_total: int
    completed_total: int
    failed_total: int
    config: bytes
    known: bool
    blocked: int
    held_until_ms: int


class Tick(NamedTuple):
    """What a tick found: the next moment (-1: none), jobs moved, whether the queue has any job."""

    next_in_ms: int
    moved: int
    busy: bool

    @property
    def more_is_due(self) -> bool:
        """Whether it has left something to the next one, since a call does only so much."""
        return self.next_in_ms == 0 and self.moved > 0


class Sweep(NamedTuple):
    """What a sweep found: when the next finished job is to go (-1: none), how many it removed, and entries in the outbox."""

    next_in_ms: int
    swept: int
    outbox: int

    @property
    def more_is_due(self) -> bool:
        """Whether it has left something to the next one, since a call does only so much."""
        return self.next_in_ms == 0 and self.swept > 0


class OutboxEntry(NamedTuple):
    """A dead letter on its way to another queue."""

    entry_id: str
    target: str
    job_id: str
    finish_ms: int
    failure: str
    spec: bytes


def as_ms(value: Any) -> int:
    """A time or score as the store gives it, "1763780000000.0312" too; nil is 0."""
    try:
        return int(value or 0)
    except ValueError:
        return int(float(value))


def as_text(value: bytes | str) -> str:
    """What the store gives as text, whichever way its client decodes."""
    return value if isinstance(value, str) else value.decode()


BEHIND = "b"  # before the score of a waiting job behind its group's head: those are a set of their own


class Position(NamedTuple):
    """A place in a listing: the score and id of the last job seen."""

    score: str
    id: str

    @property
    def is_behind(self) -> bool:
        """Whether it is a waiting job behind the head of its group."""
        return self.score.startswith(BEHIND)
