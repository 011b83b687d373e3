"""The domain's errors: a small vocabulary with stable reasons. rpc/errors.py turns each into a gRPC status."""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

LONGEST_PATH = 12
"""Of a cycle, the most jobs that an error names."""


class Violation(NamedTuple):
    """A field that breaks its rule: its path in the request, and the rule with the value."""

    field: str
    description: str


class DomainError(Exception):
    """What a caller did or met; `reason` is a name of leasemq.v1.ErrorReason without its prefix."""

    reason: ClassVar[str]

    def __init__(self, message: str, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = dict(metadata or {})


class InvalidFieldError(DomainError):
    """Fields that break their rules."""

    reason = "INVALID_FIELD"

    def __init__(self, violations: list[Violation]) -> None:
        super().__init__("; ".join(f"{violation.field}: {violation.description}" for violation in violations))
        self.violations = violations


class PayloadTooLargeError(DomainError):
    """A payload or result over the limit."""

    reason = "PAYLOAD_TOO_LARGE"

    def __init__(self, field: str, size: int, limit: int) -> None:
        said = f"is {size} bytes; the limit is {limit}"
        super().__init__(f"{field} {said}", {"limit_bytes": str(limit), "size_bytes": str(size)})
        self.violations = [Violation(field, said)]


class BatchTooLargeError(DomainError):
    """A batch over the limit."""

    reason = "BATCH_TOO_LARGE"

    def __init__(self, field: str, size: int, limit: int) -> None:
        said = f"has {size} entries; the limit is {limit}"
        super().__init__(f"{field} {said}", {"limit": str(limit), "size": str(size)})
        self.violations = [Violation(field, said)]


class JobNotFoundError(DomainError):
    """No such job."""

    reason = "JOB_NOT_FOUND"

    def __init__(self, queue: str, job_id: str) -> None:
        super().__init__(f"queue {queue!r} has no job {job_id!r}", {"queue": queue, "job_id": job_id})


class QueueNotFoundError(DomainError):
    """No such queue."""

    reason = "QUEUE_NOT_FOUND"

    def __init__(self, queue: str) -> None:
        super().__init__(f"there is no queue {queue!r}", {"queue": queue})


class ScheduleNotFoundError(DomainError):
    """No such schedule."""

    reason = "SCHEDULE_NOT_FOUND"

    def __init__(self, queue: str, schedule_id: str) -> None:
        super().__init__(f"queue {queue!r} has no schedule {schedule_id!r}", {"queue": queue, "schedule_id": schedule_id})


class LeaseLostError(DomainError):
    """The token is not, or no longer, a lease."""

    reason = "LEASE_LOST"

    def __init__(self) -> None:
        super().__init__("the lease token was superseded, or its job is gone: stop working on it")


class JobNotInStateError(DomainError):
    """The verb does not apply to the job's state."""

    reason = "JOB_NOT_IN_STATE"

    def __init__(self, job_id: str, state: str) -> None:
        super().__init__(f"job {job_id!r} is {state.upper()}", {"job_id": job_id, "state": state.upper()})


class QueueNotEmptyError(DomainError):
    """The queue has unfinished jobs."""

    reason = "QUEUE_NOT_EMPTY"

    def __init__(self, queue: str) -> None:
        super().__init__(f"queue {queue!r} has unfinished jobs, or schedules; drain it first, or force", {"queue": queue})


class DependencyCycleError(DomainError):
    """Jobs that depend on each other in a circle."""

    reason = "DEPENDENCY_CYCLE"

    def __init__(self, path: list[str], field: str) -> None:
        """`path` begins and ends with the same job; `field` has the dependency that closes the circle."""
        if len(path) > LONGEST_PATH:
            some = LONGEST_PATH // 2
            path = [*path[:some], f"{len(path) - 2 * some} more", *path[-some:]]
        super().__init__(f"the dependencies form a cycle: {' → '.join(path)}")
        self.violations = [Violation(field, self.message)]


class FullError(DomainError):
    """Nothing of an add is added, since part of it is too much: smaller adds may go through."""


class QueueFullError(FullError):
    """The queue has as many waiting and delayed jobs as it may have."""

    reason = "QUEUE_FULL"

    def __init__(self, queue: str, max_waiting: int) -> None:
        message = f"queue {queue!r} may have {max_waiting} waiting and delayed jobs, and these would be more: nothing was added"
        super().__init__(message, {"queue": queue, "limit": str(max_waiting)})
        self.subject = f"queue:{queue}"


class GroupFullError(FullError):
    """The group has as many waiting jobs as it may have."""

    reason = "GROUP_FULL"

    def __init__(self, queue: str, group: str, max_waiting: int) -> None:
        message = (
            f"group {group!r} of queue {queue!r} may have {max_waiting} waiting jobs, and these would be more: nothing was added"
        )
        super().__init__(message, {"queue": queue, "group": group, "limit": str(max_waiting)})
        self.subject = f"queue:{queue}/group:{group}"


class StoreFullError(DomainError):
    """The store is at its maxmemory."""

    reason = "STORE_FULL"
    subject = "store"

    def __init__(self) -> None:
        super().__init__("the store is full (maxmemory reached): nothing was added; leasing and settling go on")


class StoreUnavailableError(DomainError):
    """The store does not answer."""

    reason = "STORE_UNAVAILABLE"

    def __init__(self, detail: str) -> None:
        super().__init__(f"the store does not answer: {detail}")
        self.detail = detail.rstrip(".")


class StoppingError(DomainError):
    """The broker stops: what the caller does about it is the same as when the store is gone."""

    reason = "STORE_UNAVAILABLE"

    def __init__(self) -> None:
        super().__init__("this broker is stopping; try again, and its successor or another one answers")


class DurabilityNotReachedError(DomainError):
    """Added, perhaps, but not as safely as asked."""

    reason = "DURABILITY_NOT_REACHED"

    def __init__(self, detail: str) -> None:
        super().__init__(f"{detail}; the job may have been added, a retry with the same id is safe")


class StartError(Exception):
    """The broker can't start; the message is one line that says what to change."""
