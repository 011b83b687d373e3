"""ProducerService: for services that add jobs."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from leasemq.v1 import job_pb2, producer_pb2

from leasemq_server.broker.broker import Broker
from leasemq_server.errors import JobNotFoundError, JobNotInStateError
from leasemq_server.jobs.check import Check
from leasemq_server.jobs.specs import new_jobs
from leasemq_server.jobs.wire import entries
from leasemq_server.rpc.encode import STATES, check_mask, job_message, masked, wants_spec
from leasemq_server.rpc.flow import (
    add_dependents,
    cancel_all,
    check_cascade,
    depend,
    flow_jobs,
    flow_nodes,
    reached,
    read_dependencies,
)
from leasemq_server.rpc.stream import CallStream, Part, Write
from leasemq_server.rpc.wire import added_alike, added_job, answer_writer, repeated, set_time
from leasemq_server.store.flows import JobRef
from leasemq_server.store.types import Added, Durability, NewJob

DURABILITIES = {
    Durability.MEMORY: job_pb2.DURABILITY_MEMORY,
    Durability.FSYNC: job_pb2.DURABILITY_FSYNC,
    Durability.REPLICATED: job_pb2.DURABILITY_REPLICATED,
}
_ADDED, _ADD_ERROR, _BATCH_ADDED, _ADD_BATCH_ERROR = (
    answer_writer(producer_pb2.ProduceResponse, field) for field in ("added", "add_error", "batch_added", "add_batch_error")
)
Result = tuple[Added, Durability]
SERVICE = producer_pb2.DESCRIPTOR.services_by_name["ProducerService"]


class ProducerServicer:
    """Adds jobs, follows them and cancels them."""

    writes_reply = frozenset[str]()

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._max_payload_bytes = broker.settings.max_payload_bytes

    async def AddJob(self, request: producer_pb2.AddJobRequest, _: Any) -> bytes:
        check = Check()
        if not request.HasField("job"):
            check.wrong("job", "is required")
        check.queue(request.queue)
        jobs = new_jobs([request.job], [request.job.SerializeToString()], "job.", request.queue, self._max_payload_bytes, check)
        if depend(jobs):
            results = await self._add_dependent(request, [request.job], jobs, ["job."], check)
        else:
            results = await self._add(request, jobs, check)
        (response,) = _responses([job.id for job in jobs], results)
        return response

    async def BatchAddJobs(self, request: producer_pb2.BatchAddJobsRequest, _: Any) -> bytes:
        check = Check()
        check.batch(request.jobs, "jobs")
        at = "jobs[{}]."
        check.queue(request.queue)
        jobs = new_jobs(request.jobs, entries(request, "jobs"), at, request.queue, self._max_payload_bytes, check)
        if depend(jobs):
            paths = [at.format(index) for index in range(len(jobs))]
            results = await self._add_dependent(request, request.jobs, jobs, paths, check)
        else:
            results = await self._add(request, jobs, check)
        ids = [job.id for job in jobs]
        if results.count(results[0]) == len(results) and not results[0][0].holder:  # most batches are of new jobs that wait
            return added_alike(ids, _in_common(*results[0]))
        return repeated(producer_pb2.BatchAddJobsResponse, "results", _responses(ids, results))

    async def Produce(self, _: Any, context: Any) -> None:
        async def add(request: producer_pb2.AddJobRequest, write: Write) -> None:
            await write(await self.AddJob(request, context))

        async def add_batch(request: producer_pb2.BatchAddJobsRequest, write: Write) -> None:
            await write(await self.BatchAddJobs(request, context))

        parts = (Part("add", add, _ADDED, _ADD_ERROR), Part("add_batch", add_batch, _BATCH_ADDED, _ADD_BATCH_ERROR))
        await CallStream(context, parts).run(self._broker.workers.stopping)

    async def _add(self, request: Any, jobs: list[NewJob], check: Check) -> list[Result]:
        durability = self._durability(request.durability, check)
        check.done()
        return await self._broker.add(request.queue, jobs, durability)

    async def _add_dependent(
        self, request: Any, specs: Sequence[job_pb2.JobSpec], jobs: list[NewJob], paths: Sequence[str], check: Check
    ) -> list[Result]:
        durability = self._durability(request.durability, check)
        found = flow_jobs(request.queue, specs, jobs, paths, check)
        check.done()
        return await self._broker.flows.add(request.queue, found, durability)

    async def AddFlow(self, request: producer_pb2.AddFlowRequest, _: Any) -> bytes:
        check = Check()
        durability = self._durability(request.durability, check)
        nodes = flow_nodes(request, self._max_payload_bytes, check)
        check.done()
        added = await self._broker.flows.add_flow(nodes, durability)
        responses = _responses([node.ref.job_id for node in nodes], added)
        return repeated(producer_pb2.AddFlowResponse, "results", responses)

    async def GetDependencies(self, request: producer_pb2.GetDependenciesRequest, _: Any) -> producer_pb2.GetDependenciesResponse:
        return await read_dependencies(self._broker, request)

    def _durability(self, asked: int, check: Check) -> Durability:
        if asked == job_pb2.DURABILITY_UNSPECIFIED:
            return self._broker.default_durability
        if asked not in set(Durability):
            check.wrong("durability", f"must be one of the enum's values; got {asked}")
            return Durability.MEMORY
        durability = Durability(asked)
        if why_not := self._broker.why_not(durability):
            check.wrong("durability", why_not)
        return durability

    async def GetJob(self, request: producer_pb2.GetJobRequest, _: Any) -> producer_pb2.GetJobResponse:
        _check_job(request)
        check_mask(request.read_mask, "read_mask", job_pb2.Job)
        return producer_pb2.GetJobResponse(job=await self._read(request))

    async def AwaitJob(self, request: producer_pb2.AwaitJobRequest, _: Any) -> producer_pb2.AwaitJobResponse:
        check = Check()
        wait_ms = check.wait_span(request.wait_duration)
        _check_job(request, check)
        await self._broker.awaiting.wait(request.queue, request.job_id, wait_ms)
        job = await self._read(request)
        finished = job.state in (job_pb2.JOB_STATE_COMPLETED, job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED)
        return producer_pb2.AwaitJobResponse(job=job, finished=finished)

    async def _read(self, request: Any) -> job_pb2.Job:
        mask = getattr(request, "read_mask", None)
        with_spec = mask is None or wants_spec(mask)
        (stored,) = await self._broker.store.read(request.queue, [request.job_id], with_spec=with_spec)
        if stored is None:
            raise JobNotFoundError(request.queue, request.job_id)
        job = job_message(request.queue, stored)
        if mask is not None and (not mask.paths or any(path.startswith("dependents") for path in mask.paths)):
            await add_dependents(self._broker, job, stored)
        return job if mask is None else masked(job, mask)

    async def CancelJob(self, request: producer_pb2.CancelJobRequest, _: Any) -> producer_pb2.CancelJobResponse:
        check = Check()
        check.reason(request.reason)
        check_cascade(request.cascade, check)
        _check_job(request, check)
        others = await reached(self._broker, JobRef(request.queue, request.job_id), request.cascade)
        if request.cascade == producer_pb2.CASCADE_DEPENDENTS:  # or they would fail for this one first
            await cancel_all(self._broker, others[::-1], request.reason)
        ((word, state),) = await self._broker.store.cancel(request.queue, [(request.job_id, request.reason)])
        if word == "JOB_NOT_FOUND":
            raise JobNotFoundError(request.queue, request.job_id)
        if request.cascade == producer_pb2.CASCADE_DEPENDENCIES:
            await cancel_all(self._broker, others, request.reason)
        if word == "JOB_NOT_IN_STATE":
            raise JobNotInStateError(request.job_id, state)
        return producer_pb2.CancelJobResponse(state=STATES[state])

    async def RemoveDeduplicationKey(
        self, request: producer_pb2.RemoveDeduplicationKeyRequest, _: Any
    ) -> producer_pb2.RemoveDeduplicationKeyResponse:
        check = Check()
        check.queue(request.queue)
        check.text(request.key, "key")
        check.done()
        holder = await self._broker.store.remove_deduplication_key(request.queue, request.key)
        return producer_pb2.RemoveDeduplicationKeyResponse(removed=bool(holder), job_id=holder)


def _check_job(request: Any, check: Check | None = None) -> None:
    check = check or Check()
    check.queue(request.queue)
    check.text(request.job_id, "job_id")
    check.done()


def _responses(job_ids: Sequence[str], results: Sequence[Result]) -> list[bytes]:
    """An AddJobResponse each, of the job that holds the deduplication key where none was made."""
    return [
        added_job((added.holder if added.holder and not added.created else job_id).encode(), _in_common(added, reached))
        for job_id, (added, reached) in zip(job_ids, results, strict=True)
    ]


@lru_cache(maxsize=1024)
def _in_common(added: Added, reached: Durability) -> bytes:
    """An AddJobResponse without its id; most are the same few."""
    response = producer_pb2.AddJobResponse(
        created=added.created,
        state=STATES[added.state] if added.state else job_pb2.JOB_STATE_UNSPECIFIED,
        durability=DURABILITIES[reached],
        deduplicated=bool(added.holder),
    )
    if added.run_ms:
        set_time(response.run_time, added.run_ms)
    return response.SerializeToString()
