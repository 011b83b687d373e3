"""Workers that are killed at random moments, each of which leases a few jobs at a time; and a look at the store meanwhile.

python -m tests.faults.takers QUEUE NAME ADDRESS...
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
from collections.abc import Iterator

import grpc
from leasemq.v1 import worker_pb2

from tests.support import BrokerProcess, StoreProcess, Stubs, seconds

LEASE_S = 1.0
WORKERS = 6


class Watcher(threading.Thread):
    """Looks at the store as often as it can, past the brokers."""

    def __init__(self, store: StoreProcess) -> None:
        super().__init__(daemon=True)
        self.client = store.client()
        self._over = threading.Event()
        self.most = self.looks = 0

    def run(self) -> None:
        while not self._over.is_set():
            self.look()
            self.looks += 1

    def look(self) -> None:
        raise NotImplementedError

    def end(self) -> None:
        self._over.set()
        self.join()
        self.client.close()


class Takers:
    """Some workers of a queue, at any of the brokers."""

    def __init__(self, queue: str, brokers: list[BrokerProcess]) -> None:
        self._command = [sys.executable, "-m", "tests.faults.takers", queue]
        self._addresses = [broker.address for broker in brokers]
        self._workers = [self._start() for _ in range(WORKERS)]

    def _start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([*self._command, f"w-{uuid.uuid4()}", *self._addresses], stdin=subprocess.PIPE)

    async def kill_some(self, span_s: float) -> int:
        """Kills one after the other for so long, and starts another for each; returns how many."""
        until, kills = time.monotonic() + span_s, 0
        while time.monotonic() < until:
            await asyncio.sleep(random.uniform(0.05, 0.4))
            doomed = random.randrange(len(self._workers))
            self._kill(self._workers[doomed])
            kills += 1
            self._workers[doomed] = self._start()
        return kills

    def end(self) -> None:
        for worker in self._workers:
            self._kill(worker)

    @staticmethod
    def _kill(worker: "subprocess.Popen[bytes]") -> None:
        worker.kill()
        worker.wait()


@contextlib.contextmanager
def taking(queue: str, brokers: list[BrokerProcess]) -> Iterator[Takers]:
    takers = Takers(queue, brokers)
    try:
        yield takers
    finally:
        takers.end()


async def work(queue: str, name: str, addresses: list[str]) -> None:
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), os._exit, 1)
    stubs = [Stubs(address) for address in addresses]
    while True:
        broker = random.choice(stubs)
        request = worker_pb2.BatchLeaseJobsRequest(
            queues=[queue],
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
    asyncio.run(work(sys.argv[1], sys.argv[2], sys.argv[3:]))
