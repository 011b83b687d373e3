"""The producers and workers of the chaos run, on plain stubs; each a process that may be killed at any moment.

    python -m tests.faults.actors producer|worker NAME HISTORY SEED ADDRESS...

All calls are tried again, with what makes that safe, until some broker answers. SIGTERM ends an actor in order; the end of
its standard input, which is the end of whoever started it, at once.
"""

import asyncio
import os
import random
import signal
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
from leasemq.v1 import job_pb2, producer_pb2, worker_pb2

from tests.faults.history import Recorder, now_ms
from tests.support import Stubs, refusal_of, seconds

QUEUE = "chaos"
LEASE_S = 2.0
TOGETHER = 10
BATCH = 5
MAX_ATTEMPTS = 30
RETRIED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED)
CALL_S = 6.0


class Actor:
    """Who calls whichever broker answers, and writes down what came of it."""

    def __init__(self, name: str, history: Path, seed: int, addresses: list[str]) -> None:
        self.name = name
        self.record = Recorder(history / f"{name}.jsonl")
        self.random = random.Random(f"{seed}/{name}")
        self.brokers = [Stubs(address) for address in addresses]
        self.stopping = asyncio.Event()

    async def call(self, method: str, request: Any) -> Any:
        """Tries until it is answered; the error of a call that must not be tried again is raised."""
        service, _, name = method.partition(".")
        while True:
            broker = self.random.choice(self.brokers)
            try:
                return await getattr(getattr(broker, service), name)(request, timeout=CALL_S)
            except grpc.aio.AioRpcError as error:
                if error.code() not in RETRIED:
                    raise
                await asyncio.sleep(0.05)


class Producer(Actor):
    """Adds jobs of several kinds, a batch at a time."""

    async def run(self) -> None:
        while not self.stopping.is_set():
            ids = [str(uuid.uuid4()) for _ in range(BATCH)]
            request = producer_pb2.BatchAddJobsRequest(queue=QUEUE, jobs=[self._job(job_id) for job_id in ids])
            await self.call("producer.BatchAddJobs", request)
            for job_id in ids:
                self.record("added", job=job_id)
            await asyncio.sleep(self.random.uniform(0.02, 0.1))

    def _job(self, job_id: str) -> job_pb2.JobSpec:
        delay = seconds(self.random.uniform(0, 1)) if self.random.random() < 0.2 else None
        backoff = job_pb2.Backoff(fixed=job_pb2.FixedBackoff(delay=seconds(self.random.choice([0, 0.05, 0.3]))))
        retry = job_pb2.RetryPolicy(max_attempts=self.random.choice([1, 3, MAX_ATTEMPTS]), backoff=backoff)
        return job_pb2.JobSpec(
            name="chaos",
            id=job_id,
            delay=delay,
            priority=self.random.choice([0, 0, 1]),
            retry=retry,
            max_lease_expirations=1_000_000,  # here workers die all the time
        )


class Worker(Actor):
    """Works several jobs at a time: well, badly, too slowly, or not at all."""

    async def run(self) -> None:
        watches = [asyncio.create_task(self._watch(broker)) for broker in self.brokers]
        slots = asyncio.Semaphore(TOGETHER)
        running: set[asyncio.Task[None]] = set()
        while not self.stopping.is_set():
            for lease in await self._lease():
                await slots.acquire()
                task = asyncio.create_task(self._work(lease))
                running.add(task)
                task.add_done_callback(running.discard)
                task.add_done_callback(lambda _: slots.release())
        await asyncio.gather(*running)
        for watch in watches:
            watch.cancel()

    async def _watch(self, broker: Stubs) -> None:
        """The control stream; what it says is not needed here, but that it is open makes lost deliveries come back."""
        while True:
            try:
                async for _ in broker.worker.WatchWorker(worker_pb2.WatchWorkerRequest(worker_id=self.name)):
                    pass
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.1)

    async def _lease(self) -> list[worker_pb2.Lease]:
        request = worker_pb2.BatchLeaseJobsRequest(
            queues=[QUEUE],
            worker_id=self.name,
            max_jobs=self.random.randint(1, BATCH),
            lease_duration=seconds(LEASE_S),
            wait_duration=seconds(1),
            request_id=str(uuid.UUID(int=self.random.getrandbits(128))),
        )
        leases = list((await self.call("worker.BatchLeaseJobs", request)).leases)
        for lease in leases:
            self.record(
                "leased",
                job=lease.job.id,
                token=lease.lease_token,
                worker=self.name,
                attempt=lease.attempt,
                start=lease.job.start_time.ToMilliseconds(),
                expire=lease.lease_expire_time.ToMilliseconds(),
                max_attempts=lease.job.spec.retry.max_attempts,
            )
        return leases

    async def _work(self, lease: worker_pb2.Lease) -> None:
        kind = self.random.random()
        if kind < 0.03:  # too slow, and silent: its lease runs out meanwhile
            await asyncio.sleep(LEASE_S * 1.2)
        elif kind < 0.1:  # slow, but it says so
            await asyncio.sleep(LEASE_S / 2)
            await self._heartbeat(lease)
            await asyncio.sleep(LEASE_S * 0.7)
        else:
            await asyncio.sleep(self.random.uniform(0, 0.1))
        await self._settle(lease)

    async def _heartbeat(self, lease: worker_pb2.Lease) -> None:
        request = worker_pb2.HeartbeatRequest(
            worker=worker_pb2.WorkerInfo(worker_id=self.name, queues=[QUEUE]),
            lease_tokens=[lease.lease_token],
            lease_duration=seconds(LEASE_S),
        )
        (found,) = (await self.call("worker.Heartbeat", request)).leases
        if found.status == worker_pb2.LEASE_STATUS_EXTENDED:
            self.record("extended", token=lease.lease_token, expire=found.lease_expire_time.ToMilliseconds())

    async def _settle(self, lease: worker_pb2.Lease) -> None:
        token = lease.lease_token
        outcome = self.random.choices(["complete", "fail", "release"], [8, 1, 1])[0]
        method, request = {
            "complete": ("CompleteJob", worker_pb2.CompleteJobRequest(lease_token=token, result=b"done")),
            "fail": ("FailJob", worker_pb2.FailJobRequest(lease_token=token)),
            "release": ("ReleaseJob", worker_pb2.ReleaseJobRequest(lease_token=token)),
        }[outcome]
        while True:
            sent = now_ms()
            self.record("sent", token=token, outcome=outcome, at=sent)
            try:
                answer = await getattr(self.random.choice(self.brokers).worker, method)(request, timeout=CALL_S)
            except grpc.aio.AioRpcError as error:
                if error.code() in RETRIED:
                    await asyncio.sleep(0.05)
                    continue
                if refusal_of(error).reason != "LEASE_LOST":
                    raise
                self.record("refused", token=token, outcome=outcome)
            else:
                state = job_pb2.JobState.Name(getattr(answer, "state", 0) or answer.next_state).removeprefix("JOB_STATE_")
                self.record("accepted", token=token, outcome=outcome, sent=sent, state=state)
            return


async def main() -> None:
    kind, name, history, seed, *addresses = sys.argv[1:]
    make: Callable[..., Any] = {"producer": Producer, "worker": Worker}[kind]
    actor = make(name, Path(history), int(seed), addresses)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, actor.stopping.set)
    loop.add_reader(sys.stdin.fileno(), os._exit, 1)
    await actor.run()


if __name__ == "__main__":
    asyncio.run(main())
