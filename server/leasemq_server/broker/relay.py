"""Carries a queue's outbox to other queues.

Idempotent, so that any broker may do it, twice too, and a crash in between loses nothing.
"""

import hashlib
import json

from leasemq.v1 import job_pb2

from leasemq_server.broker.queues import Queues
from leasemq_server.broker.tasks import Tasks
from leasemq_server.errors import StoreFullError, StoreUnavailableError
from leasemq_server.jobs.limits import MAX_BATCH, MAX_NAME
from leasemq_server.store.flows import EndedEntry, Resolution, job_ref
from leasemq_server.store.store import Store
from leasemq_server.store.types import Durability, NewJob, OutboxEntry

HEADER = "leasemq-dead-letter-"
MAX_CALL_BYTES = 4 * 1024 * 1024  # of results told by one call


class Relay:
    """Moves dead letters from outboxes to their queues, and tells jobs that what they depend on has ended."""

    def __init__(self, store: Store, queues: Queues, tasks: Tasks) -> None:
        self._store = store
        self._queues = queues
        self._tasks = tasks
        self._running: set[str] = set()
        self._again: set[str] = set()

    def soon(self, queue: str) -> None:
        """Relays the queue's outbox in the background."""
        self._again.add(queue)
        if queue not in self._running:
            self._running.add(queue)
            self._tasks.spawn(self._quietly(queue))

    async def _quietly(self, queue: str) -> None:
        try:
            while queue in self._again:
                self._again.discard(queue)
                await self.relay(queue)
        except (StoreUnavailableError, StoreFullError):
            pass  # the entries stay in the outbox, and the tick loop comes back to them
        finally:
            self._running.discard(queue)
            self._again.discard(queue)

    async def relay(self, queue: str) -> int:
        """Relays all that is in the queue's outbox; returns how many entries."""
        relayed = 0
        while entries := await self._store.outbox(queue):
            await self._tell(queue, [entry for entry in entries if isinstance(entry, EndedEntry)])
            for entry in entries:
                if isinstance(entry, EndedEntry):
                    continue
                await self._queues.register(entry.target)
                await self._store.add(entry.target, [dead_letter(queue, entry)], Durability.MEMORY, bounded=False)
            await self._store.outbox_done(queue, [entry.entry_id for entry in entries])
            relayed += len(entries)
        return relayed

    async def _tell(self, queue: str, ends: list[EndedEntry]) -> None:
        """Tells all dependents of the jobs that ended; those that were told once are not told again."""
        by_id = {end.job_id: end for end in ends}  # the last word stands, where a job ended again
        while by_id:
            untold = await self._store.untold(queue, list(by_id))
            pairs = [(job_id, text) for job_id, texts in untold.items() for text in texts]
            by_id = {job_id: by_id[job_id] for job_id, texts in untold.items() if texts}
            for start in range(0, len(pairs), MAX_BATCH):
                await self._resolve(queue, by_id, pairs[start : start + MAX_BATCH])

    async def _resolve(self, queue: str, ends: dict[str, EndedEntry], pairs: list[tuple[str, str]]) -> None:
        by_target: dict[str, list[list[Resolution]]] = {}
        for job_id, text in pairs:
            end, dependent = ends[job_id], job_ref(text)
            calls = by_target.setdefault(dependent.queue, [[]])
            if sum(len(it.result) for it in calls[-1]) > MAX_CALL_BYTES:
                calls.append([])
            calls[-1].append(Resolution(dependent.job_id, f"{queue}/{job_id}", end.state, end.result, end.content_type))
        for target, calls in by_target.items():
            for resolutions in calls:
                if await self._store.resolve(target, resolutions):
                    self.soon(target)
        await self._store.told(queue, pairs)


def dead_letter(queue: str, entry: OutboxEntry) -> NewJob:
    """The copy that the dead-letter queue gets.

    Same name, payload and headers, new headers that say where it comes from, and an id that is the same each time that
    this very failure is relayed.
    """
    failed = job_pb2.JobSpec.FromString(entry.spec)
    copy = job_pb2.JobSpec(name=failed.name, payload=failed.payload, content_type=failed.content_type, headers=failed.headers)
    failure = json.loads(entry.failure) if entry.failure else {}
    copy.headers.update(
        {
            HEADER + "queue": queue,
            HEADER + "job-id": entry.job_id,
            HEADER + "failure-kind": failure.get("kind", ""),
            HEADER + "failure-type": failure.get("type", ""),
            HEADER + "failure-message": failure.get("message", ""),
        }
    )
    return NewJob(dead_letter_id(queue, entry.job_id, entry.finish_ms), copy.SerializeToString(), "")


def dead_letter_id(queue: str, job_id: str, finish_ms: int) -> str:
    """The id of the copy: readable where it fits, else a digest."""
    readable = f"{queue}:{job_id}:{finish_ms}"
    if len(readable) <= MAX_NAME:
        return readable
    return f"dead-letter:{hashlib.sha256(readable.encode()).hexdigest()}"
