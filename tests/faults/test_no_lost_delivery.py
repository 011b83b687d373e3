"""No lost delivery: whatever becomes of a worker between the lease script and its receipt, no job waits for its lease to run out."""

import asyncio
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import redis
from leasemq.v1 import admin_pb2, job_pb2

from tests.support import BrokerProcess, StoreProcess, Stubs, refusal, seconds, short_directory

KILLS = int(os.environ.get("LEASEMQ_KILLS", "1000"))
BACK_WITHIN_S = 2.0
ROOT = Path(__file__).resolve().parents[2]


async def test_no_job_waits_for_its_lease_when_workers_are_killed_around_its_delivery():
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}, {KILLS} kills")
    with short_directory() as directory, BrokerProcess(directory) as broker:
        started = time.monotonic()
        said = await kill_workers(broker.address, seed)
        print(
            f"{said['unread']} killed before they had read a reply, {len(said['tokens'])} after, in {time.monotonic() - started:.1f} s"
        )
        assert said["unread"] + len(said["tokens"]) == KILLS
        assert min(said["unread"], len(said["tokens"])) > KILLS / 20, "the kills missed the moment that matters"
        with redis.Redis(unix_socket_path=str(broker.embedded_socket)) as store:
            stuck = await eventually_none(store, set(said["tokens"]))
            assert not stuck, f"leased to nobody, and waiting for the lease to run out (seed {seed}): {stuck}"
        async with Stubs(broker.address) as stubs:
            await all_wait_unstarted(stubs)


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
        for job_id in store.zrange(key, 0, -1):
            nonce = store.hget(f"lmq:q:{{{queue}}}:job:{job_id.decode()}", "t")
            tokens.append(f"{(nonce or b'').decode()}/{queue}/{job_id.decode()}")
    return [token for token in tokens if token not in read]


async def eventually_none(store: "redis.Redis[bytes]", read: set[str]) -> list[str]:
    until = time.monotonic() + BACK_WITHIN_S
    while (stuck := leased_unread(store, read)) and time.monotonic() < until:
        await asyncio.sleep(0.02)
    return stuck


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
    with short_directory() as directory, StoreProcess(directory / "store") as store:
        with BrokerProcess(directory, store=store.url) as broker:
            async with Stubs(broker.address) as stubs:
                added = await stubs.add("q")
                assert await stubs.lease("other") is None
                store.signal(signal.SIGSTOP)
                refused = await refusal(stubs.lease("q", lease_duration=seconds(600)))
                assert refused.reason == "STORE_UNAVAILABLE"
                store.signal(signal.SIGCONT)
                again = await stubs.must_lease("q", wait=5)
                assert (again.job.id, again.attempt, again.job.lease_expirations) == (added.job_id, 1, 0)
