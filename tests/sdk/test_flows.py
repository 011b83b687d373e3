"""Jobs that depend on each other, as services and handlers say it."""

import asyncio

import leasemq.sync
import pytest
from leasemq import (
    AddedJob,
    BlockOn,
    Cascade,
    Client,
    Dependency,
    DependencyCycle,
    FailureKind,
    FlowNode,
    InvalidField,
    Job,
    JobRef,
    JobState,
    NewJob,
    OnFailure,
)

from tests.sdk.support import Broker, is_state, until, worker


async def test_a_job_waits_for_others_and_its_handler_reads_their_results(client: Client, queue: str) -> None:
    parts, sums = f"{queue}-parts", f"{queue}-sums"
    added = await client.add_many(parts, [NewJob(number) for number in (1, 2, 3)])
    total = await client.add(sums, depends_on=[Dependency(parts, job.id) for job in added])
    assert total.state is JobState.BLOCKED
    assert [it.id for it in (await client.get(sums, total.id)).depends_on] == [job.id for job in added]
    assert (await client.get(parts, added[0].id)).dependents == [JobRef(sums, total.id)]

    async def square(job: Job) -> int:
        return job.payload**2

    async def add_up(job: Job) -> int:
        return sum(found.result for found in await job.dependencies())

    async with worker(client, parts, square), worker(client, sums, add_up):
        assert (await client.wait(sums, total.id, 20)).result == 14
    found = [it async for it in client.dependencies(sums, total.id)]
    assert {(it.state, it.result) for it in found} == {(JobState.COMPLETED, number) for number in (1, 4, 9)}


async def test_a_flow_is_added_whole_and_runs_in_order(client: Client, queue: str) -> None:
    ran = []

    def plain(job: Job) -> str:
        ran.append((job.name, [it.result for it in job.dependencies_sync()]))
        return job.name

    nodes = [
        FlowNode(f"{queue}-b", NewJob(name="end", id="end"), "end", ["left", ("right", OnFailure.RUN)]),
        FlowNode(queue, NewJob(name="left"), "left", ["start"]),
        FlowNode(queue, NewJob(name="right"), "right", ["start"]),
        FlowNode(queue, NewJob(name="start"), "start"),
    ]
    results = await client.add_flow(nodes)
    assert [it.state for it in results] == [JobState.BLOCKED] * 3 + [JobState.WAITING]
    async with worker(client, queue, plain, concurrency=1), worker(client, f"{queue}-b", plain):
        await client.wait(f"{queue}-b", "end", 20)
    assert ran[0] == ("start", [])
    assert sorted(ran[1:3]) == [("left", ["start"]), ("right", ["start"])]
    assert (ran[3][0], sorted(ran[3][1])) == ("end", ["left", "right"])


async def test_a_handler_adds_jobs_and_waits_for_them(client: Client, queue: str) -> None:
    children = f"{queue}-children"
    attempts = []

    async def parent(job: Job) -> int:
        attempts.append(job.attempt)
        done = await job.dependencies()
        if not done:
            jobs = [await client.add(children, number, id=f"{job.id}-{number}") for number in range(3)]
            raise BlockOn(Dependency(children, it.id) for it in jobs)
        return sum(it.result for it in done)

    async def child(job: Job) -> int:
        return job.payload * 10

    added = await client.add(queue)
    async with worker(client, queue, parent), worker(client, children, child):
        assert (await client.wait(queue, added.id, 20)).result == 30
    assert attempts == [1, 1]


async def test_a_handler_that_waits_for_nothing_that_exists_fails(client: Client, queue: str) -> None:
    async def handle(_: Job) -> None:
        raise BlockOn([Dependency(queue, "nowhere")])

    added = await client.add(queue, attempts=5)
    async with worker(client, queue, handle):
        job = await client.wait(queue, added.id, 20)
    assert job.state is JobState.FAILED
    assert job.failures[-1].message == f"block_on.dependencies[0].job_id: queue {queue!r} has no job 'nowhere'"


async def test_a_failure_is_seen_with_run_and_not_with_ignore(client: Client, queue: str) -> None:
    failing = await client.add(queue, id="fails")
    states = {}
    for policy in (OnFailure.FAIL, OnFailure.RUN, OnFailure.IGNORE):
        added = await client.add(f"{queue}-{policy.name}", id="x", depends_on=[Dependency(queue, failing.id, policy)])
        assert added.state is JobState.BLOCKED
    await client.cancel(queue, failing.id)
    for policy, state in (
        (OnFailure.FAIL, JobState.FAILED),
        (OnFailure.RUN, JobState.WAITING),
        (OnFailure.IGNORE, JobState.WAITING),
    ):
        job = await until(is_state(client, f"{queue}-{policy.name}", "x", state))
        states[policy] = [it.state async for it in client.dependencies(job.queue, "x")]
        if policy is OnFailure.FAIL:
            assert job.failures[0].kind is FailureKind.DEPENDENCY
    assert states == {OnFailure.FAIL: [JobState.CANCELLED], OnFailure.RUN: [JobState.CANCELLED], OnFailure.IGNORE: []}


async def test_what_is_wrong_is_told_and_other_adds_stand(client: Client, queue: str) -> None:
    with pytest.raises(DependencyCycle):
        await client.add_flow([FlowNode(queue, NewJob(), "a", ["b"]), FlowNode(queue, NewJob(), "b", ["a"])])
    results = await asyncio.gather(
        client.add(queue, 1),
        client.add(queue, depends_on=[Dependency(queue, "nowhere")]),
        client.add(queue, 2),
        return_exceptions=True,
    )
    assert [type(it) for it in results] == [AddedJob, InvalidField, AddedJob]


def test_the_blocking_client_has_it_too(broker: Broker, queue: str) -> None:
    with leasemq.sync.Client(broker.address) as client:
        nodes = [FlowNode(queue, NewJob(id="a"), "a"), FlowNode(queue, NewJob(id="b"), "b", ["a"])]
        client.add_flow(nodes)
        assert [it.id for it in client.dependencies(queue, "b")] == ["a"]
        client.cancel(queue, "b", cascade=Cascade.DEPENDENCIES)
        assert client.get(queue, "a").state is JobState.CANCELLED
        assert client.admin.delete(queue, ids=["b"], cascade=Cascade.DEPENDENCIES).done == 1
        assert client.admin.stats(queue).cancelled == 0
