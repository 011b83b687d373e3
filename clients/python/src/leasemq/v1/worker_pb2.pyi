import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from leasemq.v1 import job_pb2 as _job_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LeaseStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LEASE_STATUS_UNSPECIFIED: _ClassVar[LeaseStatus]
    LEASE_STATUS_EXTENDED: _ClassVar[LeaseStatus]
    LEASE_STATUS_LOST: _ClassVar[LeaseStatus]
    LEASE_STATUS_CANCEL_REQUESTED: _ClassVar[LeaseStatus]

class WorkerDirective(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WORKER_DIRECTIVE_UNSPECIFIED: _ClassVar[WorkerDirective]
    WORKER_DIRECTIVE_RUN: _ClassVar[WorkerDirective]
    WORKER_DIRECTIVE_QUIET: _ClassVar[WorkerDirective]
    WORKER_DIRECTIVE_TERMINATE: _ClassVar[WorkerDirective]
LEASE_STATUS_UNSPECIFIED: LeaseStatus
LEASE_STATUS_EXTENDED: LeaseStatus
LEASE_STATUS_LOST: LeaseStatus
LEASE_STATUS_CANCEL_REQUESTED: LeaseStatus
WORKER_DIRECTIVE_UNSPECIFIED: WorkerDirective
WORKER_DIRECTIVE_RUN: WorkerDirective
WORKER_DIRECTIVE_QUIET: WorkerDirective
WORKER_DIRECTIVE_TERMINATE: WorkerDirective

class Lease(_message.Message):
    __slots__ = ("lease_token", "job", "attempt", "lease_expire_time", "lease_duration", "checkpoint")
    LEASE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    LEASE_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    LEASE_DURATION_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    lease_token: str
    job: _job_pb2.Job
    attempt: int
    lease_expire_time: _timestamp_pb2.Timestamp
    lease_duration: _duration_pb2.Duration
    checkpoint: bytes
    def __init__(self, lease_token: _Optional[str] = ..., job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ..., attempt: _Optional[int] = ..., lease_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., lease_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., checkpoint: _Optional[bytes] = ...) -> None: ...

class LeaseJobRequest(_message.Message):
    __slots__ = ("queues", "worker_id", "lease_duration", "wait_duration", "request_id")
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    LEASE_DURATION_FIELD_NUMBER: _ClassVar[int]
    WAIT_DURATION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    queues: _containers.RepeatedScalarFieldContainer[str]
    worker_id: str
    lease_duration: _duration_pb2.Duration
    wait_duration: _duration_pb2.Duration
    request_id: str
    def __init__(self, queues: _Optional[_Iterable[str]] = ..., worker_id: _Optional[str] = ..., lease_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., wait_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class LeaseJobResponse(_message.Message):
    __slots__ = ("lease",)
    LEASE_FIELD_NUMBER: _ClassVar[int]
    lease: Lease
    def __init__(self, lease: _Optional[_Union[Lease, _Mapping]] = ...) -> None: ...

class BatchLeaseJobsRequest(_message.Message):
    __slots__ = ("queues", "worker_id", "lease_duration", "wait_duration", "request_id", "max_jobs", "min_jobs", "linger")
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    LEASE_DURATION_FIELD_NUMBER: _ClassVar[int]
    WAIT_DURATION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MAX_JOBS_FIELD_NUMBER: _ClassVar[int]
    MIN_JOBS_FIELD_NUMBER: _ClassVar[int]
    LINGER_FIELD_NUMBER: _ClassVar[int]
    queues: _containers.RepeatedScalarFieldContainer[str]
    worker_id: str
    lease_duration: _duration_pb2.Duration
    wait_duration: _duration_pb2.Duration
    request_id: str
    max_jobs: int
    min_jobs: int
    linger: _duration_pb2.Duration
    def __init__(self, queues: _Optional[_Iterable[str]] = ..., worker_id: _Optional[str] = ..., lease_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., wait_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., request_id: _Optional[str] = ..., max_jobs: _Optional[int] = ..., min_jobs: _Optional[int] = ..., linger: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class BatchLeaseJobsResponse(_message.Message):
    __slots__ = ("leases",)
    LEASES_FIELD_NUMBER: _ClassVar[int]
    leases: _containers.RepeatedCompositeFieldContainer[Lease]
    def __init__(self, leases: _Optional[_Iterable[_Union[Lease, _Mapping]]] = ...) -> None: ...

class CompleteJobRequest(_message.Message):
    __slots__ = ("lease_token", "result", "result_content_type")
    LEASE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    RESULT_CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    lease_token: str
    result: bytes
    result_content_type: str
    def __init__(self, lease_token: _Optional[str] = ..., result: _Optional[bytes] = ..., result_content_type: _Optional[str] = ...) -> None: ...

class CompleteJobResponse(_message.Message):
    __slots__ = ("state",)
    STATE_FIELD_NUMBER: _ClassVar[int]
    state: _job_pb2.JobState
    def __init__(self, state: _Optional[_Union[_job_pb2.JobState, str]] = ...) -> None: ...

class FailJobRequest(_message.Message):
    __slots__ = ("lease_token", "failure", "non_retryable", "retry_delay")
    LEASE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    NON_RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    RETRY_DELAY_FIELD_NUMBER: _ClassVar[int]
    lease_token: str
    failure: _job_pb2.Failure
    non_retryable: bool
    retry_delay: _duration_pb2.Duration
    def __init__(self, lease_token: _Optional[str] = ..., failure: _Optional[_Union[_job_pb2.Failure, _Mapping]] = ..., non_retryable: _Optional[bool] = ..., retry_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class FailJobResponse(_message.Message):
    __slots__ = ("next_state", "next_run_time", "attempts_remaining")
    NEXT_STATE_FIELD_NUMBER: _ClassVar[int]
    NEXT_RUN_TIME_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_REMAINING_FIELD_NUMBER: _ClassVar[int]
    next_state: _job_pb2.JobState
    next_run_time: _timestamp_pb2.Timestamp
    attempts_remaining: int
    def __init__(self, next_state: _Optional[_Union[_job_pb2.JobState, str]] = ..., next_run_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., attempts_remaining: _Optional[int] = ...) -> None: ...

class ReleaseJobRequest(_message.Message):
    __slots__ = ("lease_token", "delay", "hold_queue")
    LEASE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    DELAY_FIELD_NUMBER: _ClassVar[int]
    HOLD_QUEUE_FIELD_NUMBER: _ClassVar[int]
    lease_token: str
    delay: _duration_pb2.Duration
    hold_queue: _duration_pb2.Duration
    def __init__(self, lease_token: _Optional[str] = ..., delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., hold_queue: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ReleaseJobResponse(_message.Message):
    __slots__ = ("next_state",)
    NEXT_STATE_FIELD_NUMBER: _ClassVar[int]
    next_state: _job_pb2.JobState
    def __init__(self, next_state: _Optional[_Union[_job_pb2.JobState, str]] = ...) -> None: ...

class CompleteOutcome(_message.Message):
    __slots__ = ("result", "result_content_type")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    RESULT_CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    result: bytes
    result_content_type: str
    def __init__(self, result: _Optional[bytes] = ..., result_content_type: _Optional[str] = ...) -> None: ...

class FailOutcome(_message.Message):
    __slots__ = ("failure", "non_retryable", "retry_delay")
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    NON_RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    RETRY_DELAY_FIELD_NUMBER: _ClassVar[int]
    failure: _job_pb2.Failure
    non_retryable: bool
    retry_delay: _duration_pb2.Duration
    def __init__(self, failure: _Optional[_Union[_job_pb2.Failure, _Mapping]] = ..., non_retryable: _Optional[bool] = ..., retry_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ReleaseOutcome(_message.Message):
    __slots__ = ("delay", "hold_queue")
    DELAY_FIELD_NUMBER: _ClassVar[int]
    HOLD_QUEUE_FIELD_NUMBER: _ClassVar[int]
    delay: _duration_pb2.Duration
    hold_queue: _duration_pb2.Duration
    def __init__(self, delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., hold_queue: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class BlockOnOutcome(_message.Message):
    __slots__ = ("dependencies",)
    DEPENDENCIES_FIELD_NUMBER: _ClassVar[int]
    dependencies: _containers.RepeatedCompositeFieldContainer[_job_pb2.Dependency]
    def __init__(self, dependencies: _Optional[_Iterable[_Union[_job_pb2.Dependency, _Mapping]]] = ...) -> None: ...

class Settlement(_message.Message):
    __slots__ = ("lease_token", "complete", "fail", "release", "block_on")
    LEASE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    FAIL_FIELD_NUMBER: _ClassVar[int]
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    BLOCK_ON_FIELD_NUMBER: _ClassVar[int]
    lease_token: str
    complete: CompleteOutcome
    fail: FailOutcome
    release: ReleaseOutcome
    block_on: BlockOnOutcome
    def __init__(self, lease_token: _Optional[str] = ..., complete: _Optional[_Union[CompleteOutcome, _Mapping]] = ..., fail: _Optional[_Union[FailOutcome, _Mapping]] = ..., release: _Optional[_Union[ReleaseOutcome, _Mapping]] = ..., block_on: _Optional[_Union[BlockOnOutcome, _Mapping]] = ...) -> None: ...

class SettleJobsRequest(_message.Message):
    __slots__ = ("settlements",)
    SETTLEMENTS_FIELD_NUMBER: _ClassVar[int]
    settlements: _containers.RepeatedCompositeFieldContainer[Settlement]
    def __init__(self, settlements: _Optional[_Iterable[_Union[Settlement, _Mapping]]] = ...) -> None: ...

class Settled(_message.Message):
    __slots__ = ("state", "next_run_time", "attempts_remaining")
    STATE_FIELD_NUMBER: _ClassVar[int]
    NEXT_RUN_TIME_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_REMAINING_FIELD_NUMBER: _ClassVar[int]
    state: _job_pb2.JobState
    next_run_time: _timestamp_pb2.Timestamp
    attempts_remaining: int
    def __init__(self, state: _Optional[_Union[_job_pb2.JobState, str]] = ..., next_run_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., attempts_remaining: _Optional[int] = ...) -> None: ...

class SettleResult(_message.Message):
    __slots__ = ("settled", "error")
    SETTLED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    settled: Settled
    error: _status_pb2.Status
    def __init__(self, settled: _Optional[_Union[Settled, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class SettleJobsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[SettleResult]
    def __init__(self, results: _Optional[_Iterable[_Union[SettleResult, _Mapping]]] = ...) -> None: ...

class WorkerInfo(_message.Message):
    __slots__ = ("worker_id", "hostname", "pid", "language", "sdk_version", "queues", "concurrency", "running")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    SDK_VERSION_FIELD_NUMBER: _ClassVar[int]
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    CONCURRENCY_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    hostname: str
    pid: int
    language: str
    sdk_version: str
    queues: _containers.RepeatedScalarFieldContainer[str]
    concurrency: int
    running: int
    def __init__(self, worker_id: _Optional[str] = ..., hostname: _Optional[str] = ..., pid: _Optional[int] = ..., language: _Optional[str] = ..., sdk_version: _Optional[str] = ..., queues: _Optional[_Iterable[str]] = ..., concurrency: _Optional[int] = ..., running: _Optional[int] = ...) -> None: ...

class HeartbeatRequest(_message.Message):
    __slots__ = ("worker", "lease_tokens", "lease_duration", "checkpoints")
    class CheckpointsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: bytes
        def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...
    WORKER_FIELD_NUMBER: _ClassVar[int]
    LEASE_TOKENS_FIELD_NUMBER: _ClassVar[int]
    LEASE_DURATION_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINTS_FIELD_NUMBER: _ClassVar[int]
    worker: WorkerInfo
    lease_tokens: _containers.RepeatedScalarFieldContainer[str]
    lease_duration: _duration_pb2.Duration
    checkpoints: _containers.ScalarMap[str, bytes]
    def __init__(self, worker: _Optional[_Union[WorkerInfo, _Mapping]] = ..., lease_tokens: _Optional[_Iterable[str]] = ..., lease_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., checkpoints: _Optional[_Mapping[str, bytes]] = ...) -> None: ...

class LeaseHeartbeat(_message.Message):
    __slots__ = ("lease_token", "status", "lease_expire_time")
    LEASE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    LEASE_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    lease_token: str
    status: LeaseStatus
    lease_expire_time: _timestamp_pb2.Timestamp
    def __init__(self, lease_token: _Optional[str] = ..., status: _Optional[_Union[LeaseStatus, str]] = ..., lease_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class HeartbeatResponse(_message.Message):
    __slots__ = ("leases", "directive")
    LEASES_FIELD_NUMBER: _ClassVar[int]
    DIRECTIVE_FIELD_NUMBER: _ClassVar[int]
    leases: _containers.RepeatedCompositeFieldContainer[LeaseHeartbeat]
    directive: WorkerDirective
    def __init__(self, leases: _Optional[_Iterable[_Union[LeaseHeartbeat, _Mapping]]] = ..., directive: _Optional[_Union[WorkerDirective, str]] = ...) -> None: ...

class WatchWorkerRequest(_message.Message):
    __slots__ = ("worker_id",)
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    def __init__(self, worker_id: _Optional[str] = ...) -> None: ...

class LeaseCancelled(_message.Message):
    __slots__ = ("lease_token", "status", "reason")
    LEASE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    lease_token: str
    status: LeaseStatus
    reason: str
    def __init__(self, lease_token: _Optional[str] = ..., status: _Optional[_Union[LeaseStatus, str]] = ..., reason: _Optional[str] = ...) -> None: ...

class KeepAlive(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WatchWorkerResponse(_message.Message):
    __slots__ = ("cancel", "directive", "keep_alive")
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    DIRECTIVE_FIELD_NUMBER: _ClassVar[int]
    KEEP_ALIVE_FIELD_NUMBER: _ClassVar[int]
    cancel: LeaseCancelled
    directive: WorkerDirective
    keep_alive: KeepAlive
    def __init__(self, cancel: _Optional[_Union[LeaseCancelled, _Mapping]] = ..., directive: _Optional[_Union[WorkerDirective, str]] = ..., keep_alive: _Optional[_Union[KeepAlive, _Mapping]] = ...) -> None: ...

class ReportProgressRequest(_message.Message):
    __slots__ = ("lease_token", "progress")
    LEASE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    lease_token: str
    progress: _struct_pb2.Value
    def __init__(self, lease_token: _Optional[str] = ..., progress: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ...) -> None: ...

class ReportProgressResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AppendLogsRequest(_message.Message):
    __slots__ = ("lease_token", "lines")
    LEASE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    lease_token: str
    lines: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, lease_token: _Optional[str] = ..., lines: _Optional[_Iterable[str]] = ...) -> None: ...

class AppendLogsResponse(_message.Message):
    __slots__ = ("line_count",)
    LINE_COUNT_FIELD_NUMBER: _ClassVar[int]
    line_count: int
    def __init__(self, line_count: _Optional[int] = ...) -> None: ...

class DrainWorkerRequest(_message.Message):
    __slots__ = ("worker_id",)
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    def __init__(self, worker_id: _Optional[str] = ...) -> None: ...

class DrainWorkerResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WorkRequest(_message.Message):
    __slots__ = ("request_number", "lease", "settle")
    REQUEST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    SETTLE_FIELD_NUMBER: _ClassVar[int]
    request_number: int
    lease: BatchLeaseJobsRequest
    settle: SettleJobsRequest
    def __init__(self, request_number: _Optional[int] = ..., lease: _Optional[_Union[BatchLeaseJobsRequest, _Mapping]] = ..., settle: _Optional[_Union[SettleJobsRequest, _Mapping]] = ...) -> None: ...

class WorkResponse(_message.Message):
    __slots__ = ("request_number", "leased", "settled", "lease_error", "settle_error")
    REQUEST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    LEASED_FIELD_NUMBER: _ClassVar[int]
    SETTLED_FIELD_NUMBER: _ClassVar[int]
    LEASE_ERROR_FIELD_NUMBER: _ClassVar[int]
    SETTLE_ERROR_FIELD_NUMBER: _ClassVar[int]
    request_number: int
    leased: BatchLeaseJobsResponse
    settled: SettleJobsResponse
    lease_error: _status_pb2.Status
    settle_error: _status_pb2.Status
    def __init__(self, request_number: _Optional[int] = ..., leased: _Optional[_Union[BatchLeaseJobsResponse, _Mapping]] = ..., settled: _Optional[_Union[SettleJobsResponse, _Mapping]] = ..., lease_error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., settle_error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...
