"""Searching a queue's jobs, state by state, in bounded looks.

Each call looks at no more than some thousand jobs, in script calls of 100, and says where to go on.
"""

from collections.abc import Sequence
from typing import NamedTuple

from leasemq.v1 import admin_pb2

from leasemq_server.jobs.search import is_found
from leasemq_server.store.calls import MAX_REPLY_BYTES
from leasemq_server.store.store import Store
from leasemq_server.store.types import Position, StoredJob

STEP = 250  # jobs a look
MOST_STEPS = 20


class Place(NamedTuple):
    """How far a search has come: the state, by its number among those searched, and the job seen last in it."""

    state: int
    last: Position | None


class Found(NamedTuple):
    """The jobs, how many were looked at, and where to go on (None: all were)."""

    jobs: list[StoredJob]
    examined: int
    place: Place | None


class Search:
    """One call's way through the states."""

    def __init__(self, store: Store, queue: str, states: Sequence[str], query: admin_pb2.JobQuery, most: int) -> None:
        self._store = store
        self._queue = queue
        self._states = states
        self._query = query
        self._most = most
        self._found: list[StoredJob] = []
        self._bytes = 0
        self._examined = 0

    async def run(self, place: Place) -> Found:
        """Looks on from there until there are enough jobs, or it has looked at enough."""
        for _ in range(MOST_STEPS):
            following = await self._step(place)
            if following is None or self._is_full:
                return Found(self._found, self._examined, following)
            place = following
        return Found(self._found, self._examined, place)

    @property
    def _is_full(self) -> bool:
        return len(self._found) >= self._most or self._bytes >= MAX_REPLY_BYTES

    async def _step(self, place: Place) -> Place | None:
        """One look; returns where the next one begins."""
        state = self._states[place.state]
        positions = await self._store.page(self._queue, state, place.last, STEP, descending=False)
        seen = await self._look_at(positions, state) if positions else 0
        if seen < len(positions) or len(positions) == STEP:
            return Place(place.state, positions[seen - 1])
        return Place(place.state + 1, None) if place.state + 1 < len(self._states) else None

    async def _look_at(self, positions: Sequence[Position], state: str) -> int:
        """Takes what fits; returns how many it has seen, at least one."""
        fitting = [(number, it.id) for number, it in enumerate(positions, 1) if it.id.startswith(self._query.id_prefix)]
        jobs = await self._store.read(self._queue, [job_id for _, job_id in fitting]) if fitting else []
        for (number, _), job in zip(fitting, jobs, strict=False):
            if job is not None and job.state == state and is_found(job.spec, job.fields.get(b"f", b""), self._query):
                self._found.append(job)
                self._bytes += len(job.spec)
                if self._is_full:
                    return self._counted(number)
        return self._counted(fitting[len(jobs) - 1][0] if len(jobs) < len(fitting) else len(positions))

    def _counted(self, seen: int) -> int:
        self._examined += seen
        return seen
