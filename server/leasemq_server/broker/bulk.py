"""Verbs over many jobs, by id or by filter, in bounded steps.

Each call looks at no more than a page of jobs, and says where to go on.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from leasemq.v1 import job_pb2

from leasemq_server.broker.awaiting import FINISHED
from leasemq_server.store.reading import STATE_SETS
from leasemq_server.store.store import Store
from leasemq_server.store.types import Position, StoredJob

PAGE = 1000
Verb = Callable[[str, Sequence[str]], Awaitable[list[str]]]


class JobFilter(NamedTuple):
    """Which jobs.

    Of a state, added or finished before `before_ms` (None: whenever), of a name and a group ("": any), at most `limit`
    (None: all).
    """

    state: str
    before_ms: int | None
    name: str
    limit: int | None
    group: str = ""


class BulkCounts(NamedTuple):
    """What became of the jobs."""

    done: int
    not_found: int
    skipped: int


class BulkStep(NamedTuple):
    """One call's counts, and where the next one goes on (None: all done)."""

    counts: BulkCounts
    after: Position | None


async def apply_to_ids(verb: Verb, queue: str, ids: Sequence[str]) -> BulkCounts:
    """Applies a verb to jobs by id."""
    words = await verb(queue, ids)
    return BulkCounts(words.count("OK"), words.count("JOB_NOT_FOUND"), words.count("JOB_NOT_IN_STATE"))


async def apply_to_matches(store: Store, verb: Verb, queue: str, which: JobFilter, after: Position | None) -> BulkStep:
    """Applies a verb to the next page of jobs that match."""
    positions = await store.page(queue, which.state, after, PAGE, descending=False, removing=True)
    if not positions:
        return BulkStep(BulkCounts(0, 0, 0), None)
    ids, seen = await _matching(store, queue, which, positions)
    if which.limit is not None and len(ids) > which.limit:
        ids = ids[: which.limit]  # should one of them be gone, the next call goes on behind the last
        seen = [position.id for position in positions].index(ids[-1]) + 1
    counts = await apply_to_ids(verb, queue, ids) if ids else BulkCounts(0, 0, 0)
    at_end = len(positions) < PAGE and seen == len(positions)
    return BulkStep(counts, None if at_end else positions[seen - 1])


async def _matching(store: Store, queue: str, which: JobFilter, positions: list[Position]) -> tuple[list[str], int]:
    """The ids that match among those that one read could take, and how many it took."""
    if not (which.name or which.group) and which.before_ms is None:
        return [position.id for position in positions], len(positions)
    jobs = await store.read(queue, [position.id for position in positions], with_spec=bool(which.name or which.group))
    ids = [job.id for job in jobs if job is not None and _matches(job, which)]
    return ids, len(jobs)


def _matches(job: StoredJob, which: JobFilter) -> bool:
    if which.before_ms is not None:
        finish = job.fields.get(b"ft")
        if (int(float(finish)) if finish else job.create_ms) >= which.before_ms:
            return False
    if not (which.name or which.group):
        return True
    said = job_pb2.JobSpec.FromString(job.spec)
    return which.name in ("", said.name) and which.group in ("", said.group)


async def delete_queue_step(store: Store, queue: str, *, force: bool) -> tuple[int, bool]:
    """Removes up to a page of a queue's jobs of each state; says whether any may be left.

    force: unfinished ones too. Without, one that was added meanwhile stays.
    """
    removed, left = 0, False
    for state in STATE_SETS if force else FINISHED:
        positions = await store.page(queue, state, None, PAGE, descending=False, removing=True)
        if positions:
            removed += (await store.delete(queue, [position.id for position in positions], force=force)).count("OK")
            left = left or len(positions) == PAGE
    return removed, left
