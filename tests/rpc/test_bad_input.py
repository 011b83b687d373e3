"""Bad input gets the named reason and field, exactly one ErrorInfo, and changes nothing in the store."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import grpc
import pytest
from leasemq.v1 import admin_pb2, job_pb2, producer_pb2, schedule_pb2

from tests.rpc.bad_requests import Bad, Scene, all_bad
from tests.support import BrokerProcess, Refusal, StoreProcess, Stubs, refusal, refusal_of, seconds, short_directory, stored_nonce

CODES = {
    "INVALID_FIELD": grpc.StatusCode.INVALID_ARGUMENT,
    "PAYLOAD_TOO_LARGE": grpc.StatusCode.INVALID_ARGUMENT,
    "BATCH_TOO_LARGE": grpc.StatusCode.INVALID_ARGUMENT,
    "JOB_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "QUEUE_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "SCHEDULE_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "DEPENDENCY_CYCLE": grpc.StatusCode.INVALID_ARGUMENT,
    "LEASE_LOST": grpc.StatusCode.FAILED_PRECONDITION,
    "JOB_NOT_IN_STATE": grpc.StatusCode.FAILED_PRECONDITION,
    "QUEUE_NOT_EMPTY": grpc.StatusCode.FAILED_PRECONDITION,
}
GROUPS = list(all_bad(Scene("n/q/active", "", "")))


class Place(NamedTuple):
    """A broker on a store whose every byte is watched."""

    broker: BrokerProcess
    store: StoreProcess


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with ExitStack() as stack:
        directory = stack.enter_context(short_directory())
        store = stack.enter_context(StoreProcess(directory / "store"))
        place = Place(stack.enter_context(BrokerProcess(directory, store=store.url)), store)
        asyncio.run(fill(place))
        yield place


async def fill(place: Place) -> None:
    async with Stubs(place.broker.address) as stubs:
        await stubs.add("q", id="completed")
        await stubs.complete(await stubs.must_lease("q"))
        await stubs.add("q", id="active")
        await stubs.must_lease("q", lease_duration=seconds(43_200))
        for job_id in ("waiting", "waiting too"):
            await stubs.add("q", id=job_id)
        await stubs.add("r")
        kept = schedule_pb2.Schedule(id="kept", queue="q", cron="0 0 29 2 *", job=job_pb2.JobSpec(name="n"))
        await stubs.schedule.UpsertSchedule(schedule_pb2.UpsertScheduleRequest(schedule=kept))


@pytest.fixture
async def stubs(place: Place) -> AsyncIterator[Stubs]:
    async with Stubs(place.broker.address) as connected:
        yield connected


@pytest.fixture
async def scene(stubs: Stubs, place: Place) -> Scene:
    with place.store.client() as client:
        nonce = stored_nonce(client, "q", "active")
    assert nonce
    queues = await stubs.admin.ListQueues(admin_pb2.ListQueuesRequest(page_size=1))
    jobs = await stubs.admin.ListJobs(admin_pb2.ListJobsRequest(queue="q", page_size=1))
    assert queues.next_page_token
    assert jobs.next_page_token
    return Scene(f"{nonce}/q/active", queues.next_page_token, jobs.next_page_token)


async def send(stubs: Stubs, bad: Bad) -> Refusal:
    service, _, name = bad.rpc.partition(".")
    rpc: Any = getattr(getattr(stubs, service), name)
    call = rpc(iter([bad.request])) if isinstance(rpc, grpc.aio.StreamStreamMultiCallable) else rpc(bad.request)
    try:
        answer = await (call if isinstance(call, grpc.aio.UnaryUnaryCall) else call.read())
    except grpc.aio.AioRpcError as error:
        return refusal_of(error)
    raise AssertionError(f"it was accepted: {answer!r}")


def wrong_with(bad: Bad, got: Refusal) -> str | None:
    """What the error lacks, if anything."""
    said = (got.code, got.reason, got.domain, sorted(got.fields))
    wanted = (CODES[bad.reason], bad.reason, "leasemq", sorted(bad.fields))
    if said != wanted:
        return f"{said}, not {wanted}: {got.message}"
    if bad.metadata is not None and got.metadata != bad.metadata:
        return f"metadata {got.metadata}, not {bad.metadata}"
    if got.retry_after is not None:
        return "a retry is suggested"
    return None


@pytest.mark.parametrize("group", GROUPS)
async def test_each_broken_rule_gets_its_reason_and_field_and_changes_nothing(
    place: Place, stubs: Stubs, scene: Scene, group: str
):
    before = place.store.digest()
    problems = []
    for bad in all_bad(scene)[group]:
        try:
            problem = wrong_with(bad, await send(stubs, bad))
        except AssertionError as error:
            problem = str(error)
        if problem is None and place.store.digest() != before:
            problem, before = "the store has changed", place.store.digest()
        if problem:
            problems.append(f"{bad.rpc}, {bad.name}: {problem}")
    assert not problems, "\n".join(problems)


def test_the_table_covers_every_rpc_that_takes_anything():
    covered = {bad.rpc.partition(".")[2] for group in all_bad(Scene("n/q/active", "", "")).values() for bad in group}
    with_fields = {
        method.name
        for service in ("producer", "worker", "admin", "schedule")
        for method in _methods(service)
        if method.input_type.fields
    }
    assert with_fields == covered


def _methods(service: str) -> list[Any]:
    from leasemq.v1 import producer_pb2, worker_pb2  # noqa: PLC0415 - used here alone

    modules = {"producer": producer_pb2, "worker": worker_pb2, "admin": admin_pb2, "schedule": schedule_pb2}
    return list(modules[service].DESCRIPTOR.services_by_name[f"{service.title()}Service"].methods)


async def test_what_is_just_within_the_rules_is_accepted(stubs: Stubs):
    """So that the table above proves limits, not refusals of anything."""
    await stubs.add("a" + "._-9" * 31 + "xyz", name="n" * 128, id="i" * 128, priority=2_097_151, payload=b"x" * 1024 * 1024)
    await stubs.add("edge", headers={str(number): "" for number in range(64)}, content_type="c" * 128)
    await stubs.add("edge", delay=seconds(10 * 366 * 86_400), timeout=seconds(0.001), ttl=seconds(0.001))
    assert await stubs.lease(*[f"q{number}" for number in range(32)], worker="w" * 128, request_id="r" * 128) is None
    assert await stubs.lease("empty", lease_duration=seconds(43_200)) is None
    assert await stubs.lease("empty", lease_duration=seconds(1)) is None


TOO_MUCH: dict[str, tuple[str, Any, str, str]] = {
    "names": (
        "producer.BatchAddJobs",
        producer_pb2.BatchAddJobsRequest(queue="q", jobs=[job_pb2.JobSpec(name="é\n" * 60)] * 1_000),
        "jobs[0].name",
        " more",
    ),
    "a key": (
        "producer.AddFlow",
        producer_pb2.AddFlowRequest(
            nodes=[
                producer_pb2.FlowNode(
                    queue="q", job=job_pb2.JobSpec(name="n"), depends_on=[producer_pb2.FlowDependency(key="⚙" * 100_000)]
                )
            ]
        ),
        "nodes[0].depends_on[0].key",
        "…",
    ),
    "dependencies": (
        "producer.AddJob",
        producer_pb2.AddJobRequest(
            queue="q",
            job=job_pb2.JobSpec(name="n", dependencies=[job_pb2.Dependency(queue="q", job_id=f"⚙{n:0100}") for n in range(999)]),
        ),
        "job.dependencies[0].job_id",
        " more",
    ),
}


@pytest.mark.parametrize("name", TOO_MUCH)
async def test_what_is_too_much_for_an_error_is_left_out_of_it(place: Place, name: str) -> None:
    rpc, request, first, end = TOO_MUCH[name]
    async with Stubs(place.broker.address) as stubs:
        for _ in range(10):  # gRPC refuses headers of a certain size only now and then
            service, method = rpc.split(".")
            refused = await refusal(getattr(getattr(stubs, service), method)(request))
            assert (refused.reason, refused.fields[0]) == ("INVALID_FIELD", first)
            assert refused.message.startswith(f"{first}: ")
            assert refused.message.endswith(end)
