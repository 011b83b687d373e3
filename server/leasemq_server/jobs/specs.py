"""From what a producer says to what the store keeps."""

import uuid_utils
from leasemq.v1 import job_pb2

from leasemq_server.jobs import limits
from leasemq_server.jobs.check import Check
from leasemq_server.jobs.options import job_options
from leasemq_server.store.types import NewJob


def new_job(spec: job_pb2.JobSpec, queue: str, max_payload_bytes: int, check: Check) -> NewJob:
    """Checks a spec and makes it storable. The id leaves the spec: the key has it.

    Raises:
        PayloadTooLargeError: the payload is over the limit.
    """
    check.payload(spec.payload, "payload", max_payload_bytes)
    check.text(spec.name, "name")
    job_id = check.text(spec.id, "id") if spec.id else str(uuid_utils.uuid7())
    if spec.content_type:
        check.text(spec.content_type, "content_type")
    spec.ClearField("id")
    stored = spec.SerializeToString()
    if _has_no_options(spec, len(stored)):
        return NewJob(job_id, stored, "")
    if spec.headers:
        _check_headers(spec, check)
    if spec.dead_letter_queue and spec.dead_letter_queue == queue:
        check.wrong("dead_letter_queue", f"must be another queue than the job's own, {queue!r}")
    return NewJob(job_id, stored, job_options(spec, check))


def _has_no_options(spec: job_pb2.JobSpec, size: int) -> bool:
    """Whether the spec is nothing but name, payload and content type, by its size: cheaper than a look at each field.

    A text that is not ASCII takes more bytes than characters; then the fields are looked at.
    """
    texts = len(spec.name) + len(spec.content_type)
    payload = len(spec.payload)
    tags = 2 * (bool(spec.name) + bool(spec.content_type)) + (payload and 1 + _varint_size(payload))
    return size == texts + payload + tags


def _varint_size(number: int) -> int:
    return max(1, (number.bit_length() + 6) // 7)


def _check_headers(spec: job_pb2.JobSpec, check: Check) -> None:
    size = sum(len(name.encode()) + len(value.encode()) for name, value in spec.headers.items())
    if len(spec.headers) > limits.MAX_HEADERS or size > limits.MAX_HEADER_BYTES:
        rule = f"must be at most {limits.MAX_HEADERS} entries and {limits.MAX_HEADER_BYTES} bytes"
        check.wrong("headers", f"{rule}; got {len(spec.headers)} and {size}")
    if "" in spec.headers:
        check.wrong("headers", "must have no empty name")
