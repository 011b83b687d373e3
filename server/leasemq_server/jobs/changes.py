"""What an update changes of a job that has not started: pure rules."""

from typing import NamedTuple

from leasemq.v1 import admin_pb2, job_pb2

from leasemq_server.jobs import limits
from leasemq_server.jobs.check import Check
from leasemq_server.jobs.options import run_time_ms, with_option

FIELDS = ("payload", "priority", "run_time")


class Change(NamedTuple):
    """New values; None = as it was. A run_ms of 0 is at once."""

    payload: bytes | None
    priority: int | None
    run_ms: int | None


class Changed(NamedTuple):
    """A job's serialized spec and options after a change, and whether its priority is another one."""

    spec: bytes
    options: str
    to_tail: bool


def change_of(request: admin_pb2.UpdateJobRequest, max_payload_bytes: int, check: Check) -> Change:
    """What a request asks for; notes what breaks a rule in `check`.

    Raises:
        PayloadTooLargeError: the payload is over the limit.
    """
    check.payload(request.payload, "payload", max_payload_bytes)
    paths = set(request.update_mask.paths) or {field for field in FIELDS if request.HasField(field)}
    if not paths:
        check.wrong("update_mask", "names nothing to change: set payload, priority or run_time")
    if unknown := sorted(paths - set(FIELDS)):
        check.wrong("update_mask", f"must name payload, priority and run_time only; got {', '.join(map(repr, unknown))}")
    check.whole(request.priority, "priority", 0, limits.MAX_PRIORITY)
    run_ms = run_time_ms(request, check) if request.HasField("run_time") else 0
    return Change(
        request.payload if "payload" in paths else None,
        request.priority if "priority" in paths else None,
        run_ms if "run_time" in paths else None,
    )


def changed(spec: bytes, options: bytes, change: Change) -> Changed:
    """Applies a change to what is stored."""
    said = job_pb2.JobSpec.FromString(spec)
    decided = options.decode()
    before = said.priority
    if change.payload is not None:
        said.payload = change.payload
    if change.priority is not None:
        said.priority = change.priority
        decided = with_option(decided, "p", change.priority or None)
    if change.run_ms is not None:
        said.ClearField("delay")
        said.run_time.FromMilliseconds(change.run_ms)
    return Changed(said.SerializeToString(), decided, said.priority != before)
