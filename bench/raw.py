"""The same work on bare gRPC stubs, one call a batch: what the broker can do, whatever the language of its clients."""

import asyncio
import itertools
import json
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Self

import grpc
from google.protobuf.duration_pb2 import Duration
from leasemq.v1 import job_pb2, producer_pb2, producer_pb2_grpc, worker_pb2, worker_pb2_grpc
from uuid_utils import uuid7

from bench.payload import payload_of

Answer = dict[str, Any]
WORKER_ID = "bench-raw"
LEASE = Duration(seconds=120)


async def in_parallel(count: int, in_flight: int, call: Callable[[int], Awaitable[None]]) -> None:
    """Awaits call(0) to call(count - 1), `in_flight` of them at a time."""
    indexes = iter(range(count))

    async def caller() -> None:
        for index in indexes:
            await call(index)

    await asyncio.gather(*(caller() for _ in range(in_flight)))


class Stream:
    """An open stream of requests, each with a number that its answers bear."""

    def __init__(self, call: Any) -> None:
        self._requests: asyncio.Queue[Any] = asyncio.Queue()
        self._answers: dict[tuple[str, int], asyncio.Future[Any]] = {}
        self._numbers = itertools.count(1)
        self._reading = asyncio.create_task(self._read(call(self._until_none())))

    async def ask(self, request: Any, *kinds: str) -> list[Any]:
        """Sends it; returns its answers of these kinds."""
        request.request_number = next(self._numbers)
        keys = [(kind, request.request_number) for kind in kinds]
        asked = [self._answers.setdefault(key, asyncio.get_running_loop().create_future()) for key in keys]
        self._requests.put_nowait(request)
        return await asyncio.gather(*asked)

    async def end(self) -> None:
        self._requests.put_nowait(None)
        await self._reading

    async def _read(self, responses: AsyncIterator[Any]) -> None:
        async for response in responses:
            kind = response.WhichOneof("answer")
            self._answers.pop((kind, response.request_number)).set_result(getattr(response, kind))

    async def _until_none(self) -> AsyncIterator[Any]:
        while request := await self._requests.get():
            yield request


class RawOperations:
    """The operations by stubs; a batch of 1 is the unary call for one job."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.aio.insecure_channel(address)
        self._producer = producer_pb2_grpc.ProducerServiceStub(self._channel)
        self._worker = worker_pb2_grpc.WorkerServiceStub(self._channel)
        self._tokens: dict[str, list[str]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close(None)

    async def raw_add(
        self, *, queue: str, count: int, batch: int, in_flight: int, payload_bytes: int, groups: int = 0, streamed: bool = False
    ) -> Answer:
        """With groups, the jobs go to so many of them in turn; `streamed`, on one Produce stream."""
        payload = json.dumps(payload_of(payload_bytes), separators=(",", ":")).encode()
        start = time.perf_counter()
        stream = Stream(self._producer.Produce) if streamed else None

        async def add(index: int) -> None:
            first = index * batch
            of_groups = [f"tenant-{number % groups}" if groups else "" for number in range(first, min(first + batch, count))]
            await self._add(queue, payload, of_groups, stream)

        await in_parallel(math.ceil(count / batch), in_flight, add)
        if stream:
            await stream.end()
        return {"seconds": time.perf_counter() - start}

    async def raw_process(self, *, queue: str, batch: int, in_flight: int) -> Answer:
        """Leases and completes all that waits."""
        start = time.perf_counter()

        async def work(_: int) -> None:
            while tokens := await self._lease(queue, batch):
                await self._complete(tokens)

        await in_parallel(in_flight, in_flight, work)
        return {"seconds": time.perf_counter() - start}

    async def raw_stream(self, *, queue: str, batch: int, in_flight: int) -> Answer:
        """The same on one Work stream: each request settles a batch and asks for the next."""
        start = time.perf_counter()
        stream = Stream(self._worker.Work)

        async def work(_: int) -> None:
            tokens: list[str] = []
            while True:
                request = worker_pb2.WorkRequest(lease=_lease_request(queue, batch))
                if tokens:
                    request.settle.settlements.extend(_completions(tokens))
                leased, *settled = await stream.ask(request, *(("leased", "settled") if tokens else ("leased",)))
                for answer in settled:
                    _check(answer)
                tokens = [lease.lease_token for lease in leased.leases]
                if not tokens:
                    return

        await in_parallel(in_flight, in_flight, work)
        await stream.end()
        return {"seconds": time.perf_counter() - start}

    async def raw_lease(self, *, queue: str, count: int, batch: int) -> Answer:
        """Leases `count` jobs, and keeps the tokens for raw_complete."""
        tokens = self._tokens[queue] = []
        while len(tokens) < count and (leased := await self._lease(queue, batch)):
            tokens += leased
        return {"count": len(tokens)}

    async def raw_complete(self, *, queue: str, batch: int) -> Answer:
        tokens = self._tokens.pop(queue)
        for first in range(0, len(tokens), batch):
            await self._complete(tokens[first : first + batch])
        return {"count": len(tokens)}

    async def _add(self, queue: str, payload: bytes, groups: Sequence[str], stream: "Stream | None") -> None:
        jobs = [job_pb2.JobSpec(name="bench", payload=payload, id=str(uuid7()), group=group) for group in groups]
        if len(jobs) == 1:
            await self._producer.AddJob(producer_pb2.AddJobRequest(queue=queue, job=jobs[0]))
            return
        request = producer_pb2.BatchAddJobsRequest(queue=queue, jobs=jobs)
        if stream:
            await stream.ask(producer_pb2.ProduceRequest(add_batch=request), "batch_added")
        else:
            await self._producer.BatchAddJobs(request)

    async def _lease(self, queue: str, batch: int) -> list[str]:
        if batch == 1:
            one = await self._worker.LeaseJob(
                worker_pb2.LeaseJobRequest(queues=[queue], worker_id=WORKER_ID, lease_duration=LEASE)
            )
            return [one.lease.lease_token] if one.HasField("lease") else []
        many = await self._worker.BatchLeaseJobs(_lease_request(queue, batch))
        return [lease.lease_token for lease in many.leases]

    async def _complete(self, tokens: list[str]) -> None:
        if len(tokens) == 1:
            await self._worker.CompleteJob(worker_pb2.CompleteJobRequest(lease_token=tokens[0]))
            return
        _check(await self._worker.SettleJobs(worker_pb2.SettleJobsRequest(settlements=_completions(tokens))))


def _lease_request(queue: str, batch: int) -> worker_pb2.BatchLeaseJobsRequest:
    return worker_pb2.BatchLeaseJobsRequest(queues=[queue], worker_id=WORKER_ID, lease_duration=LEASE, max_jobs=batch)


def _completions(tokens: Sequence[str]) -> list[worker_pb2.Settlement]:
    outcome = worker_pb2.CompleteOutcome()
    return [worker_pb2.Settlement(lease_token=token, complete=outcome) for token in tokens]


def _check(answer: worker_pb2.SettleJobsResponse) -> None:
    failed = list(itertools.compress(answer.results, (result.HasField("error") for result in answer.results)))
    if failed:
        msg = f"{len(failed)} of {len(answer.results)} not settled: {failed[0].error.message}"
        raise RuntimeError(msg)
