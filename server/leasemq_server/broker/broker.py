"""The broker's parts, put together: what the RPC handlers, and later the dashboard, call."""

import asyncio
import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import structlog

from leasemq_server.broker.awaiting import Awaiting
from leasemq_server.broker.coalesce import Coalescer
from leasemq_server.broker.dispatch import Dispatcher
from leasemq_server.broker.events import Events
from leasemq_server.broker.flows import Flows
from leasemq_server.broker.queues import Queues
from leasemq_server.broker.relay import Relay
from leasemq_server.broker.schedules import Schedules
from leasemq_server.broker.settle import Settler
from leasemq_server.broker.tasks import Tasks
from leasemq_server.broker.wakes import Wakes
from leasemq_server.broker.workers import Workers
from leasemq_server.config import Settings
from leasemq_server.jobs.tokens import parse_token
from leasemq_server.store.check import StoreState, inspect
from leasemq_server.store.store import Store
from leasemq_server.store.types import Added, Durability, Extension, NewJob

LOST = Extension("LOST", 0)

log = structlog.get_logger("leasemq")


class Broker:
    """One broker over one store."""

    def __init__(self, settings: Settings, store: Store, state: StoreState) -> None:
        self.settings = settings
        self.store = store
        self.state = state
        self._looked_at = time.monotonic()
        self.start_ms = int(time.time() * 1000)
        self.tasks = Tasks()
        self.queues = Queues(store)
        self.wakes = Wakes()
        self.workers = Workers()
        self.awaiting = Awaiting(store)
        self.relay = Relay(store, self.queues, self.tasks)
        self.events = Events(store)
        store.outbox_written = self.relay.soon
        self.flows = Flows(store, self.queues, self.relay)
        self.schedules = Schedules(store, self.queues)
        self.dispatcher = Dispatcher(store, self.wakes, self.workers, self.tasks)
        self.settler = Settler(store)
        self._adds: Coalescer[tuple[str, Durability], NewJob, tuple[Added, Durability]] = Coalescer(self._add)

    @property
    def default_durability(self) -> Durability:
        """What an add without a durability of its own asks for."""
        return Durability[self.settings.durability.upper()]

    def why_not(self, durability: Durability) -> str:
        """Why the store can't reach a level, and what to change; empty if it can."""
        why = self.state.unreachable.get(durability)
        return f"{durability.name.lower()} can't be reached with this store: {why}" if why else ""

    async def look(self, age_s: float) -> None:
        """Looks at the store's settings, which may change meanwhile, if that was not done within this time; logs what is new.

        What it could promise stays the most that may be asked for: a replica that is away for now makes no request wrong.

        Raises:
            StoreUnavailableError: it does not answer.
        """
        if time.monotonic() < self._looked_at + age_s:
            return
        before = self.state
        state = await inspect(self.store, real=before.kind != "memory")
        self._looked_at = time.monotonic()
        unreachable = {level: why for level, why in state.unreachable.items() if level in before.unreachable}
        self.state = replace(state, unreachable=unreachable)
        self.store.implied_durability = state.implied_durability
        for warning in state.warnings:
            if warning not in before.warnings:
                log.error("store settings", detail=warning)

    async def add(self, queue: str, jobs: Sequence[NewJob], durability: Durability) -> list[tuple[Added, Durability]]:
        """Adds all jobs or none, together with those that others add to the queue at the same time."""
        return await self._adds.submit((queue, durability), jobs)

    async def _add(self, key: tuple[str, Durability], jobs: Sequence[NewJob]) -> list[tuple[Added, Durability]]:
        queue, durability = key
        await self.queues.register(queue)
        added, reached = await self.store.add(queue, jobs, durability)
        return list(zip(added, itertools.repeat(reached)))

    async def extend(self, tokens: Sequence[str], lease_ms: int) -> list[Extension]:
        """Extends leases of any queues."""
        extensions = [LOST] * len(tokens)
        for queue, leases in _by_queue(tokens).items():
            results = await self.store.extend(queue, [(job_id, nonce) for _, job_id, nonce in leases], lease_ms)
            for (index, _, _), extension in zip(leases, results, strict=True):
                extensions[index] = extension
        return extensions

    async def checkpoint(self, checkpoints: Mapping[str, bytes]) -> set[str]:
        """Stores checkpoints by lease token; returns the tokens whose leases are lost."""
        tokens = list(checkpoints)
        lost = set(tokens)
        for queue, leases in _by_queue(tokens).items():
            items = [(job_id, nonce, checkpoints[tokens[index]]) for index, job_id, nonce in leases]
            kept = await self.store.checkpoint(queue, items)
            lost -= {tokens[index] for (index, _, _), is_kept in zip(leases, kept, strict=True) if is_kept}
        return lost

    async def heard_of(self, worker_id: str, info: bytes) -> None:
        """Notes a worker's heartbeat."""
        await self.store.heard_of(worker_id, info, await self.store.time_ms(), self.workers.poll_ms(worker_id))

    async def idle(self) -> None:
        """Waits until nothing is in flight to the store."""
        await asyncio.gather(self._adds.idle(), self.dispatcher.idle(), self.settler.idle())
        await self.dispatcher.settle_unreceived()
        await self.tasks.finish()


def _by_queue(tokens: Sequence[str]) -> dict[str, list[tuple[int, str, str]]]:
    """The tokens that can be leases, by queue: (index, job id, nonce) each."""
    found: dict[str, list[tuple[int, str, str]]] = {}
    for index, text in enumerate(tokens):
        token = parse_token(text)
        if token is not None:
            found.setdefault(token.queue, []).append((index, token.job_id, token.nonce))
    return found
