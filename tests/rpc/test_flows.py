"""Jobs that depend on each other, over real channels and over queues."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from leasemq.v1 import admin_pb2, job_pb2, producer_pb2, worker_pb2

from tests.support import Stubs, eventually, refusal, seconds

BLOCKED, WAITING, DELAYED = job_pb2.JOB_STATE_BLOCKED, job_pb2.JOB_STATE_WAITING, job_pb2.JOB_STATE_DELAYED
COMPLETED, FAILED, CANCELLED = job_pb2.JOB_STATE_COMPLETED, job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED
RUN, IGNORE = job_pb2.DEPENDENCY_FAILURE_POLICY_RUN, job_pb2.DEPENDENCY_FAILURE_POLICY_IGNORE
GONE_AT_ONCE = job_pb2.Retention(max_count=0)


def on(queue: str, job_id: str, policy: int = 0) -> job_pb2.Dependency:
    return job_pb2.Dependency(queue=queue, job_id=job_id, on_failure=policy)


def node(key: str, queue: str, *needs: str, policy: int = 0, **spec: Any) -> producer_pb2.FlowNode:
    edges = [producer_pb2.FlowDependency(key=need, on_failure=policy) for need in needs]
    job = job_pb2.JobSpec(**{"name": "n", "id": key, **spec})
    return producer_pb2.FlowNode(queue=queue, key=key, job=job, depends_on=edges)


async def add_flow(stubs: Stubs, *nodes: producer_pb2.FlowNode) -> list[producer_pb2.AddJobResponse]:
    return list((await stubs.producer.AddFlow(producer_pb2.AddFlowRequest(nodes=nodes))).results)


async def dependencies(stubs: Stubs, queue: str, job_id: str, **page: Any) -> producer_pb2.GetDependenciesResponse:
    request = producer_pb2.GetDependenciesRequest(queue=queue, job_id=job_id, **page)
    return await stubs.producer.GetDependencies(request)


async def in_state(stubs: Stubs, queue: str, job_id: str, state: int) -> job_pb2.Job:
    async def there() -> job_pb2.Job | None:
        job = await stubs.job(queue, job_id)
        return job if job.state == state else None

    return await eventually(there)


async def block_on(stubs: Stubs, lease: worker_pb2.Lease, *needs: job_pb2.Dependency) -> worker_pb2.SettleResult:
    outcome = worker_pb2.BlockOnOutcome(dependencies=needs)
    settlement = worker_pb2.Settlement(lease_token=lease.lease_token, block_on=outcome)
    return (await stubs.worker.SettleJobs(worker_pb2.SettleJobsRequest(settlements=[settlement]))).results[0]


@pytest.fixture
def queues(new_queue: Callable[[], str]) -> list[str]:
    return [new_queue() for _ in range(3)]


@pytest.mark.parametrize("full", ["QUEUE_FULL", "GROUP_FULL"])
async def test_a_flow_that_found_a_queue_full_is_completed_by_adding_it_again(stubs: Stubs, queues: list[str], full: str):
    a, b, _ = queues
    limits = {"max_waiting": 1} if full == "QUEUE_FULL" else {"group_defaults": admin_pb2.GroupDefaults(max_waiting=1)}
    await stubs.admin.UpdateQueue(admin_pb2.UpdateQueueRequest(queue=a, config=admin_pb2.QueueConfig(**limits)))
    await stubs.add(a, id="in the way", group="g")
    flow = [node("first", a, group="g"), node("then", b, "first")]
    assert (await refusal(add_flow(stubs, *flow))).reason == full
    assert await stubs.lease(b) is None
    await stubs.complete(await stubs.must_lease(a))
    assert [it.created for it in await add_flow(stubs, *flow)] == [True, False]
    await stubs.complete(await stubs.must_lease(a))
    assert (await stubs.must_lease(b, wait=15)).job.id == "then"


# -- dependencies of one job -------------------------------------------------------------------------------------


async def test_a_job_waits_for_jobs_of_other_queues_and_reads_their_results(stubs: Stubs, queues: list[str]):
    a, b, c = queues
    await stubs.add(a, id="one")
    await stubs.add(b, id="two", completed_retention=GONE_AT_ONCE)
    added = await stubs.add(c, id="sum", dependencies=[on(a, "one"), on(b, "two")])
    assert (added.created, added.state) == (True, BLOCKED)
    assert (await stubs.stats(c)).blocked == 1
    assert [(it.queue, it.job_id) for it in (await stubs.job(a, "one")).dependents] == [(c, "sum")]
    assert [it.state for it in (await dependencies(stubs, c, "sum")).dependencies] == [WAITING, WAITING]
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(stubs.must_lease(c, wait=15))
        for queue in (a, b):
            await stubs.complete(await stubs.must_lease(queue), queue.encode())
        lease = await asyncio.wait_for(waiting, 2)
    assert lease.job.id == "sum"
    found = (await dependencies(stubs, c, "sum")).dependencies
    assert [(it.queue, it.job_id, it.state, it.result) for it in found] == [
        (a, "one", COMPLETED, a.encode()),
        (b, "two", COMPLETED, b.encode()),
    ]
    assert {it.result_content_type for it in found} == {"application/json"}


async def test_a_job_whose_dependencies_are_done_waits_at_once(stubs: Stubs, queues: list[str]):
    a, b, _ = queues
    await stubs.add(a, id="done")
    await stubs.complete(await stubs.must_lease(a), b"r")
    assert (await stubs.add(b, id="x", dependencies=[on(a, "done")])).state == WAITING
    assert (await stubs.add(b, id="y", dependencies=[on(a, "done")], delay=seconds(60))).state == DELAYED
    assert [it.result for it in (await dependencies(stubs, b, "x")).dependencies] == [b"r"]


async def test_a_batch_with_an_unknown_dependency_adds_nothing(stubs: Stubs, queues: list[str]):
    a, b, _ = queues
    await stubs.add(a, id="there")
    specs = [
        job_pb2.JobSpec(name="n", id="plain"),
        job_pb2.JobSpec(name="n", id="good", dependencies=[on(a, "there")]),
        job_pb2.JobSpec(name="n", id="bad", dependencies=[on(a, "there"), on(b, "missing")]),
    ]
    request = producer_pb2.BatchAddJobsRequest(queue=b, jobs=specs)
    refused = await refusal(stubs.producer.BatchAddJobs(request))
    assert (refused.reason, refused.fields) == ("INVALID_FIELD", ["jobs[2].dependencies[1].job_id"])
    assert (await stubs.stats(b)).added_total == 0
    assert list((await stubs.job(a, "there")).dependents) == []
    del specs[2:]
    results = (await stubs.producer.BatchAddJobs(producer_pb2.BatchAddJobsRequest(queue=b, jobs=specs))).results
    assert [it.state for it in results] == [WAITING, BLOCKED]


async def test_an_add_again_changes_nothing_even_when_the_dependency_is_gone(stubs: Stubs, queue: str):
    await stubs.add(queue, id="a", completed_retention=GONE_AT_ONCE)
    said = {"id": "b", "dependencies": [on(queue, "a")]}
    await stubs.add(queue, **said)
    await stubs.complete(await stubs.must_lease(queue))
    await in_state(stubs, queue, "b", WAITING)
    again = await stubs.add(queue, **said)
    assert (again.created, again.state) == (False, WAITING)


@pytest.mark.parametrize(("policy", "state", "shown"), [(0, FAILED, [FAILED]), (RUN, WAITING, [FAILED]), (IGNORE, WAITING, [])])
async def test_a_failed_dependency_is_taken_as_the_edge_says(
    stubs: Stubs, queues: list[str], policy: int, state: int, shown: list[int]
):
    a, b, c = queues
    await stubs.add(a, id="fails")
    await stubs.add(b, id="next", dependencies=[on(a, "fails", policy)])
    await stubs.add(c, id="last", dependencies=[on(b, "next", policy)])
    await stubs.fail(await stubs.must_lease(a), non_retryable=True)
    job = await in_state(stubs, b, "next", state)
    assert [it.state for it in (await dependencies(stubs, b, "next")).dependencies] == shown
    if state == FAILED:
        assert [failure.kind for failure in job.failures] == [job_pb2.FAILURE_KIND_DEPENDENCY]
        await in_state(stubs, c, "last", FAILED)
    else:
        assert (await stubs.job(c, "last")).state == BLOCKED


async def test_dependencies_come_in_pages(stubs: Stubs, queue: str):
    names = [f"d{number}" for number in range(7)]
    for name in names:
        await stubs.add(queue, id=name)
    await stubs.add(queue, id="all", dependencies=[on(queue, name) for name in names])
    found, token = [], ""
    while not found or token:
        page = await dependencies(stubs, queue, "all", page_size=3, page_token=token)
        assert len(page.dependencies) <= 3
        found += [it.job_id for it in page.dependencies]
        token = page.next_page_token
    assert found == names


async def test_large_results_come_over_several_pages(stubs: Stubs, queue: str):
    names = "abcde"
    for name in names:
        await stubs.add(queue, id=name)
    await stubs.add(queue, id="all", dependencies=[on(queue, name) for name in names])
    for _ in names:
        await stubs.complete(await stubs.must_lease(queue), b"x" * 1024 * 1024)
    await in_state(stubs, queue, "all", WAITING)
    found, token = [], ""
    while not found or token:
        page = await dependencies(stubs, queue, "all", page_token=token)
        found += [(it.job_id, len(it.result)) for it in page.dependencies]
        token = page.next_page_token
    assert found == [(name, 1024 * 1024) for name in names]


async def test_blocked_jobs_are_listed_cancelled_and_deleted(stubs: Stubs, queue: str):
    await stubs.add(queue, id="a")
    for name in ("b", "c"):
        await stubs.add(queue, id=name, dependencies=[on(queue, "a")])
    listed = await stubs.admin.ListJobs(admin_pb2.ListJobsRequest(queue=queue, states=[BLOCKED]))
    assert [job.id for job in listed.jobs] == ["b", "c"]
    everything = await stubs.admin.ListJobs(admin_pb2.ListJobsRequest(queue=queue))
    assert [job.id for job in everything.jobs] == ["a", "b", "c"]
    cancelled = await stubs.producer.CancelJob(producer_pb2.CancelJobRequest(queue=queue, job_id="b"))
    assert cancelled.state == CANCELLED
    which = admin_pb2.JobFilter(state=BLOCKED)
    deleted = await stubs.admin.DeleteJobs(admin_pb2.DeleteJobsRequest(queue=queue, filter=which))
    assert deleted.deleted_count == 1
    assert (await stubs.stats(queue)).blocked == 0


# -- flows -------------------------------------------------------------------------------------------------------


async def test_a_flow_over_queues_runs_in_order(stubs: Stubs, queues: list[str]):
    a, b, c = queues
    nodes = [node("top", c, "left", "right"), node("left", a, "base"), node("right", b, "base"), node("base", a)]
    results = await add_flow(stubs, *nodes)
    assert [(it.job_id, it.created, it.state) for it in results] == [
        ("top", True, BLOCKED),
        ("left", True, BLOCKED),
        ("right", True, BLOCKED),
        ("base", True, WAITING),
    ]
    order = []
    for _ in nodes:
        lease = await stubs.must_lease(*queues, wait=5)
        order.append(lease.job.id)
        assert lease.job.attempt == 1
        await stubs.complete(lease)
    assert (order[0], set(order[1:3]), order[3]) == ("base", {"left", "right"}, "top")
    assert [it.job_id for it in (await stubs.job(c, "top")).spec.dependencies] == ["left", "right"]
    again = await add_flow(stubs, *nodes)
    assert [(it.created, it.state) for it in again] == [(False, COMPLETED)] * 4


async def test_ids_are_made_for_nodes_that_have_none(stubs: Stubs, queue: str):
    results = await add_flow(stubs, node("x", queue, "y", id=""), node("y", queue, id=""))
    found = await dependencies(stubs, queue, results[0].job_id)
    assert [it.job_id for it in found.dependencies] == [results[1].job_id]


async def test_a_flow_may_depend_on_jobs_that_exist(stubs: Stubs, queues: list[str]):
    a, b, _ = queues
    await stubs.add(a, id="old")
    await add_flow(stubs, node("x", b, "y"), node("y", b, dependencies=[on(a, "old")]))
    assert (await stubs.stats(b)).blocked == 2
    await stubs.complete(await stubs.must_lease(a))
    assert (await stubs.must_lease(b, wait=5)).job.id == "y"


async def test_half_of_a_flow_is_completed_by_a_retry(stubs: Stubs, queues: list[str]):
    """As a broker leaves it that died between two adds: those that wait are there, the others are not."""
    a, b, _ = queues
    whole = [node("top", b, "leaf"), node("leaf", a)]
    await add_flow(stubs, *whole)
    await stubs.admin.DeleteJobs(admin_pb2.DeleteJobsRequest(queue=a, job_ids=admin_pb2.JobIds(ids=["leaf"])))
    await in_state(stubs, b, "top", FAILED)
    again = await add_flow(stubs, *whole)
    assert [(it.created, it.state) for it in again] == [(False, FAILED), (True, WAITING)]


# -- waiting while running ---------------------------------------------------------------------------------------


async def test_a_running_job_adds_others_and_waits_for_them(stubs: Stubs, queues: list[str]):
    a, b, _ = queues
    await stubs.add(a, id="parent")
    lease = await stubs.must_lease(a)
    await stubs.add(b, id="child")
    result = await block_on(stubs, lease, on(b, "child"))
    assert result.settled.state == BLOCKED
    assert (await block_on(stubs, lease, on(b, "child"))).settled.state == BLOCKED
    assert await stubs.lease(a) is None
    await stubs.complete(await stubs.must_lease(b), b"from the child")
    again = await stubs.must_lease(a, wait=5)
    assert (again.job.id, again.attempt) == ("parent", 1)
    assert [it.result for it in (await dependencies(stubs, a, "parent")).dependencies] == [b"from the child"]
    assert await stubs.complete(again) == COMPLETED


async def test_a_wait_for_what_is_not_there_is_refused_and_others_of_the_call_stand(stubs: Stubs, queue: str):
    for name in ("a", "b"):
        await stubs.add(queue, id=name)
    leases = [await stubs.must_lease(queue) for _ in range(2)]
    settlements = [
        worker_pb2.Settlement(
            lease_token=leases[0].lease_token, block_on=worker_pb2.BlockOnOutcome(dependencies=[on(queue, "missing")])
        ),
        worker_pb2.Settlement(lease_token=leases[1].lease_token, complete=worker_pb2.CompleteOutcome()),
    ]
    results = (await stubs.worker.SettleJobs(worker_pb2.SettleJobsRequest(settlements=settlements))).results
    assert "settlements[0].block_on.dependencies[0].job_id" in results[0].error.message
    assert results[1].settled.state == COMPLETED
    assert (await stubs.job(queue, "a")).state == job_pb2.JOB_STATE_ACTIVE


# -- cascades ----------------------------------------------------------------------------------------------------


async def test_a_cancel_reaches_what_the_cascade_says(stubs: Stubs, queues: list[str]):
    a, b, c = queues
    for prefix in ("x", "y", "z"):
        named = [node(f"{prefix}top", c, f"{prefix}mid"), node(f"{prefix}mid", b, f"{prefix}leaf"), node(f"{prefix}leaf", a)]
        await add_flow(stubs, *named)

    async def cancel(prefix: str, cascade: int) -> None:
        request = producer_pb2.CancelJobRequest(queue=b, job_id=f"{prefix}mid", cascade=cascade)
        assert (await stubs.producer.CancelJob(request)).state == CANCELLED

    await cancel("x", producer_pb2.CASCADE_UNSPECIFIED)
    await cancel("y", producer_pb2.CASCADE_DEPENDENCIES)
    await cancel("z", producer_pb2.CASCADE_DEPENDENTS)
    await in_state(stubs, c, "xtop", FAILED)
    await in_state(stubs, c, "ytop", FAILED)
    assert (await stubs.job(a, "xleaf")).state == WAITING
    assert (await stubs.job(a, "yleaf")).state == CANCELLED
    assert (await stubs.job(a, "zleaf")).state == WAITING
    assert (await stubs.job(c, "ztop")).state == CANCELLED


async def test_a_delete_takes_the_subtree_with_it(stubs: Stubs, queues: list[str]):
    a, b, _ = queues
    await add_flow(stubs, node("top", b, "mid"), node("mid", b, "leaf"), node("leaf", a), node("other", a))
    request = admin_pb2.DeleteJobsRequest(
        queue=b, job_ids=admin_pb2.JobIds(ids=["top"]), cascade=producer_pb2.CASCADE_DEPENDENCIES
    )
    assert (await stubs.admin.DeleteJobs(request)).deleted_count == 1
    stats = [await stubs.stats(queue) for queue in (a, b)]
    assert [(it.waiting, it.blocked, it.failed) for it in stats] == [(1, 0, 0), (0, 0, 0)]


async def test_a_queue_with_blocked_jobs_is_deleted_by_force_alone(stubs: Stubs, queues: list[str]):
    a, b, _ = queues
    await add_flow(stubs, node("top", b, "leaf"), node("leaf", a))
    assert (await refusal(stubs.admin.DeleteQueue(admin_pb2.DeleteQueueRequest(queue=b)))).reason == "QUEUE_NOT_EMPTY"
    for queue in (b, a):
        while (await stubs.admin.DeleteQueue(admin_pb2.DeleteQueueRequest(queue=queue, force=True))).more:
            pass
