"""Workers are killed at random moments, two brokers on one store: never do more than max_active jobs run.

And no slot is lost with its worker: in the end all jobs are done.

    python -m tests.faults.test_limits NAME ADDRESS...

is one of the workers: it leases a few jobs at a time, and takes a moment over each. The store is looked at all the time, past
the brokers: the leases that it holds are the running jobs.
"""

import asyncio
import contextlib
import os
import random
import subprocess
import sys
import threading
import time
import uuid

import grpc
from leasemq.v1 import admin_pb2, job_pb2, producer_pb2, worker_pb2

from tests.support import BrokerProcess, StoreProcess, Stubs, eventually, seconds, short_directory

SECONDS = float(os.environ.get("LEASEMQ_LIMIT_SECONDS", "12"))
QUEUE = "limited"
MAX_ACTIVE = 7
WORKERS = 6
JOBS = 400
LEASE_S = 1.0
PATIENCE_S = 60.0


class Watcher(threading.Thread):
    """Looks at how many leases there are, as often as it can."""

    def __init__(self, store: StoreProcess) -> None:
        super().__init__(daemon=True)
        self._client = store.client()
        self._over = threading.Event()
        self.most = self.looks = 0

    def run(self) -> None:
        while not self._over.is_set():
            self.most = max(self.most, self._client.zcard(f"lmq:q:{{{QUEUE}}}:leases"))
            self.looks += 1

    def end(self) -> None:
        self._over.set()
        self.join()
        self._client.close()


def start_worker(brokers: list[BrokerProcess]) -> "subprocess.Popen[bytes]":
    addresses = [broker.address for broker in brokers]
    command = [sys.executable, "-m", "tests.faults.test_limits", f"w-{uuid.uuid4()}", *addresses]
    return subprocess.Popen(command, stdin=subprocess.PIPE)


async def kill_workers(brokers: list[BrokerProcess], workers: list["subprocess.Popen[bytes]"], until: float) -> int:
    kills = 0
    while time.monotonic() < until:
        await asyncio.sleep(random.uniform(0.05, 0.4))
        doomed = random.randrange(len(workers))
        workers[doomed].kill()
        workers[doomed].wait()
        kills += 1
        workers[doomed] = start_worker(brokers)
    return kills


async def test_max_active_holds_and_no_slot_leaks_when_workers_are_killed():
    with short_directory() as directory, StoreProcess(directory / "store") as store, contextlib.ExitStack() as stack:
        brokers = [stack.enter_context(BrokerProcess(directory, store=store.url)) for _ in range(2)]
        async with Stubs(brokers[0].address) as stubs:
            config = admin_pb2.QueueConfig(max_active=MAX_ACTIVE)
            await stubs.admin.UpdateQueue(admin_pb2.UpdateQueueRequest(queue=QUEUE, config=config))
            spec = job_pb2.JobSpec(name="n", max_lease_expirations=1_000_000)
            await stubs.producer.BatchAddJobs(producer_pb2.BatchAddJobsRequest(queue=QUEUE, jobs=[spec] * JOBS))
            watcher = Watcher(store)
            watcher.start()
            workers = [start_worker(brokers) for _ in range(WORKERS)]
            try:
                kills = await kill_workers(brokers, workers, time.monotonic() + SECONDS)

                async def all_done() -> bool:
                    return (await stubs.stats(QUEUE)).completed == JOBS

                await eventually(all_done, PATIENCE_S)
            finally:
                for worker in workers:
                    worker.kill()
                    worker.wait()
                watcher.end()
            stats = await stubs.stats(QUEUE)
    print(f"{kills} kills, {watcher.looks} looks, at most {watcher.most} leases")
    assert kills > SECONDS
    assert watcher.most == MAX_ACTIVE  # reached, and never passed
    assert (stats.active, stats.waiting, stats.failed) == (0, 0, 0)


async def work(name: str, addresses: list[str]) -> None:
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), os._exit, 1)
    stubs = [Stubs(address) for address in addresses]
    while True:
        broker = random.choice(stubs)
        request = worker_pb2.BatchLeaseJobsRequest(
            queues=[QUEUE],
            worker_id=name,
            max_jobs=random.randint(1, 5),
            lease_duration=seconds(LEASE_S),
            wait_duration=seconds(5),
        )
        for lease in (await broker.worker.BatchLeaseJobs(request)).leases:
            await asyncio.sleep(random.uniform(0, 0.1))
            with contextlib.suppress(grpc.aio.AioRpcError):  # the others may have taken so long that this one is lost
                await broker.complete(lease)


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], sys.argv[2:]))
