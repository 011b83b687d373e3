import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class JobState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_STATE_UNSPECIFIED: _ClassVar[JobState]
    JOB_STATE_WAITING: _ClassVar[JobState]
    JOB_STATE_DELAYED: _ClassVar[JobState]
    JOB_STATE_BLOCKED: _ClassVar[JobState]
    JOB_STATE_ACTIVE: _ClassVar[JobState]
    JOB_STATE_COMPLETED: _ClassVar[JobState]
    JOB_STATE_FAILED: _ClassVar[JobState]
    JOB_STATE_CANCELLED: _ClassVar[JobState]

class Durability(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DURABILITY_UNSPECIFIED: _ClassVar[Durability]
    DURABILITY_MEMORY: _ClassVar[Durability]
    DURABILITY_FSYNC: _ClassVar[Durability]
    DURABILITY_REPLICATED: _ClassVar[Durability]

class FailureKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FAILURE_KIND_UNSPECIFIED: _ClassVar[FailureKind]
    FAILURE_KIND_ERROR: _ClassVar[FailureKind]
    FAILURE_KIND_LEASE_EXPIRED: _ClassVar[FailureKind]
    FAILURE_KIND_TIMEOUT: _ClassVar[FailureKind]
    FAILURE_KIND_EXPIRED: _ClassVar[FailureKind]
    FAILURE_KIND_DEPENDENCY: _ClassVar[FailureKind]
    FAILURE_KIND_CANCELLED: _ClassVar[FailureKind]

class DeduplicationMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEDUPLICATION_MODE_UNSPECIFIED: _ClassVar[DeduplicationMode]
    DEDUPLICATION_MODE_UNTIL_FINISHED: _ClassVar[DeduplicationMode]
    DEDUPLICATION_MODE_THROTTLE: _ClassVar[DeduplicationMode]
    DEDUPLICATION_MODE_DEBOUNCE: _ClassVar[DeduplicationMode]
    DEDUPLICATION_MODE_KEEP_LATEST: _ClassVar[DeduplicationMode]

class DependencyFailurePolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEPENDENCY_FAILURE_POLICY_UNSPECIFIED: _ClassVar[DependencyFailurePolicy]
    DEPENDENCY_FAILURE_POLICY_FAIL: _ClassVar[DependencyFailurePolicy]
    DEPENDENCY_FAILURE_POLICY_RUN: _ClassVar[DependencyFailurePolicy]
    DEPENDENCY_FAILURE_POLICY_IGNORE: _ClassVar[DependencyFailurePolicy]
JOB_STATE_UNSPECIFIED: JobState
JOB_STATE_WAITING: JobState
JOB_STATE_DELAYED: JobState
JOB_STATE_BLOCKED: JobState
JOB_STATE_ACTIVE: JobState
JOB_STATE_COMPLETED: JobState
JOB_STATE_FAILED: JobState
JOB_STATE_CANCELLED: JobState
DURABILITY_UNSPECIFIED: Durability
DURABILITY_MEMORY: Durability
DURABILITY_FSYNC: Durability
DURABILITY_REPLICATED: Durability
FAILURE_KIND_UNSPECIFIED: FailureKind
FAILURE_KIND_ERROR: FailureKind
FAILURE_KIND_LEASE_EXPIRED: FailureKind
FAILURE_KIND_TIMEOUT: FailureKind
FAILURE_KIND_EXPIRED: FailureKind
FAILURE_KIND_DEPENDENCY: FailureKind
FAILURE_KIND_CANCELLED: FailureKind
DEDUPLICATION_MODE_UNSPECIFIED: DeduplicationMode
DEDUPLICATION_MODE_UNTIL_FINISHED: DeduplicationMode
DEDUPLICATION_MODE_THROTTLE: DeduplicationMode
DEDUPLICATION_MODE_DEBOUNCE: DeduplicationMode
DEDUPLICATION_MODE_KEEP_LATEST: DeduplicationMode
DEPENDENCY_FAILURE_POLICY_UNSPECIFIED: DependencyFailurePolicy
DEPENDENCY_FAILURE_POLICY_FAIL: DependencyFailurePolicy
DEPENDENCY_FAILURE_POLICY_RUN: DependencyFailurePolicy
DEPENDENCY_FAILURE_POLICY_IGNORE: DependencyFailurePolicy

class Deduplication(_message.Message):
    __slots__ = ("key", "mode", "ttl")
    KEY_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    key: str
    mode: DeduplicationMode
    ttl: _duration_pb2.Duration
    def __init__(self, key: _Optional[str] = ..., mode: _Optional[_Union[DeduplicationMode, str]] = ..., ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Dependency(_message.Message):
    __slots__ = ("queue", "job_id", "on_failure")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ON_FAILURE_FIELD_NUMBER: _ClassVar[int]
    queue: str
    job_id: str
    on_failure: DependencyFailurePolicy
    def __init__(self, queue: _Optional[str] = ..., job_id: _Optional[str] = ..., on_failure: _Optional[_Union[DependencyFailurePolicy, str]] = ...) -> None: ...

class JobReference(_message.Message):
    __slots__ = ("queue", "job_id")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    queue: str
    job_id: str
    def __init__(self, queue: _Optional[str] = ..., job_id: _Optional[str] = ...) -> None: ...

class JobSpec(_message.Message):
    __slots__ = ("name", "payload", "content_type", "headers", "id", "priority", "lifo", "delay", "run_time", "retry", "timeout", "ttl", "completed_retention", "failed_retention", "dead_letter_queue", "max_lease_expirations", "deduplication", "group", "dependencies")
    class HeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    LIFO_FIELD_NUMBER: _ClassVar[int]
    DELAY_FIELD_NUMBER: _ClassVar[int]
    RUN_TIME_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_RETENTION_FIELD_NUMBER: _ClassVar[int]
    FAILED_RETENTION_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTER_QUEUE_FIELD_NUMBER: _ClassVar[int]
    MAX_LEASE_EXPIRATIONS_FIELD_NUMBER: _ClassVar[int]
    DEDUPLICATION_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    DEPENDENCIES_FIELD_NUMBER: _ClassVar[int]
    name: str
    payload: bytes
    content_type: str
    headers: _containers.ScalarMap[str, str]
    id: str
    priority: int
    lifo: bool
    delay: _duration_pb2.Duration
    run_time: _timestamp_pb2.Timestamp
    retry: RetryPolicy
    timeout: _duration_pb2.Duration
    ttl: _duration_pb2.Duration
    completed_retention: Retention
    failed_retention: Retention
    dead_letter_queue: str
    max_lease_expirations: int
    deduplication: Deduplication
    group: str
    dependencies: _containers.RepeatedCompositeFieldContainer[Dependency]
    def __init__(self, name: _Optional[str] = ..., payload: _Optional[bytes] = ..., content_type: _Optional[str] = ..., headers: _Optional[_Mapping[str, str]] = ..., id: _Optional[str] = ..., priority: _Optional[int] = ..., lifo: _Optional[bool] = ..., delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., run_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., retry: _Optional[_Union[RetryPolicy, _Mapping]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., completed_retention: _Optional[_Union[Retention, _Mapping]] = ..., failed_retention: _Optional[_Union[Retention, _Mapping]] = ..., dead_letter_queue: _Optional[str] = ..., max_lease_expirations: _Optional[int] = ..., deduplication: _Optional[_Union[Deduplication, _Mapping]] = ..., group: _Optional[str] = ..., dependencies: _Optional[_Iterable[_Union[Dependency, _Mapping]]] = ...) -> None: ...

class RetryPolicy(_message.Message):
    __slots__ = ("max_attempts", "backoff")
    MAX_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    BACKOFF_FIELD_NUMBER: _ClassVar[int]
    max_attempts: int
    backoff: Backoff
    def __init__(self, max_attempts: _Optional[int] = ..., backoff: _Optional[_Union[Backoff, _Mapping]] = ...) -> None: ...

class Backoff(_message.Message):
    __slots__ = ("fixed", "exponential", "list", "jitter")
    FIXED_FIELD_NUMBER: _ClassVar[int]
    EXPONENTIAL_FIELD_NUMBER: _ClassVar[int]
    LIST_FIELD_NUMBER: _ClassVar[int]
    JITTER_FIELD_NUMBER: _ClassVar[int]
    fixed: FixedBackoff
    exponential: ExponentialBackoff
    list: ListBackoff
    jitter: float
    def __init__(self, fixed: _Optional[_Union[FixedBackoff, _Mapping]] = ..., exponential: _Optional[_Union[ExponentialBackoff, _Mapping]] = ..., list: _Optional[_Union[ListBackoff, _Mapping]] = ..., jitter: _Optional[float] = ...) -> None: ...

class FixedBackoff(_message.Message):
    __slots__ = ("delay",)
    DELAY_FIELD_NUMBER: _ClassVar[int]
    delay: _duration_pb2.Duration
    def __init__(self, delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ExponentialBackoff(_message.Message):
    __slots__ = ("initial_delay", "multiplier", "max_delay")
    INITIAL_DELAY_FIELD_NUMBER: _ClassVar[int]
    MULTIPLIER_FIELD_NUMBER: _ClassVar[int]
    MAX_DELAY_FIELD_NUMBER: _ClassVar[int]
    initial_delay: _duration_pb2.Duration
    multiplier: float
    max_delay: _duration_pb2.Duration
    def __init__(self, initial_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., multiplier: _Optional[float] = ..., max_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ListBackoff(_message.Message):
    __slots__ = ("delays",)
    DELAYS_FIELD_NUMBER: _ClassVar[int]
    delays: _containers.RepeatedCompositeFieldContainer[_duration_pb2.Duration]
    def __init__(self, delays: _Optional[_Iterable[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]]] = ...) -> None: ...

class Retention(_message.Message):
    __slots__ = ("max_age", "max_count")
    MAX_AGE_FIELD_NUMBER: _ClassVar[int]
    MAX_COUNT_FIELD_NUMBER: _ClassVar[int]
    max_age: _duration_pb2.Duration
    max_count: int
    def __init__(self, max_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_count: _Optional[int] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("kind", "type", "message", "stack_trace", "attempt", "time", "worker_id")
    KIND_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    STACK_TRACE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    kind: FailureKind
    type: str
    message: str
    stack_trace: str
    attempt: int
    time: _timestamp_pb2.Timestamp
    worker_id: str
    def __init__(self, kind: _Optional[_Union[FailureKind, str]] = ..., type: _Optional[str] = ..., message: _Optional[str] = ..., stack_trace: _Optional[str] = ..., attempt: _Optional[int] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., worker_id: _Optional[str] = ...) -> None: ...

class Job(_message.Message):
    __slots__ = ("queue", "id", "spec", "state", "attempt", "lease_expirations", "create_time", "run_time", "start_time", "finish_time", "expire_time", "worker_id", "lease_expire_time", "progress", "result", "result_content_type", "failures", "failure_count", "cancel_requested", "dependents", "schedule_id")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    LEASE_EXPIRATIONS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    RUN_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    FINISH_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    LEASE_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    RESULT_CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    FAILURE_COUNT_FIELD_NUMBER: _ClassVar[int]
    CANCEL_REQUESTED_FIELD_NUMBER: _ClassVar[int]
    DEPENDENTS_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_ID_FIELD_NUMBER: _ClassVar[int]
    queue: str
    id: str
    spec: JobSpec
    state: JobState
    attempt: int
    lease_expirations: int
    create_time: _timestamp_pb2.Timestamp
    run_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    finish_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    worker_id: str
    lease_expire_time: _timestamp_pb2.Timestamp
    progress: _struct_pb2.Value
    result: bytes
    result_content_type: str
    failures: _containers.RepeatedCompositeFieldContainer[Failure]
    failure_count: int
    cancel_requested: bool
    dependents: _containers.RepeatedCompositeFieldContainer[JobReference]
    schedule_id: str
    def __init__(self, queue: _Optional[str] = ..., id: _Optional[str] = ..., spec: _Optional[_Union[JobSpec, _Mapping]] = ..., state: _Optional[_Union[JobState, str]] = ..., attempt: _Optional[int] = ..., lease_expirations: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., run_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finish_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., worker_id: _Optional[str] = ..., lease_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., progress: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., result: _Optional[bytes] = ..., result_content_type: _Optional[str] = ..., failures: _Optional[_Iterable[_Union[Failure, _Mapping]]] = ..., failure_count: _Optional[int] = ..., cancel_requested: _Optional[bool] = ..., dependents: _Optional[_Iterable[_Union[JobReference, _Mapping]]] = ..., schedule_id: _Optional[str] = ...) -> None: ...

class QueueStats(_message.Message):
    __slots__ = ("waiting", "delayed", "blocked", "active", "completed", "failed", "cancelled", "paused", "oldest_waiting_age", "workers", "added_total", "completed_total", "failed_total", "hold_expire_time")
    WAITING_FIELD_NUMBER: _ClassVar[int]
    DELAYED_FIELD_NUMBER: _ClassVar[int]
    BLOCKED_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    OLDEST_WAITING_AGE_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    ADDED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    FAILED_TOTAL_FIELD_NUMBER: _ClassVar[int]
    HOLD_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    waiting: int
    delayed: int
    blocked: int
    active: int
    completed: int
    failed: int
    cancelled: int
    paused: bool
    oldest_waiting_age: _duration_pb2.Duration
    workers: int
    added_total: int
    completed_total: int
    failed_total: int
    hold_expire_time: _timestamp_pb2.Timestamp
    def __init__(self, waiting: _Optional[int] = ..., delayed: _Optional[int] = ..., blocked: _Optional[int] = ..., active: _Optional[int] = ..., completed: _Optional[int] = ..., failed: _Optional[int] = ..., cancelled: _Optional[int] = ..., paused: _Optional[bool] = ..., oldest_waiting_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., workers: _Optional[int] = ..., added_total: _Optional[int] = ..., completed_total: _Optional[int] = ..., failed_total: _Optional[int] = ..., hold_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
