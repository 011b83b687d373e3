"""Settles attempts, coalesced by queue and verb."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from leasemq_server.broker.coalesce import Coalescer
from leasemq_server.errors import LeaseLostError
from leasemq_server.jobs.tokens import parse_token
from leasemq_server.store.flows import Edge
from leasemq_server.store.store import Store
from leasemq_server.store.types import LOST, Outcome

Item = TypeVar("Item")


Completion = tuple[str, str, bytes, str]  # job id, nonce, result, content type


class Complete(NamedTuple):
    """The attempt went well."""

    token: str
    result: bytes
    content_type: str


class Fail(NamedTuple):
    """The attempt failed; `failure` is JSON, retry_delay_ms "" for the policy's."""

    token: str
    failure: str
    non_retryable: bool
    retry_delay_ms: int | str


class Release(NamedTuple):
    """The job is given back."""

    token: str
    delay_ms: int
    hold_ms: int


class Block(NamedTuple):
    """The job waits for others, at which it is registered already."""

    token: str
    edges: tuple[Edge, ...]


Settlement = Complete | Fail | Release | Block


class Settler:
    """Settles attempts through the store."""

    def __init__(self, store: Store) -> None:
        self._completes: Coalescer[str, Completion, Outcome] = Coalescer(store.complete)
        self._fails: Coalescer[str, tuple[str, str, str, int, int | str], Outcome] = Coalescer(store.fail)
        self._releases: Coalescer[str, tuple[str, str, int, int], Outcome] = Coalescer(store.release)
        self._blocks: Coalescer[str, tuple[str, str, tuple[Edge, ...]], Outcome] = Coalescer(store.block)

    async def settle_one(self, settlement: Settlement) -> Outcome:
        """Settles one attempt.

        Raises:
            LeaseLostError: the token is not, or no longer, a lease.
        """
        (outcome,) = await self.settle([settlement])
        if outcome.lost:
            raise LeaseLostError
        return outcome

    async def complete(self, queue: str, completions: Sequence[Completion]) -> list[Outcome]:
        """Completes jobs of one queue, each for itself; an outcome may be LOST."""
        return await self._completes.submit(queue, completions)

    async def settle(self, settlements: Sequence[Settlement]) -> list[Outcome]:
        """Settles each for itself; an outcome may be LOST."""
        completes: dict[str, list[tuple[int, Completion]]] = {}
        fails: dict[str, list[tuple[int, tuple[str, str, str, int, int | str]]]] = {}
        releases: dict[str, list[tuple[int, tuple[str, str, int, int]]]] = {}
        blocks: dict[str, list[tuple[int, tuple[str, str, tuple[Edge, ...]]]]] = {}
        outcomes = [LOST] * len(settlements)
        for index, settlement in enumerate(settlements):
            token = parse_token(settlement.token)
            if token is None:
                continue
            queue, job_id, nonce = token
            if isinstance(settlement, Complete):
                item = (index, (job_id, nonce, settlement.result, settlement.content_type))
                completes.setdefault(queue, []).append(item)
            elif isinstance(settlement, Fail):
                failure = (job_id, nonce, settlement.failure, int(settlement.non_retryable), settlement.retry_delay_ms)
                fails.setdefault(queue, []).append((index, failure))
            elif isinstance(settlement, Block):
                blocks.setdefault(queue, []).append((index, (job_id, nonce, settlement.edges)))
            else:
                releases.setdefault(queue, []).append((index, (job_id, nonce, settlement.delay_ms, settlement.hold_ms)))
        calls = [_gather(self._completes, queue, items, outcomes) for queue, items in completes.items()]
        calls += [_gather(self._fails, queue, items, outcomes) for queue, items in fails.items()]
        calls += [_gather(self._releases, queue, items, outcomes) for queue, items in releases.items()]
        calls += [_gather(self._blocks, queue, items, outcomes) for queue, items in blocks.items()]
        if len(calls) == 1:
            await calls[0]
        else:
            await asyncio.gather(*calls)
        return outcomes

    async def idle(self) -> None:
        """Waits until nothing is in flight."""
        await asyncio.gather(self._completes.idle(), self._fails.idle(), self._releases.idle(), self._blocks.idle())


async def _gather(
    coalescer: Coalescer[str, Item, Outcome], queue: str, items: list[tuple[int, Item]], outcomes: list[Outcome]
) -> None:
    results = await coalescer.submit(queue, [item for _, item in items])
    for (index, _), outcome in zip(items, results, strict=True):
        outcomes[index] = outcome
