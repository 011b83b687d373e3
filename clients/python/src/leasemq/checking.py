"""Names the option of a job whose value has the wrong type: protobuf's own errors don't."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from leasemq.model import Deduplication, Dependency, ExponentialBackoff, FixedBackoff, ListBackoff, NewJob, Retention


def _is(*types: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, types)


_TEXT = ("text", _is(str))
_SPAN = ("seconds or a timedelta", _is(int, float, timedelta))
_NUMBER = ("a whole number", _is(int))
_RETENTION = ("a Retention", _is(Retention))
_RULES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "name": _TEXT,
    "id": _TEXT,
    "delay": _SPAN,
    "run_time": ("a datetime", _is(datetime)),
    "priority": _NUMBER,
    "lifo": ("True or False", _is(bool)),
    "group": _TEXT,
    "attempts": _NUMBER,
    "backoff": ("made by fixed(), exponential() or delays()", _is(FixedBackoff, ExponentialBackoff, ListBackoff)),
    "timeout": _SPAN,
    "ttl": _SPAN,
    "headers": ("a mapping of text to text", lambda value: isinstance(value, Mapping) and _all(str, value, value.values())),
    "content_type": _TEXT,
    "completed_retention": _RETENTION,
    "failed_retention": _RETENTION,
    "dead_letter_queue": _TEXT,
    "max_lease_expirations": _NUMBER,
    "deduplication": ("a Deduplication", _is(Deduplication)),
    "depends_on": ("a list of Dependency", lambda value: isinstance(value, list | tuple) and _all(Dependency, value)),
}


def _all(kind: type, *several: Any) -> bool:
    return all(isinstance(value, kind) for values in several for value in values)


def wrong_type(queue: str, job: NewJob) -> TypeError | None:
    """Find the first option of a job, or its queue, that no job can have; None: it is something else that is wrong."""
    if not isinstance(job, NewJob):
        return TypeError(f"a job must be a NewJob, not {reprlib.repr(job)}")
    if not isinstance(queue, str):
        return TypeError(f"queue must be text, not {reprlib.repr(queue)}")
    for option, (what, fits) in _RULES.items():
        value = getattr(job, option)
        if value is not None and not fits(value):
            return TypeError(f"{option} must be {what}, not {reprlib.repr(value)}")
    return None
