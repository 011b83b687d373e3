"""What callers see of jobs, queues, workers and servers: plain values, no protobuf.

Durations that you give are seconds (int or float) or a timedelta; durations that you get are timedeltas. Times are aware
datetimes in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any, Self

from leasemq.codec import decode

Seconds = float | timedelta
"""A duration: seconds, or a timedelta."""


class _OpenEnum(IntEnum):
    """Values of the contract; one that a newer server knows and this client does not is 0."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return cls(0) if isinstance(value, int) and value else None


class JobState(_OpenEnum):
    """Where a job is in its life. The numbers are the contract's."""

    UNKNOWN = 0
    WAITING = 1
    DELAYED = 2
    BLOCKED = 3
    ACTIVE = 4
    COMPLETED = 5
    FAILED = 6
    CANCELLED = 7

    @property
    def finished(self) -> bool:
        """True for COMPLETED, FAILED and CANCELLED."""
        return self >= JobState.COMPLETED


class Durability(_OpenEnum):
    """How far an added job must have got when `add` returns. DEFAULT leaves it to the server."""

    DEFAULT = 0
    MEMORY = 1
    FSYNC = 2
    REPLICATED = 3


class Overlap(_OpenEnum):
    """What a schedule does when a run is due and the job that it added last is unfinished: add another, or skip the run."""

    UNKNOWN = 0
    ALLOW = 1
    SKIP = 2


class OnFailure(_OpenEnum):
    """What happens to a job when one that it depends on fails, is cancelled, or is deleted unfinished.

    FAIL: it fails too. RUN: it runs when the others are done, and sees what became of this one. IGNORE: as RUN, but it does not.
    """

    UNKNOWN = 0
    FAIL = 1
    RUN = 2
    IGNORE = 3


class Cascade(IntEnum):
    """Which jobs a cancel or delete reaches besides: none, those that the job depends on, or those that depend on it; and on."""

    NONE = 0
    DEPENDENCIES = 1
    DEPENDENTS = 2


class FailureKind(_OpenEnum):
    """Why an attempt, or a job, failed."""

    UNKNOWN = 0
    ERROR = 1
    LEASE_EXPIRED = 2
    TIMEOUT = 3
    EXPIRED = 4
    DEPENDENCY = 5
    CANCELLED = 6


class DeduplicationMode(_OpenEnum):
    """What becomes of a job whose deduplication key is held by another one."""

    UNKNOWN = 0
    UNTIL_FINISHED = 1
    THROTTLE = 2
    DEBOUNCE = 3
    KEEP_LATEST = 4


@dataclass(frozen=True, slots=True)
class Deduplication:
    """Which jobs count as the same, apart from their ids; only one job of a queue at a time holds a key.

    UNTIL_FINISHED: nothing is added while the job that holds the key is unfinished (with a ttl, for that long at most).
    THROTTLE: nothing is added for ttl after it. DEBOUNCE: the new job takes the place of the one that holds the key while that is
    delayed for its first time. KEEP_LATEST: once that one has started, the latest job is kept aside until it has finished.
    """

    key: str
    mode: DeduplicationMode = DeduplicationMode.UNTIL_FINISHED
    ttl: Seconds | None = None


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a finished job is kept. Neither set = the queue's default.

    max_age: removed this long after it finished; 0 = at once. max_count: the oldest finished jobs beyond this many are removed; 0
    = this one at once.
    """

    max_age: Seconds | None = None
    max_count: int | None = None


@dataclass(frozen=True, slots=True)
class FixedBackoff:
    """The same wait before each retry; made by `fixed`."""

    delay: Seconds
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class ExponentialBackoff:
    """A wait that grows with each attempt; made by `exponential`."""

    initial_delay: Seconds
    multiplier: float = 2.0
    max_delay: Seconds | None = None
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class ListBackoff:
    """A wait for each attempt, by hand; made by `delays`."""

    delays: tuple[Seconds, ...]
    jitter: float = 0.0


Backoff = FixedBackoff | ExponentialBackoff | ListBackoff


def fixed(delay: Seconds, *, jitter: float = 0.0) -> FixedBackoff:
    """Wait `delay` before each retry. jitter (0 to 1, default 0) is the part of the wait that is random."""
    return FixedBackoff(delay, jitter)


def exponential(
    initial_delay: Seconds, *, multiplier: float = 2.0, max_delay: Seconds | None = None, jitter: float = 0.0
) -> ExponentialBackoff:
    """Wait initial_delay * multiplier^(attempt-1), at most max_delay (default 24 h): `exponential(1)` waits 1, 2, 4, 8, 16 s."""
    return ExponentialBackoff(initial_delay, multiplier, max_delay, jitter)


def delays(waits: Sequence[Seconds], *, jitter: float = 0.0) -> ListBackoff:
    """Wait as listed (1 to 100 waits), the last one again when there are more attempts."""
    return ListBackoff(tuple(waits), jitter)


@dataclass(slots=True)
class NewJob:
    """A job for `Client.add_many`; the fields are the options of `Client.add`, which documents them."""

    payload: Any = None
    name: str | None = None
    id: str | None = None
    delay: Seconds | None = None
    run_time: datetime | None = None
    priority: int = 0
    lifo: bool = False
    attempts: int | None = None
    backoff: Backoff | None = None
    timeout: Seconds | None = None
    ttl: Seconds | None = None
    headers: Mapping[str, str] | None = None
    content_type: str | None = None
    completed_retention: Retention | None = None
    failed_retention: Retention | None = None
    dead_letter_queue: str | None = None
    max_lease_expirations: int | None = None
    deduplication: Deduplication | None = None
    depends_on: Sequence[Dependency] = ()
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Dependency:
    """A job that must be done before another one starts."""

    queue: str
    id: str
    on_failure: OnFailure = OnFailure.FAIL


class _WithResult:
    """What has the result of a job, as it was given."""

    __slots__ = ()
    raw_result: bytes
    result_content_type: str

    @property
    def result(self) -> Any:
        """What the handler returned, decoded if it is JSON (ValueError if it is none), else the bytes; None if nothing."""
        return decode(self.raw_result, self.result_content_type)


@dataclass(frozen=True, slots=True)
class DependencyInfo(_WithResult):
    """What became of a dependency, or where it is now: UNKNOWN when it was deleted before it finished."""

    queue: str
    id: str
    on_failure: OnFailure
    state: JobState
    raw_result: bytes
    result_content_type: str


@dataclass(frozen=True, slots=True)
class FlowNode:
    """A job of a flow. `depends_on` has keys of other nodes, or for another policy than FAIL (key, OnFailure)."""

    queue: str
    job: NewJob
    key: str = ""
    depends_on: Sequence[str | tuple[str, OnFailure]] = ()


@dataclass(frozen=True, slots=True)
class JobRef:
    """Names a job."""

    queue: str
    id: str


@dataclass(frozen=True, slots=True)
class AddedJob:
    """What became of an added job.

    `created` is False when the id existed already and nothing changed; `run_time` is set while DELAYED. `deduplicated`: another
    job held its deduplication key; then `id` is that one's, unless `created`: this job has taken its place.
    """

    id: str
    created: bool
    state: JobState
    run_time: datetime | None
    durability: Durability
    deduplicated: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure of one attempt."""

    kind: FailureKind
    type: str
    message: str
    stack_trace: str
    attempt: int
    time: datetime | None
    worker_id: str


@dataclass(frozen=True, slots=True)
class JobInfo(_WithResult):
    """A job as the server sees it now. `attempt` counts attempts started; `failures` are the newest 10, newest last.

    `group` and `schedule_id` are empty where there is none.
    """

    queue: str
    id: str
    name: str
    state: JobState
    attempt: int
    max_attempts: int | None
    priority: int
    group: str
    headers: dict[str, str]
    raw_payload: bytes
    content_type: str
    raw_result: bytes
    result_content_type: str
    progress: Any
    failures: list[Failure]
    failure_count: int
    lease_expirations: int
    cancel_requested: bool
    worker_id: str
    schedule_id: str
    create_time: datetime | None
    run_time: datetime | None
    start_time: datetime | None
    finish_time: datetime | None
    expire_time: datetime | None
    lease_expire_time: datetime | None
    depends_on: list[Dependency]
    dependents: list[JobRef]

    @property
    def payload(self) -> Any:
        """The payload: decoded if its content type is JSON (ValueError if it is none), else the bytes."""
        return decode(self.raw_payload, self.content_type)


@dataclass(frozen=True, slots=True)
class Stats:
    """How many jobs a queue has in each state, and since its beginning.

    `workers`: heard of in the last minute. `hold_expire_time`: until when the queue rests, since a handler raised RateLimited.
    """

    waiting: int
    delayed: int
    blocked: int
    active: int
    completed: int
    failed: int
    cancelled: int
    paused: bool
    oldest_waiting_age: timedelta | None
    workers: int
    added_total: int
    completed_total: int
    failed_total: int
    hold_expire_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `max_jobs` leases in each `duration` (seconds or timedelta), a window that is opened by its first lease."""

    max_jobs: int
    duration: Seconds


@dataclass(frozen=True, slots=True)
class GroupDefaults:
    """What holds for each group of a queue that has no setting of its own, beside the queue's limits; None = no limit.

    max_active: the most jobs of a group that are leased at a time, 1 to 1,000,000; with 1 they run one after the other.
    rate_limit: the most of its leases in a time. max_waiting: the most of its jobs that are WAITING, 1 to 1,000,000,000; an add
    of more is GroupFull.
    """

    max_active: int | None = None
    rate_limit: RateLimit | None = None
    max_waiting: int | None = None


@dataclass(frozen=True, slots=True)
class GroupConfig:
    """What was set for one group; None = the queue's `group_defaults`, and a weight of 1. A limit of 0 is none.

    weight: how many of its jobs are leased each time that its turn comes. paused: none is.
    """

    max_active: int | None = None
    rate_limit: RateLimit | None = None
    max_waiting: int | None = None
    weight: int | None = None
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """A group of a queue: its name, what was set for it, and how many of its jobs are WAITING and ACTIVE."""

    name: str
    config: GroupConfig
    waiting: int
    active: int


class EventKind(IntEnum):
    """What happened. admin.proto says more of each."""

    ADDED = 1
    DUPLICATED = 2
    PROMOTED = 3
    LEASED = 4
    PROGRESS = 5
    COMPLETED = 6
    RETRYING = 7
    FAILED = 8
    RELEASED = 9
    LEASE_EXPIRED = 10
    CANCEL_REQUESTED = 11
    CANCELLED = 12
    RETRIED = 13
    REMOVED = 14
    DRAINED = 15
    PAUSED = 16
    RESUMED = 17
    CONFIGURED = 18
    DEDUPLICATED = 19
    EVENTS_LOST = 20
    BLOCKED = 21
    UNBLOCKED = 22
    GROUP_CONFIGURED = 23
    GROUP_PAUSED = 24
    GROUP_RESUMED = 25


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a queue.

    `kind` is a plain number when the server knows kinds that this client does not. `job_id` is empty for what concerns the queue,
    or a group, whose name is the `reason` then; `state` is the job's state after it; `worker_id` and `reason` are empty where
    there are none. `resume_token`: watching with it
    goes on after this event.
    """

    queue: str
    kind: EventKind | int
    job_id: str
    time: datetime
    state: JobState | None
    worker_id: str
    reason: str
    resume_token: str


@dataclass(frozen=True, slots=True)
class TimeQuantiles:
    """How long something took: half, 95 % and 99 % of `count` jobs took at most this long, to within a tenth."""

    count: int
    p50: timedelta
    p95: timedelta
    p99: timedelta


@dataclass(frozen=True, slots=True)
class MetricsPoint:
    """What was counted from `time` on, for as long as the resolution.

    `wait_time` is of jobs leased for the first time, from when they were due; `run_time` of jobs that completed, from their last
    lease; None when there were none.
    """

    time: datetime
    completed: int
    failed: int
    wait_time: TimeQuantiles | None
    run_time: TimeQuantiles | None


@dataclass(frozen=True, slots=True)
class QueueConfig:
    """What was set for a queue; None = the server's default, and no limit."""

    attempts: int | None
    backoff: Backoff | None
    completed_retention: Retention | None
    failed_retention: Retention | None
    dead_letter_queue: str | None
    max_lease_expirations: int | None
    max_events: int | None = None
    max_active: int | None = None
    rate_limit: RateLimit | None = None
    max_waiting: int | None = None
    group_defaults: GroupDefaults | None = None


@dataclass(frozen=True, slots=True)
class QueueInfo:
    """A queue: its name, what was configured, its counts."""

    name: str
    config: QueueConfig
    stats: Stats


@dataclass(frozen=True, slots=True)
class ScheduleInfo:
    """A schedule as the server sees it now. Either `cron` or `every` is set.

    `next_run_time` is None while it is paused, and when no run is to come. `last_run_time` and `run_count` are of runs that were
    made; `last_job_id` is of the job that was added last, by a run or by `trigger`.
    """

    queue: str
    id: str
    cron: str | None
    every: timedelta | None
    time_zone: str
    start_time: datetime | None
    end_time: datetime | None
    max_runs: int | None
    overlap: Overlap
    catch_up_window: timedelta | None
    job: NewJob
    next_run_time: datetime | None
    last_run_time: datetime | None
    run_count: int
    paused: bool
    last_job_id: str | None


@dataclass(frozen=True, slots=True)
class TriggeredJob:
    """The job that `Schedules.trigger` added; or, when `created` is False, the unfinished one that kept it from doing so."""

    id: str
    created: bool
    state: JobState


@dataclass(frozen=True, slots=True)
class BulkResult:
    """What a bulk verb did: jobs changed, jobs named that do not exist, jobs named whose state does not allow it."""

    done: int
    not_found: int
    skipped: int


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """A worker as the server knows it. One with free slots whose poll_time stands still is deaf."""

    worker_id: str
    hostname: str
    pid: int
    language: str
    sdk_version: str
    queues: list[str]
    concurrency: int
    running: int
    heartbeat_time: datetime | None
    poll_time: datetime | None


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """What the store is; `warnings` say what is wrong with its settings and what to change."""

    kind: str
    version: str
    embedded: bool
    default_durability: Durability
    max_durability: Durability
    warnings: list[str]
    used_memory_bytes: int
    max_memory_bytes: int


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What the server is and what it stands on."""

    version: str
    store: StoreInfo
    capabilities: list[str]
    max_payload_bytes: int
    max_batch_size: int
    start_time: datetime | None
