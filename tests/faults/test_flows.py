"""Jobs that depend on each other, while brokers die: each starts exactly once, and none before what it depends on.

The first tests stop at the worst moments by hand: what was written is there, and whoever would have carried it on is not.
The last one kills two brokers on one store at random while flows over three queues are added and worked.
"""

import asyncio
import contextlib
import os
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from leasemq.v1 import job_pb2, producer_pb2
from leasemq_server.store.connect import connect
from leasemq_server.store.flows import Edge, JobRef, Registration, Resolution
from leasemq_server.store.store import Store
from leasemq_server.store.types import Durability, LeaseRequest, NewJob

from tests.faults.test_schedules import Fleet
from tests.support import BrokerProcess, StoreProcess, Stubs, eventually, seconds, short_directory

SECONDS = float(os.environ.get("LEASEMQ_FLOW_SECONDS", "12"))
QUEUES = ("a", "b", "c")
PATIENCE_S = 60.0
SPEC = job_pb2.JobSpec(name="n", completed_retention=job_pb2.Retention(max_count=0), max_lease_expirations=1000)


@pytest.fixture
def store_process() -> Iterator[StoreProcess]:
    with short_directory() as directory, StoreProcess(directory / "store") as process:
        yield process


@pytest.fixture
async def store(store_process: StoreProcess) -> AsyncIterator[Store]:
    """The store without a broker."""
    client, real = connect(store_process.url)
    direct = Store(client, real=real)
    yield direct
    await direct.close()


def new(job_id: str, options: str = "") -> NewJob:
    return NewJob(job_id, SPEC.SerializeToString(), options)


async def blocked_on_a_child(store: Store) -> None:
    """The dependent in queue b, its child in queue a, as a broker adds them."""
    for queue in ("a", "b"):
        await store.register_queue(queue)
    await store.add("a", [new("child", '{"cr":{"c":0}}')], Durability.MEMORY)
    await store.register("a", [Registration("child", "b/top", 0)])
    await store.add("b", [new("top", '{"dp":1}')], Durability.MEMORY, {"top": [Edge(JobRef("a", "child"), "f")]})


async def complete_the_child(store: Store) -> None:
    ((child,),) = (await store.lease("a", [LeaseRequest("r", "w", 1, 30_000)])).answers
    await store.complete("a", [(child.id, child.nonce, b"r", "t")])


@contextlib.asynccontextmanager
async def broker_on(process: StoreProcess) -> AsyncIterator[Stubs]:
    with short_directory() as directory, BrokerProcess(directory, store=process.url) as broker:
        async with Stubs(broker.address) as stubs:
            yield stubs


async def test_a_broker_that_died_before_it_told_the_end_is_replaced(store_process: StoreProcess, store: Store):
    await blocked_on_a_child(store)
    await complete_the_child(store)  # and the broker that did it is gone
    assert (await store.stats("b")).blocked == 1
    async with broker_on(store_process) as stubs:
        lease = await stubs.must_lease("b", wait=15)
        assert lease.job.id == "top"
        found = await stubs.producer.GetDependencies(producer_pb2.GetDependenciesRequest(queue="b", job_id="top"))
        assert [it.result for it in found.dependencies] == [b"r"]
    assert await store.outbox("a") == []


async def test_an_end_that_was_told_but_not_taken_off_the_outbox_is_told_again_in_vain(store_process: StoreProcess, store: Store):
    await blocked_on_a_child(store)
    await complete_the_child(store)
    (entry,) = await store.outbox("a")
    await store.resolve("b", [Resolution("top", "a/child", "completed", b"r", "t")])
    assert entry.job_id == "child"  # and the broker dies: neither the outbox nor the list of dependents knows
    async with broker_on(store_process) as stubs:
        await stubs.complete(await stubs.must_lease("b", wait=15))

        async def outbox_is_empty() -> bool:
            return await store.outbox("a") == []

        await eventually(outbox_is_empty, PATIENCE_S)
        assert await stubs.lease("b", wait=0.3) is None
        assert (await stubs.stats("b")).completed_total == 1


async def test_a_dependent_whose_broker_died_before_it_was_added_is_added_by_a_retry(store_process: StoreProcess, store: Store):
    await store.register_queue("a")
    await store.add("a", [new("child", '{"cr":{"c":0}}')], Durability.MEMORY)
    await store.register("a", [Registration("child", "b/top", 0)])  # and the broker is gone
    await complete_the_child(store)
    async with broker_on(store_process) as stubs:

        async def told() -> bool:
            return await store.outbox("a") == []

        await eventually(told, PATIENCE_S)
        added = await stubs.add("b", id="top", dependencies=[job_pb2.Dependency(queue="a", job_id="child")])
        assert (added.created, added.state) == (True, job_pb2.JOB_STATE_WAITING)


# -- at random ---------------------------------------------------------------------------------------------------


@dataclass
class History:
    """What the workers saw: the creations of each job that they started, and what was done before that."""

    needs: dict[str, set[str]] = field(default_factory=dict)
    starts: dict[str, set[tuple[int, int]]] = field(default_factory=lambda: defaultdict(set))
    completing: set[str] = field(default_factory=set)  # a complete was sent: from here on it may be done
    early: list[str] = field(default_factory=list)

    def started(self, lease: Any) -> None:
        ref = f"{lease.job.queue}/{lease.job.id}"
        self.starts[ref].add((lease.job.create_time.ToMilliseconds(), lease.attempt))
        missing = self.needs[ref] - self.completing
        if missing:
            self.early.append(f"{ref} before {sorted(missing)}")

    async def work(self, fleet: Fleet, number: int) -> None:
        worker = f"w{number}"
        while True:
            lease = await fleet.ask(lambda stubs: stubs.lease(*QUEUES, worker=worker, wait=1, lease_duration=seconds(3)))
            if lease is None:
                continue
            self.started(lease)
            self.completing.add(f"{lease.job.queue}/{lease.job.id}")
            with contextlib.suppress(grpc.aio.AioRpcError):  # the first try may have completed it, and the job is gone
                await fleet.ask(lambda stubs, lease=lease: stubs.complete(lease))


def random_flow(draw: random.Random, number: int) -> list[producer_pb2.FlowNode]:
    """Up to 8 jobs, each of which depends on some of those before."""
    nodes: list[producer_pb2.FlowNode] = []
    for at in range(draw.randint(2, 8)):
        job = job_pb2.JobSpec(name="n", id=f"f{number}-{at}", max_lease_expirations=1000)
        node = producer_pb2.FlowNode(queue=draw.choice(QUEUES), key=str(at), job=job)
        for need in draw.sample(range(at), min(at, draw.randint(0, 3))):
            node.depends_on.add(key=str(need))
        nodes.append(node)
    draw.shuffle(nodes)
    return nodes


async def add_flows(fleet: Fleet, history: History, until: float) -> int:
    number = 0
    while time.monotonic() < until:
        nodes = random_flow(fleet.random, number)
        refs = {node.key: f"{node.queue}/{node.job.id}" for node in nodes}
        history.needs.update({refs[node.key]: {refs[it.key] for it in node.depends_on} for node in nodes})
        await fleet.ask(lambda stubs, nodes=nodes: stubs.producer.AddFlow(producer_pb2.AddFlowRequest(nodes=nodes)))
        number += 1
        await asyncio.sleep(0.01)
    return number


async def all_completed(fleet: Fleet, count: int) -> bool:
    stats = [await fleet.ask(lambda stubs, queue=queue: stubs.stats(queue)) for queue in QUEUES]
    return sum(it.completed_total for it in stats) >= count


async def test_no_dependent_is_lost_started_early_or_started_twice(store_process: StoreProcess):
    seed = int(os.environ.get("LEASEMQ_FLOW_SEED", str(random.randrange(2**31))))
    print(f"LEASEMQ_FLOW_SEED={seed}")
    history = History()
    with short_directory() as directory, contextlib.ExitStack() as stack:
        brokers = [stack.enter_context(BrokerProcess(directory, store=store_process.url)) for _ in range(2)]
        async with contextlib.AsyncExitStack() as connections:
            stubs = [await connections.enter_async_context(Stubs(broker.address)) for broker in brokers]
            fleet = Fleet(brokers, stubs, random.Random(seed))
            workers = [asyncio.create_task(history.work(fleet, number)) for number in range(6)]
            until = time.monotonic() + SECONDS
            flows, _ = await asyncio.gather(add_flows(fleet, history, until), fleet.kill_and_restart(until))
            try:
                await eventually(lambda: all_completed(fleet, len(history.needs)), PATIENCE_S)
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)
            stats = [await fleet.ask(lambda stubs, queue=queue: stubs.stats(queue)) for queue in QUEUES]
    print(f"{flows} flows, {len(history.needs)} jobs, {fleet.kills} kills")
    assert history.early == []
    assert set(history.starts) == set(history.needs)
    twice = {ref: seen for ref, seen in history.starts.items() if len({create for create, _ in seen}) > 1}
    assert twice == {}
    assert {attempt for seen in history.starts.values() for _, attempt in seen} == {1}
    assert sum(it.completed_total for it in stats) == sum(it.added_total for it in stats) == len(history.needs)
    assert [(it.blocked, it.waiting, it.active, it.failed) for it in stats] == [(0, 0, 0, 0)] * 3
