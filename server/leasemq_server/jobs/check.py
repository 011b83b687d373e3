"""Collects the fields of a request that break their rules, so that a caller hears of all of them at once."""

import re
from collections.abc import Sized
from functools import lru_cache

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from leasemq_server.errors import BatchTooLargeError, InvalidFieldError, PayloadTooLargeError, Violation
from leasemq_server.jobs import limits

_QUEUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def is_queue_name(value: str) -> bool:
    """Whether it is a queue's name: it becomes part of keys, so nothing else may pass."""
    return len(value) <= limits.MAX_NAME and _is_queue_name(value)


@lru_cache(maxsize=4096)  # which keeps what it is asked, so nothing long may be
def _is_queue_name(value: str) -> bool:
    return _QUEUE.fullmatch(value) is not None


def span_ms(duration: Duration) -> int:
    """A duration in whole milliseconds, rounded up, so that nothing happens too early."""
    return duration.seconds * 1000 - (-duration.nanos // 1_000_000)


def time_ms(timestamp: Timestamp) -> int:
    """A time in milliseconds since the epoch, rounded up."""
    return timestamp.seconds * 1000 - (-timestamp.nanos // 1_000_000)


class Check:
    """One request's violations.

    `done()` raises them. `at` is put before each field's name: "jobs[3]." while that job is looked at.
    """

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.at = ""

    def done(self) -> None:
        """Raises InvalidFieldError when anything was wrong."""
        if self.violations:
            raise InvalidFieldError(self.violations)

    def wrong(self, field: str, description: str) -> None:
        """Notes a violation."""
        self.violations.append(Violation(self.at + field, description))

    def queue(self, value: str, field: str = "queue") -> str:
        """A queue's name."""
        if not is_queue_name(value):
            rule = "must be 1 to 128 of A-Z a-z 0-9 . _ -, beginning with a letter or digit"
            self.wrong(field, f"{rule}; got {_shown(value)}" if value else f"is required; {rule}")
        return value

    def queues(self, values: list[str], field: str = "queues") -> list[str]:
        """1 to 32 different queues."""
        if not 1 <= len(values) <= limits.MAX_QUEUES_A_CALL:
            self.wrong(field, f"must name 1 to {limits.MAX_QUEUES_A_CALL} queues; got {len(values)}")
        for index, value in enumerate(values):
            self.queue(value, f"{field}[{index}]")
        return list(dict.fromkeys(values))

    def text(self, value: str, field: str, most: int = limits.MAX_NAME, *, required: bool = True) -> str:
        """Text of up to `most` printable characters."""
        if 0 < len(value) <= most and value.isprintable():
            return value
        if not value:
            if required:
                self.wrong(field, f"is required, 1 to {most} characters")
        elif len(value) > most:
            self.wrong(field, f"must have at most {most} characters; got {len(value)}")
        else:
            self.wrong(field, f"must have printable characters only; got {_shown(value)}")
        return value

    def span(self, value: Duration, field: str, least_ms: int = 0, most_ms: int = limits.MAX_SPAN_MS) -> int:
        """A duration within bounds, in ms."""
        ms = span_ms(value)
        if value.seconds < 0 or value.nanos < 0 or not least_ms <= ms <= most_ms or value.nanos > 999_999_999:  # noqa: PLR2004 - nanoseconds in a second
            self.wrong(field, f"must be {_seconds(least_ms)} to {_seconds(most_ms)}; got {value.seconds + value.nanos / 1e9:g} s")
        return ms

    def lease_span(self, request_field: Duration, *, present: bool) -> int:
        """lease_duration: 1 s to 12 h, default 30 s."""
        if not present:
            return limits.DEFAULT_LEASE_MS
        return self.span(request_field, "lease_duration", limits.MIN_LEASE_MS, limits.MAX_LEASE_MS)

    def wait_span(self, request_field: Duration) -> int:
        """wait_duration: 0 or more; more than 20 s counts as 20 s."""
        if request_field.seconds < 0 or request_field.nanos < 0:
            self.wrong("wait_duration", f"must not be negative; got {request_field.seconds + request_field.nanos / 1e9:g} s")
        return min(span_ms(request_field), limits.MAX_WAIT_MS)

    def whole(self, value: int, field: str, least: int, most: int) -> int:
        """A number within bounds."""
        if not least <= value <= most:
            self.wrong(field, f"must be {least} to {most}; got {value}")
        return value

    def token(self, value: str, field: str = "lease_token") -> str:
        """A lease token: any text; whether it is a lease is for the store to say."""
        if not value:
            self.wrong(field, "is required: the lease_token of a lease")
        elif len(value) > limits.MAX_TOKEN:
            self.wrong(field, f"must have at most {limits.MAX_TOKEN} characters; got {len(value)}")
        return value

    def reason(self, value: str) -> None:
        """A reason to cancel: up to 1,024 characters."""
        if len(value) > limits.MAX_REASON:
            self.wrong("reason", f"must have at most {limits.MAX_REASON} characters; got {len(value)}")

    def page_size(self, value: int) -> int:
        """page_size: 1 to 1,000, default 100."""
        return self.whole(value or limits.DEFAULT_PAGE, "page_size", 1, limits.MAX_PAGE)

    def payload(self, value: bytes, field: str, limit: int) -> None:
        """A payload or result.

        Raises:
            PayloadTooLargeError: it is over the limit.
        """
        if len(value) > limit:
            raise PayloadTooLargeError(self.at + field, len(value), limit)

    def batch(self, values: Sized, field: str, *, least: int = 1) -> None:
        """A list of up to 1,000 entries.

        Raises:
            BatchTooLargeError: it has more.
        """
        if len(values) > limits.MAX_BATCH:
            raise BatchTooLargeError(field, len(values), limits.MAX_BATCH)
        if len(values) < least:
            self.wrong(field, f"must have {least} to {limits.MAX_BATCH} entries; got {len(values)}")


def _shown(value: str) -> str:
    return repr(value if len(value) <= limits.MAX_NAME else value[: limits.MAX_NAME] + "…")


def _seconds(ms: int) -> str:
    days = ms / limits.DAY_MS
    return f"{days:g} days" if days > 1 else f"{ms / 1000:g} s"
