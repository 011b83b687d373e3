"""The errors of LeaseMQ: one exception a reason of the contract, all of them LeaseMQError."""
# ruff: noqa: N818 - the exceptions carry the names of the contract's reasons

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode

from leasemq.v1.errors_pb2 import ErrorReason

DOMAIN = "leasemq"
_DETAILS_KEY = "grpc-status-details-bin"
_TOO_LARGE = re.compile(r"^(?!CLIENT: Received).*message larger than max \((\d+) vs\. (\d+)\)")
"""What gRPC says of a message that was sent, here or at the other side; one that was received here is nobody's payload."""
_CODES = {code.value[0]: code for code in StatusCode}


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """A field that breaks its rule, and how."""

    field: str
    description: str


class LeaseMQError(Exception):
    """A call failed. The class tells why; `reason` is its name in the contract, empty when the server sent none.

    message: for people. code: the gRPC status code. metadata: facts by name (`state`, `limit`, ...). field_violations: for
    InvalidField.
    retry_delay: how long the server asks to wait, if it does.
    """

    def __init__(
        self,
        message: str = "",
        *,
        reason: str = "",
        code: StatusCode = StatusCode.UNKNOWN,
        metadata: Mapping[str, str] | None = None,
        field_violations: Sequence[FieldViolation] = (),
        retry_delay: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.code = code
        self.metadata = dict(metadata or {})
        self.field_violations = list(field_violations)
        self.retry_delay = retry_delay


class InvalidField(LeaseMQError):
    """A field breaks its rule; `field_violations` names each."""


class NotFound(LeaseMQError):
    """What was named does not exist."""


class JobNotFound(NotFound):
    """No such job: it was never added, or was removed by retention or by hand."""


class QueueNotFound(NotFound):
    """No job was ever added to such a queue, and it was never configured."""


class ScheduleNotFound(NotFound):
    """No such schedule."""


class WorkerNotFound(NotFound):
    """No worker with this id was heard of in the last minute."""


class LeaseLost(LeaseMQError):
    """The lease is not, or is no longer, this worker's: stop working on the job. Never retried."""


class JobNotInState(LeaseMQError):
    """The verb does not apply to the job's state, which is in `metadata["state"]`."""


class QueueNotEmpty(LeaseMQError):
    """The queue still has unfinished jobs."""


class DependencyCycle(LeaseMQError):
    """The dependencies form a cycle."""


class PayloadTooLarge(LeaseMQError):
    """A payload or result is over the limit, which is in `metadata["limit_bytes"]`: the server's, or gRPC's of a message."""


class BatchTooLarge(LeaseMQError):
    """A batch is over the limit, which is in `metadata["limit"]`."""


class QueueFull(LeaseMQError):
    """The queue has as many waiting jobs as it may have. Retried until the client's retry_timeout."""


class GroupFull(LeaseMQError):
    """The group has as many waiting jobs as it may have. Retried until the client's retry_timeout; adds to others go on."""


class StoreFull(LeaseMQError):
    """The store is at its memory limit: adding is refused, working goes on. Retried until the client's retry_timeout."""


class Unavailable(LeaseMQError):
    """The broker can't be reached, or went away during the call. Retried until the client's retry_timeout."""


class StoreUnavailable(Unavailable):
    """The broker's store does not answer. Retried until the client's retry_timeout."""


class DurabilityNotReached(Unavailable):
    """The job may have been added, but not as safely as asked. Retried with the same id, which is safe."""


class DeadlineExceeded(LeaseMQError):
    """The broker took the call and did not answer it within the client's retry_timeout."""


class Unauthenticated(LeaseMQError):
    """No token, or one that is not known."""


class PermissionDenied(LeaseMQError):
    """The token's role or queues do not allow it."""


def _class_name(reason: str) -> str:
    return reason.title().replace("_", "")


def reason_names() -> list[str]:
    """Return every reason of the contract, without the enum's prefix."""
    return [name.removeprefix("ERROR_REASON_") for name, number in ErrorReason.items() if number]


BY_REASON: dict[str, type[LeaseMQError]] = {name: globals()[_class_name(name)] for name in reason_names()}


def from_status(status: status_pb2.Status) -> LeaseMQError:
    """Turn a google.rpc.Status (of a call, or of one settlement) into its exception."""
    details: dict[str, Any] = {}
    for detail in status.details:
        _read_detail(detail, details)
    cls = BY_REASON.get(details.get("reason", ""), LeaseMQError)
    return cls(status.message, code=_CODES.get(status.code, StatusCode.UNKNOWN), **details)


def _read_detail(detail: AnyMessage, into: dict[str, Any]) -> None:
    info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    if detail.Unpack(info) and info.domain == DOMAIN:
        into["reason"], into["metadata"] = info.reason, dict(info.metadata)
    elif detail.Unpack(bad):
        into["field_violations"] = [FieldViolation(violation.field, violation.description) for violation in bad.field_violations]
    elif detail.Unpack(retry):
        into["retry_delay"] = timedelta(seconds=retry.retry_delay.seconds, microseconds=retry.retry_delay.nanos // 1000)


def from_rpc_error(error: Any) -> LeaseMQError:
    """Turn what a gRPC call raised (an AioRpcError, or an RpcError of the blocking API) into its exception.

    Without an ErrorInfo it was not the server's verdict: UNAVAILABLE, and CANCELLED by the other side, are connection trouble. A
    message over a limit of gRPC itself is what a payload over the server's limit is.
    """
    code: StatusCode = error.code()
    message: str = error.details() or code.name
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            known = from_status(status_pb2.Status.FromString(value))
            if known.reason:
                return known
    if code in (StatusCode.UNAVAILABLE, StatusCode.CANCELLED):
        return Unavailable(message, code=StatusCode.UNAVAILABLE)
    if code is StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded(message, code=code)
    if code is StatusCode.RESOURCE_EXHAUSTED and (too_large := _TOO_LARGE.search(message)):
        facts = {"size_bytes": too_large[1], "limit_bytes": too_large[2]}
        return PayloadTooLarge(message, reason="PAYLOAD_TOO_LARGE", code=StatusCode.INVALID_ARGUMENT, metadata=facts)
    return LeaseMQError(message, code=code)


def renumbered(error: LeaseMQError, before: int) -> LeaseMQError:
    """Count the jobs that an error names from the first of several batches: `before` jobs were in those that went well."""
    return _reworded(error, lambda text: re.sub(r"\bjobs\[(\d+)\]", lambda at: f"jobs[{int(at[1]) + before}]", text))


def of_one(error: LeaseMQError) -> LeaseMQError:
    """Leave out which settlement of a call an error is about, where only one is meant."""
    return _reworded(error, lambda text: re.sub(r"\bsettlements\[\d+\]\.", "", text))


def _reworded(error: LeaseMQError, change: Callable[[str], str]) -> LeaseMQError:
    return type(error)(
        change(error.message),
        reason=error.reason,
        code=error.code,
        metadata=error.metadata,
        field_violations=[FieldViolation(change(it.field), it.description) for it in error.field_violations],
        retry_delay=error.retry_delay,
    )


def is_retryable(error: BaseException) -> bool:
    """Say whether a retry may help: UNAVAILABLE, and RESOURCE_EXHAUSTED from the server itself (not gRPC's own size limit)."""
    if not isinstance(error, LeaseMQError):
        return False
    return error.code is StatusCode.UNAVAILABLE or (error.code is StatusCode.RESOURCE_EXHAUSTED and error.reason != "")
