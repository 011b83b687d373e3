"""Jobs of one add: most have nothing but a name, a payload, a content type and an id, and are read as the bytes that they are."""

import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from leasemq.v1 import job_pb2, producer_pb2
from leasemq_server.errors import PayloadTooLargeError
from leasemq_server.jobs.check import Check
from leasemq_server.jobs.specs import _MOST_NAMES, _around_payload, _plain_job, new_job, new_jobs
from leasemq_server.jobs.wire import entries
from leasemq_server.store.types import NewJob

MOST_BYTES = 3_000_000
TYPES = ["", "application/json"]

SMALLEST = [
    'headers { key: "a" }', "priority: 1", "lifo: true", "delay {}", "run_time {}", "retry {}", "timeout {}", "ttl {}",
    "completed_retention {}", "failed_retention {}", 'dead_letter_queue: "d"', "max_lease_expirations: 0", "dependencies {}",
    "deduplication {}", 'group: "g"',
]  # fmt: skip


def spec(text: str) -> job_pb2.JobSpec:
    return text_format.Parse(text, job_pb2.JobSpec(name="" if "name:" in text else "welcome"))


def added(specs: list[job_pb2.JobSpec], check: Check | None = None, most_bytes: int = MOST_BYTES) -> list[NewJob]:
    request = producer_pb2.BatchAddJobsRequest(queue="email", jobs=specs, durability=job_pb2.DURABILITY_MEMORY)
    check = check or Check()
    jobs = new_jobs(request.jobs, entries(request, "jobs"), "jobs[{}].", "email", most_bytes, check)
    assert len(jobs) == len(specs)
    return jobs


def known(name: str, content_type: str) -> None:
    """Lets jobs of this name and content type be plain ones."""
    added([job_pb2.JobSpec(name=name, content_type=content_type, id="first")])


@pytest.mark.parametrize("field", SMALLEST)
@pytest.mark.parametrize("size", [0, 1, 126, 127, 128, 129, 16_383, 16_384])
def test_no_field_is_so_small_that_it_is_passed_over(field: str, size: int) -> None:
    known("n", "")
    said = spec(field)
    said.name, said.payload, said.id = "n", b"x" * size, "a"
    assert _plain_job(said.SerializeToString(), MOST_BYTES) is None


def test_the_smallest_fields_are_all_that_a_spec_has_but_what_every_job_has() -> None:
    named = {text.split(" ")[0].rstrip(":") for text in SMALLEST}
    assert named | {"name", "payload", "content_type", "id"} == set(job_pb2.JobSpec.DESCRIPTOR.fields_by_name)


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 2_000_000])
@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize("job_id", ["mine", "i" * 127, "ß"])
def test_a_job_of_name_payload_and_content_type_alone_is_read_as_it_stands(size: int, content_type: str, job_id: str) -> None:
    known("welcome", content_type)
    said = job_pb2.JobSpec(name="welcome", payload=b"x" * size, content_type=content_type, id=job_id)
    job = _plain_job(said.SerializeToString(), size)
    assert job == new_job(said, "email", size, Check())
    assert isinstance(job, NewJob)
    assert job.id == job_id


@pytest.mark.parametrize(
    "said",
    [
        job_pb2.JobSpec(),
        job_pb2.JobSpec(name="n"),
        job_pb2.JobSpec(name="n", payload=b"x"),
        job_pb2.JobSpec(name="never seen", id="a"),
        job_pb2.JobSpec(name="n", content_type="text/plain", id="a"),
        job_pb2.JobSpec(name="n", payload=b"four", id="a"),
        job_pb2.JobSpec(name="n", id="a\n"),
        job_pb2.JobSpec(name="n", id="i" * 128),
    ],
)
def test_a_job_that_is_not_plain_is_looked_at_field_by_field(said: job_pb2.JobSpec) -> None:
    known("n", "")
    assert _plain_job(said.SerializeToString(), 3) is None


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('name: "" id: "a"', "name"),
        (r'name: "\t" id: "a"', "name"),
        (f'name: "{"n" * 129}" id: "a"', "name"),
        (r'id: "a\nb"', "id"),
        (r'content_type: "\t" id: "a"', "content_type"),
    ],
)
def test_what_is_wrong_in_one_job_of_a_batch_names_its_number(text: str, field: str) -> None:
    check = Check()
    added([spec('id: "a"'), spec(text), spec(text), spec('id: "b"')], check)
    assert [violation.field for violation in check.violations] == [f"jobs[1].{field}", f"jobs[2].{field}"]


def test_a_payload_over_the_limit_is_refused_where_the_job_is_plain_otherwise() -> None:
    known("welcome", "")
    with pytest.raises(PayloadTooLargeError, match=r"jobs\[1\]\.payload"):
        added([spec('id: "a"'), spec('id: "b" payload: "xxxx"')], most_bytes=3)


def test_so_many_names_are_known_and_no_more() -> None:
    added([job_pb2.JobSpec(name=f"name {n}", id="a") for n in range(2 * _MOST_NAMES)])
    assert 0 < len(_around_payload) <= _MOST_NAMES


def test_texts_at_their_limits_and_beyond_ascii_are_jobs_too() -> None:
    longest, beyond_ascii = job_pb2.JobSpec(name="n" * 128, id="i" * 128), job_pb2.JobSpec(name="é", id="ß", content_type="ö")
    check = Check()
    jobs = added([longest, beyond_ascii, job_pb2.JobSpec(name="n")], check)
    assert [(job.id, job_pb2.JobSpec.FromString(job.spec).name) for job in jobs[:2]] == [("i" * 128, "n" * 128), ("ß", "é")]
    assert jobs[2].id
    assert check.violations == []


specs = st.builds(
    job_pb2.JobSpec,
    name=st.sampled_from(["n", "welcome", "é", "n" * 128, "é" * 128]),
    payload=st.sampled_from([b"", b"x", b"*\x01a", b"x" * 127, b"x" * 128, b"x" * 20_000]),
    content_type=st.sampled_from([*TYPES, "ö" * 128]),
    id=st.sampled_from(["a", "b", "ß", "i" * 127, "i" * 128]),
    priority=st.sampled_from([0, 0, 7]),
    group=st.sampled_from(["", "", "g"]),
)


@given(st.lists(specs, min_size=1, max_size=8))
def test_a_batch_has_the_jobs_that_its_specs_make_one_by_one(batch: list[job_pb2.JobSpec]) -> None:
    jobs = added(batch)
    assert jobs == [new_job(said, "email", MOST_BYTES, Check()) for said in batch]


@given(st.lists(specs, min_size=1, max_size=8), st.sampled_from(["", "q", "q" * 128]), st.integers(0, 3))
def test_the_entries_of_a_request_are_what_protobuf_makes_of_each(
    batch: list[job_pb2.JobSpec], queue: str, durability: int
) -> None:
    request = producer_pb2.BatchAddJobsRequest(queue=queue, jobs=batch, durability=job_pb2.Durability.ValueType(durability))
    field_100 = b"\xa2\x06\x09" + b"\x12" * 9
    newer = producer_pb2.BatchAddJobsRequest.FromString(field_100 + request.SerializeToString())
    assert entries(request, "jobs") == entries(newer, "jobs") == [said.SerializeToString() for said in batch]
