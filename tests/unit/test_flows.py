"""The rules of flows: which edges are good, and that they form no circle."""

import random
from itertools import pairwise

import pytest
from leasemq.v1 import job_pb2, producer_pb2
from leasemq_server.errors import BatchTooLargeError, DependencyCycleError
from leasemq_server.jobs.check import Check
from leasemq_server.jobs.flows import edges_of, join_nodes, refuse_cycles, refuse_itself
from leasemq_server.store.flows import Edge, JobRef, flows_text, job_ref


def graph(**needs: str) -> dict[JobRef, list[Edge]]:
    """Jobs of one letter each, and those that they depend on."""
    return {JobRef("q", name): [Edge(JobRef("q", need), "f") for need in letters] for name, letters in needs.items()}


def check_cycles(edges: dict[JobRef, list[Edge]]) -> None:
    refuse_cycles(edges, {ref: f"of {ref.text}" for ref in edges}, {})


@pytest.mark.parametrize(
    ("needs", "path"),
    [
        ({"a": "a"}, "q/a → q/a"),
        ({"a": "b", "b": "a"}, "q/a → q/b → q/a"),
        ({"t": "a", "a": "b", "b": "c", "c": "a"}, "q/a → q/b → q/c → q/a"),
        ({"x": "", "a": "xb", "b": "xc", "c": "xb"}, "q/b → q/c → q/b"),
    ],
)
def test_a_cycle_is_refused_with_the_jobs_of_it(needs: dict[str, str], path: str):
    with pytest.raises(DependencyCycleError, match=path):
        check_cycles(graph(**needs))


@pytest.mark.parametrize(
    "needs", [{}, {"a": ""}, {"a": "bc", "b": "d", "c": "d", "d": ""}, {"a": "z"}, {"c": "ab", "b": "a", "a": ""}]
)
def test_what_has_no_cycle_is_fine(needs: dict[str, str]):
    check_cycles(graph(**needs))


def test_a_random_order_of_jobs_has_no_cycle_and_one_edge_back_makes_one():
    draw = random.Random(5)
    for _ in range(50):
        count = draw.randint(2, 30)
        refs = [JobRef("q", str(number)) for number in range(count)]
        edges = {ref: [Edge(refs[draw.randrange(at)], "f")] if at else [] for at, ref in enumerate(refs)}
        check_cycles(dict(draw.sample(list(edges.items()), count)))
        at = count - 1
        while edges[refs[at]]:
            at = int(edges[refs[at]][0].dependency.job_id)
        edges[refs[at]] = [Edge(refs[count - 1], "f")]
        with pytest.raises(DependencyCycleError):
            check_cycles(edges)


def test_a_long_chain_is_no_deep_recursion():
    refs = [JobRef("q", str(number)) for number in range(10_000)]
    check_cycles({ref: [Edge(after, "f")] for ref, after in pairwise(refs)})


def test_edges_have_letters_and_name_a_job_once():
    check = Check()
    said = [
        job_pb2.Dependency(queue="q", job_id=name, on_failure=policy) for name, policy in (("a", 0), ("b", 1), ("c", 2), ("d", 3))
    ]
    assert [edge.policy for edge in edges_of(said, check)] == ["f", "f", "r", "i"]
    check.done()
    edges_of([*said, said[0]], check)
    assert [violation.field for violation in check.violations] == ["dependencies[4]"]
    with pytest.raises(BatchTooLargeError):
        edges_of(said * 300, check)


def test_a_job_can_not_depend_on_itself():
    edges = [Edge(JobRef("q", "a"), "f")]
    refuse_itself(JobRef("r", "a"), edges, "job.")
    with pytest.raises(DependencyCycleError):
        refuse_itself(JobRef("q", "a"), edges, "job.")


def test_keys_become_dependencies_on_jobs():
    nodes = [
        producer_pb2.FlowNode(queue="p", key="a", job=job_pb2.JobSpec(id="1")),
        producer_pb2.FlowNode(
            queue="q", job=job_pb2.JobSpec(id="2"), depends_on=[producer_pb2.FlowDependency(key="a", on_failure=2)]
        ),
    ]
    check = Check()
    join_nodes(nodes, check)
    check.done()
    assert list(nodes[1].job.dependencies) == [job_pb2.Dependency(queue="p", job_id="1", on_failure=2)]


def test_a_job_id_with_a_slash_comes_back_whole():
    ref = JobRef("q", "a/b c")
    assert job_ref(ref.text) == ref
    assert flows_text("yxz", {"x": [Edge(ref, "r"), Edge(ref, "i")], "y": []}) == "\rq/a/b c\trp\nq/a/b c\tip\n\r\r"
    assert flows_text("xyz", {}) == ""
