"""The LeaseMQ side of the benchmarks: one process that adds or works jobs, told what to do by JSON lines on standard input.

`python -m bench.client HOST:PORT`. Each operation times itself and answers with one JSON line; the harness reads the CPU that
the process used. Here is what a user of the Python SDK would write; raw.py has the same on bare stubs, and bullmq/client.mjs
is the peer's twin.
"""

import asyncio
import json
import math
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import uvloop
from leasemq import AddedJob, Client, Job, NewJob, Worker

from bench.payload import payload_of
from bench.raw import RawOperations, in_parallel

Answer = dict[str, Any]
HEAD_START_S = 0.05
QUICK_SWITCH_S = 0.0005


def now_us() -> int:
    return time.monotonic_ns() // 1000


@dataclass
class Listener:
    """A worker in the background that notes how long after its intended sending each job starts."""

    worker: Worker | None = None
    latencies_us: list[int] = field(default_factory=list)
    wanted: float = math.inf
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, job: Job) -> None:
        self.latencies_us.append(now_us() - job.payload["sent_us"])
        if len(self.latencies_us) >= self.wanted:
            self.reached.set()


class SdkOperations:
    """The operations by the Python SDK."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._listeners: dict[str, Listener] = {}

    async def add_single(self, *, queue: str, count: int, in_flight: int, payload_bytes: int) -> Answer:
        payload = payload_of(payload_bytes)
        start = time.perf_counter()

        async def add(_: int) -> None:
            await self._client.add(queue, payload, name="bench")

        await in_parallel(count, in_flight, add)
        return {"seconds": time.perf_counter() - start}

    async def add_batch(self, *, queue: str, count: int, batch: int, in_flight: int, payload_bytes: int) -> Answer:
        payload = payload_of(payload_bytes)
        start = time.perf_counter()

        async def add(index: int) -> None:
            size = min(batch, count - index * batch)
            await self._client.add_many(queue, [NewJob(payload, name="bench") for _ in range(size)])

        await in_parallel(math.ceil(count / batch), in_flight, add)
        return {"seconds": time.perf_counter() - start}

    async def process(self, *, queue: str, count: int, concurrency: int) -> Answer:
        """No-op handlers until `count` jobs are completed, as the broker has confirmed."""
        completed = 0
        all_completed = asyncio.Event()

        async def handle(_: Job) -> None:
            pass

        def on_completed(*_: Any) -> None:
            nonlocal completed
            completed += 1
            if completed == count:
                all_completed.set()

        worker = Worker(self._client, queue, handle, concurrency=concurrency, on_completed=on_completed)
        start = time.perf_counter()
        await worker.start()
        await all_completed.wait()
        seconds = time.perf_counter() - start
        await worker.stop()
        return {"seconds": seconds}

    async def listen(self, *, queue: str, concurrency: int) -> Answer:
        listener = self._listeners[queue] = Listener()
        listener.worker = Worker(self._client, queue, listener.handle, concurrency=concurrency)
        await listener.worker.start()
        return {}

    async def heard(self, *, queue: str, count: int) -> Answer:
        listener = self._listeners.pop(queue)
        listener.wanted = count
        if len(listener.latencies_us) < count:
            await listener.reached.wait()
        assert listener.worker
        await listener.worker.stop()
        return quantiles(listener.latencies_us)

    async def pace(self, *, queue: str, count: int, rate: float, payload_bytes: int) -> Answer:
        """Open loop: job i is sent at start + i / rate whatever became of those before it."""
        loop = asyncio.get_running_loop()
        adds: list[asyncio.Task[AddedJob]] = []

        def send(sent_us: int) -> None:
            adds.append(loop.create_task(self._client.add(queue, payload_of(payload_bytes, sent_us), name="bench")))

        await asyncio.to_thread(pace, count, rate, lambda sent_us: loop.call_soon_threadsafe(send, sent_us))
        await asyncio.gather(*adds)
        return {}

    async def counts(self, *, queue: str) -> Answer:
        stats = await self._client.admin.stats(queue)
        return {"waiting": stats.waiting, "active": stats.active}


def pace(count: int, rate: float, send: Callable[[int], object]) -> None:
    """Calls `send` with each intended send time when it has come; in a thread, since uvloop's timers are a millisecond coarse."""
    start_us = now_us() + round(HEAD_START_S * 1e6)
    for index in range(count):
        due_us = start_us + round(index * 1e6 / rate)
        time.sleep(max(0, due_us - now_us()) / 1e6)
        send(due_us)


def quantiles(latencies_us: list[int]) -> dict[str, float]:
    """Milliseconds at the ranks that the report shows: nearest rank."""
    ordered = sorted(latencies_us)

    def at(share: float) -> float:
        return ordered[math.ceil(share * len(ordered)) - 1] / 1000

    return {"p50_ms": at(0.5), "p99_ms": at(0.99), "p999_ms": at(0.999)}


async def read_lines(on_line: Callable[[str], Awaitable[None]]) -> None:
    """Standard input line by line, while the event loop runs on."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        await on_line(line.decode())


async def main(address: str) -> None:
    async with Client(address) as client, RawOperations(address) as raw:
        sdk = SdkOperations(client)

        async def perform(line: str) -> None:
            options = json.loads(line)
            operation = options.pop("operation")
            target = raw if operation.startswith("raw_") else sdk
            print(json.dumps(await getattr(target, operation)(**options)), flush=True)

        print(json.dumps({"ready": True}), flush=True)
        await read_lines(perform)


if __name__ == "__main__":
    sys.setswitchinterval(QUICK_SWITCH_S)
    uvloop.run(main(sys.argv[1]))
