"""The one table from domain error to gRPC status."""

from collections.abc import Sequence

import grpc
from google.protobuf import any_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from leasemq_server.errors import DomainError, Violation

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


VIOLATIONS_BYTES, VIOLATION_BYTES, MESSAGE_BYTES = 2_400, 600, 1_000
"""What an error may take as it is sent: in headers, which gRPC refuses from 8 KiB on; who asked would hear nothing of it."""


def _first_ones(violations: Sequence[Violation]) -> list[Violation]:
    """As many as there is room for, at least one, each not too long."""
    told: list[Violation] = []
    left = VIOLATIONS_BYTES
    for violation in violations:
        short = Violation(_short(violation.field, VIOLATION_BYTES // 2), _short(violation.description, VIOLATION_BYTES))
        left -= _sent_bytes(short.field) + _sent_bytes(short.description)
        if left < 0:
            break
        told.append(short)
    return told


def _sent_bytes(text: str) -> int:
    """Of a status message, which is percent-encoded but for printable ASCII."""
    return sum(1 if " " <= it <= "~" and it != "%" else 3 * len(it.encode()) for it in text)


def _short(text: str, most: int) -> str:
    if _sent_bytes(text[: most + 1]) <= most:
        return text
    left = most - _sent_bytes("…")
    for at, it in enumerate(text):
        left -= _sent_bytes(it)
        if left < 0:
            return text[:at] + "…"
    return text


def status_of(error: DomainError) -> status_pb2.Status:
    """The google.rpc.Status of an error, with its ErrorInfo and what else applies."""
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)]
    violations: Sequence[Violation] = getattr(error, "violations", ())
    told = _first_ones(violations)
    if told:
        fields = [error_details_pb2.BadRequest.FieldViolation(field=it.field, description=it.description) for it in told]
        details.append(error_details_pb2.BadRequest(field_violations=fields))
    left_out = f"; and {len(violations) - len(told)} more" if len(told) < len(violations) else ""
    retry_after = _RETRY_AFTER_S.get(error.reason)
    if retry_after:
        details.append(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=retry_after)))
    subject = getattr(error, "subject", None)
    if subject:
        violation = error_details_pb2.QuotaFailure.Violation(subject=subject, description=error.message)
        details.append(error_details_pb2.QuotaFailure(violations=[violation]))
    status = status_pb2.Status(code=_CODES[error.reason].value[0], message=_short(error.message, MESSAGE_BYTES) + left_out)
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def grpc_status(error: DomainError) -> grpc.Status:
    """The same as the gRPC library wants it."""
    return rpc_status.to_status(status_of(error))
