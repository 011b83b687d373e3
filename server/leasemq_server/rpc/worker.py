"""WorkerService: for programs that work jobs."""

import asyncio
import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from leasemq.v1 import job_pb2, worker_pb2

from leasemq_server.broker.broker import Broker
from leasemq_server.broker.dispatch import Poll
from leasemq_server.broker.settle import Block, Complete, Completion, Fail, Release, Settlement
from leasemq_server.errors import DependencyCycleError, DomainError, InvalidFieldError, LeaseLostError
from leasemq_server.jobs import limits
from leasemq_server.jobs.check import Check, span_ms
from leasemq_server.jobs.flows import edges_of, refuse_itself
from leasemq_server.jobs.tokens import parse_token
from leasemq_server.rpc.encode import STATES
from leasemq_server.rpc.errors import status_of
from leasemq_server.rpc.stream import CallStream, Part, Write
from leasemq_server.rpc.wire import LeaseWriter, answer_writer, repeated, set_time
from leasemq_server.store.flows import JobRef
from leasemq_server.store.keys import CONTROL_CHANNEL
from leasemq_server.store.types import Outcome

SERVICE = worker_pb2.DESCRIPTOR.services_by_name["WorkerService"]
_LEASED, _LEASE_ERROR, _SETTLED, _SETTLE_ERROR = (
    answer_writer(worker_pb2.WorkResponse, field) for field in ("leased", "lease_error", "settled", "settle_error")
)
KEEP_ALIVE_S = 10.0
JSON_TYPE = "application/json"
LEASE_STATUS = {
    "EXTENDED": worker_pb2.LEASE_STATUS_EXTENDED,
    "LOST": worker_pb2.LEASE_STATUS_LOST,
    "CANCEL_REQUESTED": worker_pb2.LEASE_STATUS_CANCEL_REQUESTED,
}


class WorkerServicer:
    """Leases jobs, keeps the leases alive and settles them."""

    writes_reply = frozenset({"LeaseJob", "BatchLeaseJobs"})

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def LeaseJob(self, request: worker_pb2.LeaseJobRequest, context: Any) -> None:
        await self._deliver(_poll(request, 1), context.write, worker_pb2.LeaseJobResponse, "lease")

    async def BatchLeaseJobs(self, request: worker_pb2.BatchLeaseJobsRequest, context: Any) -> None:
        await self._lease(request, context.write)

    async def _lease(self, request: worker_pb2.BatchLeaseJobsRequest, write: Write) -> None:
        await self._deliver(_batch_poll(request), write, worker_pb2.BatchLeaseJobsResponse, "leases")

    async def _deliver(self, poll: Poll, write: Write, response: type[Message], field: str) -> None:
        """Writes the leases to the worker, or gives them back."""
        dispatcher = self._broker.dispatcher
        request_id = dispatcher.request_id(poll)
        lots = await dispatcher.lease(poll, request_id)
        try:
            message = LeaseWriter(response, field, poll.worker_id, poll.lease_ms).reply(lots)
            # noted before it is written: a stream that breaks meanwhile must find it
            self._broker.workers.replied(poll.worker_id, lots, request_id)
            await write(message)
        except BaseException:
            dispatcher.give_back([lot.source for lot in lots], request_id)
            raise

    async def CompleteJob(self, request: worker_pb2.CompleteJobRequest, _: Any) -> worker_pb2.CompleteJobResponse:
        check = Check()
        settlement = self._complete(check.token(request.lease_token), request, check)
        check.done()
        outcome = await self._broker.settler.settle_one(settlement)
        return worker_pb2.CompleteJobResponse(state=STATES[outcome.state])

    async def FailJob(self, request: worker_pb2.FailJobRequest, _: Any) -> worker_pb2.FailJobResponse:
        check = Check()
        settlement = _fail(check.token(request.lease_token), request, check)
        check.done()
        outcome = await self._broker.settler.settle_one(settlement)
        response = worker_pb2.FailJobResponse(next_state=STATES[outcome.state], attempts_remaining=outcome.attempts_left)
        if outcome.run_ms:
            set_time(response.next_run_time, outcome.run_ms)
        return response

    async def ReleaseJob(self, request: worker_pb2.ReleaseJobRequest, _: Any) -> worker_pb2.ReleaseJobResponse:
        check = Check()
        settlement = _release(check.token(request.lease_token), request, check)
        check.done()
        outcome = await self._broker.settler.settle_one(settlement)
        return worker_pb2.ReleaseJobResponse(next_state=STATES[outcome.state])

    async def SettleJobs(self, request: worker_pb2.SettleJobsRequest, _: Any) -> bytes:
        return await self._settle(request)

    async def Work(self, _: Any, context: Any) -> None:
        async def settle(request: worker_pb2.SettleJobsRequest, write: Write) -> None:
            await write(await self._settle(request))

        parts = (Part("lease", self._lease, _LEASED, _LEASE_ERROR), Part("settle", settle, _SETTLED, _SETTLE_ERROR))
        await CallStream(context, parts).run(self._broker.workers.stopping)

    async def _settle(self, request: worker_pb2.SettleJobsRequest) -> bytes:
        completions = _completions_of_one_queue(request, self._broker.settings.max_payload_bytes)
        if completions is None:
            return repeated(worker_pb2.SettleJobsResponse, "results", await self._settle_each(request))
        outcomes = await self._broker.settler.complete(*completions)
        if outcomes.count(outcomes[0]) == len(outcomes):  # most have all their jobs completed
            return repeated(worker_pb2.SettleJobsResponse, "results", [_settle_result(outcomes[0])]) * len(outcomes)
        return repeated(worker_pb2.SettleJobsResponse, "results", map(_settle_result, outcomes))

    async def _settle_each(self, request: worker_pb2.SettleJobsRequest) -> list[bytes]:
        check = Check()
        check.batch(request.settlements, "settlements")
        settlements = [self._settlement(settlement, index, check) for index, settlement in enumerate(request.settlements)]
        check.at = ""
        if len({it.token for it in settlements}) < len(settlements):
            check.wrong("settlements", "must name a lease_token at most once")
        check.done()
        refused = await self._prepare_blocks(settlements)
        outcomes = await self._broker.settler.settle([it for index, it in enumerate(settlements) if index not in refused])
        results = [_settle_result(outcome) for outcome in outcomes]
        for index in sorted(refused):
            results.insert(index, worker_pb2.SettleResult(error=status_of(refused[index])).SerializeToString())
        return results

    async def _prepare_blocks(self, settlements: Sequence[Settlement]) -> dict[int, DomainError]:
        """Registers jobs that are to wait at what they wait for; returns what is wrong with which: the others are settled."""
        refused: dict[int, DomainError] = {}
        for index, settlement in enumerate(settlements):
            if not isinstance(settlement, Block) or (token := parse_token(settlement.token)) is None:
                continue
            ref = JobRef(token.queue, token.job_id)
            try:
                at = f"settlements[{index}].block_on."
                refuse_itself(ref, settlement.edges, at)
                await self._broker.flows.prepare_block(ref, settlement.edges, at)
            except (InvalidFieldError, DependencyCycleError) as error:
                refused[index] = error
        return refused

    def _settlement(self, settlement: worker_pb2.Settlement, index: int, check: Check) -> Settlement:
        check.at = f"settlements[{index}]."
        token = check.token(settlement.lease_token)
        kind = settlement.WhichOneof("outcome")
        if kind == "complete":
            check.at += "complete."
            return self._complete(token, settlement.complete, check)
        if kind == "fail":
            check.at += "fail."
            return _fail(token, settlement.fail, check)
        if kind is None:
            check.wrong("outcome", "is required: one of complete, fail, release and block_on")
        if kind == "block_on":
            check.at += "block_on."
            return Block(token, tuple(edges_of(settlement.block_on.dependencies, check, least=1)))
        check.at += "release."
        return _release(token, settlement.release, check)

    def _complete(self, token: str, said: Any, check: Check) -> Complete:
        check.payload(said.result, "result", self._broker.settings.max_payload_bytes)
        if said.result_content_type:
            check.text(said.result_content_type, "result_content_type")
        return Complete(token, said.result, said.result_content_type or JSON_TYPE)

    async def Heartbeat(self, request: worker_pb2.HeartbeatRequest, _: Any) -> worker_pb2.HeartbeatResponse:
        check = Check()
        _check_worker(request, check)
        check.batch(request.lease_tokens, "lease_tokens", least=0)
        for index, token in enumerate(request.lease_tokens):
            check.token(token, f"lease_tokens[{index}]")
        lease_ms = check.lease_span(request.lease_duration, present=request.HasField("lease_duration"))
        _check_checkpoints(request, check)
        check.done()
        worker_id = request.worker.worker_id
        self._broker.workers.confirmed(worker_id, request.lease_tokens)
        extensions = await self._broker.extend(list(request.lease_tokens), lease_ms)  # first: a full store may refuse the rest
        lost = await self._broker.checkpoint(request.checkpoints) if request.checkpoints else set()
        await self._broker.heard_of(worker_id, request.worker.SerializeToString())
        response = worker_pb2.HeartbeatResponse(directive=worker_pb2.WORKER_DIRECTIVE_RUN)
        for token, extension in zip(request.lease_tokens, extensions, strict=True):
            word = "LOST" if token in lost else extension.word
            heartbeat = response.leases.add(lease_token=token, status=LEASE_STATUS[word])
            if word != "LOST":
                set_time(heartbeat.lease_expire_time, extension.expire_ms)
        return response

    async def WatchWorker(self, request: worker_pb2.WatchWorkerRequest, context: Any) -> None:
        check = Check()
        worker_id = check.text(request.worker_id, "worker_id")
        check.done()
        workers = self._broker.workers
        stream = workers.watch(worker_id)
        try:
            await context.write(worker_pb2.WatchWorkerResponse(keep_alive=worker_pb2.KeepAlive()))
            while not workers.stopping.is_set():
                message = await _next(stream.messages)
                if message.get("word") == "CLOSE":
                    return
                await context.write(_control(message))
        except BaseException:
            for reply in workers.undelivered(stream):
                self._broker.dispatcher.give_back(reply.came_from, reply.request_id, perhaps_received=True)
            raise
        finally:
            workers.unwatch(worker_id, stream)

    async def ReportProgress(self, request: worker_pb2.ReportProgressRequest, _: Any) -> worker_pb2.ReportProgressResponse:
        check = Check()
        check.token(request.lease_token)
        progress = _progress(request, check)
        check.done()
        token = parse_token(request.lease_token)
        if token is None:
            raise LeaseLostError
        (kept,) = await self._broker.store.progress(token.queue, [(token.job_id, token.nonce, progress)])
        if not kept:
            raise LeaseLostError
        return worker_pb2.ReportProgressResponse()

    async def AppendLogs(self, request: worker_pb2.AppendLogsRequest, _: Any) -> worker_pb2.AppendLogsResponse:
        check = Check()
        check.token(request.lease_token)
        check.batch(request.lines, "lines")
        check.done()
        token = parse_token(request.lease_token)
        if token is None:
            raise LeaseLostError
        lines = [line[: limits.MAX_LOG_LINE] for line in request.lines]
        count = await self._broker.store.log(token.queue, token.job_id, token.nonce, lines)
        if count is None:
            raise LeaseLostError
        return worker_pb2.AppendLogsResponse(line_count=count)

    async def DrainWorker(self, request: worker_pb2.DrainWorkerRequest, _: Any) -> worker_pb2.DrainWorkerResponse:
        check = Check()
        worker_id = check.text(request.worker_id, "worker_id")
        check.done()
        self._broker.workers.drain(worker_id)
        await self._broker.store.publish(CONTROL_CHANNEL, json.dumps({"worker": worker_id, "word": "DRAIN"}))
        return worker_pb2.DrainWorkerResponse()


def _poll(request: Any, max_jobs: int, check: Check | None = None) -> Poll:
    check = check or Check()
    queues = check.queues(list(request.queues))
    check.text(request.worker_id, "worker_id")
    check.text(request.request_id, "request_id", required=False)
    check.whole(max_jobs, "max_jobs", 1, limits.MAX_BATCH)
    lease_ms = check.lease_span(request.lease_duration, present=request.HasField("lease_duration"))
    wait_ms = check.wait_span(request.wait_duration)
    check.done()
    return Poll(queues, request.worker_id, request.request_id, max_jobs, lease_ms, wait_ms)


def _batch_poll(request: worker_pb2.BatchLeaseJobsRequest) -> Poll:
    check = Check()
    max_jobs = request.max_jobs or 1
    linger_ms = check.span(request.linger, "linger", 0, limits.MAX_LINGER_MS)
    lease_ms = span_ms(request.lease_duration) if request.HasField("lease_duration") else limits.DEFAULT_LEASE_MS
    if 0 <= lease_ms < 2 * linger_ms <= 2 * limits.MAX_LINGER_MS:
        check.wrong("linger", f"must be at most half of lease_duration, {lease_ms} ms; got {linger_ms} ms")
    if request.min_jobs > max_jobs:
        check.wrong("min_jobs", f"must be at most max_jobs, {max_jobs}; got {request.min_jobs}")
    poll = _poll(request, max_jobs, check)
    return poll._replace(min_jobs=request.min_jobs or max_jobs, linger_ms=linger_ms) if linger_ms else poll


def _completions_of_one_queue(
    request: worker_pb2.SettleJobsRequest, max_result_bytes: int
) -> tuple[str, list[Completion]] | None:
    """The queue and the jobs of a request that completes jobs of one queue, and is right: most are, and half the time is saved.

    None for any other: that one is looked at settlement by settlement.
    """
    first = parse_token(request.settlements[0].lease_token) if request.settlements else None
    if first is None or len(request.settlements) > limits.MAX_BATCH:
        return None
    behind_nonce = f"/{first.queue}/"
    completions = []
    for settlement in request.settlements:
        token, complete = settlement.lease_token, settlement.complete
        nonce, is_of_queue, job_id = token.partition(behind_nonce)
        result, content_type = complete.result, complete.result_content_type
        if (
            not is_of_queue
            or "/" in nonce  # of another queue: what was found is in its id
            or len(token) > limits.MAX_TOKEN
            or not settlement.HasField("complete")
            or len(result) > max_result_bytes
            or content_type not in ("", JSON_TYPE)
        ):
            return None
        completions.append((job_id, nonce, result, JSON_TYPE))
    if len({completion[0] for completion in completions}) < len(completions):
        return None
    return first.queue, completions


def _fail(token: str, said: Any, check: Check) -> Fail:
    retry_delay: int | str = ""
    if said.HasField("retry_delay"):
        retry_delay = check.span(said.retry_delay, "retry_delay")
    return Fail(token, _failure_json(said.failure), said.non_retryable, retry_delay)


def _failure_json(failure: job_pb2.Failure) -> str:
    kept = {
        "type": failure.type[: limits.MAX_FAILURE_TYPE],
        "message": failure.message[: limits.MAX_FAILURE_MESSAGE],
        "stack_trace": failure.stack_trace[: limits.MAX_STACK_TRACE],
    }
    said = {name: value for name, value in kept.items() if value}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")) if said else ""


def _release(token: str, said: Any, check: Check) -> Release:
    return Release(token, check.span(said.delay, "delay"), check.span(said.hold_queue, "hold_queue", most_ms=limits.MAX_HOLD_MS))


@lru_cache(maxsize=1024)
def _settle_result(outcome: Outcome) -> bytes:
    """A SettleResult; most outcomes are the same few."""
    if outcome.lost:
        return worker_pb2.SettleResult(error=status_of(LeaseLostError())).SerializeToString()
    settled = worker_pb2.Settled(state=STATES[outcome.state], attempts_remaining=outcome.attempts_left)
    if outcome.run_ms:
        set_time(settled.next_run_time, outcome.run_ms)
    return worker_pb2.SettleResult(settled=settled).SerializeToString()


def _check_worker(request: worker_pb2.HeartbeatRequest, check: Check) -> None:
    worker = request.worker
    check.text(worker.worker_id, "worker.worker_id")
    check.text(worker.hostname, "worker.hostname", 256, required=False)
    check.text(worker.language, "worker.language", required=False)
    check.text(worker.sdk_version, "worker.sdk_version", required=False)
    if len(worker.queues) > limits.MAX_QUEUES_A_CALL:
        check.wrong("worker.queues", f"must have at most {limits.MAX_QUEUES_A_CALL} entries; got {len(worker.queues)}")
        return
    for index, queue in enumerate(worker.queues):
        check.queue(queue, f"worker.queues[{index}]")
    if not check.violations and worker.ByteSize() > limits.MAX_WORKER_BYTES:  # fields that this broker does not know are kept too
        check.wrong("worker", f"must have at most {limits.MAX_WORKER_BYTES} bytes; got {worker.ByteSize()}")


def _check_checkpoints(request: worker_pb2.HeartbeatRequest, check: Check) -> None:
    if not request.checkpoints.keys() <= set(request.lease_tokens):
        check.wrong("checkpoints", "must be of tokens that are among lease_tokens")
    longest = max(map(len, request.checkpoints.values()), default=0)
    if longest > limits.MAX_CHECKPOINT_BYTES:
        check.wrong("checkpoints", f"must have at most {limits.MAX_CHECKPOINT_BYTES} bytes each; got {longest}")


def _progress(request: worker_pb2.ReportProgressRequest, check: Check) -> str:
    if request.progress.WhichOneof("kind") is None:
        check.wrong("progress", "is required: any JSON value")
        return ""
    try:
        text = json_format.MessageToJson(request.progress, indent=None, ensure_ascii=False)
    except (json_format.SerializeToJsonError, ValueError) as error:
        check.wrong("progress", f"must be a JSON value: {error}")
        return ""
    if len(text.encode()) > limits.MAX_PROGRESS_BYTES:
        check.wrong("progress", f"must have at most {limits.MAX_PROGRESS_BYTES} bytes as JSON; got {len(text.encode())}")
    return text


async def _next(stream: asyncio.Queue[dict[str, Any]]) -> dict[str, Any]:
    try:
        async with asyncio.timeout(KEEP_ALIVE_S):
            return await stream.get()
    except TimeoutError:
        return {}


def _control(message: dict[str, Any]) -> worker_pb2.WatchWorkerResponse:
    if not message:
        return worker_pb2.WatchWorkerResponse(keep_alive=worker_pb2.KeepAlive())
    cancelled = worker_pb2.LeaseCancelled(
        lease_token=message["token"], status=LEASE_STATUS[message["word"]], reason=message.get("reason", "")
    )
    return worker_pb2.WatchWorkerResponse(cancel=cancelled)
