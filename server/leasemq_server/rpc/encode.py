"""From the store's records to the contract's messages."""

import json
from typing import Any

from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from leasemq.v1 import admin_pb2, job_pb2, worker_pb2

from leasemq_server.broker.dispatch import Leased
from leasemq_server.errors import InvalidFieldError, Violation
from leasemq_server.jobs.tokens import make_token
from leasemq_server.store.store import parse_blob
from leasemq_server.store.types import Counts, StoredJob

STATES = {
    "waiting": job_pb2.JOB_STATE_WAITING,
    "delayed": job_pb2.JOB_STATE_DELAYED,
    "active": job_pb2.JOB_STATE_ACTIVE,
    "completed": job_pb2.JOB_STATE_COMPLETED,
    "failed": job_pb2.JOB_STATE_FAILED,
    "cancelled": job_pb2.JOB_STATE_CANCELLED,
}
SCHEDULED = b'"sc":'  # in the options of a job that a schedule added
STATE_WORDS = {state: word for word, state in STATES.items()}


def set_time(timestamp: Timestamp, ms: int) -> None:
    """Sets a Timestamp field."""
    timestamp.seconds, millis = divmod(ms, 1000)
    timestamp.nanos = millis * 1_000_000


def set_span(duration: Duration, ms: int) -> None:
    """Sets a Duration field."""
    duration.seconds, millis = divmod(ms, 1000)
    duration.nanos = millis * 1_000_000


class LeaseWriter:
    """Writes the leases of one reply. What they have in common is serialized once and merged into each: half the cost a lease."""

    def __init__(self, worker_id: str, lease_ms: int) -> None:
        self._worker_id = worker_id
        self._lease_ms = lease_ms
        self._common: dict[tuple[str, int, int], bytes] = {}

    def fill(self, lease: worker_pb2.Lease, leased: Leased) -> None:
        """A lease as its worker gets it."""
        job = leased.job
        create_ms, options, spec = parse_blob(job.blob)
        key = (leased.queue, job.start_ms, job.expire_ms)
        common = self._common.get(key)
        if common is None:
            common = self._common[key] = self._in_common(*key)
        lease.MergeFromString(common)
        lease.lease_token = make_token(job.nonce, leased.queue, job.id)
        lease.attempt = job.attempt
        message = lease.job
        message.id = job.id
        message.spec.MergeFromString(spec)
        message.spec.id = job.id
        message.attempt = job.attempt
        if job.lease_expirations:
            message.lease_expirations = job.lease_expirations
        if job.failure_count:
            message.failure_count = job.failure_count
        if SCHEDULED in options:
            message.schedule_id = json.loads(options)["sc"]
        set_time(message.create_time, create_ms)

    def _in_common(self, queue: str, start_ms: int, expire_ms: int) -> bytes:
        lease = worker_pb2.Lease()
        set_time(lease.lease_expire_time, expire_ms)
        set_span(lease.lease_duration, min(self._lease_ms, max(0, expire_ms - start_ms)))
        lease.job.queue = queue
        lease.job.state = job_pb2.JOB_STATE_ACTIVE
        lease.job.worker_id = self._worker_id
        set_time(lease.job.start_time, start_ms)
        set_time(lease.job.lease_expire_time, expire_ms)
        return lease.SerializeToString()


def job_message(queue: str, stored: StoredJob) -> job_pb2.Job:
    """A job as it can be read."""
    fields = stored.fields
    state = stored.state
    job = job_pb2.Job(queue=queue, id=stored.id, state=STATES[state])
    job.spec.MergeFromString(stored.spec)
    job.spec.id = stored.id
    set_time(job.create_time, stored.create_ms)
    options = json.loads(stored.options) if stored.options else {}
    job.schedule_id = options.get("sc", "")
    started = b"ls" in fields
    if "tl" in options and not started and state in ("waiting", "delayed"):
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
