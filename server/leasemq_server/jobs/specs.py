"""From what a producer says to what the store keeps."""

from collections.abc import Iterable, Sequence

import uuid_utils
from leasemq.v1 import job_pb2

from leasemq_server.jobs import limits
from leasemq_server.jobs.check import Check
from leasemq_server.jobs.options import job_options
from leasemq_server.jobs.wire import tag_of, varint
from leasemq_server.store.types import NewJob

_NAME, _PAYLOAD, _CONTENT_TYPE, _ID = (tag_of(job_pb2.JobSpec, field) for field in ("name", "payload", "content_type", "id"))
_SHORT = 127  # bytes of a text whose size is one byte
_MOST_NAMES = 1024

# Of jobs that were right, what stands before the payload, and what between it and the id: name and content type.
_around_payload: dict[bytes, bytes] = {}


def new_jobs(
    specs: Sequence[job_pb2.JobSpec], written: Iterable[bytes], at: str, queue: str, max_payload_bytes: int, check: Check
) -> list[NewJob]:
    """Checks specs and makes them storable.

    `written` has them as bytes; `at` is where they stand in the request, with {} for their number.

    Raises:
        PayloadTooLargeError: a payload is over the limit.
    """
    jobs = []
    for index, spec_bytes in enumerate(written):
        job = _plain_job(spec_bytes, max_payload_bytes)
        if job is None:
            check.at = at.format(index)
            job = new_job(specs[index], queue, max_payload_bytes, check)
            if not check.violations:
                _remember(specs[index])
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


def _plain_job(spec: bytes, max_payload_bytes: int) -> NewJob | None:
    """The job of a spec with nothing but name, payload, content type and id, where the first and third were seen before.

    None for any other, and where something is wrong.
    """
    payload_at = spec[1] + 2 if spec else 0
    behind_payload = _around_payload.get(spec[:payload_at])
    if behind_payload is None or len(spec) == payload_at:
        return None
    size, end = 0, payload_at
    if spec[end] == _PAYLOAD:
        size, end = spec[end + 1], end + 2
        if size > _SHORT:
            size, end = varint(spec, end - 1)
        end += size
    id_at = end + len(behind_payload) + 1
    if not spec.startswith(behind_payload, end) or spec[id_at - 1] != len(spec) - id_at or size > max_payload_bytes:
        return None
    job_id = spec[id_at:].decode()
    return tuple.__new__(NewJob, (job_id, spec[: id_at - 2], "")) if job_id.isprintable() else None


def _remember(spec: job_pb2.JobSpec) -> None:
    """Lets `_plain_job` know the name and the content type of a spec that is right."""
    name, content_type = spec.name.encode(), spec.content_type.encode()
    if len(name) <= _SHORT and len(content_type) <= _SHORT:
        if len(_around_payload) >= _MOST_NAMES:
            _around_payload.clear()
        typed = bytes((_CONTENT_TYPE, len(content_type))) + content_type if content_type else b""
        _around_payload[bytes((_NAME, len(name))) + name] = typed + bytes((_ID,))


def _check_headers(spec: job_pb2.JobSpec, check: Check) -> None:
    size = sum(len(name.encode()) + len(value.encode()) for name, value in spec.headers.items())
    if len(spec.headers) > limits.MAX_HEADERS or size > limits.MAX_HEADER_BYTES:
        rule = f"must be at most {limits.MAX_HEADERS} entries and {limits.MAX_HEADER_BYTES} bytes"
        check.wrong("headers", f"{rule}; got {len(spec.headers)} and {size}")
    if "" in spec.headers:
        check.wrong("headers", "must have no empty name")
