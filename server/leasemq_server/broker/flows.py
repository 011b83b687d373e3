"""Jobs that depend on each other, over queues.

A dependent is registered at its dependencies first and added then; an end in between is kept for it. So a broker may die at
any point: what it leaves is a registration for a job that never came, and that goes by itself within the hour.
"""

from collections.abc import Iterable, Sequence

from leasemq_server.broker.queues import Queues
from leasemq_server.broker.relay import Relay
from leasemq_server.errors import InvalidFieldError, JobNotFoundError, Violation
from leasemq_server.jobs.flows import FlowJob
from leasemq_server.jobs.limits import MAX_BATCH
from leasemq_server.store.flows import Edge, JobRef, Registration, StoredEdge
from leasemq_server.store.store import Store
from leasemq_server.store.types import Added, Durability, NewJob, StoredJob

MAX_CASCADE = 10_000
IDS_A_CALL = 1000
JOBS_A_CALL = 100  # of a flow, by one script call


class Flows:
    """All flows."""

    def __init__(self, store: Store, queues: Queues, relay: Relay) -> None:
        self._store = store
        self._queues = queues
        self._relay = relay

    # -- adding --------------------------------------------------------------------------------------------------

    async def add(self, queue: str, jobs: Sequence[FlowJob], durability: Durability) -> list[tuple[Added, Durability]]:
        """Adds jobs of one queue that depend on jobs that exist, all or none.

        Raises:
            InvalidFieldError: a dependency does not exist.
        """
        await self._register(await self._new_ones(jobs), frozenset())
        added, reached = await self._add(queue, jobs, durability, {job.ref for job in jobs if job.edges})
        return [(one, reached) for one in added]

    async def add_flow(self, nodes: Sequence[FlowJob], durability: Durability) -> list[tuple[Added, Durability]]:
        """Adds jobs of any queues that depend on each other.

        Those that wait for others of the flow come first: nothing of it runs before all that waits is there.

        Raises:
            InvalidFieldError: a dependency outside the flow does not exist.
        """
        own = {node.ref for node in nodes}
        await self._register(await self._new_ones(nodes), own)
        awaited = {edge.dependency for node in nodes for edge in node.edges} & own
        in_flow = awaited | {node.ref for node in nodes if node.edges}
        results: dict[JobRef, tuple[Added, Durability]] = {}
        for waits in (True, False):
            by_queue: dict[str, list[FlowJob]] = {}
            for node in nodes:
                if any(edge.dependency in own for edge in node.edges) is waits:
                    by_queue.setdefault(node.ref.queue, []).append(node)
            for queue, all_jobs in by_queue.items():
                for start in range(0, len(all_jobs), JOBS_A_CALL):
                    jobs = all_jobs[start : start + JOBS_A_CALL]
                    added, reached = await self._add(queue, jobs, durability, in_flow)
                    results.update({job.ref: (one, reached) for job, one in zip(jobs, added, strict=True)})
        return [results[node.ref] for node in nodes]

    async def _add(
        self, queue: str, jobs: Sequence[FlowJob], durability: Durability, in_flow: set[JobRef]
    ) -> tuple[list[Added], Durability]:
        await self._queues.register(queue)
        edges = {job.job.id: job.edges for job in jobs if job.ref in in_flow}
        return await self._store.add(queue, [job.job for job in jobs], durability, edges)

    async def _new_ones(self, jobs: Sequence[FlowJob]) -> list[FlowJob]:
        """Those that are not there yet: an add of the others changes nothing, whatever they depend on."""
        found = await self._read({job.ref for job in jobs})
        return [job for job in jobs if job.ref not in found]

    async def _register(self, jobs: Sequence[FlowJob], own: frozenset[JobRef] | set[JobRef]) -> None:
        """Registers the jobs at all that they depend on; what is not there must be one of `own`."""
        found = await self._read({edge.dependency for job in jobs for edge in job.edges} - own)
        await self._refuse_missing(jobs, found.keys() | own)
        missing = await self._register_edges([(job.ref, edge) for job in jobs for edge in job.edges], own)
        await self._refuse_missing(jobs, {edge.dependency for job in jobs for edge in job.edges} - missing)

    async def _refuse_missing(self, jobs: Sequence[FlowJob], found: Iterable[JobRef]) -> None:
        """A dependency that is gone may be known to the dependent already: an add before did not get to its end."""
        known = set(found)
        violations = [
            Violation(f"{job.at}dependencies[{index}].job_id", f"queue {ref.queue!r} has no job {ref.job_id!r}")
            for job in jobs
            for index, (ref, _) in enumerate(job.edges)
            if ref not in known and not await self._store.resolved(job.ref, ref)
        ]
        if violations:
            raise InvalidFieldError(violations)

    async def _register_edges(self, edges: Iterable[tuple[JobRef, Edge]], own: frozenset[JobRef] | set[JobRef]) -> set[JobRef]:
        """Returns the dependencies that are not there."""
        by_queue: dict[str, list[Registration]] = {}
        for dependent, (ref, _) in edges:
            by_queue.setdefault(ref.queue, []).append(Registration(ref.job_id, dependent.text, int(ref in own)))
        missing: set[JobRef] = set()
        for queue, items in by_queue.items():
            for start in range(0, len(items), MAX_BATCH):
                part = items[start : start + MAX_BATCH]
                words = await self._store.register(queue, part)
                missing |= {JobRef(queue, it.job_id) for it, word in zip(part, words, strict=True) if word == "JOB_NOT_FOUND"}
                if "FINISHED" in words:
                    await self._relay.relay(queue)
        return missing

    async def prepare_block(self, dependent: JobRef, edges: Sequence[Edge], at: str) -> None:
        """Registers a running job at what it is to wait for.

        Raises:
            InvalidFieldError: a dependency does not exist.
        """
        await self._register([FlowJob(dependent.queue, NewJob(dependent.job_id, b"", ""), list(edges), at)], frozenset())

    # -- reading -------------------------------------------------------------------------------------------------

    async def dependencies(
        self, queue: str, job_id: str, after: str, count: int
    ) -> tuple[list[tuple[StoredEdge, StoredJob | None]], str]:
        """Some of a job's edges, each pending one with the job itself, and the name to go on after ("": that was all).

        Raises:
            JobNotFoundError: there is no such job.
        """
        found = await self._store.edges(queue, job_id, after, count)
        if found is None:
            raise JobNotFoundError(queue, job_id)
        edges, more = found
        jobs = await self._read({edge.dependency for edge in edges if edge.outcome == "p"})
        return [(edge, jobs.get(edge.dependency)) for edge in edges], edges[-1].dependency.text if more else ""

    async def _read(self, refs: set[JobRef]) -> dict[JobRef, StoredJob]:
        """The jobs that exist, without their specs."""
        by_queue: dict[str, list[str]] = {}
        for ref in refs:
            by_queue.setdefault(ref.queue, []).append(ref.job_id)
        found: dict[JobRef, StoredJob] = {}
        for queue, ids in by_queue.items():
            while ids:
                jobs = await self._store.read(queue, ids[:IDS_A_CALL], with_spec=False)
                found.update({JobRef(queue, job.id): job for job in jobs if job is not None})
                del ids[: len(jobs)]
        return found

    async def reach(self, ref: JobRef, *, down: bool) -> list[JobRef]:
        """Jobs that a job depends on (`down`), or that depend on it, and on: nearest first, without itself, at most 10,000."""
        seen = {ref: None}
        for at in seen_in_order(seen):
            for near in await (self._below(at) if down else self._above(at)):
                if len(seen) <= MAX_CASCADE:
                    seen.setdefault(near, None)
        return list(seen)[1:]

    async def _below(self, ref: JobRef) -> list[JobRef]:
        found: list[JobRef] = []
        after = ""
        while edges := await self._store.edges(ref.queue, ref.job_id, after, IDS_A_CALL):
            found += [edge.dependency for edge in edges[0]]
            if not edges[1]:
                break
            after = found[-1].text
        return found

    async def _above(self, ref: JobRef) -> list[JobRef]:
        found: list[JobRef] = []
        while page := await self._store.dependents(ref.queue, ref.job_id, len(found), IDS_A_CALL):
            found += page
        return found


def seen_in_order(seen: dict[JobRef, None]) -> Iterable[JobRef]:
    """All keys in order, those too that are added meanwhile."""
    at = 0
    while at < len(seen):
        batch = list(seen)[at:]
        at += len(batch)
        yield from batch
