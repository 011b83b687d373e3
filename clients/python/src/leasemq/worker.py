"""The worker: leases jobs, runs their handlers, settles what became of them.

A job's way: the Poller leases it and calls `_take`, a task runs its handler (Handlers.execute) and gets an Outcome, the Settler
sends that, `_settled` calls the hooks. Beside it the Lifeline keeps the lease alive from threads of its own, and calls
`_stop_attempt` when the job is to stop.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Self

from leasemq import signals
from leasemq.attempt import Attempt, Attempts, Outcome, Stop, release
from leasemq.checking import check_is, check_worker
from leasemq.client import Client
from leasemq.codec import to_duration, to_seconds
from leasemq.errors import LeaseLost, LeaseMQError
from leasemq.executing import Handler, Handlers
from leasemq.hooks import Hooks
from leasemq.job import Job
from leasemq.lifeline import Lifeline
from leasemq.model import Seconds
from leasemq.polling import Poller
from leasemq.settling import Settler
from leasemq.stream import WorkStream
from leasemq.v1 import worker_pb2
from leasemq.version import __version__

log = logging.getLogger("leasemq")

SHORTEST_LEASE, LONGEST_LEASE = 1.0, 12 * 3600.0
MAX_QUEUES = 32
MAX_BATCH, LONGEST_LINGER = 1_000, 10.0
MAX_UNSEEN = 1_000
STREAM_PATIENCE = 1.0
"""Seconds that the first poll waits for the control stream to open."""
STOP_GRACE = 1.0
"""Seconds that a handler told to stop at the end of the drain has to do so, before its job is given back under it."""
FLUSH_TIMEOUT = 5.0
"""Seconds that the last settlements and hooks have at least."""
HURRY_TIMEOUT = 2.0
"""Seconds that the last settlements have after a second signal."""


def new_worker_id() -> str:
    """Make an id that no other worker has: hostname-pid-random."""
    return f"{socket.gethostname()[:90]}-{os.getpid()}-{secrets.token_hex(4)}"


class Worker:
    """Works the jobs of one or more queues with a handler, or a handler for each job name.

    A handler takes a `Job`. What it returns is the job's result (any JSON value, bytes, or None); what it raises fails the
    attempt, and the job's policy decides whether there is another one. `Fatal` fails it for good, `Snooze(seconds)` runs it again
    later and `Release` at once, both without using an attempt. Coroutine functions run in the event loop, plain functions in
    `concurrency` threads.

    A job that is cancelled, or whose lease is lost, is told to stop: `job.cancelled` is set, and an async handler's task is
    cancelled. What a handler with a lost lease returns is thrown away.

    Work goes on through any outage of the broker or its store; the logger `leasemq` has a line when one begins and one when it
    ends.
    """

    def __init__(
        self,
        client: Client,
        queues: str | Sequence[str],
        handler: Handler | Mapping[str, Handler],
        *,
        concurrency: int = 50,
        batch: int | None = None,
        linger: Seconds = 0.0,
        lease: Seconds = 30.0,
        worker_id: str | None = None,
        drain_timeout: Seconds = 30.0,
        on_completed: Callable[[Job, Any], Any] | None = None,
        on_failed: Callable[[Job, BaseException], Any] | None = None,
        on_lost: Callable[[Job, str], Any] | None = None,
        on_error: Callable[[Exception], Any] | None = None,
    ) -> None:
        """Set up; nothing runs yet. A worker runs once.

        queues: one, or up to 32 in the order of preference.
        handler: for all jobs, or by job name; a job whose name has none fails.
        concurrency: how many jobs run at a time.
        batch: the handler takes a list of up to so many jobs, all of one name, 1 to 1,000 and at most `concurrency`. It returns
        None (all went well), or a list with a result, or an exception, for each; what it raises is for all of them.
        linger: how long the broker waits for a full batch once there is a first job; at most 10 s and half of `lease`.
        lease: for how long a job is this worker's without a heartbeat, which is sent at a third of it; 1 s to 12 h.
        worker_id: unique in every process; default hostname-pid-random.
        drain_timeout: how long running handlers may go on after a signal or `stop`.

        Hooks are plain functions or coroutine functions; what they raise goes to on_error.
        on_completed(job, result), on_failed(job, error): the broker has the outcome, and `job.state` is what became of the job.
        on_lost(job, reason): the lease was lost, and the handler has ended.
        on_error(error): anything else that went wrong, but for outages; default: it is logged.

        ValueError: a number out of its range, no queue, no handler. TypeError: an option of a wrong type.
        """
        check_is("a Client", Client, client=client)
        spans = {"linger": linger, "lease": lease, "drain_timeout": drain_timeout}
        check_worker(queues=queues, concurrency=concurrency, batch=batch, **spans)
        self.queues = [queues] if isinstance(queues, str) else list(queues)
        self.concurrency = concurrency
        self.worker_id = worker_id or new_worker_id()
        self._batch = batch
        self._linger = to_seconds(linger)
        self._lease = to_seconds(lease)
        self._drain_timeout = to_seconds(drain_timeout)
        self._check()
        self._handlers = Handlers(handler, concurrency)
        self._connection = client.connection
        self._hooks = Hooks(on_completed, on_failed, on_lost, on_error)
        self._attempts: Attempts = {}
        self._keep = self._keep_checkpoint
        self._unseen: dict[str, tuple[Stop, str]] = {}
        self._running = 0
        self._max_backlog = max(2 * concurrency, 1_000)
        self._errands: set[asyncio.Task[None]] = set()
        self._drain: asyncio.Task[None] | None = None
        self._fatal: BaseException | None = None
        self._will_raise = False
        self._ended, self._hurry, self._idle = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._idle.set()
        self._started = False

    def _check(self) -> None:
        if not 1 <= len(self.queues) <= MAX_QUEUES:
            raise ValueError(f"a worker has 1 to {MAX_QUEUES} queues, not {len(self.queues)}")
        if self.concurrency < 1:
            raise ValueError(f"concurrency is at least 1, not {self.concurrency}")
        if self._batch is not None and not 1 <= self._batch <= min(self.concurrency, MAX_BATCH):
            raise ValueError(f"batch is 1 to {MAX_BATCH} and at most concurrency, {self.concurrency}; not {self._batch}")
        if not 0 <= self._linger <= min(LONGEST_LINGER, self._lease / 2) or (self._linger and self._batch is None):
            raise ValueError(f"linger goes with batch, and is 0 to 10 s and at most half of lease; not {self._linger} s")
        if not SHORTEST_LEASE <= self._lease <= LONGEST_LEASE:
            raise ValueError(f"lease is 1 s to 12 h, not {self._lease} s")
        if not self._drain_timeout >= 0:
            raise ValueError(f"drain_timeout is not negative, as {self._drain_timeout} s is")

    @property
    def running(self) -> int:
        """How many handlers run now."""
        return self._running

    async def run(self, *, install_signal_handlers: bool = True) -> None:
        """Work until SIGTERM, SIGINT, `stop` or the broker's directive to end; then drain.

        A second signal gives back all running jobs at once. Signals stop all workers that run in the process; they are heard in
        the main thread only. Errors: InvalidField, if the broker won't have such a worker.
        """
        self._will_raise = True
        if install_signal_handlers:
            signals.listen(self._signalled)
        try:
            await self.start()
            await self._ended.wait()
        except asyncio.CancelledError:
            self._hurry.set()
            raise
        finally:
            await self.stop()
            signals.unlisten(self._signalled)
        if self._fatal is not None:
            raise self._fatal

    async def start(self) -> None:
        """Begin to work in the background, whether the broker can be reached or not. RuntimeError: it was started before.

        `async with worker:` does this, and `stop` at its end; if the broker won't have such a worker, its InvalidField is logged
        at once and raised there.
        """
        if self._started:
            raise RuntimeError("a worker runs once: make a new one")
        self._started = True
        self._loop = asyncio.get_running_loop()
        self._stream = WorkStream(self._connection, self._take)
        self._settler = Settler(self._stream, self._settled)
        self._poller = Poller(
            self._stream,
            self.queues,
            self.worker_id,
            self._lease,
            self.concurrency,
            self._free_slots,
            self._take,
            self._hooks.error,
            linger=self._linger or None,
        )
        self._lifeline = Lifeline(
            self._connection.address, self._info(), self._lease, self._attempts, self._connection.outage, self._stop_attempt,
            self._stop_unseen, self._directed
        )  # fmt: skip
        await self._lifeline.start(STREAM_PATIENCE)
        self._poller.start().add_done_callback(self._polling_ended)

    async def stop(self, *, drain_timeout: Seconds | None = None) -> None:
        """Lease no more, let running handlers end within drain_timeout (default the worker's), give back the rest, settle, end.

        Calls after the first wait for the same end. A handler must not await it: it would wait for itself.
        """
        if not self._started:
            return
        seconds = self._drain_timeout if drain_timeout is None else to_seconds(drain_timeout, "drain_timeout")
        await asyncio.shield(self._begin_stop(seconds))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        await self.stop()
        if kind is None and self._fatal is not None:
            raise self._fatal

    def _info(self) -> worker_pb2.WorkerInfo:
        return worker_pb2.WorkerInfo(
            worker_id=self.worker_id,
            hostname=socket.gethostname()[:256],
            pid=os.getpid(),
            language="python",
            sdk_version=__version__,
            queues=self.queues,
            concurrency=self.concurrency,
        )

    # A job's way

    def _free_slots(self) -> int:
        free = min(self.concurrency - self._running, self._max_backlog - self._settler.backlog)
        if self._batch is None:
            return free
        return self._batch if free >= self._batch else 0

    def _take(self, leases: Sequence[worker_pb2.Lease], received: float) -> None:
        attempts = [self._held(lease, received) for lease in leases]
        if self._drain is not None:
            for attempt in attempts:
                attempt.running = False
                self._settler.put(release(attempt))
            return
        self._running += len(attempts)
        self._idle.clear()
        if self._batch is None:
            for attempt in attempts:
                attempt.task = self._loop.create_task(self._work(attempt))
        else:
            self._begin_batches(attempts)
        for attempt in attempts:
            if attempt.token in self._unseen:
                self._stop_attempt(attempt, *self._unseen.pop(attempt.token))

    def _held(self, lease: worker_pb2.Lease, received: float) -> Attempt:
        job = Job(lease, self._connection, self._loop, self._keep)
        attempt = self._attempts[job.lease_token] = Attempt(job, received + self._lease - self._linger)
        return attempt

    def _begin_batches(self, attempts: list[Attempt]) -> None:
        by_name: dict[str, list[Attempt]] = {}
        for attempt in attempts:
            by_name.setdefault(attempt.job.name, []).append(attempt)
        for peers in by_name.values():
            task = self._loop.create_task(self._work_batch(peers))
            for attempt in peers:
                attempt.task, attempt.peers = task, peers

    async def _work(self, attempt: Attempt) -> None:
        self._ended_with(attempt, await self._handlers.execute(attempt))

    async def _work_batch(self, attempts: list[Attempt]) -> None:
        for attempt, outcome in zip(attempts, await self._handlers.execute_batch(attempts), strict=True):
            self._ended_with(attempt, outcome)

    async def _keep_checkpoint(self, token: str, checkpoint: bytes) -> None:
        """Send a heartbeat for this one lease, with its checkpoint. Errors: LeaseLost."""
        duration = to_duration(self._lease)
        request = worker_pb2.HeartbeatRequest(
            worker=self._info(), lease_tokens=[token], lease_duration=duration, checkpoints={token: checkpoint}
        )
        request.worker.running = self._running
        response = await self._connection.call(self._connection.stubs.worker.Heartbeat, request)
        if response.leases[0].status == worker_pb2.LEASE_STATUS_LOST:
            raise LeaseLost("the lease is lost: stop working", reason="LEASE_LOST")

    def _ended_with(self, attempt: Attempt, outcome: Outcome | None) -> None:
        attempt.running = False
        self._running -= 1
        self._poller.wake()
        if not self._running:
            self._idle.set()
        if outcome is not None:
            self._settler.put(outcome)
        elif self._attempts.pop(attempt.token, None) is not None:
            self._hooks.lost(attempt.job, attempt.job.cancelled.reason or "")

    def _settled(self, outcome: Outcome, error: LeaseMQError | None) -> None:
        attempt = outcome.attempt
        self._attempts.pop(attempt.token, None)
        self._poller.wake()
        if error is not None:
            self._hooks.error(error)
        elif outcome.error is not None:
            self._hooks.failed(attempt.job, outcome.error)
        elif outcome.kind == "complete":
            self._hooks.completed(attempt.job, outcome.result)

    def _stop_attempt(self, attempt: Attempt, stop: Stop, reason: str) -> None:
        """Tell a handler to stop; a lost lease is final, other reasons give way to it."""
        if not attempt.running or attempt.stop in (stop, Stop.LOST):
            return
        first = attempt.stop is None
        attempt.stop = stop
        attempt.job.cancelled.set(reason)
        alone = all(peer.stop is not None for peer in attempt.peers)  # else its handler still works for others
        if first and alone and attempt.is_async and attempt.task is not None:
            attempt.task.cancel()

    def _stop_unseen(self, token: str, stop: Stop, reason: str) -> None:
        """What is to stop may overtake the lease on its way: it is stopped when it comes. Only the newest are remembered."""
        attempt = self._attempts.get(token)
        if attempt is not None:
            self._stop_attempt(attempt, stop, reason)
            return
        self._unseen[token] = stop, reason
        if len(self._unseen) > MAX_UNSEEN:
            del self._unseen[next(iter(self._unseen))]

    def _polling_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fatal = error
            if self._running or not self._will_raise:  # else `run` says it at once
                log.error("worker %s ends: %s", self.worker_id, error)
            self._begin_stop(self._drain_timeout)

    # The end

    def _signalled(self) -> None:
        if self._drain is not None:
            self._hurry.set()
        if self._started:
            self._begin_stop(self._drain_timeout)

    def _directed(self, directive: int) -> None:
        if directive == worker_pb2.WORKER_DIRECTIVE_TERMINATE:
            self._begin_stop(self._drain_timeout)
        elif self._drain is None:
            quiet = self._poller.quiet(directive == worker_pb2.WORKER_DIRECTIVE_QUIET)
            task = self._loop.create_task(quiet)
            self._errands.add(task)
            task.add_done_callback(self._errands.discard)

    def _begin_stop(self, seconds: float) -> asyncio.Task[None]:
        if self._drain is None:
            self._drain = self._loop.create_task(self._drain_and_end(seconds))
        return self._drain

    async def _drain_and_end(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        polling = self._loop.create_task(self._poller.drain(max(seconds, FLUSH_TIMEOUT)))
        await self._until(deadline, self._idle.wait())
        await self._give_back()
        await self._until(math.inf, asyncio.shield(polling))
        if self._hurry.is_set():
            self._poller.abandon()
        await polling
        await self._settler.flush(HURRY_TIMEOUT if self._hurry.is_set() else max(deadline - time.monotonic(), FLUSH_TIMEOUT))
        await self._hooks.finish(FLUSH_TIMEOUT)
        await self._lifeline.stop()
        await self._stream.close()
        self._handlers.close()
        self._ended.set()

    async def _until(self, deadline: float, what: Awaitable[Any]) -> None:
        """Wait for it, for a second signal, or for the deadline, whichever is first."""
        waiting = [asyncio.ensure_future(what), self._loop.create_task(self._hurry.wait())]
        timeout = None if deadline == math.inf else max(deadline - time.monotonic(), 0.0)
        await asyncio.wait(waiting, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()

    async def _give_back(self) -> None:
        """Stop what still runs. A handler that ends in time gives its job back by itself; from the others it is taken."""
        for attempt in list(self._attempts.values()):
            self._stop_attempt(attempt, Stop.RELEASE, "the worker stops")
        await self._until(time.monotonic() + STOP_GRACE, self._idle.wait())
        for attempt in list(self._attempts.values()):
            if attempt.running and attempt.stop is not Stop.LOST:
                attempt.stop = Stop.LOST
                self._settler.put(release(attempt))
