"""From what a producer says to what the store keeps."""

from typing import Any

import uuid_utils
from leasemq.v1 import job_pb2

from leasemq_server.jobs import limits
from leasemq_server.jobs.check import Check, time_ms
from leasemq_server.jobs.options import job_options, with_group, with_start
from leasemq_server.store.types import NewJob

_YEAR_1_MS = -62_135_596_800_000
_YEAR_2200_MS = 7_258_118_400_000


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
    options = job_options(spec, check)
    if spec.dead_letter_queue and spec.dead_letter_queue == queue:
        check.wrong("dead_letter_queue", f"must be another queue than the job's own, {queue!r}")
    delay_ms: int | str = ""
    run_ms: int | str = ""
    start = spec.WhichOneof("start")
    if start == "delay":
        delay_ms = check.span(spec.delay, "delay")
    elif start == "run_time":
        run_ms = run_time_ms(spec, check)
    options = with_group(with_start(options, delay_ms, run_ms), spec.group, check)
    return NewJob(job_id, stored, options, delay_ms, run_ms)


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


def run_time_ms(spec: Any, check: Check) -> int:
    """The field run_time, in ms; a time before 1970 is 0."""
    ms = time_ms(spec.run_time)
    if not _YEAR_1_MS <= ms <= _YEAR_2200_MS:
        check.wrong("run_time", f"must be a time between the years 1 and 2200; got {spec.run_time.seconds} s since 1970")
    return max(ms, 0)


def _check_headers(spec: job_pb2.JobSpec, check: Check) -> None:
    size = sum(len(name.encode()) + len(value.encode()) for name, value in spec.headers.items())
    if len(spec.headers) > limits.MAX_HEADERS or size > limits.MAX_HEADER_BYTES:
        rule = f"must be at most {limits.MAX_HEADERS} entries and {limits.MAX_HEADER_BYTES} bytes"
        check.wrong("headers", f"{rule}; got {len(spec.headers)} and {size}")
    if "" in spec.headers:
        check.wrong("headers", "must have no empty name")
