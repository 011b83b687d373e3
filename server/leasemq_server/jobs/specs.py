"""From what a producer says to what the store keeps."""

from collections.abc import Iterable

import uuid_utils
from leasemq.v1 import job_pb2

from leasemq_server.jobs import limits
from leasemq_server.jobs.check import Check
from leasemq_server.jobs.options import job_options
from leasemq_server.store.types import NewJob

_SHORT = min(limits.MAX_NAME, 127)  # a text whose size is one byte
_ID_TAG = job_pb2.JobSpec.DESCRIPTOR.fields_by_name["id"].number << 3 | 2


def new_jobs(specs: Iterable[job_pb2.JobSpec], at: str, queue: str, max_payload_bytes: int, check: Check) -> list[NewJob]:
    """Checks specs and makes them storable; `at` is where they stand in the request, with {} for their number.

    Raises:
        PayloadTooLargeError: a payload is over the limit.
    """
    jobs = []
    for index, spec in enumerate(specs):
        job = _plain_job(spec, max_payload_bytes)
        if job is None:
            check.at = at.format(index)
            job = new_job(spec, queue, max_payload_bytes, check)
        jobs.append(job)
    check.at = ""
    return jobs


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
    if spec.headers:
        _check_headers(spec, check)
    if spec.dead_letter_queue and spec.dead_letter_queue == queue:
        check.wrong("dead_letter_queue", f"must be another queue than the job's own, {queue!r}")
    return NewJob(job_id, stored, job_options(spec, check))


def _plain_job(spec: job_pb2.JobSpec, max_payload_bytes: int) -> NewJob | None:
    """The job of a spec that is right, and nothing but name, payload, content type and id, by its size: at half the cost.

    None for any other, and for one with a text that is not ASCII, which takes more bytes than characters.
    """
    name, payload, content_type, job_id = spec.name, spec.payload, spec.content_type, spec.id
    size = len(payload)
    if not name.isprintable() or not content_type.isprintable() or not job_id.isprintable() or size > max_payload_bytes:
        return None
    named, typed, with_id = len(name), len(content_type), len(job_id)
    if not 0 < named <= _SHORT or typed > _SHORT or not 0 < with_id <= _SHORT:
        return None
    id_size = 2 + with_id
    expected = 2 + named + (size and 1 + _varint_size(size) + size) + (typed and 2 + typed) + id_size
    stored = spec.SerializeToString()
    if len(stored) != expected or not stored.endswith(b"%c%c%b" % (_ID_TAG, with_id, job_id.encode())):
        return None
    return NewJob(job_id, stored[:-id_size], "")


def _varint_size(number: int) -> int:
    return max(1, (number.bit_length() + 6) // 7)


def _check_headers(spec: job_pb2.JobSpec, check: Check) -> None:
    size = sum(len(name.encode()) + len(value.encode()) for name, value in spec.headers.items())
    if len(spec.headers) > limits.MAX_HEADERS or size > limits.MAX_HEADER_BYTES:
        rule = f"must be at most {limits.MAX_HEADERS} entries and {limits.MAX_HEADER_BYTES} bytes"
        check.wrong("headers", f"{rule}; got {len(spec.headers)} and {size}")
    if "" in spec.headers:
        check.wrong("headers", "must have no empty name")
