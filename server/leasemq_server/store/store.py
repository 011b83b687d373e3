"""The one door to the store, with the domain's verbs. Each verb takes a list, and is one script call: one atomic transition."""

import os
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import Any

from redis.exceptions import RedisError, ResponseError

from leasemq_server.errors import (
    DurabilityNotReachedError,
    GroupFullError,
    QueueFullError,
    StoreFullError,
    StoreUnavailableError,
)
from leasemq_server.store import keys
from leasemq_server.store.calls import MAX_ITEMS, MAX_REPLY_BYTES, PART, StoreRefusedError, domain_error
from leasemq_server.store.changes import ChangeVerbs
from leasemq_server.store.deduplication import DeduplicationVerbs
from leasemq_server.store.events import EventVerbs
from leasemq_server.store.flows import Edge, EndedEntry, FlowVerbs, edges_text, flows_text
from leasemq_server.store.groups import GroupVerbs
from leasemq_server.store.metrics import MetricVerbs
from leasemq_server.store.queues import QueueVerbs
from leasemq_server.store.reading import ReadVerbs
from leasemq_server.store.schedules import ScheduleVerbs
from leasemq_server.store.scripts import load
from leasemq_server.store.types import (
    LOST,
    Added,
    Durability,
    Extension,
    LeasedJob,
    LeaseReply,
    LeaseRequest,
    NewJob,
    OutboxEntry,
    Outcome,
    as_ms,
    as_text,
)

LARGE_PART = 500  # as PART, of items that cost 10 µs
MOST_LEASES = 300  # of one script call: 400 held a slow store for 11 ms
MAX_LOG_LINES = 1000
NONCE_BYTES = 18  # 144 bits: 24 characters of base64
DURABLE_WAIT_MS = 5000
WORKER_TTL_MS = 60_000
PING_S = 5.0  # a subscription is pinged after so long without a word, and lost after twice that

_CREATED = Added(True, "waiting", 0)
_COMPLETED = Outcome("completed", 0, 0)


def _added(reply: Sequence[Any]) -> Added:
    return Added(bool(reply[0]), as_text(reply[1]), as_ms(reply[2]), *map(as_text, reply[3:]))


def _outcome(reply: Sequence[Any]) -> Outcome:
    if as_text(reply[0]) == "LEASE_LOST":
        return LOST
    return Outcome(as_text(reply[1]), as_ms(reply[2]), int(reply[3]))


class Store(
    QueueVerbs, ReadVerbs, ScheduleVerbs, FlowVerbs, GroupVerbs, DeduplicationVerbs, ChangeVerbs, EventVerbs, MetricVerbs
):
    """The domain's verbs over one client."""

    async def close(self) -> None:
        """Closes the connections."""
        await self._close_watcher()
        await super().close()

    # -- adding --------------------------------------------------------------------------------------------------

    async def add(
        self,
        queue: str,
        jobs: Sequence[NewJob],
        durability: Durability,
        edges: dict[str, list[Edge]] | None = None,
        *,
        bounded: bool = True,
    ) -> tuple[list[Added], Durability]:
        """Adds all jobs or none; returns what became of each, and the durability level reached.

        `edges` has those that take part in a flow: what each depends on (nothing, when only others depend on it).

        Raises:
            QueueFullError: there would be more jobs than max_waiting allows, and the add is bounded by it.
            GroupFullError: the same of a group.
        """
        args = {"flows": flows_text((job.id for job in jobs), edges or {}), "bounded": int(bounded)}
        if durability <= self.implied_durability:
            reply = await self._run("add", queue, jobs, **args)
            reached = self.implied_durability
        else:
            reply = await self._add_durably(queue, jobs, durability, args)
            reached = durability
        if not self._strip(queue, reply):
            return [_CREATED] * len(jobs), reached
        if reply[0] == b"QUEUE_FULL":
            raise QueueFullError(queue, int(reply[1]))
        if reply[0] == b"GROUP_FULL":
            raise GroupFullError(queue, as_text(reply[2]), int(reply[1]))
        if reply[-1] == b"ALL":
            return [_added(reply[0])] * len(jobs), reached
        return [_added(item) for item in reply], reached

    async def _add_durably(self, queue: str, jobs: Sequence[NewJob], durability: Durability, args: dict[str, Any]) -> Any:
        """WAITAOF speaks of the writes of its own connection, so both go through one."""
        script = load("add")
        call = script.call_args(queue, {"now_ms": self._now(), **args}, jobs)
        replicas = self.replicas if durability is Durability.REPLICATED else 0
        local = 1 if self.implied_durability is not Durability.MEMORY or durability is Durability.FSYNC else 0
        wait = (
            ("WAITAOF", local, replicas, DURABLE_WAIT_MS)
            if durability is Durability.FSYNC
            else ("WAIT", replicas, DURABLE_WAIT_MS)
        )
        try:
            async with self._client.client() as connection:
                reply = await self._evalsha(connection.execute_command, script, call)
                reached = await self._wait(connection, wait)
        except RedisError as error:
            raise domain_error(error) from error
        except OSError as error:
            raise StoreUnavailableError(str(error)) from error
        if durability is Durability.FSYNC and reached[0] < 1:
            raise DurabilityNotReachedError(f"the store did not fsync within {DURABLE_WAIT_MS} ms")
        if durability is Durability.REPLICATED and reached[-1] < replicas:
            raise DurabilityNotReachedError(f"{reached[-1]} of {replicas} replicas acknowledged within {DURABLE_WAIT_MS} ms")
        return reply

    @staticmethod
    async def _wait(connection: Any, wait: tuple[Any, ...]) -> list[int]:
        try:
            reply = await connection.execute_command(*wait)
        except ResponseError as error:
            raise DurabilityNotReachedError(f"the store refused {wait[0]}: {error}") from error
        return reply if isinstance(reply, list) else [reply]

    # -- leasing -------------------------------------------------------------------------------------------------

    async def lease(self, queue: str, requests: Sequence[LeaseRequest], call: str = "") -> LeaseReply:
        """Leases up to MOST_LEASES jobs to several requests, first come first served; `call` names this very call to `give_back`.

        When time has brought about something in the queue, a tick of it comes first.
        """
        wanted = min(sum(request.max_jobs for request in requests), MOST_LEASES)
        args = {
            "max_bytes": MAX_REPLY_BYTES,
            "nonces": urlsafe_b64encode(os.urandom(NONCE_BYTES * wanted)),
            "call": call,
        }
        reply = await self._run("lease", queue, requests, ticked=0, **args)
        if reply == b"DUE":
            await self.tick(queue)
            reply = await self._run("lease", queue, requests, ticked=1, **args)
        next_in_ms, more, start_ms, answers = reply
        leases = [_leased(int(start_ms), *answer) for answer in answers]
        return LeaseReply(int(next_in_ms), bool(more), leases)

    async def give_back(self, queue: str, requests: Sequence[tuple[str, bool]], call: str = "") -> int:
        """Gives back the leases of requests, each (id, whether the worker may have read them); returns how many leases.

        With `call`, only those that this call of `lease` made: a retry of the request may have made others since.
        """
        items = [(request_id, int(perhaps)) for request_id, perhaps in requests]
        given_back, outbox = await self._run("give_back", queue, items, seed=self._seed(), call=call)
        if outbox:
            self.outbox_written(queue)
        return int(given_back)

    async def has_answered(self, queue: str, request_id: str) -> bool:
        """Whether a lease request was answered with leases from this queue."""
        return bool(await self._command("EXISTS", keys.queue_keys(queue)["request*"] + request_id))

    async def extend(self, queue: str, leases: Sequence[tuple[str, str]], lease_ms: int) -> list[Extension]:
        """Extends leases, each (job id, nonce), to lease_ms from now."""
        reply: list[Any] = []
        for first in range(0, len(leases), LARGE_PART):
            reply += await self._run("extend", queue, leases[first : first + LARGE_PART], lease_ms=lease_ms)
        return [Extension(as_text(word), as_ms(expire_ms)) for word, expire_ms in reply]

    # -- settling ------------------------------------------------------------------------------------------------

    async def complete(self, queue: str, items: Sequence[tuple[str, str, bytes, str]]) -> list[Outcome]:
        """Completes jobs, each (job id, nonce, result, content type)."""
        outcomes: list[Outcome] = []
        for first in range(0, len(items), LARGE_PART):
            part = items[first : first + LARGE_PART]
            kept = [
                (job_id, nonce, b"%b\n%b" % (content_type.encode(), result) if result else b"")
                for job_id, nonce, result, content_type in part
            ]
            replies = await self._run("complete", queue, kept)
            outcomes += map(_outcome, self._strip(queue, replies)) if replies else [_COMPLETED] * len(part)
        return outcomes

    async def fail(self, queue: str, items: Sequence[tuple[str, str, str, int, int | str]]) -> list[Outcome]:
        """Fails attempts, each (job id, nonce, failure JSON, non_retryable 0|1, retry delay ms or "")."""
        return list(map(_outcome, await self._run_in_parts("fail", queue, items, seed=self._seed())))

    async def release(self, queue: str, items: Sequence[tuple[str, str, int, int]]) -> list[Outcome]:
        """Gives jobs back, each (job id, nonce, delay ms, for how many ms the queue gives out no leases then)."""
        outcomes: list[Outcome] = []
        for first in reversed(range(0, len(items), PART)):  # so that the first is at the head in the end
            part = items[first : first + PART]
            replies = await self._run("release", queue, part, seed=self._seed())
            outcomes[:0] = map(_outcome, self._strip(queue, replies))
        return outcomes

    async def block(self, queue: str, items: Sequence[tuple[str, str, tuple[Edge, ...]]]) -> list[Outcome]:
        """Lets jobs wait for others, each (job id, nonce, edges); one a script call, since a job may have 1,000 edges."""
        outcomes: list[Outcome] = []
        for job_id, nonce, edges in items:
            replies = await self._run("block", queue, [(job_id, nonce, edges_text(edges))])
            outcomes += map(_outcome, self._strip(queue, replies))
        return outcomes

    async def progress(self, queue: str, items: Sequence[tuple[str, str, str]]) -> list[bool]:
        """Stores progress, each (job id, nonce, JSON); False where the lease is lost."""
        return [as_text(word) == "OK" for word in await self._run_in_parts("progress", queue, items)]

    async def log(self, queue: str, job_id: str, nonce: str, lines: Sequence[str]) -> int | None:
        """Appends lines to a job's log; returns how many were ever appended, or None when the lease is lost."""
        reply = await self._run("log", queue, [(line,) for line in lines], id=job_id, nonce=nonce, max_lines=MAX_LOG_LINES)
        return int(reply[1]) if as_text(reply[0]) == "OK" else None

    # -- changing jobs -------------------------------------------------------------------------------------------

    async def cancel(self, queue: str, items: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Cancels jobs, each (job id, reason): (OK | JOB_NOT_IN_STATE | JOB_NOT_FOUND, state)."""
        replies = await self._run_in_parts("cancel", queue, items, seed=self._seed())
        return [(as_text(reply[0]), as_text(reply[1]) if len(reply) > 1 else "") for reply in replies]

    async def retry(self, queue: str, ids: Sequence[str], *, keep_attempts: bool = False) -> list[str]:
        """Redrives finished jobs: OK, JOB_NOT_FOUND or JOB_NOT_IN_STATE each."""
        return await self._words("retry", queue, ids, keep_attempts=int(keep_attempts))

    async def promote(self, queue: str, ids: Sequence[str]) -> list[str]:
        """Makes delayed jobs wait: OK, JOB_NOT_FOUND or JOB_NOT_IN_STATE each."""
        return await self._words("promote", queue, ids)

    async def delete(self, queue: str, ids: Sequence[str], *, force: bool = False) -> list[str]:
        """Removes jobs, with force active ones too: OK, JOB_NOT_FOUND or JOB_NOT_IN_STATE each."""
        return await self._words("delete", queue, ids, force=int(force))

    async def _words(self, name: str, queue: str, ids: Sequence[str], **args: Any) -> list[str]:
        return [as_text(word) for word in await self._run_in_parts(name, queue, [(job_id,) for job_id in ids], **args)]

    async def await_mark(self, queue: str, job_id: str) -> str:
        """Asks that the job's end is published; returns its state, or JOB_NOT_FOUND."""
        return as_text(await self._run("await", queue, id=job_id))

    # -- outbox --------------------------------------------------------------------------------------------------

    async def outbox(self, queue: str, count: int = 100) -> list[OutboxEntry | EndedEntry]:
        """The oldest entries that wait to be relayed to other queues."""
        entries = await self._command("XRANGE", keys.queue_keys(queue)["outbox"], "-", "+", "COUNT", count)
        found: list[OutboxEntry | EndedEntry] = []
        for entry_id, flat in entries or []:
            fields = dict(flat) if isinstance(flat, dict) else dict(zip(flat[::2], flat[1::2], strict=True))
            if fields.get(b"kind") == b"ended":
                job_id, state, content_type = (fields[name].decode() for name in (b"id", b"state", b"content_type"))
                found.append(EndedEntry(as_text(entry_id), job_id, state, fields[b"result"], content_type))
                continue
            text = {name: fields[name].decode() for name in (b"target", b"id", b"finish_ms", b"failure")}
            found.append(
                OutboxEntry(
                    as_text(entry_id), text[b"target"], text[b"id"], int(text[b"finish_ms"]), text[b"failure"], fields[b"spec"]
                )
            )
        return found

    async def outbox_done(self, queue: str, entry_ids: Sequence[str]) -> None:
        """Forgets entries that were relayed."""
        await self._command("XDEL", keys.queue_keys(queue)["outbox"], *entry_ids)

    # -- workers -------------------------------------------------------------------------------------------------

    async def heard_of(self, worker_id: str, info: bytes, now_ms: int, poll_ms: int) -> None:
        """Notes a heartbeat, and when the worker last asked for jobs (0: not known here)."""
        commands: list[tuple[Any, ...]] = [
            ("ZADD", keys.WORKERS, now_ms, worker_id),
            ("HSET", keys.WORKER_INFOS, worker_id, info),
        ]
        if poll_ms:
            commands.append(("HSET", keys.WORKER_POLLS, worker_id, poll_ms))
        with suppress(StoreFullError):  # a worker that is not listed still keeps its leases
            await self._pipeline(*commands)

    async def workers(self, now_ms: int) -> list[tuple[str, bytes, int, int]]:
        """Those heard of in the last minute, by id: (worker id, info, heartbeat ms, poll ms)."""
        seen = await self._range(keys.WORKERS, (f"({now_ms - WORKER_TTL_MS}", "+inf"), 0, 10_000, descending=False)
        if not seen:
            return []
        seen.sort(key=lambda position: position.id)
        ids = [position.id for position in seen]
        infos, polls = await self._pipeline(("HMGET", keys.WORKER_INFOS, *ids), ("HMGET", keys.WORKER_POLLS, *ids))
        return [
            (position.id, info, as_ms(position.score), as_ms(poll))
            for position, info, poll in zip(seen, infos, polls, strict=True)
            if info is not None
        ]

    async def forget_workers(self, now_ms: int) -> None:
        """Drops the workers that were not heard of for an hour."""
        old = await self._command("ZRANGEBYSCORE", keys.WORKERS, "-inf", now_ms - 60 * WORKER_TTL_MS, "LIMIT", 0, MAX_ITEMS)
        if old:
            await self._pipeline(
                ("HDEL", keys.WORKER_INFOS, *old), ("HDEL", keys.WORKER_POLLS, *old), ("ZREM", keys.WORKERS, *old)
            )

    # -- the store itself ----------------------------------------------------------------------------------------

    async def ping(self) -> None:
        """Raises StoreUnavailableError when the store does not answer."""
        await self._command("PING")

    async def time_ms(self) -> int:
        """The store's clock."""
        now = self._now_ms()
        if now is not None:
            return now
        seconds, micros = await self._command("TIME")
        return int(seconds) * 1000 + int(micros) // 1000

    async def info(self, section: str = "everything") -> dict[str, Any]:
        """INFO, parsed."""
        reply = await self._command("INFO", section)
        return reply if isinstance(reply, dict) else {}

    async def setting(self, name: str) -> str | None:
        """A CONFIG value, or None when the store does not tell."""
        try:
            reply = await self._client.execute_command("CONFIG", "GET", name)
        except ResponseError:
            return None
        except (RedisError, OSError) as error:
            raise StoreUnavailableError(str(error)) from error
        pairs = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
        return next((as_text(value) for value in pairs.values()), None)

    async def publish(self, channel: str, message: str) -> None:
        """Sends a message to all brokers."""
        await self._command("PUBLISH", channel, message)

    async def messages(self, channels: Sequence[str], ready: Callable[[], None]) -> AsyncIterator[tuple[str, str]]:
        """What is published on the channels, from the moment that `ready` is called.

        Raises StoreUnavailableError when the store is gone or silent, StoreRefusedError when it lets nobody subscribe.
        """
        pubsub = self._client.pubsub()
        try:
            await pubsub.subscribe(*channels)
            confirmed = 0
            while True:
                message = await self._next_message(pubsub)
                if message["type"] == "subscribe":
                    confirmed += 1
                    if confirmed == len(channels):
                        ready()
                elif message["type"] == "message":
                    yield as_text(message["channel"]), as_text(message["data"])
        except ResponseError as error:
            known = domain_error(error)
            raise known if isinstance(known, StoreUnavailableError) else StoreRefusedError(str(error)) from error
        except RedisError as error:
            raise StoreUnavailableError(str(error)) from error
        except OSError as error:
            raise StoreUnavailableError(str(error)) from error
        finally:
            await pubsub.aclose()

    @staticmethod
    async def _next_message(pubsub: Any) -> dict[str, Any]:
        """The next one, be it the answer to a ping: nothing else shows that a connection on which nothing comes still stands."""
        message: dict[str, Any] | None = await pubsub.get_message(timeout=PING_S)
        if message is None:
            await pubsub.ping()
            message = await pubsub.get_message(timeout=PING_S)
        if message is None:
            raise StoreUnavailableError(f"the subscription was silent for {2 * PING_S:g} s")
        return message


def _leased(
    start_ms: int, expire_ms: bytes, ids: list[bytes], nonces: list[bytes], blobs: list[bytes], others: list[list[Any]]
) -> list[LeasedJob]:
    """The leases of one request: all at their first, plain lease but the others, which say what is different."""
    plainly = int(expire_ms)
    new = tuple.__new__  # what LeasedJob() does by a function in Python, at twice the cost
    leased = [
        new(LeasedJob, (job_id.decode(), nonce.decode(), blob, 1, plainly, 0, 0, start_ms, b""))
        for job_id, nonce, blob in zip(ids, nonces, blobs, strict=True)
    ]
    for index, *numbers in others:
        job = leased[index]
        attempt, expire, lease_expirations, failures, started = map(as_ms, numbers[:5])
        checkpoint = b"".join(numbers[5:])  # the sixth, where there is one
        leased[index] = job._replace(
            attempt=attempt,
            expire_ms=expire,
            lease_expirations=lease_expirations,
            failure_count=failures,
            start_ms=started,
            checkpoint=checkpoint,
        )
    return leased
