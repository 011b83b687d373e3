"""From the store's records to the contract's messages."""

import json
from typing import Any

from google.protobuf import json_format
from google.protobuf.field_mask_pb2 import FieldMask
from leasemq.v1 import admin_pb2, job_pb2

from leasemq_server.errors import InvalidFieldError, Violation
from leasemq_server.jobs.options import read_options
from leasemq_server.rpc.wire import set_span, set_time
from leasemq_server.store.types import Counts, StoredJob

STATES = {
    "waiting": job_pb2.JOB_STATE_WAITING,
    "delayed": job_pb2.JOB_STATE_DELAYED,
    "blocked": job_pb2.JOB_STATE_BLOCKED,
    "active": job_pb2.JOB_STATE_ACTIVE,
    "completed": job_pb2.JOB_STATE_COMPLETED,
    "failed": job_pb2.JOB_STATE_FAILED,
    "cancelled": job_pb2.JOB_STATE_CANCELLED,
}
STATE_WORDS = {state: word for word, state in STATES.items()}


def job_message(queue: str, stored: StoredJob) -> job_pb2.Job:
    """A job as it can be read."""
    fields = stored.fields
    state = stored.state
    job = job_pb2.Job(queue=queue, id=stored.id, state=STATES[state])
    job.spec.MergeFromString(stored.spec)
    job.spec.id = stored.id
    set_time(job.create_time, stored.create_ms)
    options = read_options(stored.options)
    job.schedule_id = options.get("sc", "")
    started = b"ls" in fields
    if "tl" in options and not started and state in ("waiting", "delayed", "blocked"):
        set_time(job.expire_time, stored.create_ms + options["tl"])
    if state == "delayed":
        set_time(job.run_time, stored.delayed_ms)
    if state == "active":
        set_time(job.lease_expire_time, stored.lease_ms)
    _fill_history(job, fields)
    _fill_outcome(job, fields)
    return job


def _fill_history(job: job_pb2.Job, fields: dict[bytes, bytes]) -> None:
    job.attempt = int(fields.get(b"a", 0))
    job.lease_expirations = int(fields.get(b"n", 0))
    job.failure_count = int(fields.get(b"fc", 0))
    job.worker_id = fields.get(b"w", b"").decode()
    job.cancel_requested = b"c" in fields
    if b"ls" in fields:
        set_time(job.start_time, int(float(fields[b"ls"])))
    for line in fields.get(b"f", b"").splitlines():
        job.failures.append(_failure(json.loads(line)))


def _fill_outcome(job: job_pb2.Job, fields: dict[bytes, bytes]) -> None:
    if b"ft" in fields:
        set_time(job.finish_time, int(float(fields[b"ft"])))
    if b"p" in fields:
        json_format.Parse(fields[b"p"], job.progress)
    if b"r" in fields:
        job.result = fields[b"r"]
        job.result_content_type = fields.get(b"rt", b"").decode()


def _failure(kept: dict[str, Any]) -> job_pb2.Failure:
    failure = job_pb2.Failure(
        kind="FAILURE_KIND_" + kept["kind"],
        type=kept.get("type", ""),
        message=kept.get("message", ""),
        stack_trace=kept.get("stack_trace", ""),
        attempt=int(kept.get("attempt", 0)),
        worker_id=kept.get("worker", ""),
    )
    set_time(failure.time, int(kept["time"]))
    return failure


def stats_message(counts: Counts, workers: int) -> job_pb2.QueueStats:
    """A queue's counts."""
    stats = job_pb2.QueueStats(
        waiting=counts.waiting,
        delayed=counts.delayed,
        blocked=counts.blocked,
        active=counts.active,
        completed=counts.completed,
        failed=counts.failed,
        cancelled=counts.cancelled,
        paused=counts.paused,
        workers=workers,
        added_total=counts.added_total,
        completed_total=counts.completed_total,
        failed_total=counts.failed_total,
    )
    if counts.oldest_waiting_ms >= 0:
        set_span(stats.oldest_waiting_age, counts.oldest_waiting_ms)
    if counts.held_until_ms:
        set_time(stats.hold_expire_time, counts.held_until_ms)
    return stats


def queue_message(name: str, counts: Counts, workers: int) -> admin_pb2.Queue:
    """A queue with configuration and counts."""
    return admin_pb2.Queue(
        name=name, config=admin_pb2.QueueConfig.FromString(counts.config), stats=stats_message(counts, workers)
    )


def wants_spec(mask: FieldMask) -> bool:
    """Whether a read mask asks for what the producer said."""
    return not mask.paths or any(path == "spec" or path.startswith("spec.") for path in mask.paths)


def check_mask(mask: FieldMask, field: str, message: Any) -> None:
    """Raises InvalidFieldError for paths that the message does not have."""
    unknown = [path for path in mask.paths if not FieldMask(paths=[path]).IsValidForDescriptor(message.DESCRIPTOR)]
    if unknown:
        names = ", ".join(repr(path) for path in unknown)
        raise InvalidFieldError([Violation(field, f"has paths that {message.DESCRIPTOR.name} does not: {names}")])


def masked(job: job_pb2.Job, mask: FieldMask) -> job_pb2.Job:
    """The job with the fields that the mask names; all when it names none."""
    if not mask.paths:
        return job
    picked = job_pb2.Job()
    mask.MergeMessage(job, picked)
    return picked


def with_fields(message: Any, said: Any, mask: FieldMask) -> Any:
    """The message with the fields of `said` that the mask names: those that are set there when it names none."""
    said_too = type(said)()
    said_too.CopyFrom(said)
    mask = FieldMask(paths=mask.paths or [field.name for field, _ in said.ListFields()])
    for path in mask.paths:
        _set_parents(said_too, path)  # or a part of something unset would stay as it is
    mask.MergeMessage(said_too, message, replace_message_field=True, replace_repeated_field=True)
    return message


def _set_parents(message: Any, path: str) -> None:
    for name in path.split(".")[:-1]:
        message = getattr(message, name)
        message.SetInParent()
