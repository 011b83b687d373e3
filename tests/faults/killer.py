"""Kills workers between the lease script and its receipt, again and again.

    python -m tests.faults.killer ADDRESS KILLS SEED

Each worker is a forked child with a connection of its own: a control stream and one lease call. It is killed with SIGKILL
at a random moment around the reply, and says through a pipe that it has read the reply before it does anything else.
Prints one JSON object: how many were killed before and after that, and the lease tokens that were read.
"""

import gc
import heapq
import json
import os
import random
import selectors
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from leasemq.v1 import admin_pb2, job_pb2, producer_pb2, worker_pb2

from tests.faults.wire import Wire
from tests.support import seconds

SLOTS = 6
JOBS_A_SLOT = 3
PARKED_PART = 0.3
LEASE = seconds(600)  # whoever waits for it to run out is seen waiting
ASKED = b"?"
EARLY_S = 0.005


@dataclass
class Child:
    """A worker that will be killed."""

    pid: int
    pipe: int
    queue: str
    parks: bool
    asked_at: float = 0.0
    said: bytearray = field(default_factory=bytearray)


class Killer:
    """SLOTS children at a time, each slot with a queue of its own."""

    def __init__(self, address: str, kills: int, seed: int) -> None:
        self._address = address
        self._left = kills
        self._random = random.Random(seed)
        self._wire = Wire(address)
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._reply_s = EARLY_S / 2  # how long a reply takes, as far as children lived to see one
        self.tokens: list[str] = []
        self.unread = 0

    def run(self) -> None:
        for slot in range(SLOTS):
            self._add(f"kills-{slot}", JOBS_A_SLOT)
            self._spawn(f"kills-{slot}")
        while self._selector.get_map():
            wait = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None
            for key, _ in self._selector.select(wait):
                self._hear(key.data)
            while self._timers and self._timers[0][0] <= time.monotonic():
                heapq.heappop(self._timers)[2]()

    def _later(self, wait: float, action: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._timers, (time.monotonic() + wait, self._number, action))

    def _add(self, queue: str, count: int = 1) -> None:
        # the broker counts a lease that was perhaps read as run out: here that must not end a job
        spec = job_pb2.JobSpec(name="job", max_lease_expirations=1_000_000)
        request = producer_pb2.BatchAddJobsRequest(queue=queue, jobs=[spec] * count)
        self._wire.call("Producer/BatchAddJobs", request, producer_pb2.BatchAddJobsResponse)

    def _spawn(self, queue: str) -> None:
        if not self._left:
            return
        self._left -= 1
        self._number += 1
        parks = self._random.random() < PARKED_PART
        if parks:
            self._wire.call("Admin/DrainQueue", admin_pb2.DrainQueueRequest(queue=queue), admin_pb2.DrainQueueResponse)
        reads, writes = os.pipe()
        pid = os.fork()
        if pid == 0:
            _work(self._address, queue, f"killed-{self._number}", writes)
        os.close(writes)
        self._selector.register(reads, selectors.EVENT_READ, Child(pid, reads, queue, parks))

    def _hear(self, child: Child) -> None:
        said = os.read(child.pipe, 4096)
        if not said:
            raise AssertionError(f"a worker ended by itself, after saying {bytes(child.said)!r}")
        now = time.monotonic()
        if not child.said and child.parks:
            self._later(self._moment(), lambda: self._add_and_kill(child))
        elif not child.said:
            child.asked_at = now
            self._later(self._moment(), lambda: self._kill(child))
        elif child.asked_at:
            self._reply_s += (now - child.asked_at - self._reply_s) / 16
        child.said += said

    def _moment(self) -> float:
        """Around the reply: as often before it as after."""
        return self._random.uniform(0, max(EARLY_S, 2 * self._reply_s))

    def _add_and_kill(self, child: Child) -> None:
        self._add(child.queue)
        self._later(self._random.uniform(0, EARLY_S), lambda: self._kill(child))

    def _kill(self, child: Child) -> None:
        os.kill(child.pid, signal.SIGKILL)
        os.waitpid(child.pid, 0)
        self._selector.unregister(child.pipe)
        while more := os.read(child.pipe, 4096):
            child.said += more
        os.close(child.pipe)
        token = child.said.removeprefix(ASKED).decode()
        if token:
            self.tokens.append(token)
        else:
            self.unread += 1
        self._spawn(child.queue)


def _work(address: str, queue: str, worker_id: str, pipe: int) -> None:
    """A child's whole life."""
    wire = Wire(address)
    watch = wire.start("Worker/WatchWorker", worker_pb2.WatchWorkerRequest(worker_id=worker_id))
    wire.read(watch, worker_pb2.WatchWorkerResponse)
    request = worker_pb2.LeaseJobRequest(queues=[queue], worker_id=worker_id, lease_duration=LEASE, wait_duration=seconds(20))
    lease = wire.start("Worker/LeaseJob", request)
    os.write(pipe, ASKED)
    os.write(pipe, wire.read(lease, worker_pb2.LeaseJobResponse).lease.lease_token.encode())
    time.sleep(600)
    os._exit(1)


def main() -> None:
    address, kills, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    gc.freeze()  # children share what is there
    killer = Killer(address, kills, seed)
    killer.run()
    print(json.dumps({"unread": killer.unread, "tokens": killer.tokens}))


if __name__ == "__main__":
    main()
