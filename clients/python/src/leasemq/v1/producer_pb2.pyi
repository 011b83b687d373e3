import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
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

class Cascade(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CASCADE_UNSPECIFIED: _ClassVar[Cascade]
    CASCADE_DEPENDENCIES: _ClassVar[Cascade]
    CASCADE_DEPENDENTS: _ClassVar[Cascade]
CASCADE_UNSPECIFIED: Cascade
CASCADE_DEPENDENCIES: Cascade
CASCADE_DEPENDENTS: Cascade

class AddJobRequest(_message.Message):
    __slots__ = ("queue", "job", "durability")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    queue: str
    job: _job_pb2.JobSpec
    durability: _job_pb2.Durability
    def __init__(self, queue: _Optional[str] = ..., job: _Optional[_Union[_job_pb2.JobSpec, _Mapping]] = ..., durability: _Optional[_Union[_job_pb2.Durability, str]] = ...) -> None: ...

class AddJobResponse(_message.Message):
    __slots__ = ("job_id", "created", "state", "run_time", "durability", "deduplicated")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    RUN_TIME_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    DEDUPLICATED_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    created: bool
    state: _job_pb2.JobState
    run_time: _timestamp_pb2.Timestamp
    durability: _job_pb2.Durability
    deduplicated: bool
    def __init__(self, job_id: _Optional[str] = ..., created: _Optional[bool] = ..., state: _Optional[_Union[_job_pb2.JobState, str]] = ..., run_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., durability: _Optional[_Union[_job_pb2.Durability, str]] = ..., deduplicated: _Optional[bool] = ...) -> None: ...

class BatchAddJobsRequest(_message.Message):
    __slots__ = ("queue", "jobs", "durability")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    queue: str
    jobs: _containers.RepeatedCompositeFieldContainer[_job_pb2.JobSpec]
    durability: _job_pb2.Durability
    def __init__(self, queue: _Optional[str] = ..., jobs: _Optional[_Iterable[_Union[_job_pb2.JobSpec, _Mapping]]] = ..., durability: _Optional[_Union[_job_pb2.Durability, str]] = ...) -> None: ...

class BatchAddJobsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[AddJobResponse]
    def __init__(self, results: _Optional[_Iterable[_Union[AddJobResponse, _Mapping]]] = ...) -> None: ...

class GetJobRequest(_message.Message):
    __slots__ = ("queue", "job_id", "read_mask")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    queue: str
    job_id: str
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, queue: _Optional[str] = ..., job_id: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class GetJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ...) -> None: ...

class AwaitJobRequest(_message.Message):
    __slots__ = ("queue", "job_id", "wait_duration")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    WAIT_DURATION_FIELD_NUMBER: _ClassVar[int]
    queue: str
    job_id: str
    wait_duration: _duration_pb2.Duration
    def __init__(self, queue: _Optional[str] = ..., job_id: _Optional[str] = ..., wait_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class AwaitJobResponse(_message.Message):
    __slots__ = ("job", "finished")
    JOB_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    job: _job_pb2.Job
    finished: bool
    def __init__(self, job: _Optional[_Union[_job_pb2.Job, _Mapping]] = ..., finished: _Optional[bool] = ...) -> None: ...

class CancelJobRequest(_message.Message):
    __slots__ = ("queue", "job_id", "reason", "cascade")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CASCADE_FIELD_NUMBER: _ClassVar[int]
    queue: str
    job_id: str
    reason: str
    cascade: Cascade
    def __init__(self, queue: _Optional[str] = ..., job_id: _Optional[str] = ..., reason: _Optional[str] = ..., cascade: _Optional[_Union[Cascade, str]] = ...) -> None: ...

class CancelJobResponse(_message.Message):
    __slots__ = ("state",)
    STATE_FIELD_NUMBER: _ClassVar[int]
    state: _job_pb2.JobState
    def __init__(self, state: _Optional[_Union[_job_pb2.JobState, str]] = ...) -> None: ...

class FlowDependency(_message.Message):
    __slots__ = ("key", "on_failure")
    KEY_FIELD_NUMBER: _ClassVar[int]
    ON_FAILURE_FIELD_NUMBER: _ClassVar[int]
    key: str
    on_failure: _job_pb2.DependencyFailurePolicy
    def __init__(self, key: _Optional[str] = ..., on_failure: _Optional[_Union[_job_pb2.DependencyFailurePolicy, str]] = ...) -> None: ...

class FlowNode(_message.Message):
    __slots__ = ("queue", "job", "key", "depends_on")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    DEPENDS_ON_FIELD_NUMBER: _ClassVar[int]
    queue: str
    job: _job_pb2.JobSpec
    key: str
    depends_on: _containers.RepeatedCompositeFieldContainer[FlowDependency]
    def __init__(self, queue: _Optional[str] = ..., job: _Optional[_Union[_job_pb2.JobSpec, _Mapping]] = ..., key: _Optional[str] = ..., depends_on: _Optional[_Iterable[_Union[FlowDependency, _Mapping]]] = ...) -> None: ...

class AddFlowRequest(_message.Message):
    __slots__ = ("nodes", "durability")
    NODES_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[FlowNode]
    durability: _job_pb2.Durability
    def __init__(self, nodes: _Optional[_Iterable[_Union[FlowNode, _Mapping]]] = ..., durability: _Optional[_Union[_job_pb2.Durability, str]] = ...) -> None: ...

class AddFlowResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[AddJobResponse]
    def __init__(self, results: _Optional[_Iterable[_Union[AddJobResponse, _Mapping]]] = ...) -> None: ...

class GetDependenciesRequest(_message.Message):
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

class DependencyState(_message.Message):
    __slots__ = ("queue", "job_id", "on_failure", "state", "result", "result_content_type")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ON_FAILURE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    RESULT_CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    queue: str
    job_id: str
    on_failure: _job_pb2.DependencyFailurePolicy
    state: _job_pb2.JobState
    result: bytes
    result_content_type: str
    def __init__(self, queue: _Optional[str] = ..., job_id: _Optional[str] = ..., on_failure: _Optional[_Union[_job_pb2.DependencyFailurePolicy, str]] = ..., state: _Optional[_Union[_job_pb2.JobState, str]] = ..., result: _Optional[bytes] = ..., result_content_type: _Optional[str] = ...) -> None: ...

class GetDependenciesResponse(_message.Message):
    __slots__ = ("dependencies", "next_page_token")
    DEPENDENCIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    dependencies: _containers.RepeatedCompositeFieldContainer[DependencyState]
    next_page_token: str
    def __init__(self, dependencies: _Optional[_Iterable[_Union[DependencyState, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RemoveDeduplicationKeyRequest(_message.Message):
    __slots__ = ("queue", "key")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    queue: str
    key: str
    def __init__(self, queue: _Optional[str] = ..., key: _Optional[str] = ...) -> None: ...

class RemoveDeduplicationKeyResponse(_message.Message):
    __slots__ = ("removed", "job_id")
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    removed: bool
    job_id: str
    def __init__(self, removed: _Optional[bool] = ..., job_id: _Optional[str] = ...) -> None: ...

class ProduceRequest(_message.Message):
    __slots__ = ("request_number", "add", "add_batch")
    REQUEST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    ADD_FIELD_NUMBER: _ClassVar[int]
    ADD_BATCH_FIELD_NUMBER: _ClassVar[int]
    request_number: int
    add: AddJobRequest
    add_batch: BatchAddJobsRequest
    def __init__(self, request_number: _Optional[int] = ..., add: _Optional[_Union[AddJobRequest, _Mapping]] = ..., add_batch: _Optional[_Union[BatchAddJobsRequest, _Mapping]] = ...) -> None: ...

class ProduceResponse(_message.Message):
    __slots__ = ("request_number", "added", "batch_added", "add_error", "add_batch_error")
    REQUEST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    ADDED_FIELD_NUMBER: _ClassVar[int]
    BATCH_ADDED_FIELD_NUMBER: _ClassVar[int]
    ADD_ERROR_FIELD_NUMBER: _ClassVar[int]
    ADD_BATCH_ERROR_FIELD_NUMBER: _ClassVar[int]
    request_number: int
    added: AddJobResponse
    batch_added: BatchAddJobsResponse
    add_error: _status_pb2.Status
    add_batch_error: _status_pb2.Status
    def __init__(self, request_number: _Optional[int] = ..., added: _Optional[_Union[AddJobResponse, _Mapping]] = ..., batch_added: _Optional[_Union[BatchAddJobsResponse, _Mapping]] = ..., add_error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., add_batch_error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...
