"""The replies of the hot path as bytes, made from what the store gives: what protobuf would write, at a quarter of its cost.

Fields are named by the contract's descriptors, so a number that changes there changes here; tests/unit compares with protobuf.
"""

from collections.abc import Callable, Iterable
from typing import Any

from google.protobuf.message import Message
from leasemq.v1 import job_pb2, producer_pb2, worker_pb2

from leasemq_server.jobs.options import read_options
from leasemq_server.jobs.wire import tag_of
from leasemq_server.store.types import Lot, Source

SCHEDULED = b'"sc":'  # in the options of a job that a schedule added


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


_SHORT = [_varint(number) for number in range(4096)]


def _size(size: int) -> bytes:
    return _SHORT[size] if size < len(_SHORT) else _varint(size)


def _tag(message: type[Message], field: str) -> bytes:
    return _varint(tag_of(message, field))


_LEASE_TOKEN, _LEASE_JOB = _tag(worker_pb2.Lease, "lease_token"), _tag(worker_pb2.Lease, "job")
_CHECKPOINT = _tag(worker_pb2.Lease, "checkpoint")
_JOB_ID, _JOB_SPEC, _SPEC_ID = _tag(job_pb2.Job, "id"), _tag(job_pb2.Job, "spec"), _tag(job_pb2.JobSpec, "id")
_ADDED, _ADDED_ID = _tag(producer_pb2.BatchAddJobsResponse, "results"), _tag(producer_pb2.AddJobResponse, "job_id")


def repeated(message: type[Message], field: str, entries: Iterable[bytes]) -> bytes:
    """A message that has nothing but these entries in this field."""
    tag = _tag(message, field)
    return b"".join([part for entry in entries for part in (tag, _size(len(entry)), entry)])


def added_job(job_id: bytes, common: bytes) -> bytes:
    """An AddJobResponse: the id, and what it shares with others."""
    return b"".join((_ADDED_ID, _size(len(job_id)), job_id, common))


def added_alike(job_ids: Iterable[str], common: bytes) -> bytes:
    """A BatchAddJobsResponse of AddJobResponses that share all but the id."""
    said = list(map(str.encode, job_ids))
    sizes = set(map(len, said))
    if len(sizes) > 1:
        return repeated(producer_pb2.BatchAddJobsResponse, "results", [added_job(job_id, common) for job_id in said])
    (size,) = sizes
    before = _ADDED_ID + _size(size)
    before = _ADDED + _size(len(before) + size + len(common)) + before
    return before + (common + before).join(said) + common


def answer_writer(message: type[Message], field: str) -> Callable[[int, bytes], bytes]:
    """Writes the message of a stream from its request_number and the bytes of its answer, which stand in this field."""
    number_tag = _varint(message.DESCRIPTOR.fields_by_name["request_number"].number << 3)
    tag = _tag(message, field)

    def write(request_number: int, answer: bytes) -> bytes:
        return b"".join((number_tag, _varint(request_number), tag, _size(len(answer)), answer))

    return write


def set_time(timestamp: Any, ms: int) -> None:
    """Sets a Timestamp field."""
    timestamp.seconds, millis = divmod(ms, 1000)
    timestamp.nanos = millis * 1_000_000


def set_span(duration: Any, ms: int) -> None:
    """Sets a Duration field."""
    duration.seconds, millis = divmod(ms, 1000)
    duration.nanos = millis * 1_000_000


Numbers = tuple[int, ...]  # of a LeasedJob: attempt, expire_ms, lease_expirations, failure_count, start_ms


class LeaseWriter:
    """Writes the leases of one reply, which stand in this field of it. What several of them have in common is serialized once."""

    def __init__(self, response: type[Message], field: str, worker_id: str, lease_ms: int) -> None:
        self._tag = _tag(response, field)
        self._worker_id = worker_id
        self._lease_ms = lease_ms
        self._headers: dict[bytes, bytes] = {}

    def reply(self, lots: Iterable[Lot]) -> bytes:
        """The message with all leases of the lots, and nothing else."""
        parts: list[bytes] = []
        for lot in lots:
            self._write(lot, parts)
        return b"".join(parts)

    def _write(self, lot: Lot, parts: list[bytes]) -> None:
        """Adds a lot's bytes. Most jobs are like the one before but for id, nonce and spec: the parts between are the same."""
        queue = b"/" + lot.source.queue.encode() + b"/"
        common: dict[Numbers, tuple[bytes, bytes]] = {}
        like: tuple[int | bytes, ...] = ()
        header, id_size, nonce_size, spec_size = b"\n", 0, 0, -1
        for job in lot.jobs:
            job_id, nonce, blob = job.id.encode(), job.nonce.encode(), job.blob
            if job[3:] != like or len(job_id) != id_size or len(nonce) != nonce_size or not blob.startswith(header):
                like, header = job[3:], blob[: blob.index(b"\n") + 1]
                id_size, nonce_size, spec_size = len(job_id), len(nonce), -1
                numbers, checkpoint = job[3:8], job.checkpoint
                if numbers not in common:
                    common[numbers] = self._in_common(lot.source, *numbers)
                of_lease, of_job = common[numbers]
                of_job += self._of_header(header[:-1]) + _JOB_ID + _size(id_size)
                token = _LEASE_TOKEN + _size(nonce_size + len(queue) + id_size)
                behind_spec = _SPEC_ID + _size(id_size)
                behind_job = _CHECKPOINT + _size(len(checkpoint)) + checkpoint if checkpoint else b""
            if len(blob) - len(header) != spec_size:
                spec_size = len(blob) - len(header)
                behind_id = _JOB_SPEC + _size(spec_size + len(behind_spec) + id_size)
                job_size = len(of_job) + id_size + len(behind_id) + spec_size + len(behind_spec) + id_size
                behind_token = of_lease + _LEASE_JOB + _size(job_size)
                size = len(token) + nonce_size + len(queue) + id_size + len(behind_token) + job_size + len(behind_job)
                lead, behind_token = self._tag + _size(size) + token, behind_token + of_job
            spec = blob[len(header) :]
            parts += lead, nonce, queue, job_id, behind_token, job_id, behind_id, spec, behind_spec, job_id, behind_job

    def _of_header(self, header: bytes) -> bytes:
        """What a stored header says of a job; all jobs of one add have the same."""
        header = header.partition(b"\t")[0]  # the group is in the spec too
        written = self._headers.get(header)
        if written is None:
            create_ms, _, options = header.partition(b" ")
            job = job_pb2.Job(schedule_id=read_options(options)["sc"] if SCHEDULED in options else "")
            set_time(job.create_time, int(create_ms))
            written = self._headers[header] = job.SerializeToString()
        return written

    def _in_common(
        self, source: Source, attempt: int, expire_ms: int, lease_expirations: int, failure_count: int, start_ms: int
    ) -> tuple[bytes, bytes]:
        lease = worker_pb2.Lease(attempt=attempt)
        set_time(lease.lease_expire_time, expire_ms)
        set_span(lease.lease_duration, min(self._lease_ms, max(0, expire_ms - start_ms)))
        job = job_pb2.Job(
            queue=source.queue,
            state=job_pb2.JOB_STATE_ACTIVE,
            worker_id=self._worker_id,
            attempt=attempt,
            lease_expirations=lease_expirations,
            failure_count=failure_count,
        )
        set_time(job.start_time, start_ms)
        set_time(job.lease_expire_time, expire_ms)
        return lease.SerializeToString(), job.SerializeToString()
