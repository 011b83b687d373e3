import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from leasemq.v1 import job_pb2 as _job_pb2
from leasemq.v1 import producer_pb2 as _producer_pb2
from leasemq.v1 import worker_pb2 as _worker_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EventKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_KIND_UNSPECIFIED: _ClassVar[EventKind]
    EVENT_KIND_ADDED: _ClassVar[EventKind]
    EVENT_KIND_DUPLICATED: _ClassVar[EventKind]
    EVENT_KIND_PROMOTED: _ClassVar[EventKind]
    EVENT_KIND_LEASED: _ClassVar[EventKind]
    EVENT_KIND_PROGRESS: _ClassVar[EventKind]
    EVENT_KIND_COMPLETED: _ClassVar[EventKind]
    EVENT_KIND_RETRYING: _ClassVar[EventKind]
    EVENT_KIND_FAILED: _ClassVar[EventKind]
    EVENT_KIND_RELEASED: _ClassVar[EventKind]
    EVENT_KIND_LEASE_EXPIRED: _ClassVar[EventKind]
    EVENT_KIND_CANCEL_REQUESTED: _ClassVar[EventKind]
    EVENT_KIND_CANCELLED: _ClassVar[EventKind]
    EVENT_KIND_RETRIED: _ClassVar[EventKind]
    EVENT_KIND_REMOVED: _ClassVar[EventKind]
    EVENT_KIND_DRAINED: _ClassVar[EventKind]
    EVENT_KIND_PAUSED: _ClassVar[EventKind]
    EVENT_KIND_RESUMED: _ClassVar[EventKind]
    EVENT_KIND_CONFIGURED: _ClassVar[EventKind]
    EVENT_KIND_DEDUPLICATED: _ClassVar[EventKind]
    EVENT_KIND_EVENTS_LOST: _ClassVar[EventKind]
    EVENT_KIND_BLOCKED: _ClassVar[EventKind]
    EVENT_KIND_UNBLOCKED: _ClassVar[EventKind]
    EVENT_KIND_GROUP_CONFIGURED: _ClassVar[EventKind]
    EVENT_KIND_GROUP_PAUSED: _ClassVar[EventKind]
    EVENT_KIND_GROUP_RESUMED: _ClassVar[EventKind]
EVENT_KIND_UNSPECIFIED: EventKind
EVENT_KIND_ADDED: EventKind
EVENT_KIND_DUPLICATED: EventKind
EVENT_KIND_PROMOTED: EventKind
EVENT_KIND_LEASED: EventKind
EVENT_KIND_PROGRESS: EventKind
EVENT_KIND_COMPLETED: EventKind
EVENT_KIND_RETRYING: EventKind
EVENT_KIND_FAILED: EventKind
EVENT_KIND_RELEASED: EventKind
EVENT_KIND_LEASE_EXPIRED: EventKind
EVENT_KIND_CANCEL_REQUESTED: EventKind
EVENT_KIND_CANCELLED: EventKind
EVENT_KIND_RETRIED: EventKind
EVENT_KIND_REMOVED: EventKind
EVENT_KIND_DRAINED: EventKind
EVENT_KIND_PAUSED: EventKind
EVENT_KIND_RESUMED: EventKind
EVENT_KIND_CONFIGURED: EventKind
EVENT_KIND_DEDUPLICATED: EventKind
EVENT_KIND_EVENTS_LOST: EventKind
EVENT_KIND_BLOCKED: EventKind
EVENT_KIND_UNBLOCKED: EventKind
EVENT_KIND_GROUP_CONFIGURED: EventKind
EVENT_KIND_GROUP_PAUSED: EventKind
EVENT_KIND_GROUP_RESUMED: EventKind

class GetStatsRequest(_message.Message):
    __slots__ = ("queue",)
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    queue: str
    def __init__(self, queue: _Optional[str] = ...) -> None: ...

class GetStatsResponse(_message.Message):
    __slots__ = ("stats",)
    STATS_FIELD_NUMBER: _ClassVar[int]
    stats: _job_pb2.QueueStats
    def __init__(self, stats: _Optional[_Union[_job_pb2.QueueStats, _Mapping]] = ...) -> None: ...

class QueueConfig(_message.Message):
    __slots__ = ("default_retry", "completed_retention", "failed_retention", "dead_letter_queue", "max_lease_expirations", "max_events", "max_active", "rate_limit", "max_waiting", "group_defaults")
    DEFAULT_RETRY_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_RETENTION_FIELD_NUMBER: _ClassVar[int]
    FAILED_RETENTION_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTER_QUEUE_FIELD_NUMBER: _ClassVar[int]
    MAX_LEASE_EXPIRATIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_EVENTS_FIELD_NUMBER: _ClassVar[int]
    MAX_ACTIVE_FIELD_NUMBER: _ClassVar[int]
    RATE_LIMIT_FIELD_NUMBER: _ClassVar[int]
    MAX_WAITING_FIELD_NUMBER: _ClassVar[int]
    GROUP_DEFAULTS_FIELD_NUMBER: _ClassVar[int]
    default_retry: _job_pb2.RetryPolicy
    completed_retention: _job_pb2.Retention
    failed_retention: _job_pb2.Retention
    dead_letter_queue: str
    max_lease_expirations: int
    max_events: int
    max_active: int
    rate_limit: RateLimit
    max_waiting: int
    group_defaults: GroupDefaults
    def __init__(self, default_retry: _Optional[_Union[_job_pb2.RetryPolicy, _Mapping]] = ..., completed_retention: _Optional[_Union[_job_pb2.Retention, _Mapping]] = ..., failed_retention: _Optional[_Union[_job_pb2.Retention, _Mapping]] = ..., dead_letter_queue: _Optional[str] = ..., max_lease_expirations: _Optional[int] = ..., max_events: _Optional[int] = ..., max_active: _Optional[int] = ..., rate_limit: _Optional[_Union[RateLimit, _Mapping]] = ..., max_waiting: _Optional[int] = ..., group_defaults: _Optional[_Union[GroupDefaults, _Mapping]] = ...) -> None: ...

class GroupDefaults(_message.Message):
    __slots__ = ("max_active", "rate_limit", "max_waiting")
    MAX_ACTIVE_FIELD_NUMBER: _ClassVar[int]
    RATE_LIMIT_FIELD_NUMBER: _ClassVar[int]
    MAX_WAITING_FIELD_NUMBER: _ClassVar[int]
    max_active: int
    rate_limit: RateLimit
    max_waiting: int
    def __init__(self, max_active: _Optional[int] = ..., rate_limit: _Optional[_Union[RateLimit, _Mapping]] = ..., max_waiting: _Optional[int] = ...) -> None: ...

class GroupConfig(_message.Message):
    __slots__ = ("max_active", "rate_limit", "max_waiting", "weight", "paused")
    MAX_ACTIVE_FIELD_NUMBER: _ClassVar[int]
    RATE_LIMIT_FIELD_NUMBER: _ClassVar[int]
    MAX_WAITING_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    max_active: int
    rate_limit: RateLimit
    max_waiting: int
    weight: int
    paused: bool
    def __init__(self, max_active: _Optional[int] = ..., rate_limit: _Optional[_Union[RateLimit, _Mapping]] = ..., max_waiting: _Optional[int] = ..., weight: _Optional[int] = ..., paused: _Optional[bool] = ...) -> None: ...

class Group(_message.Message):
    __slots__ = ("name", "config", "waiting", "active")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    name: str
    config: GroupConfig
    waiting: int
    active: int
    def __init__(self, name: _Optional[str] = ..., config: _Optional[_Union[GroupConfig, _Mapping]] = ..., waiting: _Optional[int] = ..., active: _Optional[int] = ...) -> None: ...

class RateLimit(_message.Message):
    __slots__ = ("max_jobs", "duration")
    MAX_JOBS_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    max_jobs: int
    duration: _duration_pb2.Duration
    def __init__(self, max_jobs: _Optional[int] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Queue(_message.Message):
    __slots__ = ("name", "config", "stats")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    STATS_FIELD_NUMBER: _ClassVar[int]
    name: str
    config: QueueConfig
    stats: _job_pb2.QueueStats
    def __init__(self, name: _Optional[str] = ..., config: _Optional[_Union[QueueConfig, _Mapping]] = ..., stats: _Optional[_Union[_job_pb2.QueueStats, _Mapping]] = ...) -> None: ...

class ListQueuesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListQueuesResponse(_message.Message):
    __slots__ = ("queues", "next_page_token")
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    queues: _containers.RepeatedCompositeFieldContainer[Queue]
    next_page_token: str
    def __init__(self, queues: _Optional[_Iterable[_Union[Queue, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetQueueRequest(_message.Message):
    __slots__ = ("queue",)
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    queue: str
    def __init__(self, queue: _Optional[str] = ...) -> None: ...

class GetQueueResponse(_message.Message):
    __slots__ = ("queue",)
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    queue: Queue
    def __init__(self, queue: _Optional[_Union[Queue, _Mapping]] = ...) -> None: ...

class UpdateQueueRequest(_message.Message):
    __slots__ = ("queue", "config", "update_mask")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    queue: str
    config: QueueConfig
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, queue: _Optional[str] = ..., config: _Optional[_Union[QueueConfig, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class UpdateQueueResponse(_message.Message):
    __slots__ = ("queue",)
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    queue: Queue
    def __init__(self, queue: _Optional[_Union[Queue, _Mapping]] = ...) -> None: ...

class PauseQueueRequest(_message.Message):
    __slots__ = ("queue",)
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    queue: str
    def __init__(self, queue: _Optional[str] = ...) -> None: ...

class PauseQueueResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ResumeQueueRequest(_message.Message):
    __slots__ = ("queue",)
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    queue: str
    def __init__(self, queue: _Optional[str] = ...) -> None: ...

class ResumeQueueResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DrainQueueRequest(_message.Message):
    __slots__ = ("queue", "include_delayed")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_DELAYED_FIELD_NUMBER: _ClassVar[int]
    queue: str
    include_delayed: bool
    def __init__(self, queue: _Optional[str] = ..., include_delayed: _Optional[bool] = ...) -> None: ...

class DrainQueueResponse(_message.Message):
    __slots__ = ("removed_count", "more")
    REMOVED_COUNT_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    removed_count: int
    more: bool
    def __init__(self, removed_count: _Optional[int] = ..., more: _Optional[bool] = ...) -> None: ...

class DeleteQueueRequest(_message.Message):
    __slots__ = ("queue", "force")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    queue: str
    force: bool
    def __init__(self, queue: _Optional[str] = ..., force: _Optional[bool] = ...) -> None: ...

class DeleteQueueResponse(_message.Message):
    __slots__ = ("removed_count", "more")
    REMOVED_COUNT_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    removed_count: int
    more: bool
    def __init__(self, removed_count: _Optional[int] = ..., more: _Optional[bool] = ...) -> None: ...

class ListJobsRequest(_message.Message):
    __slots__ = ("queue", "states", "name", "order_by", "page_size", "page_token", "read_mask", "group")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    queue: str
    states: _containers.RepeatedScalarFieldContainer[_job_pb2.JobState]
    name: str
    order_by: str
    page_size: int
    page_token: str
    read_mask: _field_mask_pb2.FieldMask
    group: str
    def __init__(self, queue: _Optional[str] = ..., states: _Optional[_Iterable[_Union[_job_pb2.JobState, str]]] = ..., name: _Optional[str] = ..., order_by: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., group: _Optional[str] = ...) -> None: ...

class ListJobsResponse(_message.Message):
    __slots__ = ("jobs", "next_page_token")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[_job_pb2.Job]
    next_page_token: str
    def __init__(self, jobs: _Optional[_Iterable[_Union[_job_pb2.Job, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListJobLogsRequest(_message.Message):
    __slots__ = ("queue", "job_id", "page_size", "page_token")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    queue: str
    job_id: str
    page_size: int
    page_token: str
    def __init__(self, queue: _Optional[str] = ..., job_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListJobLogsResponse(_message.Message):
    __slots__ = ("lines", "next_page_token", "line_count")
    LINES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    LINE_COUNT_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedScalarFieldContainer[str]
    next_page_token: str
    line_count: int
    def __init__(self, lines: _Optional[_Iterable[str]] = ..., next_page_token: _Optional[str] = ..., line_count: _Optional[int] = ...) -> None: ...

class JobIds(_message.Message):
    __slots__ = ("ids",)
    IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, ids: _Optional[_Iterable[str]] = ...) -> None: ...

class JobFilter(_message.Message):
    __slots__ = ("state", "older_than", "name", "limit", "group")
    STATE_FIELD_NUMBER: _ClassVar[int]
    OLDER_THAN_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    state: _job_pb2.JobState
    older_than: _duration_pb2.Duration
    name: str
    limit: int
    group: str
    def __init__(self, state: _Optional[_Union[_job_pb2.JobState, str]] = ..., older_than: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., name: _Optional[str] = ..., limit: _Optional[int] = ..., group: _Optional[str] = ...) -> None: ...

class RetryJobsRequest(_message.Message):
    __slots__ = ("queue", "job_ids", "filter", "keep_attempts", "page_token")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    JOB_IDS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    KEEP_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    queue: str
    job_ids: JobIds
    filter: JobFilter
    keep_attempts: bool
    page_token: str
    def __init__(self, queue: _Optional[str] = ..., job_ids: _Optional[_Union[JobIds, _Mapping]] = ..., filter: _Optional[_Union[JobFilter, _Mapping]] = ..., keep_attempts: _Optional[bool] = ..., page_token: _Optional[str] = ...) -> None: ...

class RetryJobsResponse(_message.Message):
    __slots__ = ("retried_count", "not_found_count", "skipped_count", "next_page_token")
    RETRIED_COUNT_FIELD_NUMBER: _ClassVar[int]
    NOT_FOUND_COUNT_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_COUNT_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    retried_count: int
    not_found_count: int
    skipped_count: int
    next_page_token: str
    def __init__(self, retried_count: _Optional[int] = ..., not_found_count: _Optional[int] = ..., skipped_count: _Optional[int] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class PromoteJobsRequest(_message.Message):
    __slots__ = ("queue", "job_ids", "filter", "page_token")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    JOB_IDS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    queue: str
    job_ids: JobIds
    filter: JobFilter
    page_token: str
    def __init__(self, queue: _Optional[str] = ..., job_ids: _Optional[_Union[JobIds, _Mapping]] = ..., filter: _Optional[_Union[JobFilter, _Mapping]] = ..., page_token: _Optional[str] = ...) -> None: ...

class PromoteJobsResponse(_message.Message):
    __slots__ = ("promoted_count", "not_found_count", "skipped_count", "next_page_token")
    PROMOTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    NOT_FOUND_COUNT_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_COUNT_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    promoted_count: int
    not_found_count: int
    skipped_count: int
    next_page_token: str
    def __init__(self, promoted_count: _Optional[int] = ..., not_found_count: _Optional[int] = ..., skipped_count: _Optional[int] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteJobsRequest(_message.Message):
    __slots__ = ("queue", "job_ids", "filter", "page_token", "cascade")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    JOB_IDS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CASCADE_FIELD_NUMBER: _ClassVar[int]
    queue: str
    job_ids: JobIds
    filter: JobFilter
    page_token: str
    cascade: _producer_pb2.Cascade
    def __init__(self, queue: _Optional[str] = ..., job_ids: _Optional[_Union[JobIds, _Mapping]] = ..., filter: _Optional[_Union[JobFilter, _Mapping]] = ..., page_token: _Optional[str] = ..., cascade: _Optional[_Union[_producer_pb2.Cascade, str]] = ...) -> None: ...

class DeleteJobsResponse(_message.Message):
    __slots__ = ("deleted_count", "not_found_count", "skipped_count", "next_page_token")
    DELETED_COUNT_FIELD_NUMBER: _ClassVar[int]
    NOT_FOUND_COUNT_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_COUNT_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    deleted_count: int
    not_found_count: int
    skipped_count: int
    next_page_token: str
    def __init__(self, deleted_count: _Optional[int] = ..., not_found_count: _Optional[int] = ..., skipped_count: _Optional[int] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CancelJobsRequest(_message.Message):
    __slots__ = ("queue", "job_ids", "filter", "reason", "page_token")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    JOB_IDS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    queue: str
    job_ids: JobIds
    filter: JobFilter
    reason: str
    page_token: str
    def __init__(self, queue: _Optional[str] = ..., job_ids: _Optional[_Union[JobIds, _Mapping]] = ..., filter: _Optional[_Union[JobFilter, _Mapping]] = ..., reason: _Optional[str] = ..., page_token: _Optional[str] = ...) -> None: ...

class CancelJobsResponse(_message.Message):
    __slots__ = ("cancelled_count", "not_found_count", "skipped_count", "next_page_token")
    CANCELLED_COUNT_FIELD_NUMBER: _ClassVar[int]
    NOT_FOUND_COUNT_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_COUNT_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    cancelled_count: int
    not_found_count: int
    skipped_count: int
    next_page_token: str
    def __init__(self, cancelled_count: _Optional[int] = ..., not_found_count: _Optional[int] = ..., skipped_count: _Optional[int] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class JobQuery(_message.Message):
    __slots__ = ("id_prefix", "name", "group", "payload_text", "failure_text")
    ID_PREFIX_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_TEXT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_TEXT_FIELD_NUMBER: _ClassVar[int]
    id_prefix: str
    name: str
    group: str
    payload_text: str
    failure_text: str
    def __init__(self, id_prefix: _Optional[str] = ..., name: _Optional[str] = ..., group: _Optional[str] = ..., payload_text: _Optional[str] = ..., failure_text: _Optional[str] = ...) -> None: ...

class SearchJobsRequest(_message.Message):
    __slots__ = ("queue", "query", "states", "page_size", "page_token", "read_mask")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    queue: str
    query: JobQuery
    states: _containers.RepeatedScalarFieldContainer[_job_pb2.JobState]
    page_size: int
    page_token: str
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, queue: _Optional[str] = ..., query: _Optional[_Union[JobQuery, _Mapping]] = ..., states: _Optional[_Iterable[_Union[_job_pb2.JobState, str]]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class SearchJobsResponse(_message.Message):
    __slots__ = ("jobs", "examined_count", "next_page_token")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    EXAMINED_COUNT_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[_job_pb2.Job]
    examined_count: int
    next_page_token: str
    def __init__(self, jobs: _Optional[_Iterable[_Union[_job_pb2.Job, _Mapping]]] = ..., examined_count: _Optional[int] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateJobRequest(_message.Message):
    __slots__ = ("queue", "job_id", "payload", "priority", "run_time", "update_mask")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    RUN_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    queue: str
    job_id: str
    payload: bytes
    priority: int
    run_time: _timestamp_pb2.Timestamp
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, queue: _Optional[str] = ..., job_id: _Optional[str] = ..., payload: _Optional[bytes] = ..., priority: _Optional[int] = ..., run_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class UpdateJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ...) -> None: ...

class ListGroupsRequest(_message.Message):
    __slots__ = ("queue", "group", "page_size", "page_token")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    queue: str
    group: str
    page_size: int
    page_token: str
    def __init__(self, queue: _Optional[str] = ..., group: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListGroupsResponse(_message.Message):
    __slots__ = ("groups", "next_page_token")
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedCompositeFieldContainer[Group]
    next_page_token: str
    def __init__(self, groups: _Optional[_Iterable[_Union[Group, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateGroupRequest(_message.Message):
    __slots__ = ("queue", "group", "config", "update_mask")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    queue: str
    group: str
    config: GroupConfig
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, queue: _Optional[str] = ..., group: _Optional[str] = ..., config: _Optional[_Union[GroupConfig, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class UpdateGroupResponse(_message.Message):
    __slots__ = ("group",)
    GROUP_FIELD_NUMBER: _ClassVar[int]
    group: Group
    def __init__(self, group: _Optional[_Union[Group, _Mapping]] = ...) -> None: ...

class Worker(_message.Message):
    __slots__ = ("info", "heartbeat_time", "poll_time")
    INFO_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_TIME_FIELD_NUMBER: _ClassVar[int]
    POLL_TIME_FIELD_NUMBER: _ClassVar[int]
    info: _worker_pb2.WorkerInfo
    heartbeat_time: _timestamp_pb2.Timestamp
    poll_time: _timestamp_pb2.Timestamp
    def __init__(self, info: _Optional[_Union[_worker_pb2.WorkerInfo, _Mapping]] = ..., heartbeat_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., poll_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListWorkersRequest(_message.Message):
    __slots__ = ("queue", "page_size", "page_token")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    queue: str
    page_size: int
    page_token: str
    def __init__(self, queue: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListWorkersResponse(_message.Message):
    __slots__ = ("workers", "next_page_token")
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    workers: _containers.RepeatedCompositeFieldContainer[Worker]
    next_page_token: str
    def __init__(self, workers: _Optional[_Iterable[_Union[Worker, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetMetricsRequest(_message.Message):
    __slots__ = ("queue", "start", "end", "resolution")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    queue: str
    start: _timestamp_pb2.Timestamp
    end: _timestamp_pb2.Timestamp
    resolution: _duration_pb2.Duration
    def __init__(self, queue: _Optional[str] = ..., start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., resolution: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class TimeQuantiles(_message.Message):
    __slots__ = ("count", "p50", "p95", "p99")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    P50_FIELD_NUMBER: _ClassVar[int]
    P95_FIELD_NUMBER: _ClassVar[int]
    P99_FIELD_NUMBER: _ClassVar[int]
    count: int
    p50: _duration_pb2.Duration
    p95: _duration_pb2.Duration
    p99: _duration_pb2.Duration
    def __init__(self, count: _Optional[int] = ..., p50: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., p95: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., p99: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class MetricsPoint(_message.Message):
    __slots__ = ("time", "completed", "failed", "wait_time", "run_time")
    TIME_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    WAIT_TIME_FIELD_NUMBER: _ClassVar[int]
    RUN_TIME_FIELD_NUMBER: _ClassVar[int]
    time: _timestamp_pb2.Timestamp
    completed: int
    failed: int
    wait_time: TimeQuantiles
    run_time: TimeQuantiles
    def __init__(self, time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., completed: _Optional[int] = ..., failed: _Optional[int] = ..., wait_time: _Optional[_Union[TimeQuantiles, _Mapping]] = ..., run_time: _Optional[_Union[TimeQuantiles, _Mapping]] = ...) -> None: ...

class GetMetricsResponse(_message.Message):
    __slots__ = ("points",)
    POINTS_FIELD_NUMBER: _ClassVar[int]
    points: _containers.RepeatedCompositeFieldContainer[MetricsPoint]
    def __init__(self, points: _Optional[_Iterable[_Union[MetricsPoint, _Mapping]]] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("kind", "job_id", "time", "resume_token", "state", "worker_id", "reason")
    KIND_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    kind: EventKind
    job_id: str
    time: _timestamp_pb2.Timestamp
    resume_token: str
    state: _job_pb2.JobState
    worker_id: str
    reason: str
    def __init__(self, kind: _Optional[_Union[EventKind, str]] = ..., job_id: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., resume_token: _Optional[str] = ..., state: _Optional[_Union[_job_pb2.JobState, str]] = ..., worker_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class WatchEventsRequest(_message.Message):
    __slots__ = ("queue", "resume_token", "kinds", "from_oldest", "until_now")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    KINDS_FIELD_NUMBER: _ClassVar[int]
    FROM_OLDEST_FIELD_NUMBER: _ClassVar[int]
    UNTIL_NOW_FIELD_NUMBER: _ClassVar[int]
    queue: str
    resume_token: str
    kinds: _containers.RepeatedScalarFieldContainer[EventKind]
    from_oldest: bool
    until_now: bool
    def __init__(self, queue: _Optional[str] = ..., resume_token: _Optional[str] = ..., kinds: _Optional[_Iterable[_Union[EventKind, str]]] = ..., from_oldest: _Optional[bool] = ..., until_now: _Optional[bool] = ...) -> None: ...

class WatchEventsResponse(_message.Message):
    __slots__ = ("events", "resume_token")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    resume_token: str
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., resume_token: _Optional[str] = ...) -> None: ...

class GetServerInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StoreInfo(_message.Message):
    __slots__ = ("kind", "version", "embedded", "default_durability", "max_durability", "warnings", "used_memory_bytes", "max_memory_bytes")
    KIND_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EMBEDDED_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_DURABILITY_FIELD_NUMBER: _ClassVar[int]
    MAX_DURABILITY_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    USED_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    kind: str
    version: str
    embedded: bool
    default_durability: _job_pb2.Durability
    max_durability: _job_pb2.Durability
    warnings: _containers.RepeatedScalarFieldContainer[str]
    used_memory_bytes: int
    max_memory_bytes: int
    def __init__(self, kind: _Optional[str] = ..., version: _Optional[str] = ..., embedded: _Optional[bool] = ..., default_durability: _Optional[_Union[_job_pb2.Durability, str]] = ..., max_durability: _Optional[_Union[_job_pb2.Durability, str]] = ..., warnings: _Optional[_Iterable[str]] = ..., used_memory_bytes: _Optional[int] = ..., max_memory_bytes: _Optional[int] = ...) -> None: ...

class GetServerInfoResponse(_message.Message):
    __slots__ = ("version", "store", "capabilities", "max_payload_bytes", "max_batch_size", "start_time")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    MAX_PAYLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    version: str
    store: StoreInfo
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    max_payload_bytes: int
    max_batch_size: int
    start_time: _timestamp_pb2.Timestamp
    def __init__(self, version: _Optional[str] = ..., store: _Optional[_Union[StoreInfo, _Mapping]] = ..., capabilities: _Optional[_Iterable[str]] = ..., max_payload_bytes: _Optional[int] = ..., max_batch_size: _Optional[int] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
