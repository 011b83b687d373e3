"""The three durability levels, on stores that can and can't reach them."""

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest
from leasemq.v1 import admin_pb2, job_pb2, producer_pb2

from tests.support import (
    BrokerProcess,
    Refusal,
    StoreProcess,
    Stubs,
    free_port,
    refusal,
    serve_until_exit,
)

MEMORY, FSYNC, REPLICATED = job_pb2.DURABILITY_MEMORY, job_pb2.DURABILITY_FSYNC, job_pb2.DURABILITY_REPLICATED


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as entered:
        yield entered


async def add(stubs: Stubs, level: "job_pb2.Durability.ValueType") -> producer_pb2.AddJobResponse:
    request = producer_pb2.AddJobRequest(queue="q", job=job_pb2.JobSpec(name="n"), durability=level)
    return await stubs.producer.AddJob(request)


def is_out_of_reach(refused: Refusal) -> bool:
    return (refused.code, refused.reason, refused.fields) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_FIELD",
        ["durability"],
    )


async def test_a_store_that_syncs_always_reaches_fsync_for_every_add(stubs: Stubs):
    for asked in (job_pb2.DURABILITY_UNSPECIFIED, MEMORY, FSYNC):
        assert (await add(stubs, asked)).durability == FSYNC
    assert is_out_of_reach(await refusal(add(stubs, REPLICATED)))


async def test_a_store_that_syncs_every_second_reaches_fsync_when_asked(directory: Path, stack: ExitStack):
    broker = stack.enter_context(BrokerProcess(directory, "--store-fsync", "everysec"))
    async with Stubs(broker.address) as stubs:
        assert (await add(stubs, MEMORY)).durability == MEMORY
        assert (await add(stubs, FSYNC)).durability == FSYNC
        batch = producer_pb2.BatchAddJobsRequest(queue="q", jobs=[job_pb2.JobSpec(name="n")] * 2, durability=FSYNC)
        assert [result.durability for result in (await stubs.producer.BatchAddJobs(batch)).results] == [FSYNC, FSYNC]


async def test_a_store_without_a_log_on_disk_reaches_memory_only_and_says_so(directory: Path, stack: ExitStack):
    store = stack.enter_context(StoreProcess(directory / "store"))
    broker = stack.enter_context(BrokerProcess(directory, store=store.url))
    async with Stubs(broker.address) as stubs:
        assert (await add(stubs, MEMORY)).durability == MEMORY
        assert is_out_of_reach(await refusal(add(stubs, FSYNC)))
        info = (await stubs.admin.GetServerInfo(admin_pb2.GetServerInfoRequest())).store
        assert (info.default_durability, info.max_durability) == (MEMORY, MEMORY)
        assert any("appendonly" in warning for warning in info.warnings)


def test_a_default_that_the_store_cannot_reach_is_refused_at_start(directory: Path, stack: ExitStack):
    store = stack.enter_context(StoreProcess(directory / "store"))
    ended = serve_until_exit("--listen", "127.0.0.1:0", "--store", store.url, "--durability", "fsync")
    assert ended.code != 0
    assert "--durability fsync can't be reached" in ended.errors[-1]
    assert "appendonly yes" in ended.errors[-1]


@pytest.fixture
def stores(directory: Path, stack: ExitStack) -> tuple[StoreProcess, StoreProcess]:
    """A store that writes nothing to its disk, and its replica."""
    store = stack.enter_context(StoreProcess(directory / "store", port=free_port(), repl_diskless_sync_delay="0"))
    replica = stack.enter_context(StoreProcess(directory / "replica", replicaof=f"127.0.0.1 {store.port}"))
    until = time.monotonic() + 20
    with store.client() as client:
        while client.info("replication").get("slave0", {}).get("state") != "online":
            assert time.monotonic() < until
            time.sleep(0.01)
    return store, replica


@pytest.mark.parametrize(
    ("options", "fix"), [(("fsync",), "appendonly yes"), (("replicated", "--replicas", "2"), "1 replicas of 2; connect more")]
)
def test_a_replica_makes_no_level_reachable_but_its_own(
    stores: tuple[StoreProcess, StoreProcess], options: tuple[str, ...], fix: str
):
    ended = serve_until_exit("--listen", "127.0.0.1:0", "--store", stores[0].url, "--durability", *options)
    assert ended.code != 0
    assert f"--durability {options[0]} can't be reached with this store: it has" in ended.errors[-1]
    assert fix in ended.errors[-1]


async def test_an_add_that_asks_a_replicated_store_to_sync_is_refused_before_it_is_added(replicated: "Replicated"):
    stubs, _ = replicated
    assert is_out_of_reach(await refusal(add(stubs, FSYNC)))
    assert (await add(stubs, REPLICATED)).durability == REPLICATED
    assert (await stubs.stats("q")).waiting == 1


class Replicated(NamedTuple):
    """A broker over a store with one replica."""

    stubs: Stubs
    replica: StoreProcess


@pytest.fixture
async def replicated(directory: Path, stack: ExitStack, stores: tuple[StoreProcess, StoreProcess]):
    store, replica = stores
    broker = stack.enter_context(BrokerProcess(directory, store=store.url))
    async with Stubs(broker.address) as stubs:
        yield Replicated(stubs, replica)


async def test_a_replica_makes_replicated_reachable_and_its_silence_is_an_error(replicated: Replicated):
    stubs, replica = replicated
    assert (await add(stubs, REPLICATED)).durability == REPLICATED
    with replica.client() as client:
        assert client.exists("lmq:queues")
    replica.signal(signal.SIGSTOP)
    try:
        refused = await refusal(add(stubs, REPLICATED))
    finally:
        replica.signal(signal.SIGCONT)
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "DURABILITY_NOT_REACHED")
    assert (await stubs.stats("q")).waiting == 2  # it may have been added, and was
    assert (await add(stubs, MEMORY)).durability == MEMORY
