"""Kills workers between the lease script and its receipt, again and again.

    python -m tests.faults.killer ADDRESS KILLS SEED

Each worker is a forked child with a connection of its own: a control stream and one lease call, every second one's on a
Work stream. It is killed with SIGKILL at a random moment around the reply, and says through a pipe that it has read the reply
before it does anything else.
Prints one JSON object: how many were killed before and after that, and the lease tokens that were read.
"""

import gc
import json
import os
import random
import signal
import sys
import time
from dataclasses import dataclass

from leasemq.v1 import admin_pb2, job_pb2, producer_pb2, worker_pb2

from tests.faults.wire import Wire
from tests.support import seconds

TOGETHER = 6  # children of one round, each on a queue of its own
JOBS_A_QUEUE = 3
PARKED_PART = 0.3
PARKING_S = 0.01
LEASE = seconds(600)  # whoever waits for it to run out is seen waiting
READY, GO = b"r", b"g"
STEP = 1.03


@dataclass
class Child:
    """A worker that will be killed."""

    pid: int
    queue: str
    hears: int
    says: int
    parks: bool


class Killer:
    """Rounds of children: all are forked and connected first, so that nothing disturbs the moment of the kill."""

    def __init__(self, address: str, seed: int) -> None:
        self._address = address
        self._random = random.Random(seed)
        self._wire = Wire(address)
        self._number = 0
        self._window_s = 0.005  # adapts to the machine, so that about half of the children die before they have read
        self.tokens: list[str] = []
        self.unread = 0

    def run(self, kills: int) -> None:
        for slot in range(TOGETHER):
            self._wire.read(self._add(f"kills-{slot}", JOBS_A_QUEUE), producer_pb2.BatchAddJobsResponse)
        while kills > 0:
            children = [self._spawn(f"kills-{slot}") for slot in range(min(TOGETHER, kills))]
            kills -= len(children)
            for child in children:
                if os.read(child.says, 1) != READY:
                    raise AssertionError("a worker could not connect")
            self._kill_all(children)

    def _add(self, queue: str, count: int = 1) -> int:
        # the broker counts a lease that was perhaps read as run out: here that must not end a job
        spec = job_pb2.JobSpec(name="job", max_lease_expirations=1_000_000)
        request = producer_pb2.BatchAddJobsRequest(queue=queue, jobs=[spec] * count)
        return self._wire.start("Producer/BatchAddJobs", request)

    def _spawn(self, queue: str) -> Child:
        self._number += 1
        parks = self._random.random() < PARKED_PART
        if parks:
            self._wire.call("Admin/DrainQueue", admin_pb2.DrainQueueRequest(queue=queue), admin_pb2.DrainQueueResponse)
        hears, tells = os.pipe()
        listens, says = os.pipe()
        pid = os.fork()
        if pid == 0:
            _work(self._address, queue, f"killed-{self._number}", self._number % 2 == 0, hears, says)
        os.close(hears)
        os.close(says)
        return Child(pid, queue, tells, listens, parks)

    def _kill_all(self, children: list[Child]) -> None:
        parking = [child for child in children if child.parks]
        for child in parking:
            os.write(child.hears, GO)
        if parking:
            time.sleep(PARKING_S)
        adds = [self._add(child.queue) for child in parking]
        for child in children:
            if not child.parks:
                os.write(child.hears, GO)
        now = time.monotonic()
        moments = sorted((now + self._random.uniform(0, self._window_s), child.pid) for child in children)
        for moment, pid in moments:
            time.sleep(max(0.0, moment - time.monotonic()))
            os.kill(pid, signal.SIGKILL)
        for child in children:
            self._bury(child)
        for add in adds:
            self._wire.read(add, producer_pb2.BatchAddJobsResponse)

    def _bury(self, child: Child) -> None:
        os.waitpid(child.pid, 0)
        token = os.read(child.says, 4096).decode()
        os.close(child.says)
        os.close(child.hears)
        if token:
            self.tokens.append(token)
            self._window_s /= STEP
        else:
            self.unread += 1
            self._window_s *= STEP


def _work(address: str, queue: str, worker_id: str, streams: bool, hears: int, says: int) -> None:
    """A child's whole life."""
    wire = Wire(address)
    watch = wire.start("Worker/WatchWorker", worker_pb2.WatchWorkerRequest(worker_id=worker_id))
    wire.read(watch, worker_pb2.WatchWorkerResponse)
    os.write(says, READY)
    os.read(hears, 1)
    os.write(says, _lease(wire, streams, queue, worker_id).lease_token.encode())
    time.sleep(600)
    os._exit(1)


def _lease(wire: Wire, streams: bool, queue: str, worker_id: str) -> worker_pb2.Lease:
    asked = {"queues": [queue], "worker_id": worker_id, "lease_duration": LEASE, "wait_duration": seconds(20)}
    if not streams:
        return wire.call("Worker/LeaseJob", worker_pb2.LeaseJobRequest(**asked), worker_pb2.LeaseJobResponse).lease
    request = worker_pb2.WorkRequest(request_number=1, lease=worker_pb2.BatchLeaseJobsRequest(**asked))
    return wire.read(wire.start("Worker/Work", request, more=True), worker_pb2.WorkResponse).leased.leases[0]


def main() -> None:
    address, kills, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    gc.freeze()  # children share what is there
    killer = Killer(address, seed)
    killer.run(kills)
    print(json.dumps({"unread": killer.unread, "tokens": killer.tokens}))


if __name__ == "__main__":
    main()
