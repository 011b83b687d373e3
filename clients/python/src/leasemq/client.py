"""The client of services that add jobs, follow them and cancel them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Self

from leasemq import convert
from leasemq.admin import Admin
from leasemq.checking import durability_number, made
from leasemq.coalescing import Coalescer, in_batches
from leasemq.codec import to_seconds
from leasemq.connection import Connection, Method
from leasemq.errors import InvalidField, PayloadTooLarge, renumbered
from leasemq.events import EventStream
from leasemq.flows import dependencies
from leasemq.model import (
    AddedJob,
    Backoff,
    Cascade,
    Deduplication,
    Dependency,
    DependencyInfo,
    Durability,
    EventKind,
    FlowNode,
    JobInfo,
    JobState,
    NewJob,
    Retention,
    Seconds,
)
from leasemq.schedules import Schedules
from leasemq.stream import ProduceStream
from leasemq.v1 import producer_pb2

LONGEST_WAIT = 20.0
ANSWER_TIME = 1.0  # in which the last answer of a wait with a timeout arrives
"""Seconds that the server parks an AwaitJob or a lease call at most."""

WAIT_MARGIN = 10.0
"""Seconds that a parked call's deadline is beyond its wait."""


class Client:
    """Talks to a broker. Cheap to make, connects with the first call, safe for any number of tasks of one event loop.

    Threads and programs without asyncio use `leasemq.sync.Client`. After a fork, make a new one: gRPC does not survive forks.
    """

    def __init__(self, address: str | None = None, *, retry_timeout: float = 30.0) -> None:
        """Set up; nothing is sent yet.

        address: host:port or unix:/path; default $LEASEMQ_ADDRESS, else 127.0.0.1:7878.
        retry_timeout: seconds after which a call gives up, retries included. UNAVAILABLE and RESOURCE_EXHAUSTED are retried,
        nothing else is.

        ValueError: the address is none.
        """
        self.connection = Connection(address, retry_timeout)
        self._adds = ProduceStream(self.connection)
        self._coalescer = Coalescer(self.connection, self._adds)
        self._admin = Admin(self.connection)
        self._schedules = Schedules(self.connection)

    @property
    def address(self) -> str:
        """Where the broker is."""
        return self.connection.address

    @property
    def admin(self) -> Admin:
        """What operators call: counts, queues, jobs, workers."""
        return self._admin

    @property
    def schedules(self) -> Schedules:
        """Jobs that the clock adds."""
        return self._schedules

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Wait for the adds that are under way, then close the connection; other calls in flight fail with Unavailable.

        A call after that opens it again.
        """
        await self._coalescer.flush()
        await self._adds.close()
        await self.connection.close()

    async def add(
        self,
        queue: str,
        payload: Any = None,
        *,
        name: str | None = None,
        id: str | None = None,  # noqa: A002 - the contract's name
        delay: Seconds | None = None,
        run_time: datetime | None = None,
        priority: int = 0,
        lifo: bool = False,
        group: str | None = None,
        attempts: int | None = None,
        backoff: Backoff | None = None,
        timeout: Seconds | None = None,  # noqa: ASYNC109 - of one attempt at the job, not of this call
        ttl: Seconds | None = None,
        headers: Mapping[str, str] | None = None,
        content_type: str | None = None,
        completed_retention: Retention | None = None,
        failed_retention: Retention | None = None,
        dead_letter_queue: str | None = None,
        max_lease_expirations: int | None = None,
        deduplication: Deduplication | None = None,
        depends_on: Sequence[Dependency] = (),
        durability: Durability | None = None,
    ) -> AddedJob:
        """Add a job. Concurrent calls on a queue travel together, without waiting for each other when there is one.

        payload: any JSON value, or bytes as they are (content type application/octet-stream unless given); at most 1 MiB.
        name: what kind of work it is, at most 128 characters; default the queue's name.
        id: unique in the queue, not empty; default a new UUIDv7. Adding an id again changes nothing and returns `created=False`.
        delay / run_time: not before that long from now / that (aware) time.
        priority: 1 is the most urgent, 2,097,151 the least; 0, the default, runs before all of them. lifo: to the head of its
        priority.
        group: a tenant, say: groups take turns, and may have limits of their own (`Admin.update_group`). 1 to 128 printable
        characters; default none: jobs without a group are leased before all that have one.
        attempts: how often it is tried in all; default the queue's, which is 1. backoff: `fixed`, `exponential` or `delays`;
        default none.
        timeout: the longest that one attempt may take. ttl: it fails if it was not started within this time. Default: no limit.
        headers: carried to the worker as they are, at most 64 and 16 KiB in all.
        completed_retention / failed_retention: how long it is kept afterwards; default the queue's.
        dead_letter_queue: gets a copy if it fails for good. max_lease_expirations: how often its lease may run out; default the
        queue's, which is 3.
        deduplication: a key that only one job of the queue at a time may hold, and what becomes of this one while one does;
        the result then says `deduplicated`, and has the id of the job that holds it.
        depends_on: jobs of any queues that must be done before it starts, at most 1,000; until then it is BLOCKED. Its delay
        begins then.
        durability: how safe it must be before this returns; default the server's.

        Errors: InvalidField, PayloadTooLarge; QueueFull, GroupFull, StoreFull, Unavailable and DurabilityNotReached after
        retry_timeout, when the job may have been added all the same: adding it again with the same id is safe. TypeError: an
        option has the wrong type, or the payload does; ValueError: it can't be encoded.
        """
        job = NewJob(
            payload, name, id, delay, run_time, priority, lifo, attempts, backoff, timeout, ttl, headers, content_type,
            completed_retention, failed_retention, dead_letter_queue, max_lease_expirations, deduplication, depends_on,
            group,
        )  # fmt: skip
        if depends_on:
            return await self._add_alone(queue, job, durability)
        return convert.added(await self._coalescer.add(queue, convert.to_spec(queue, job), durability_number(durability)))

    async def _add_alone(self, queue: str, job: NewJob, durability: Durability | None) -> AddedJob:
        """Add without others: a dependency that is not there must not refuse theirs."""
        spec = convert.to_spec(queue, job)
        request = producer_pb2.AddJobRequest(queue=queue, job=spec, durability=durability_number(durability))
        return convert.added(await self.connection.call(self.connection.stubs.producer.AddJob, request))

    async def add_flow(self, nodes: Iterable[FlowNode], *, durability: Durability | None = None) -> list[AddedJob]:
        """Add jobs of any queues that depend on each other, 1 to 1,000, in any order; results are in that order.

        Nothing runs before all that waits for it is there. When an error is raised, jobs without dependencies may be missing
        while others wait for them: adding the flow again with the same ids (set `NewJob.id`) completes it.
        Errors: DependencyCycle, and as `add`.
        """
        request = producer_pb2.AddFlowRequest(nodes=convert.to_nodes(nodes), durability=durability_number(durability))
        response = await self.connection.call(self.connection.stubs.producer.AddFlow, request)
        return [convert.added(result) for result in response.results]

    async def dependencies(self, queue: str, id: str) -> AsyncIterator[DependencyInfo]:  # noqa: A002 - the contract's name
        """Iterate over the jobs that a job depends on, by queue and id, with their results. Errors: JobNotFound, Unavailable."""
        async for found in dependencies(self.connection, queue, id):
            yield found

    async def add_many(self, queue: str, jobs: Iterable[NewJob], *, durability: Durability | None = None) -> list[AddedJob]:
        """Add jobs in batches of 1,000 (fewer if they are big: 32 MiB), each of them all or nothing; results are in order.

        Errors: as `add`. When one is raised, the batches before it were added; ids of your own make doing it again safe.
        """
        specs = convert.to_specs(queue, jobs)
        results: list[AddedJob] = []
        for batch in in_batches(specs, max_bytes=32 * 1024 * 1024):
            request = producer_pb2.BatchAddJobsRequest(queue=queue, jobs=batch, durability=durability_number(durability))
            try:
                response = await self.connection.call(self._adds.add_batch, request)
            except (InvalidField, PayloadTooLarge) as error:
                raise renumbered(error, len(results)) from None
            results += map(convert.added, response.results)
        return results

    async def get(self, queue: str, id: str) -> JobInfo:  # noqa: A002 - the contract's name
        """Read a job. Errors: JobNotFound, Unavailable."""
        request = made(producer_pb2.GetJobRequest, queue=queue, job_id=id)
        return convert.job_info((await self.connection.call(self.connection.stubs.producer.GetJob, request)).job)

    async def wait(
        self,
        queue: str,
        id: str,  # noqa: A002 - the contract's name
        timeout: Seconds | None = None,  # noqa: ASYNC109 - the server does the waiting
    ) -> JobInfo:
        """Wait until a job has completed, failed or was cancelled, and return it. timeout: default for ever.

        It looks at the state, so it misses no end. Errors: TimeoutError, 1 s late at most if the broker is away; Unavailable;
        JobNotFound, also when it was removed as soon as it finished.
        """
        seconds = None if timeout is None else to_seconds(timeout, "timeout")
        if seconds is not None and seconds < 0:
            raise ValueError(f"timeout must not be negative; got {seconds:g} s")
        deadline = None if seconds is None else time.monotonic() + seconds
        try:
            async with asyncio.timeout(None if seconds is None else seconds + ANSWER_TIME) as limit:
                return await self._wait(queue, id, deadline)
        except TimeoutError as error:
            how_it_is = "is out of reach, with its broker," if limit.expired() else str(error)
            raise TimeoutError(f"job {id} of queue {queue} {how_it_is} after {timeout} s") from None

    async def _wait(self, queue: str, id: str, deadline: float | None) -> JobInfo:  # noqa: A002 - as `wait`
        while True:
            asked = time.monotonic()
            seconds = LONGEST_WAIT if deadline is None else min(max(deadline - asked, 0.0), LONGEST_WAIT)
            request = made(producer_pb2.AwaitJobRequest, queue=queue, job_id=id)
            response = await self.connection.call(self._await_job(seconds), request, extra_time=seconds)
            if response.finished:
                return convert.job_info(response.job)
            now = time.monotonic()
            if deadline is not None and now >= deadline:
                raise TimeoutError(f"is {JobState(response.job.state).name}")
            if now - asked < seconds / 2:
                await asyncio.sleep(0.1)  # a broker that shuts down answers at once

    def _await_job(self, seconds: float) -> Method[producer_pb2.AwaitJobRequest, producer_pb2.AwaitJobResponse]:
        async def ask(
            request: producer_pb2.AwaitJobRequest,
            *,
            timeout: float,  # noqa: ASYNC109 - as a stub's method
        ) -> producer_pb2.AwaitJobResponse:
            request.wait_duration.CopyFrom(self.connection.outage.poll_time(seconds))
            return await self.connection.stubs.producer.AwaitJob(request, timeout=timeout)

        return ask

    async def cancel(
        self,
        queue: str,
        id: str,  # noqa: A002 - the contract's name
        reason: str = "",
        *,
        cascade: Cascade = Cascade.NONE,
    ) -> JobState:
        """Cancel a job and return its state: CANCELLED, or ACTIVE while its worker is being told (within a second).

        If the worker completes it first, COMPLETED stands. reason: told to the worker, kept as the failure's message; at most
        1,024 characters. cascade: cancels these too, as far as they are unfinished.
        Errors: JobNotFound; JobNotInState (it completed or failed); Unavailable.
        """
        request = made(producer_pb2.CancelJobRequest, queue=queue, job_id=id, reason=reason, cascade=convert.wire(cascade))
        return JobState((await self.connection.call(self.connection.stubs.producer.CancelJob, request)).state)

    async def remove_deduplication_key(self, queue: str, key: str) -> str | None:
        """Free a deduplication key, so that the next job with it is added; return the id of the job that held it, or None.

        That job goes on as before; one that was kept aside for the key is added at once. Errors: Unavailable.
        """
        request = made(producer_pb2.RemoveDeduplicationKeyRequest, queue=queue, key=key)
        response = await self.connection.call(self.connection.stubs.producer.RemoveDeduplicationKey, request)
        return response.job_id if response.removed else None

    def events(
        self,
        queue: str,
        *,
        kinds: Iterable[EventKind] = (),
        resume_token: str | None = None,
        from_oldest: bool = False,
        until_now: bool = False,
    ) -> EventStream:
        """Watch what happens in a queue: every transition once and in order.

            async with client.events("email") as events:
                async for event in events: ...

        kinds: only these; default all. resume_token: go on after an event that was seen (`Event.resume_token`), or where another
        stream stood (`EventStream.resume_token`). Without one it begins now, or with the oldest event that is kept if
        from_oldest.
        until_now: end when all that had happened was told, instead of waiting for more.

        The stream goes on over outages. Whoever was away for so long that events are gone gets an EVENTS_LOST first: read anew
        what you keep by events. Errors: InvalidField, also for a resume_token of another queue.
        """
        return EventStream(self.connection, queue, kinds, resume_token, from_oldest=from_oldest, until_now=until_now)
