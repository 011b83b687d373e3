"""What a handler gets, and what it may raise to say what becomes of the job."""
# ruff: noqa: N818 - what a handler raises says what it wants, which is not always an error

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from datetime import datetime
from typing import Any, TypeVar

from leasemq.checking import made
from leasemq.codec import JSON_TYPE, decode, encode, to_duration
from leasemq.connection import Connection
from leasemq.convert import to_dependencies, to_value
from leasemq.flows import dependencies
from leasemq.model import Dependency, DependencyInfo, JobState, Seconds
from leasemq.v1 import job_pb2, worker_pb2

T = TypeVar("T")
Keep = Callable[[str, bytes], Awaitable[None]]
"""Stores a checkpoint for a lease token."""


class Fatal(Exception):
    """Raise it to fail the job for good: no further attempt, whatever its policy says."""


class Snooze(Exception):
    """Raise it to run the job again after `delay` (seconds or timedelta).

    Uses no attempt. TypeError: the delay is no duration. ValueError: it is not finite.
    """

    def __init__(self, delay: Seconds) -> None:
        super().__init__(delay)
        self.delay = to_duration(delay, "delay")


class RateLimited(Exception):
    """Raise it when what the handler calls says "not so fast": the job goes back, and the whole queue rests for `seconds`.

    seconds: or a timedelta; at most 24 h. No worker gets a job of the queue meanwhile; a longer rest that somebody else
    asked for stays. Uses no attempt.
    TypeError: the time is no duration. ValueError: it is not finite.
    """

    def __init__(self, seconds: Seconds) -> None:
        super().__init__(seconds)
        self.hold = to_duration(seconds, "seconds")


class Release(Exception):
    """Raise it to give the job back at once, to the head of its queue. Uses no attempt."""


class BlockOn(Exception):
    """Raise it to run the job again once other jobs are done. Uses no attempt.

    The next run reads their results with `job.dependencies()`. Give the jobs that you add ids that are the same at each run, so
    that a run that was interrupted adds them once. If one of them does not exist, the job fails.
    TypeError: one is no Dependency, or has a value of a wrong type.
    """

    def __init__(self, dependencies: Iterable[Dependency]) -> None:
        self.dependencies = list(dependencies)
        to_dependencies(self.dependencies)
        super().__init__(self.dependencies)


class Cancelled(Exception):
    """Raised by `job.raise_if_cancelled()`; a handler may raise it by itself when it stopped because of `job.cancelled`."""


class CancelSignal:
    """Set when the job is to stop: it was cancelled, its lease is lost or the worker's drain_timeout is over. Safe in any thread.

    An async handler's task is cancelled as well, so it seldom needs this; a plain function has only this.
    """

    __slots__ = ("_reason", "_wakers")

    _lock = threading.Lock()

    def __init__(self) -> None:
        self._reason: str | None = None
        self._wakers: list[Callable[[], object]] | None = None

    @property
    def reason(self) -> str | None:
        """Why, for people; None while it is not set."""
        return self._reason

    def is_set(self) -> bool:
        """Say whether the job is to stop."""
        return self._reason is not None

    async def wait(self) -> None:
        """Wait until the job is to stop; for async handlers."""
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        if self._listen(lambda: loop.call_soon_threadsafe(woken.set)):
            await woken.wait()

    def wait_sync(self, timeout: float | None = None) -> bool:
        """Block until the job is to stop, or for `timeout` seconds; return whether it is.

        For handlers that are plain functions.
        """
        woken = threading.Event()
        if self._listen(woken.set):
            woken.wait(timeout)
        return self.is_set()

    def set(self, reason: str) -> None:
        """Set it; only the first reason stands. The worker does this."""
        with self._lock:
            if self._reason is not None:
                return
            self._reason = reason
            wakers, self._wakers = self._wakers, None
        for waker in wakers or ():
            waker()

    def _listen(self, waker: Callable[[], object]) -> bool:
        with self._lock:
            if self._reason is not None:
                return False
            if self._wakers is None:
                self._wakers = []
            self._wakers.append(waker)
            return True


_making = threading.Lock()


class Job:
    """One attempt at a job. Its values are read from the lease as they are asked for.

    `state`, `next_run_time` and `attempts_remaining` say what became of it once the broker knows, so in the hooks.
    """

    __slots__ = (
        "_cancelled", "_connection", "_keep", "_lease", "_loop", "attempts_remaining", "lease_token", "next_run_time", "state"
    )  # fmt: skip

    def __init__(
        self, lease: worker_pb2.Lease, connection: Connection, loop: asyncio.AbstractEventLoop, keep: Keep | None = None
    ) -> None:
        self._lease = lease
        self._connection = connection
        self._loop = loop
        self._keep = keep
        self.lease_token: str = lease.lease_token
        """The handle of this attempt."""
        self._cancelled: CancelSignal | None = None
        self.state = JobState.ACTIVE
        self.next_run_time: datetime | None = None
        self.attempts_remaining = 0

    def __repr__(self) -> str:
        return f"<Job {self.id} of {self.queue}: {self.name}, attempt {self.attempt}>"

    @property
    def _spec(self) -> job_pb2.JobSpec:
        return self._lease.job.spec

    @property
    def cancelled(self) -> CancelSignal:
        """Set when the job is to stop."""
        with _making:  # made when it is first asked for: most jobs end before that
            if self._cancelled is None:
                self._cancelled = CancelSignal()
            return self._cancelled

    @property
    def id(self) -> str:
        """Its id, unique in the queue."""
        return self._lease.job.id

    @property
    def queue(self) -> str:
        """The queue that it came from."""
        return self._lease.job.queue

    @property
    def name(self) -> str:
        """What kind of work it is."""
        return self._spec.name

    @property
    def raw_payload(self) -> bytes:
        """The payload's bytes."""
        return self._spec.payload

    @property
    def content_type(self) -> str:
        """The payload's media type."""
        return self._spec.content_type or JSON_TYPE

    @property
    def payload(self) -> Any:
        """The payload: decoded (anew each time) if its content type is JSON, else the bytes.

        ValueError: it is not the JSON that it says it is.
        """
        return decode(self._spec.payload, self._spec.content_type)

    @property
    def headers(self) -> dict[str, str]:
        """What the producer sent along."""
        return dict(self._spec.headers)

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        return self._lease.attempt

    @property
    def max_attempts(self) -> int | None:
        """How many attempts the producer allowed in all; None = the queue's default."""
        return self._spec.retry.max_attempts or None

    @property
    def group(self) -> str:
        """The group that it takes turns in; empty when it has none."""
        return self._spec.group

    @property
    def schedule_id(self) -> str:
        """The schedule that added it; empty when it was added by hand."""
        return self._lease.job.schedule_id

    @property
    def last_checkpoint(self) -> Any:
        """What was stored last by `checkpoint`, in this attempt or in one before it; None if nothing was."""
        return decode(self._lease.checkpoint, JSON_TYPE)

    async def checkpoint(self, value: Any) -> None:
        """Store where the next attempt may go on: any JSON value, at most 16 KiB; it replaces the one before.

        It is gone when the job has completed. Errors: LeaseLost (stop working), InvalidField (too large), Unavailable.
        TypeError: it is bytes, or no JSON value.
        """
        if isinstance(value, bytes | bytearray | memoryview):
            raise TypeError("a checkpoint is a JSON value, not bytes")
        data = encode(value)[0]
        if self._keep is None:
            raise RuntimeError("only a job of a running worker can have checkpoints")
        await self._keep(self.lease_token, data)
        self._lease.checkpoint = data

    def checkpoint_sync(self, value: Any) -> None:
        """Do as `checkpoint`, from a handler that is a plain function."""
        self._run(self.checkpoint(value))

    def raise_if_cancelled(self) -> None:
        """Raise Cancelled if the job is to stop; for handlers that are plain functions and check now and then."""
        if self.cancelled.is_set():
            raise Cancelled(self.cancelled.reason)

    async def progress(self, value: Any) -> None:
        """Store how far the job is: any JSON value, at most 16 KiB. Errors: LeaseLost (stop working), Unavailable.

        TypeError: it is no JSON.
        """
        request = worker_pb2.ReportProgressRequest(lease_token=self.lease_token, progress=to_value(value))
        await self._connection.call(self._connection.stubs.worker.ReportProgress, request)

    async def log(self, *lines: str) -> None:
        """Append lines to the job's log, which keeps the newest 1,000.

        Errors: LeaseLost (stop working), Unavailable. TypeError: a line is no text. A retry may repeat lines.
        """
        request = made(worker_pb2.AppendLogsRequest, lease_token=self.lease_token, lines=lines)
        await self._connection.call(self._connection.stubs.worker.AppendLogs, request)

    async def dependencies(self) -> list[DependencyInfo]:
        """Read the jobs that it depends on, by queue and id, with their results. Errors: JobNotFound, Unavailable."""
        return [found async for found in dependencies(self._connection, self.queue, self.id)]

    def dependencies_sync(self) -> list[DependencyInfo]:
        """Do as `dependencies`, from a handler that is a plain function."""
        return self._run(self.dependencies())

    def progress_sync(self, value: Any) -> None:
        """Do as `progress`, from a handler that is a plain function."""
        self._run(self.progress(value))

    def log_sync(self, *lines: str) -> None:
        """Do as `log`, from a handler that is a plain function."""
        self._run(self.log(*lines))

    def _run(self, call: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()
