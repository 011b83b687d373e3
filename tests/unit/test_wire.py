"""What the hot path writes by hand is what protobuf reads, field by field."""

import pytest
from google.protobuf.message import Message
from hypothesis import example, given
from hypothesis import strategies as st
from leasemq.v1 import job_pb2, producer_pb2, worker_pb2
from leasemq_server.rpc.wire import LeaseWriter, added_alike, added_job, set_time
from leasemq_server.store.types import LeasedJob, Lot, Source

CREATE_MS, START_MS, LEASE_MS = 1_763_780_000_001, 1_763_780_005_002, 30_000
SPEC = job_pb2.JobSpec(name="welcome", payload=b'{"to": "ada"}', content_type="application/json", headers={"traceparent": "00-1"})


def leased(job_id: str = "a", spec: job_pb2.JobSpec = SPEC, options: str = "", **numbers: int) -> LeasedJob:
    blob = f"{CREATE_MS}{options}\n".encode() + spec.SerializeToString()
    first = {"attempt": 1, "expire_ms": START_MS + LEASE_MS, "lease_expirations": 0, "failure_count": 0, "start_ms": START_MS}
    return LeasedJob(job_id, f"nonce-of-{job_id}", blob, **{**first, **numbers})


def expected(job: LeasedJob, spec: job_pb2.JobSpec = SPEC, queue: str = "email") -> worker_pb2.Lease:
    """The same lease, made by the generated classes."""
    lease = worker_pb2.Lease(lease_token=f"{job.nonce}/{queue}/{job.id}", attempt=job.attempt)
    set_time(lease.lease_expire_time, job.expire_ms)
    lease.lease_duration.FromMilliseconds(min(LEASE_MS, job.expire_ms - job.start_ms))
    lease.job.CopyFrom(
        job_pb2.Job(
            queue=queue,
            id=job.id,
            spec=spec,
            state=job_pb2.JOB_STATE_ACTIVE,
            attempt=job.attempt,
            lease_expirations=job.lease_expirations,
            failure_count=job.failure_count,
            worker_id="w1",
        )
    )
    lease.job.spec.id = job.id
    set_time(lease.job.create_time, CREATE_MS)
    set_time(lease.job.start_time, job.start_ms)
    set_time(lease.job.lease_expire_time, job.expire_ms)
    return lease


def test_a_lease_carries_its_checkpoint() -> None:
    (lease,) = written(Lot(Source("email", "call"), [leased()._replace(checkpoint=b"x" * 300)]))
    assert lease.checkpoint == b"x" * 300


def test_a_lease_of_a_scheduled_job_names_its_schedule() -> None:
    job = leased(options=' {"sc":"nightly"}')
    (lease,) = written(Lot(Source("email", "call"), [job]))
    assert lease.job.schedule_id == "nightly"


def written(*lots: Lot) -> list[Message]:
    reply = LeaseWriter(worker_pb2.BatchLeaseJobsResponse, "leases", "w1", LEASE_MS).reply(lots)
    return list(worker_pb2.BatchLeaseJobsResponse.FromString(reply).leases)


LONG = job_pb2.JobSpec(name="n" * 128, payload=b"\xff\x00" * 500_000)


@pytest.mark.parametrize(
    ("job", "spec"),
    [
        (leased(), SPEC),
        (leased(options=' {"p":5}'), SPEC),
        (leased(attempt=3, lease_expirations=2, failure_count=300, start_ms=START_MS - 7), SPEC),
        (leased(expire_ms=START_MS + 1_500), SPEC),
        (leased("é" * 128, LONG), LONG),
        (leased("b", job_pb2.JobSpec()), job_pb2.JobSpec()),
    ],
)
def test_a_lease_is_what_protobuf_would_write(job: LeasedJob, spec: job_pb2.JobSpec) -> None:
    assert written(Lot(Source("email", "call"), [job])) == [expected(job, spec)]


def test_all_leases_of_all_queues_are_written_in_order() -> None:
    first, second, third = leased("a"), leased("b", attempt=2), leased("c")
    lots = Lot(Source("email", "1"), [first, second]), Lot(Source("sync", "2"), [third])
    assert written(*lots) == [expected(first), expected(second), expected(third, queue="sync")]
    assert written() == []


SPECS = [SPEC, job_pb2.JobSpec(name="welcome", payload=b"longer" * 40), job_pb2.JobSpec()]
few_leases = st.builds(
    lambda job_id, nonce, spec, options, attempt, checkpoint: (
        leased(job_id, spec, options, attempt=attempt)._replace(nonce=nonce, checkpoint=checkpoint),
        spec,
    ),
    st.sampled_from(["a", "b", "c" * 128]),
    st.sampled_from(["n", "n", "long nonce"]),
    st.sampled_from(SPECS),
    st.sampled_from(["", "", ' {"p":5}', ' {"sc":"nightly"}', ' {"sc":"nightly"}\tgroup']),
    st.sampled_from([1, 1, 300]),
    st.sampled_from([b"", b"", b"half", b"done"]),
)


@example([(leased("a", spec), spec) for spec in SPECS])
@given(st.lists(few_leases, max_size=8))
def test_leases_alike_and_not_are_what_protobuf_would_write(jobs: list[tuple[LeasedJob, job_pb2.JobSpec]]) -> None:
    leases = [expected(job, spec) for job, spec in jobs]
    for lease, (job, _) in zip(leases, jobs, strict=True):
        lease.checkpoint = job.checkpoint
        lease.job.schedule_id = "nightly" if b"nightly" in job.blob else ""
    assert written(Lot(Source("email", "call"), [job for job, _ in jobs])) == leases


def test_the_lease_of_a_lone_call_is_the_same_on_the_wire() -> None:
    job = leased()
    reply = LeaseWriter(worker_pb2.LeaseJobResponse, "lease", "w1", LEASE_MS).reply([Lot(Source("email", "1"), [job])])
    assert worker_pb2.LeaseJobResponse.FromString(reply).lease == expected(job)


@pytest.mark.parametrize("job_id", ["a", "é" * 128, "x" * 5_000])
def test_an_added_job_is_what_protobuf_would_write(job_id: str) -> None:
    common = producer_pb2.AddJobResponse(created=True, state=job_pb2.JOB_STATE_DELAYED, durability=job_pb2.DURABILITY_FSYNC)
    set_time(common.run_time, START_MS)
    reply = producer_pb2.AddJobResponse.FromString(added_job(job_id.encode(), common.SerializeToString()))
    common.job_id = job_id
    assert reply == common


@pytest.mark.parametrize("ids", [["a"], ["a", "b", "c"], ["x" * 200, "y" * 200], ["a", "é", "bb"], ["é", "ab"]])
def test_added_jobs_that_share_all_but_the_id_are_what_protobuf_would_write(ids: list[str]) -> None:
    common = producer_pb2.AddJobResponse(created=True, state=job_pb2.JOB_STATE_WAITING)
    reply = producer_pb2.BatchAddJobsResponse.FromString(added_alike(ids, common.SerializeToString()))
    assert [result.job_id for result in reply.results] == ids
    assert all(result.created and result.state == job_pb2.JOB_STATE_WAITING for result in reply.results)
