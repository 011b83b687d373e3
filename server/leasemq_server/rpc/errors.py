"""The one table from domain error to gRPC status."""

import grpc
from google.protobuf import any_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from leasemq_server.errors import DomainError

DOMAIN = "leasemq"

_CODES = {
    "INVALID_FIELD": grpc.StatusCode.INVALID_ARGUMENT,
    "PAYLOAD_TOO_LARGE": grpc.StatusCode.INVALID_ARGUMENT,
    "BATCH_TOO_LARGE": grpc.StatusCode.INVALID_ARGUMENT,
    "JOB_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "QUEUE_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "SCHEDULE_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "LEASE_LOST": grpc.StatusCode.FAILED_PRECONDITION,
    "JOB_NOT_IN_STATE": grpc.StatusCode.FAILED_PRECONDITION,
    "QUEUE_NOT_EMPTY": grpc.StatusCode.FAILED_PRECONDITION,
    "DEPENDENCY_CYCLE": grpc.StatusCode.INVALID_ARGUMENT,
    "QUEUE_FULL": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "GROUP_FULL": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "STORE_FULL": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "STORE_UNAVAILABLE": grpc.StatusCode.UNAVAILABLE,
    "DURABILITY_NOT_REACHED": grpc.StatusCode.UNAVAILABLE,
}
_RETRY_AFTER_S = {"QUEUE_FULL": 1, "GROUP_FULL": 1, "STORE_FULL": 5, "STORE_UNAVAILABLE": 1}


def status_of(error: DomainError) -> status_pb2.Status:
    """The google.rpc.Status of an error, with its ErrorInfo and what else applies."""
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)]
    violations = getattr(error, "violations", None)
    if violations:
        fields = [error_details_pb2.BadRequest.FieldViolation(field=it.field, description=it.description) for it in violations]
        details.append(error_details_pb2.BadRequest(field_violations=fields))
    retry_after = _RETRY_AFTER_S.get(error.reason)
    if retry_after:
        details.append(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=retry_after)))
    subject = getattr(error, "subject", None)
    if subject:
        violation = error_details_pb2.QuotaFailure.Violation(subject=subject, description=error.message)
        details.append(error_details_pb2.QuotaFailure(violations=[violation]))
    status = status_pb2.Status(code=_CODES[error.reason].value[0], message=error.message)
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def grpc_status(error: DomainError) -> grpc.Status:
    """The same as the gRPC library wants it."""
    return rpc_status.to_status(status_of(error))
