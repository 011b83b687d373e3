"""No lost delivery: whatever happens between the lease script and its receipt, no job waits for its lease to run out."""

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import redis
from leasemq.v1 import admin_pb2, job_pb2

from tests.support import (
    BrokerProcess,
    StoreProcess,
    Stubs,
    calls_in_flight,
    eventually,
    refusal,
    seconds,
    short_directory,
    stored_nonce,
)

KILLS = int(os.environ.get("LEASEMQ_KILLS", "1000"))
BACK_WITHIN_S = 2.0
ROOT = Path(__file__).resolve().parents[2]


async def test_no_job_waits_for_its_lease_when_workers_are_killed_around_its_delivery():
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}, {KILLS} kills")
    with short_directory() as directory, BrokerProcess(directory) as broker:
        started = time.monotonic()
        said = await kill_workers(broker.address, seed)
        unread, read = said["unread"], len(said["tokens"])
        print(f"{unread} killed before they had read a reply, {read} after, in {time.monotonic() - started:.1f} s")
        assert unread + read == KILLS
        assert min(unread, read) > KILLS / 20, "the kills missed the moment that matters"
        with redis.Redis(unix_socket_path=str(broker.embedded_socket)) as store:
            tokens = set(said["tokens"])
            await eventually(lambda: not leased_unread(store, tokens), patience=BACK_WITHIN_S)
        async with Stubs(broker.address) as stubs:
            await all_wait_unstarted(stubs)


@contextlib.contextmanager
def own_store() -> Iterator[tuple[BrokerProcess, StoreProcess]]:
    """A broker, and its store to be stopped and continued."""
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(short_directory())
        store = stack.enter_context(StoreProcess(directory / "store"))
        yield stack.enter_context(BrokerProcess(directory, store=store.url)), store


async def kill_workers(address: str, seed: int) -> dict:
    """In a process of its own, whose children fork without threads."""
    killer = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.killer", address, str(KILLS), str(seed), stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    out, _ = await killer.communicate()
    assert killer.returncode == 0
    return dict(json.loads(out))


def leased_unread(store: "redis.Redis[bytes]", read: set[str]) -> list[str]:
    """The tokens of live leases that no worker ever read."""
    tokens = []
    for key in store.scan_iter("lmq:q:{kills-*}:leases"):
        queue = key.decode().partition("{")[2].partition("}")[0]
        ids = [job_id.decode() for job_id in store.zrange(key, 0, -1)]
        tokens += [f"{stored_nonce(store, queue, job_id)}/{queue}/{job_id}" for job_id in ids]
    return [token for token in tokens if token not in read]


async def all_wait_unstarted(stubs: Stubs) -> None:
    """What was given back has used no attempt."""
    queues = (await stubs.admin.ListQueues(admin_pb2.ListQueuesRequest())).queues
    seen = 0
    for queue in queues:
        request = admin_pb2.ListJobsRequest(queue=queue.name, page_size=1000, states=[job_pb2.JOB_STATE_WAITING])
        jobs = (await stubs.admin.ListJobs(request)).jobs
        assert [job.attempt for job in jobs] == [0] * len(jobs)
        seen += len(jobs)
        assert queue.stats.waiting + queue.stats.active > 0
    assert seen


async def test_what_the_store_leased_while_its_answer_was_lost_is_given_back_when_it_answers_again():
    """The store stands still for so long that the broker gives the call up, then runs the lease script all the same."""
    with (
        short_directory() as directory,
        StoreProcess(directory / "store") as store,
        BrokerProcess(directory, store=store.url) as broker,
    ):
        async with Stubs(broker.address) as stubs:
            added = await stubs.add("q")
            assert await stubs.lease("other") is None
            store.signal(signal.SIGSTOP)
            refused = await refusal(stubs.lease("q", lease_duration=seconds(600)))
            assert refused.reason == "STORE_UNAVAILABLE"
            store.signal(signal.SIGCONT)
            again = await stubs.must_lease("q", wait=BACK_WITHIN_S)
            assert (again.job.id, again.attempt, again.job.lease_expirations) == (added.job_id, 1, 0)


async def test_a_call_that_is_gone_when_its_lease_is_made_gives_the_job_back():
    with own_store() as (broker, store):
        async with Stubs(broker.address) as stubs:
            await stubs.add("q")
            assert await stubs.lease("other") is None
            store.signal(signal.SIGSTOP)
            gone = [asyncio.ensure_future(stubs.lease("q", "other", lease_duration=seconds(600))) for _ in range(3)]
            await parked_at_the_store(stubs, len(gone))
            for poll in gone:
                poll.cancel()
            await parked_at_the_store(stubs, 0)
            store.signal(signal.SIGCONT)
            again = await stubs.must_lease("q", wait=BACK_WITHIN_S)
            assert (again.attempt, again.job.lease_expirations) == (1, 0)


async def parked_at_the_store(stubs: Stubs, count: int) -> None:
    """So many calls are with the broker, which waits for the store."""

    async def so_many() -> bool:
        return await calls_in_flight(stubs) == count

    await eventually(so_many)
    await asyncio.sleep(0.1)  # what is asked of a store that stands still leaves no trace
