"""What a round of `bench.scripts` goes through: the store's verbs, in an order in which each finds what it needs.

Each round leaves the queue about as big as it found it. A step without a name prepares the next one, and is not timed. A queue
that is used `singly` gets a call of its own for each item, one right after the other; where time must go by before a call, the
store works for another queue meanwhile.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from leasemq_server.store.flows import Edge, JobRef, Registration, Resolution
from leasemq_server.store.store import Store
from leasemq_server.store.types import Durability, LeasedJob, LeaseRequest, NewJob
from uuid_utils import uuid7

from bench.payload import payload_of

QUEUE, OTHER_QUEUE = "big", "other"
LARGEST = 1_000
LEASE_MS = 600_000
LOST_MS = 150  # of many leases that end: longer than it takes to lease all of them, or some would be leased twice
FAR_MS = 4_000_000_000_000
FAILURE = json.dumps({"type": "Error", "message": "no"})
PREPARE = ""

Step = tuple[str, Callable[[], Awaitable[Any]]]


@dataclass
class Held:
    """The jobs that a step has leased, for the steps after it."""

    jobs: Sequence[LeasedJob] = ()

    @property
    def ids(self) -> list[str]:
        return [job.id for job in self.jobs]

    @property
    def tokens(self) -> list[tuple[str, str]]:
        return [(job.id, job.nonce) for job in self.jobs]


class Queue:
    """The queue, and the verbs in few words."""

    def __init__(self, store: Store, *, singly: bool = False) -> None:
        self.store = store
        self.rests = True  # whether the store has nothing to do while time goes by; else it works for another queue
        self._singly = singly
        self._payload = json.dumps(payload_of(150), separators=(",", ":")).encode()
        self._calls = 0

    async def add(
        self,
        ids: list[str],
        options: str = "",
        *,
        keys: bool = False,
        edges: dict[str, list[Edge]] | None = None,
    ) -> None:
        jobs = [NewJob(job_id, self._payload, keyed_by(job_id) if keys else options) for job_id in ids]
        for part in [[job] for job in jobs] if self._singly else [jobs]:
            own = {job.id: edges[job.id] for job in part if job.id in edges} if edges else None
            await self.store.add(QUEUE, part, Durability.MEMORY, own)

    async def update(self, ids: list[str], run_ms: int | None) -> None:
        """One call a job: there is no verb for more."""
        for job_id in ids:
            blob = await self.store.stored_spec(QUEUE, job_id)
            assert blob is not None
            await self.store.update_if(QUEUE, job_id, blob, self._payload, '{"p":1}', to_tail=True, run_ms=run_ms)

    async def each(self, verb: Callable[[str, Any], Awaitable[Any]], items: Sequence[Any]) -> None:
        """A verb on items."""
        for part in [[item] for item in items] if self._singly else [items]:
            await verb(QUEUE, part)

    async def fill(self, jobs: int, on_progress: Callable[[int], None]) -> None:
        for _ in range(jobs // LARGEST):
            await self.add(new_ids(LARGEST))
            on_progress(LARGEST)

    async def lease(self, count: int, lease_ms: int = LEASE_MS) -> list[LeasedJob]:
        leased: list[LeasedJob] = []
        while len(leased) < count:
            self._calls += 1
            request = LeaseRequest(f"w:{self._calls}", "w", 1 if self._singly else count - len(leased), lease_ms)
            leased += (await self.store.lease(QUEUE, [request])).answers[0]
        return leased

    async def waiting(self, count: int) -> list[str]:
        """Ids from where the queue is deep."""
        places = await self.store.page(QUEUE, "waiting", None, count + 1, descending=True)
        return [place.id for place in places[:count]]

    async def delete(self, ids: list[str]) -> None:
        await self.store.delete(QUEUE, ids, force=True)

    async def then_wait(self, first: Awaitable[Any], ms: int = 1) -> None:
        """Does this, and lets the store's clock go on by so much and a few milliseconds more."""
        await first
        until = time.monotonic() + (ms + 9) / 1000
        while time.monotonic() < until:
            if self.rests:
                await asyncio.sleep(until - time.monotonic())
            else:
                await self.store.tick(OTHER_QUEUE)
                await self.store.lease(OTHER_QUEUE, [LeaseRequest("w:0", "w", 1, LEASE_MS)])


async def a_life(queue: Queue, count: int) -> list[Step]:
    """What callers and workers ask for."""
    store, fresh, late, keyed, held = queue.store, new_ids(count), new_ids(count), new_ids(count), Held()
    deep = await queue.waiting(count)

    async def lease() -> None:
        held.jobs = await queue.lease(count)

    return [
        ("add", lambda: queue.add(fresh)),
        ("add, delayed, with options", lambda: queue.add(late, '{"rp":1,"ma":3,"tl":86400000,"de":3600000}')),
        ("promote", lambda: queue.each(store.promote, late)),
        ("add, with keys", lambda: queue.add(keyed, keys=True)),
        ("cancel, with keys", lambda: queue.each(store.cancel, [(job_id, "bench") for job_id in keyed])),
        ("delete, with keys", lambda: queue.each(store.delete, keyed)),
        ("update, priority", lambda: queue.update(late, None)),
        ("update, run time", lambda: queue.update(late, FAR_MS)),
        ("lease", lease),
        ("extend", lambda: queue.each(lambda name, tokens: store.extend(name, tokens, LEASE_MS), held.tokens)),
        ("complete", lambda: queue.each(store.complete, [(*token, b"{}", "application/json") for token in held.tokens])),
        ("retry, completed", lambda: queue.each(store.retry, held.ids)),
        ("lease", lease),
        ("progress", lambda: queue.each(store.progress, [(*token, "50") for token in held.tokens])),
        ("checkpoint", lambda: queue.each(store.checkpoint, [(*token, b"50") for token in held.tokens])),
        ("release", lambda: queue.each(store.release, [(*token, 0, 0) for token in held.tokens])),
        ("lease, not the first", lease),
        ("fail, tried again", lambda: queue.each(store.fail, [(*token, FAILURE, 0, 3_600_000) for token in held.tokens])),
        ("lease", lease),
        ("fail, for good", lambda: queue.each(store.fail, [(*token, FAILURE, 1, "") for token in held.tokens])),
        ("retry", lambda: queue.each(store.retry, held.ids)),
        ("cancel", lambda: queue.each(store.cancel, [(job_id, "bench") for job_id in deep])),
        ("read", lambda: queue.each(store.read, deep)),
        ("delete", lambda: queue.each(store.delete, deep)),
        ("stats", lambda: store.stats(QUEUE)),
        ("tick", lambda: store.tick(QUEUE)),
        ("sweep", lambda: store.sweep(QUEUE)),
    ]


async def what_time_does(queue: Queue, count: int) -> list[Step]:
    """Jobs become due, leases end, jobs expire: by tick, and by the lease call that comes first."""
    due, picked, unstarted, buried = (new_ids(count) for _ in range(4))
    held, lost = Held(), Held()
    lost_ms = LOST_MS if count > 1 else 1
    waiting = (await queue.store.stats(QUEUE)).waiting

    async def lease() -> None:
        held.jobs = await queue.lease(count)

    async def lose() -> None:
        lost.jobs = await queue.lease(count, lost_ms)

    async def finish() -> None:
        await queue.store.complete(QUEUE, [(*token, b"{}", "application/json") for token in held.tokens])
        await queue.store.delete(QUEUE, [*picked, *held.ids])

    async def tick_all() -> None:
        """Until nothing is due any more, as the broker does; one job needs one call."""
        while (await queue.store.tick(QUEUE)).moved and count > 1:
            pass

    return [
        (PREPARE, lambda: queue.then_wait(queue.add(due, '{"de":1}'))),
        ("tick, jobs are due", tick_all),
        (PREPARE, lambda: queue.delete(due)),
        (PREPARE, lambda: queue.then_wait(queue.add(picked, '{"de":1}'))),
        ("lease, jobs are due", lease),
        (PREPARE, finish),
        (PREPARE, lambda: queue.then_wait(lose(), lost_ms)),
        ("tick, leases end", tick_all),
        (PREPARE, lambda: queue.delete(lost.ids)),
        (PREPARE, lambda: queue.then_wait(lose(), lost_ms)),
        ("lease, leases end", lease),
        (PREPARE, lambda: queue.delete([*lost.ids, *held.ids])),
        (PREPARE, lambda: queue.then_wait(queue.add(unstarted, '{"tl":1}'))),
        ("tick, jobs expire", tick_all),
        (PREPARE, lambda: queue.delete(unstarted)),
        (PREPARE, lambda: queue.then_wait(queue.add(buried, '{"tl":1,"dl":"dead"}'))),
        ("tick, jobs expire, dead letters", tick_all),
        (PREPARE, lambda: queue.delete(buried)),
        (PREPARE, lambda: relayed(queue.store)),
        (PREPARE, lambda: refilled(queue, waiting)),
    ]


async def flows(queue: Queue, count: int) -> list[Step]:
    """Jobs that depend on others: one each, and one that depends on all of them."""
    store, first, second, last = queue.store, new_ids(count), new_ids(count), new_ids(1)
    edges = {job_id: [Edge(JobRef(QUEUE, other), "f")] for job_id, other in zip(second, first, strict=True)}
    pairs = list(zip(first, second, strict=True))
    held = Held()

    async def lease() -> None:
        held.jobs = await queue.lease(1)

    def ends() -> list[Resolution]:
        return [Resolution(job_id, f"{QUEUE}/{other}", "completed", b"{}", "application/json") for other, job_id in pairs]

    return [
        (PREPARE, lambda: queue.add(first)),
        ("register", lambda: queue.each(store.register, [Registration(a, f"{QUEUE}/{b}", 0) for a, b in pairs])),
        ("add, dependents", lambda: queue.add(second, '{"dp":1}', edges=edges)),
        ("resolve", lambda: queue.each(store.resolve, ends())),
        ("told", lambda: queue.each(store.told, [(a, f"{QUEUE}/{b}") for a, b in pairs])),
        (PREPARE, lease),
        ("block, one on all", lambda: queue.each(store.block, [(*held.tokens[0], tuple(edge for (edge,) in edges.values()))])),
        ("resolve, all of one", lambda: queue.each(store.resolve, [it._replace(job_id=held.ids[0]) for it in ends()])),
        (
            "add, one dependent on all",
            lambda: queue.add(last, '{"dp":1}', edges={last[0]: [edge for (edge,) in edges.values()]}),
        ),
        ("delete, dependents", lambda: queue.each(store.delete, second)),
        (PREPARE, lambda: queue.delete([*first, *last, *held.ids])),
        (PREPARE, lambda: relayed(store)),
    ]


async def refilled(queue: Queue, waiting: int) -> None:
    """As many jobs wait as before."""
    missing = waiting - (await queue.store.stats(QUEUE)).waiting
    for first in range(0, missing, LARGEST):
        await queue.add(new_ids(min(LARGEST, missing - first)))


async def relayed(store: Store) -> None:
    """Forgets what the outbox holds, as if it were relayed."""
    while entries := await store.outbox(QUEUE, LARGEST):
        await store.outbox_done(QUEUE, [entry.entry_id for entry in entries])


SECTIONS = {"life": a_life, "time": what_time_does, "flows": flows}
ONE_AT_A_TIME = {"time"}  # where a round is for one call of a verb, whatever the number of items


def keyed_by(job_id: str) -> str:
    """Options with a deduplication key of its own."""
    return json.dumps({"dd": {"m": "u", "t": LEASE_MS}}, separators=(",", ":")) + f"\t\t{job_id}"


def new_ids(count: int) -> list[str]:
    return [str(uuid7()) for _ in range(count)]
