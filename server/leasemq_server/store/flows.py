"""The store's verbs for jobs that depend on others: a part of `Store`. Each is one script call."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from leasemq_server.store import keys
from leasemq_server.store.calls import MAX_REPLY_BYTES, Calls

DEPENDENTS_A_CALL = 1000


class JobRef(NamedTuple):
    """A job of some queue; as text "<queue>/<id>"."""

    queue: str
    job_id: str

    @property
    def text(self) -> str:
        """As the store keeps it."""
        return f"{self.queue}/{self.job_id}"


def job_ref(text: bytes | str) -> JobRef:
    """What `JobRef.text` wrote; a queue's name holds no slash."""
    queue, _, job_id = (text if isinstance(text, str) else text.decode()).partition("/")
    return JobRef(queue, job_id)


class Edge(NamedTuple):
    """What a job depends on, and the letter of its policy: f FAIL, r RUN, i IGNORE."""

    dependency: JobRef
    policy: str


class EndedEntry(NamedTuple):
    """An outbox entry: a job that others depend on has ended."""

    entry_id: str
    job_id: str
    state: str
    result: bytes
    content_type: str


class Resolution(NamedTuple):
    """One dependency's end, for one dependent of the queue."""

    job_id: str
    dependency: str
    state: str
    result: bytes
    content_type: str


class Registration(NamedTuple):
    """A dependent, as "<queue>/<id>", for a job of the queue; `expected` 1 when that job may not be there yet."""

    job_id: str
    dependent: str
    expected: int


class StoredEdge(NamedTuple):
    """A dependency as its dependent knows it; `outcome` is p pending, c completed, f failed, x cancelled, d deleted."""

    dependency: JobRef
    policy: str
    outcome: str
    result: bytes
    content_type: str


def flows_text(job_ids: Iterable[str], edges: dict[str, list[Edge]]) -> str:
    """What `add` is told of its jobs' edges; no name has control characters."""
    return "".join(f"{edges_text(edges.get(job_id, ()))}\r" for job_id in job_ids) if edges else ""


def edges_text(edges: Sequence[Edge]) -> str:
    """What `block` is told."""
    return "".join(f"{edge.dependency.text}\t{edge.policy}p\n" for edge in edges)


class FlowVerbs(Calls):
    """What `Store` has to say about dependencies."""

    async def register(self, queue: str, registrations: Sequence[Registration]) -> list[str]:
        """Makes jobs tell their end: OK, FINISHED (it is in the outbox) or JOB_NOT_FOUND each."""
        return [word.decode() for word in await self._run_in_parts("register", queue, registrations)]

    async def resolve(self, queue: str, resolutions: Sequence[Resolution]) -> bool:
        """Tells jobs of the queue that dependencies ended; says whether the outbox was written."""
        return any(await self._run_in_parts("resolve", queue, resolutions))

    async def untold(self, queue: str, ids: Sequence[str]) -> dict[str, list[str]]:
        """Dependents that do not know of the jobs' end, up to 1,000 of each job."""
        prefix = keys.queue_keys(queue)["dependents*"]
        found = await self._pipeline(*(("ZRANGEBYSCORE", prefix + job_id, 0, 0, "LIMIT", 0, DEPENDENTS_A_CALL) for job_id in ids))
        return {job_id: [text.decode() for text in texts] for job_id, texts in zip(ids, found, strict=True)}

    async def told(self, queue: str, pairs: Sequence[tuple[str, str]]) -> None:
        """Notes that they know, each (job id, dependent)."""
        await self._run_in_parts("told", queue, pairs)

    async def dependents(self, queue: str, job_id: str, start: int = 0, count: int = DEPENDENTS_A_CALL) -> list[JobRef]:
        """The jobs that depend on a job, from number `start` on."""
        key = keys.queue_keys(queue)["dependents*"] + job_id
        return [job_ref(text) for text in await self._command("ZRANGE", key, start, start + count - 1)]

    async def edges(self, queue: str, job_id: str, after: str, count: int) -> tuple[list[StoredEdge], bool] | None:
        """What a job depends on, by name from the one after `after`, and whether there is more; None: there is no such job."""
        reply = await self._run("dependencies", queue, id=job_id, after=after, max_edges=count, max_bytes=MAX_REPLY_BYTES)
        if reply is None:
            return None
        return [_stored(name, edge) for name, edge in zip(reply[1::2], reply[2::2], strict=True)], bool(reply[0])

    async def resolved(self, dependent: JobRef, dependency: JobRef) -> bool:
        """Whether a dependent, which may not be there yet, was told of that end."""
        edge = await self._command("HGET", keys.queue_keys(dependent.queue)["deps*"] + dependent.job_id, dependency.text)
        return edge is not None and edge[1:2] != b"p"


def _stored(name: bytes, edge: bytes) -> StoredEdge:
    head, _, rest = edge.partition(b"\n")
    content_type, _, result = rest.partition(b"\n")
    return StoredEdge(job_ref(name), chr(head[0]), chr(head[1]), result, content_type.decode())
