"""How values become payload bytes and back, and how durations and times become protobuf."""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import StatusCode

from leasemq.errors import FieldViolation, InvalidField

JSON_TYPE = "application/json"
BYTES_TYPE = "application/octet-stream"
MAX_NUMBER = 2**32 - 1
_BYTES = (bytes, bytearray, memoryview)

_decoder = json.JSONDecoder()
_encoder = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _kept_encoder() -> Callable[[Any], str]:
    """Make json's C encoder once: `JSONEncoder.encode` makes one for each value, which takes as long as to encode a small one.

    Where Python has none, or makes it in another way (it is not documented), this is `JSONEncoder.encode` itself.
    """
    c: Any = json.encoder
    try:
        parts = c.c_make_encoder(None, _encoder.default, c.encode_basestring, None, ":", ",", False, False, False)
    except (AttributeError, TypeError):
        return _encoder.encode

    def encode_kept(value: Any) -> str:
        try:
            return "".join(parts(value, 0))
        except RecursionError:
            return _encoder.encode(value)  # tells what contains itself from what is deep

    return encode_kept


_to_json = _kept_encoder()


def is_json(content_type: str) -> bool:
    """Say whether a content type means JSON. The empty one does: it is the contract's default."""
    if content_type in ("", JSON_TYPE):
        return True
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == JSON_TYPE or media_type.endswith("+json")


def encode(value: Any, content_type: str | None = None) -> tuple[bytes, str]:
    """Turn a value into bytes and their content type: bytes stay as they are, all else becomes compact UTF-8 JSON.

    An empty content type stands for application/json. TypeError: not JSON, or a content type that is not JSON for a value that is
    not bytes.
    ValueError: NaN, infinity or a lone surrogate, which JSON can't carry.
    """
    if isinstance(value, _BYTES):
        return bytes(value), content_type or BYTES_TYPE
    if content_type is not None and not is_json(content_type):
        raise TypeError(f"a payload of content type {content_type} must be bytes, not {type(value).__name__}")
    return _to_json(value).encode(), content_type or ""


def decode(data: bytes, content_type: str) -> Any:
    """Turn bytes back into a value: JSON is decoded (ValueError if it is none), nothing at all is None, the rest stays bytes."""
    if is_json(content_type):
        return _decoder.decode(data.decode()) if data else None
    return data


def to_seconds(value: float | timedelta, name: str = "a duration") -> float:
    """Read a duration given as seconds or as a timedelta. name: what errors call it. TypeError: it is neither."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    try:
        if not isinstance(value, str | bytes):  # float() reads some of them
            return float(value)
    except TypeError:
        pass
    raise TypeError(f"{name} must be seconds or a timedelta, not {reprlib.repr(value)}")


def to_duration(value: float | timedelta, name: str = "a duration") -> Duration:
    """Turn seconds or a timedelta into a protobuf Duration, with the errors of `to_seconds`.

    ValueError: not finite, or beyond what protobuf carries.
    """
    seconds = to_seconds(value, name)
    if not math.isfinite(seconds):
        raise ValueError(f"{name} must be finite, not {seconds}")
    whole = math.trunc(seconds)
    try:
        return Duration(seconds=whole, nanos=round((seconds - whole) * 1e6) * 1000)
    except ValueError:
        raise ValueError(f"{name} is too long: {seconds:g} s") from None


def check_numbers(at_least: int = 0, /, **numbers: Any) -> None:
    """Refuse numbers that no field can carry, whatever its rule is. InvalidField: one is too small, or over 4,294,967,295."""
    wrong = {
        name: f"must be at least {at_least}; got {number}" if number < at_least else f"is too large: {number}"
        for name, number in numbers.items()
        if isinstance(number, int) and not at_least <= number <= MAX_NUMBER
    }
    if wrong:
        raise invalid_field(**wrong)


def invalid_field(**wrong: str) -> InvalidField:
    """Make the error that the broker would send, for what can't be sent to it: each field's name, and what is wrong with it."""
    violations = [FieldViolation(field, description) for field, description in wrong.items()]
    said = "; ".join(f"{it.field}: {it.description}" for it in violations)
    return InvalidField(said, reason="INVALID_FIELD", code=StatusCode.INVALID_ARGUMENT, field_violations=violations)


def within(where: str, error: InvalidField | TypeError | ValueError) -> InvalidField | TypeError | ValueError:
    """Say in an error what it is about, as the broker does."""
    if isinstance(error, InvalidField):
        return invalid_field(**{f"{where}.{it.field}": it.description for it in error.field_violations})
    return (TypeError if isinstance(error, TypeError) else ValueError)(f"{where}: {error}")


def to_timestamp(value: datetime, name: str = "a time") -> Timestamp:
    """Turn an aware datetime into a protobuf Timestamp. name: what errors call it.

    TypeError: it is no datetime. ValueError: it has no time zone.
    """
    if not isinstance(value, datetime):
        raise TypeError(f"{name} must be a datetime, not {reprlib.repr(value)}")
    if value.utcoffset() is None:
        raise ValueError(f"{name} needs a time zone: datetime.now(timezone.utc), not datetime.now()")
    timestamp = Timestamp()
    timestamp.FromDatetime(value)
    return timestamp


def from_duration(value: Duration) -> timedelta:
    """Turn a protobuf Duration into a timedelta."""
    return timedelta(seconds=value.seconds, microseconds=value.nanos // 1000)


def from_timestamp(value: Timestamp) -> datetime:
    """Turn a protobuf Timestamp into an aware datetime in UTC."""
    return value.ToDatetime(tzinfo=UTC)
