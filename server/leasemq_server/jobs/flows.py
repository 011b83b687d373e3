"""The rules of jobs that depend on each other: their edges, and that these form no cycle."""

from collections.abc import Mapping, Sequence

from leasemq.v1 import job_pb2, producer_pb2

from leasemq_server.errors import BatchTooLargeError, DependencyCycleError
from leasemq_server.jobs import limits
from leasemq_server.jobs.check import Check
from leasemq_server.store.flows import Edge, JobRef
from leasemq_server.store.types import NewJob

POLICIES = {
    job_pb2.DEPENDENCY_FAILURE_POLICY_UNSPECIFIED: "f",
    job_pb2.DEPENDENCY_FAILURE_POLICY_FAIL: "f",
    job_pb2.DEPENDENCY_FAILURE_POLICY_RUN: "r",
    job_pb2.DEPENDENCY_FAILURE_POLICY_IGNORE: "i",
}


def edges_of(dependencies: Sequence[job_pb2.Dependency], check: Check, *, least: int = 0) -> list[Edge]:
    """The edges that a job names; notes what breaks a rule in `check`, under "dependencies"."""
    if len(dependencies) > limits.MAX_BATCH:
        raise BatchTooLargeError(check.at + "dependencies", len(dependencies), limits.MAX_BATCH)
    if len(dependencies) < least:
        check.wrong("dependencies", f"must have {least} to {limits.MAX_BATCH} entries; got {len(dependencies)}")
    edges: dict[JobRef, Edge] = {}
    for index, said in enumerate(dependencies):
        at = f"dependencies[{index}]"
        ref = JobRef(check.queue(said.queue, f"{at}.queue"), check.text(said.job_id, f"{at}.job_id"))
        if ref in edges:
            check.wrong(at, f"must name a job once; {ref.text!r} is named before")
        edges[ref] = Edge(ref, policy_of(said.on_failure, f"{at}.on_failure", check))
    return list(edges.values())


def policy_of(said: int, field: str, check: Check) -> str:
    """The letter of a policy."""
    if said not in POLICIES:
        check.wrong(field, f"must be one of the enum's values; got {said}")
        return "f"
    return POLICIES[said]  # type: ignore[index] # an enum's number, which its stubs take for a type of its own


def refuse_itself(ref: JobRef, edges: Sequence[Edge], at: str) -> None:
    """Raises DependencyCycleError when a job depends on itself; `at` is the path of what has its dependencies, "job."."""
    for index, edge in enumerate(edges):
        if edge.dependency == ref:
            raise DependencyCycleError([ref.text, ref.text], f"{at}dependencies[{index}]")


def join_nodes(nodes: Sequence[producer_pb2.FlowNode], check: Check) -> None:
    """Turns the keys that nodes depend on into dependencies on jobs, which must have their ids; notes what breaks a rule."""
    by_key = _by_key(nodes, check)
    for index, node in enumerate(nodes):
        for at, said in enumerate(node.depends_on):
            field = f"nodes[{index}].depends_on[{at}]"
            target = by_key.get(said.key)
            if target is None:
                check.wrong(f"{field}.key", f"must be the key of a node of this flow; got {said.key!r}")
                continue
            policy_of(said.on_failure, f"{field}.on_failure", check)
            node.job.dependencies.add(queue=target.queue, job_id=target.job.id, on_failure=said.on_failure)


def _by_key(nodes: Sequence[producer_pb2.FlowNode], check: Check) -> dict[str, producer_pb2.FlowNode]:
    by_key: dict[str, producer_pb2.FlowNode] = {}
    for index, node in enumerate(nodes):
        if not node.key:
            continue
        check.text(node.key, f"nodes[{index}].key", limits.MAX_NAME)
        if node.key in by_key:
            check.wrong(f"nodes[{index}].key", f"must be unique in the flow; {node.key!r} is the key of a node before")
        by_key[node.key] = node
    return by_key


def refuse_cycles(edges: Mapping[JobRef, Sequence[Edge]], fields: Mapping[JobRef, str], names: Mapping[JobRef, str]) -> None:
    """Raises DependencyCycleError, which names the jobs, when jobs depend on each other in a circle.

    `fields` has where each has its dependencies in the request, `names` what the nodes of a flow are called there: their ids may
    be made by the client, and known to nobody.
    """
    state: dict[JobRef, bool] = {}  # False while the walk is below it, True once it is known to be fine
    for root in edges:
        path: list[JobRef] = []
        todo = [(root, False)]
        while todo:
            ref, leave = todo.pop()
            if leave:
                state[ref] = True
                path.pop()
            elif ref not in edges or state.get(ref):
                continue
            elif ref in state:
                cycle = [names.get(it, it.text) for it in [*path[path.index(ref) :], ref]]
                raise DependencyCycleError(cycle, fields[path[-1]])
            else:
                state[ref] = False
                path.append(ref)
                todo.append((ref, True))
                todo.extend((edge.dependency, False) for edge in edges[ref])


class FlowJob:
    """A job on its way into a flow: where, what, and what it waits for."""

    def __init__(self, queue: str, job: NewJob, edges: list[Edge], at: str) -> None:
        self.ref = JobRef(queue, job.id)
        self.job = job
        self.edges = edges
        self.at = at  # the path of its JobSpec in the request, "nodes[3].job."
