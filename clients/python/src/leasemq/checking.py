"""Names the option whose value can't be sent: protobuf's own errors don't."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ParamSpec, TypeVar

from google.protobuf.descriptor import FieldDescriptor

from leasemq.codec import encode, within
from leasemq.model import (
    Deduplication,
    DeduplicationMode,
    Dependency,
    Durability,
    ExponentialBackoff,
    FixedBackoff,
    FlowNode,
    GroupDefaults,
    ListBackoff,
    NewJob,
    OnFailure,
    RateLimit,
    Retention,
)

P = ParamSpec("P")
M = TypeVar("M")

Rule = tuple[str, Callable[[Any], bool]]
"""What a value must be, in words and as a test."""


def _is(*types: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, types)


_TEXT = ("text", _is(str))
_SPAN = ("seconds or a timedelta", _is(int, float, timedelta))
_NUMBER = ("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool))
_RATIO = ("a number", _is(int, float))
_RETENTION = ("a Retention", _is(Retention))
_RULES: dict[str, Rule] = {
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
_LIMITS: dict[str, Rule] = {
    "max_active": _NUMBER,
    "rate_limit": ("a RateLimit", _is(RateLimit)),
    "max_waiting": _NUMBER,
}
_SETTINGS: dict[str, Rule] = {
    **_RULES,
    **_LIMITS,
    "max_events": _NUMBER,
    "group_defaults": ("a GroupDefaults", _is(GroupDefaults)),
    "weight": _NUMBER,
    "paused": _RULES["lifo"],
}
_NODE_RULES: dict[str, Rule] = {
    "queue": _TEXT,
    "job": ("a NewJob", _is(NewJob)),
    "key": _TEXT,
    "depends_on": (
        "a list of keys, or of (key, OnFailure)",
        lambda value: isinstance(value, list | tuple) and all(isinstance(it, str) or _is_edge(it) for it in value),
    ),
}
_PARTS: dict[type, dict[str, Rule]] = {
    RateLimit: {"max_jobs": _NUMBER, "duration": _SPAN},
    GroupDefaults: _LIMITS,
    Retention: {"max_age": _SPAN, "max_count": _NUMBER},
    Deduplication: {"key": _TEXT, "mode": ("a DeduplicationMode", _is(DeduplicationMode)), "ttl": _SPAN},
    FixedBackoff: {"delay": _SPAN, "jitter": _RATIO},
    ExponentialBackoff: {"initial_delay": _SPAN, "multiplier": _RATIO, "max_delay": _SPAN, "jitter": _RATIO},
    ListBackoff: {
        "delays": ("seconds or timedeltas", lambda value: isinstance(value, tuple) and all(map(_SPAN[1], value))),
        "jitter": _RATIO,
    },
}
_WORKER_RULES: dict[str, Rule] = {
    "queues": ("a name or a list of names", lambda value: isinstance(value, Sequence) and _all(str, value)),
    "concurrency": _NUMBER,
    "batch": ("a whole number", _is(int, type(None))),
    "linger": _SPAN,
    "lease": _SPAN,
    "drain_timeout": _SPAN,
}


_KINDS = {
    FieldDescriptor.TYPE_STRING: "text",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_BOOL: "True or False",
    FieldDescriptor.TYPE_UINT32: "a whole number",
    FieldDescriptor.TYPE_INT32: "a whole number",
    FieldDescriptor.TYPE_INT64: "a whole number",
    FieldDescriptor.TYPE_UINT64: "a whole number",
}
_ARGUMENTS = {"job_id": "id", "schedule_id": "id", "payload_text": "payload", "failure_text": "failure"}
"""What the SDK calls the fields of requests, where it has another name."""


def _all(kind: type, *several: Any) -> bool:
    return all(isinstance(value, kind) for values in several for value in values)


def _is_edge(value: Any) -> bool:
    return isinstance(value, tuple) and [type(it) for it in value] == [str, OnFailure]


def wrong_option(queue: str, job: NewJob) -> Exception | None:
    """Find the first option of a job, or its queue, that no job can have; None: it is something else that is wrong."""
    if not isinstance(job, NewJob):
        return TypeError(f"a job must be a NewJob, not {reprlib.repr(job)}")
    return _wrong_type("queue", queue, _TEXT) or _first_wrong(job, _RULES) or _wrong_payload(job)


def _wrong_payload(job: NewJob) -> Exception | None:
    try:
        encode(job.payload, job.content_type)
    except (TypeError, ValueError) as error:
        return within("payload", error)
    return None


def _first_wrong(holder: Any, rules: Mapping[str, Rule], of: str = "") -> Exception | None:
    return next(filter(None, (_wrong(of + name, getattr(holder, name), rule) for name, rule in rules.items())), None)


def _wrong(name: str, value: Any, rule: Rule) -> Exception | None:
    """Make the error of a value, or of a part of it; None: it can be sent, or was not said."""
    if value is None:
        return None
    return (
        _wrong_type(name, value, rule)
        or _out_of_range(name, value)
        or _first_wrong(value, _PARTS.get(type(value), {}), f"{name}.")
    )


def _wrong_type(option: str, value: Any, rule: Rule) -> TypeError | None:
    """Make the error of an option that does not fit its rule; None: it does."""
    what, fits = rule
    return None if fits(value) else TypeError(f"{option} must be {what}, not {reprlib.repr(value)}")


def _out_of_range(option: str, value: Any) -> ValueError | None:
    if isinstance(value, float) and not math.isfinite(value):
        return ValueError(f"{option} must be finite, not {value}")
    if isinstance(value, datetime) and value.utcoffset() is None:
        return ValueError(f"{option} needs a time zone: datetime.now(timezone.utc), not datetime.now()")
    return None


def check_worker(**options: Any) -> None:
    """Refuse what no worker can be made of. TypeError: an option is something else."""
    for option, value in options.items():
        _check(_WORKER_RULES[option], {option: value})


def check_settings(**options: Any) -> None:
    """Refuse what no job, queue or group can have. None passes. TypeError, ValueError: an option can't be sent."""
    for option, value in options.items():
        if (wrong := _wrong(option, value, _SETTINGS[option])) is not None:
            raise wrong


def check_node(node: Any) -> None:
    """Refuse what is no node of a flow; its job is not looked at. TypeError: it, or a part of it, is something else."""
    _check(("a FlowNode", _is(FlowNode)), {"it": node})
    for name, rule in _NODE_RULES.items():
        _check(rule, {name: getattr(node, name)})


def check_is(what: str, *kinds: type, **arguments: Any) -> None:
    """Refuse an argument that is of none of these kinds. TypeError: it is not `what`, in words."""
    _check((what, _is(*kinds)), arguments)


def check_several(what: str, **arguments: Any) -> None:
    """Refuse one alone where several are meant: a text would be taken letter by letter. What each is shows when it is sent.

    TypeError: it is one thing.
    """
    _check((f"a list of {what}", lambda value: isinstance(value, Iterable) and not isinstance(value, str | bytes)), arguments)


def _check(rule: Rule, arguments: Mapping[str, Any]) -> None:
    for name, value in arguments.items():
        if (wrong := _wrong_type(name, value, rule)) is not None:
            raise wrong


def durability_number(durability: Durability | None) -> Any:
    """Read a durability. TypeError: it is something else."""
    if durability is not None and not isinstance(durability, int):
        raise TypeError(f"durability must be a Durability, such as Durability.FSYNC, not {reprlib.repr(durability)}")
    return durability or 0


def made(kind: Callable[P, M], *args: P.args, **fields: P.kwargs) -> M:
    """Make a message. TypeError, ValueError: a field that can't be sent, by the name of its argument."""
    try:
        return kind(*args, **fields)
    except (TypeError, ValueError) as error:
        raise _wrong_field(kind, fields) or error from error


def _wrong_field(kind: Any, fields: Mapping[str, Any]) -> Exception | None:
    for field, value in fields.items():
        try:
            kind(**{field: value})
        except TypeError:
            descriptor = kind.DESCRIPTOR.fields_by_name[field]
            rule = ("a list of " if descriptor.is_repeated else "") + _KINDS.get(descriptor.type, "something else")
            return TypeError(f"{_ARGUMENTS.get(field, field)} must be {rule}, not {reprlib.repr(value)}")
        except ValueError as error:
            return ValueError(f"{_ARGUMENTS.get(field, field)} can't be {reprlib.repr(value)}: {error}")
    return None
