"""The flows' part of ProducerService, and what other services share of it."""

from collections.abc import Sequence

import uuid_utils
from leasemq.v1 import job_pb2, producer_pb2

from leasemq_server.broker.broker import Broker
from leasemq_server.jobs import limits
from leasemq_server.jobs.check import Check
from leasemq_server.jobs.flows import FlowJob, edges_of, join_nodes, refuse_cycles, refuse_itself
from leasemq_server.jobs.options import with_option
from leasemq_server.jobs.pages import listing_of, page_parts, page_token
from leasemq_server.jobs.specs import new_job
from leasemq_server.rpc.encode import STATES
from leasemq_server.store.flows import JobRef, StoredEdge
from leasemq_server.store.types import NewJob, StoredJob

IN_FLOW = '"dp":'  # in the options of a job that depends on others
OUTCOMES = {"c": "completed", "f": "failed", "x": "cancelled"}
POLICIES = {
    "f": job_pb2.DEPENDENCY_FAILURE_POLICY_FAIL,
    "r": job_pb2.DEPENDENCY_FAILURE_POLICY_RUN,
    "i": job_pb2.DEPENDENCY_FAILURE_POLICY_IGNORE,
}


def depend(jobs: Sequence[NewJob]) -> bool:
    """Whether any of the jobs depends on another one."""
    return any(job.options and IN_FLOW in job.options for job in jobs)


def flow_jobs(
    queue: str, specs: Sequence[job_pb2.JobSpec], jobs: Sequence[NewJob], paths: Sequence[str], check: Check
) -> list[FlowJob]:
    """The jobs with what they depend on; notes what breaks a rule in `check`."""
    found = []
    for spec, job, check.at in zip(specs, jobs, paths, strict=True):
        flow_job = FlowJob(queue, job, edges_of(spec.dependencies, check), check.at)
        refuse_itself(flow_job.ref, flow_job.edges, check.at)
        found.append(flow_job)
    check.at = ""
    return found


def flow_nodes(request: producer_pb2.AddFlowRequest, max_payload_bytes: int, check: Check) -> list[FlowJob]:
    """The nodes of a flow, with what they depend on; notes what breaks a rule in `check`."""
    check.batch(request.nodes, "nodes")
    for index, node in enumerate(request.nodes):
        check.queue(node.queue, f"nodes[{index}].queue")
        if not node.HasField("job"):
            check.wrong(f"nodes[{index}].job", "is required")
        node.job.id = node.job.id or str(uuid_utils.uuid7())
    join_nodes(request.nodes, check)
    keys = {JobRef(node.queue, node.job.id): node.key for node in request.nodes if node.key}
    awaited = {(it.queue, it.job_id) for node in request.nodes for it in node.job.dependencies}
    nodes: dict[JobRef, FlowJob] = {}
    fields: dict[JobRef, str] = {}
    for index, node in enumerate(request.nodes):
        check.at = f"nodes[{index}].job."
        ref = JobRef(node.queue, node.job.id)
        if ref in nodes:
            check.wrong("id", f"must be unique in its queue; {ref.text!r} is a node before")
        if node.job.HasField("deduplication"):
            check.wrong("deduplication", "must be unset: each job of a flow is added")
        job = new_job(node.job, node.queue, max_payload_bytes, check)
        if ref in awaited and not depend([job]):
            job = job._replace(options=with_option(job.options, "dp", 1))
        fields[ref] = f"nodes[{index}].depends_on" if node.depends_on else f"{check.at}dependencies"
        nodes[ref] = FlowJob(node.queue, job, edges_of(node.job.dependencies, check), check.at)
    check.at = ""
    refuse_cycles({ref: node.edges for ref, node in nodes.items()}, fields, keys)
    return list(nodes.values())


async def read_dependencies(broker: Broker, request: producer_pb2.GetDependenciesRequest) -> producer_pb2.GetDependenciesResponse:
    """GetDependencies."""
    check = Check()
    check.queue(request.queue)
    check.text(request.job_id, "job_id")
    size = check.page_size(request.page_size)
    after = page_parts(request.page_token, (listing_of(request), str), check)
    check.done()
    found, following = await broker.flows.dependencies(request.queue, request.job_id, after[1] if after else "", size)
    token = page_token(listing_of(request), following) if following else ""
    return producer_pb2.GetDependenciesResponse(dependencies=[_dependency(*it) for it in found], next_page_token=token)


def _dependency(edge: StoredEdge, pending: StoredJob | None) -> producer_pb2.DependencyState:
    state = pending.state if pending is not None else OUTCOMES.get(edge.outcome, "")
    return producer_pb2.DependencyState(
        queue=edge.dependency.queue,
        job_id=edge.dependency.job_id,
        on_failure=POLICIES[edge.policy],
        state=STATES.get(state, job_pb2.JOB_STATE_UNSPECIFIED),
        result=edge.result,
        result_content_type=edge.content_type,
    )


async def reached(broker: Broker, ref: JobRef, cascade: int) -> list[JobRef]:
    """The jobs that a cascade reaches, nearest first."""
    if cascade == producer_pb2.CASCADE_UNSPECIFIED:
        return []
    return await broker.flows.reach(ref, down=cascade == producer_pb2.CASCADE_DEPENDENCIES)


def check_cascade(cascade: int, check: Check) -> None:
    """Notes a number that is no Cascade."""
    if cascade not in producer_pb2.Cascade.values():
        check.wrong("cascade", f"must be one of the enum's values; got {cascade}")


async def cancel_all(broker: Broker, refs: Sequence[JobRef], reason: str) -> None:
    """Cancels what is unfinished of the jobs."""
    for queue, ids in _by_queue(refs).items():
        for start in range(0, len(ids), limits.MAX_BATCH):
            await broker.store.cancel(queue, [(job_id, reason) for job_id in ids[start : start + limits.MAX_BATCH]])


async def delete_with(broker: Broker, queue: str, ids: Sequence[str], cascade: int) -> None:
    """Deletes what a cascade reaches from the jobs, the farthest first, so that a call that broke off can be made again."""
    found: dict[JobRef, None] = {}
    for job_id in ids:
        found.update(dict.fromkeys(await reached(broker, JobRef(queue, job_id), cascade)))
    for job_id in ids:
        found.pop(JobRef(queue, job_id), None)  # deleted, and counted, by the verb itself
    refs = list(found)[::-1]
    for start in range(0, len(refs), limits.MAX_BATCH):
        for other, part in _by_queue(refs[start : start + limits.MAX_BATCH]).items():
            await broker.store.delete(other, part)


def _by_queue(refs: Sequence[JobRef]) -> dict[str, list[str]]:
    by_queue: dict[str, list[str]] = {}
    for ref in refs:
        by_queue.setdefault(ref.queue, []).append(ref.job_id)
    return by_queue


async def add_dependents(broker: Broker, job: job_pb2.Job, stored: StoredJob) -> None:
    """Fills in which jobs depend on a job."""
    if b"dn" in stored.fields:
        for ref in await broker.store.dependents(job.queue, job.id):
            job.dependents.add(queue=ref.queue, job_id=ref.job_id)
