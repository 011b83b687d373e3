"""A gRPC server over a real channel whose answers a test writes, to see what the SDK sends and how it takes errors."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from leasemq.v1 import producer_pb2, producer_pb2_grpc


def packed(message: Message) -> AnyMessage:
    box = AnyMessage()
    box.Pack(message)
    return box


def status(
    code: grpc.StatusCode, reason: str, message: str = "no", retry_after: float | None = None, **metadata: str
) -> status_pb2.Status:
    details: list[Message] = [error_details_pb2.ErrorInfo(domain="leasemq", reason=reason, metadata=metadata)]
    if reason == "INVALID_FIELD":
        violation = error_details_pb2.BadRequest.FieldViolation(field="queue", description="must be better")
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if retry_after is not None:
        delay = Duration()
        delay.FromMilliseconds(int(retry_after * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return status_pb2.Status(code=code.value[0], message=message, details=[packed(detail) for detail in details])


async def refuse(context: Any, verdict: status_pb2.Status) -> None:
    code = next(code for code in grpc.StatusCode if code.value[0] == verdict.code)
    trailers = (("grpc-status-details-bin", verdict.SerializeToString()),)
    await context.abort(code, verdict.message, trailers)


class Producer(producer_pb2_grpc.ProducerServiceServicer):
    """Answers adds with `created`, unless `verdict` says what is wrong with the jobs. Keeps every batch that it was sent."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.methods: list[str] = []
        self.deadlines: list[float] = []
        self.gate: Callable[[], Any] | None = None
        self.verdict: Callable[[list[Any]], Any] = lambda _jobs: None

    async def _judge(self, method: str, jobs: list[Any]) -> Any:
        """What is wrong with the jobs, once the gate lets them through."""
        self.calls.append([job.payload.decode() for job in jobs])
        self.methods.append(method)
        if self.gate is not None:
            await self.gate()
        return self.verdict(jobs)

    async def _take(self, method: str, jobs: list[Any], context: Any) -> list[producer_pb2.AddJobResponse]:
        self.deadlines.append(context.time_remaining())
        verdict = await self._judge(method, jobs)
        if isinstance(verdict, grpc.StatusCode):
            await context.abort(verdict, "the wire is cut")
        if verdict is not None:
            await refuse(context, verdict)
        return [_created(job) for job in jobs]

    async def AddJob(self, request: Any, context: Any) -> Any:  # noqa: N802 - the RPC's name
        return (await self._take("AddJob", [request.job], context))[0]

    async def BatchAddJobs(self, request: Any, context: Any) -> Any:  # noqa: N802 - the RPC's name
        return producer_pb2.BatchAddJobsResponse(results=await self._take("BatchAddJobs", list(request.jobs), context))

    async def Produce(self, requests: AsyncIterator[Any], context: Any) -> None:  # noqa: N802 - the RPC's name
        """Each part is answered as soon as it is judged; a verdict that is a mere code ends the stream."""
        parts, writing = set(), asyncio.Lock()

        async def serve(request: producer_pb2.ProduceRequest) -> None:
            alone = request.HasField("add")
            jobs = [request.add.job] if alone else list(request.add_batch.jobs)
            verdict = await self._judge("AddJob" if alone else "BatchAddJobs", jobs)
            if isinstance(verdict, grpc.StatusCode):
                await context.abort(verdict, "the wire is cut")
            said: dict[str, Any]
            if verdict is not None:
                said = {"add_error" if alone else "add_batch_error": verdict}
            elif alone:
                said = {"added": _created(request.add.job)}
            else:
                said = {"batch_added": producer_pb2.BatchAddJobsResponse(results=map(_created, jobs))}
            async with writing:
                await context.write(producer_pb2.ProduceResponse(request_number=request.request_number, **said))

        async for request in requests:
            parts.add(asyncio.create_task(serve(request)))
        await asyncio.gather(*parts)


def _created(job: Any) -> producer_pb2.AddJobResponse:
    return producer_pb2.AddJobResponse(job_id=job.id, created=True, state=1, durability=2)


@asynccontextmanager
async def serving(producer: Producer, options: Sequence[tuple[str, int]] = ()) -> AsyncIterator[str]:
    server = grpc.aio.server(options=options)
    producer_pb2_grpc.add_ProducerServiceServicer_to_server(producer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)
