"""Keeps leases alive and hears what the broker wants stopped, whatever the handlers do.

Two threads, with a connection of their own and gRPC's blocking API, so that nothing here needs the event loop: a handler that
blocks the loop for a minute keeps its lease. One thread sends heartbeats at a third of the lease, the other keeps the WatchWorker
stream open. What they learn is told to the loop with call_soon_threadsafe; a job's cancel signal is set at once, as a blocking
handler can see it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import grpc

from leasemq.attempt import Attempt, Attempts, Stop
from leasemq.codec import to_duration
from leasemq.connection import CHANNEL_OPTIONS, Outage
from leasemq.errors import LeaseMQError, from_rpc_error
from leasemq.v1 import worker_pb2
from leasemq.v1.worker_pb2_grpc import WorkerServiceStub

log = logging.getLogger("leasemq")

LONGEST_INTERVAL = 15.0
"""Seconds between heartbeats at most: the server forgets a worker that was silent for a minute."""
MAX_TOKENS = 1_000
SILENCE = 30.0
"""Seconds without a word on the stream (it has a keep-alive every 10) after which it is opened anew."""
BEAT_TIMEOUT = 5.0
JOIN_TIMEOUT = 2.0

Stopper = Callable[[Attempt, Stop, str], None]


class Lifeline:
    """Heartbeats and the WatchWorker stream of one worker."""

    def __init__(
        self,
        address: str,
        info: worker_pb2.WorkerInfo,
        lease: float,
        attempts: Attempts,
        outage: Outage,
        stop_attempt: Stopper,
        stop_unseen: Callable[[str, Stop, str], None],
        directed: Callable[[int], None],
    ) -> None:
        """`stop_attempt`, `stop_unseen` (with a token) and `directed` are called in the loop that called `start`."""
        self._address = address
        self._info = info
        self._lease = lease
        self._interval = min(lease / 3, LONGEST_INTERVAL)
        self._attempts = attempts
        self._outage = outage
        self._stop_attempt = stop_attempt
        self._stop_unseen = stop_unseen
        self._directed = directed
        self._ended = threading.Event()
        self._opened: asyncio.Event | None = None
        self._stream: Any = None
        self._heard_at = time.monotonic()
        self._threads: list[threading.Thread] = []

    async def start(self, patience: float) -> None:
        """Start both threads; return when the stream is open, or after `patience` seconds."""
        self._loop = asyncio.get_running_loop()
        self._opened = asyncio.Event()
        options = [*CHANNEL_OPTIONS, ("grpc.use_local_subchannel_pool", 1)]
        self._channel = grpc.insecure_channel(self._address, options=options)
        self._stub = WorkerServiceStub(self._channel)
        for name, duty in (("heartbeat", self._heartbeats), ("watch", self._watch)):
            thread = threading.Thread(target=duty, name=f"leasemq-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)
        try:
            async with asyncio.timeout(patience):
                await self._opened.wait()
        except TimeoutError:
            log.debug("the control stream is not open yet; going on without")

    async def stop(self) -> None:
        """End the stream and the heartbeats."""
        self._ended.set()
        if self._stream is not None:
            self._stream.cancel()
        await asyncio.to_thread(self._join)
        self._outage.forget(self)

    def _join(self) -> None:
        self._channel.close()
        for thread in self._threads:
            thread.join(JOIN_TIMEOUT)

    def _heartbeats(self) -> None:
        while not self._ended.is_set():
            heard = self._beat()
            if self._stream is not None and time.monotonic() - self._heard_at > SILENCE:
                self._stream.cancel()
            longest = self._interval if heard else min(self._interval, 1.0)
            self._ended.wait(longest * random.uniform(0.8, 1.0))  # noqa: S311 - jitter, not a secret

    def _beat(self) -> bool:
        """Send one heartbeat for all leases; return whether the broker heard it."""
        attempts = list(self._attempts.copy().values())
        heard = True
        for at in range(0, max(len(attempts), 1), MAX_TOKENS):
            heard = self._beat_for(attempts[at : at + MAX_TOKENS]) and heard
        return heard

    def _beat_for(self, attempts: list[Attempt]) -> bool:
        self._info.running = sum(attempt.running for attempt in self._attempts.copy().values())
        request = worker_pb2.HeartbeatRequest(
            worker=self._info, lease_tokens=[attempt.token for attempt in attempts], lease_duration=to_duration(self._lease)
        )
        try:
            response = self._stub.Heartbeat(request, timeout=BEAT_TIMEOUT)
        except grpc.RpcError as rpc_error:
            if self._ended.is_set():
                return False
            error = from_rpc_error(rpc_error)
            self._outage.noticed(error, self)
            if error.reason and not self._outage.is_on and not _is_of_queues(error):
                log.warning("the broker refused a heartbeat: %s", error)
            self._stop_expired(attempts)
            return False
        self._outage.over(self)
        self._learn(attempts, response)
        return True

    def _learn(self, attempts: list[Attempt], response: worker_pb2.HeartbeatResponse) -> None:
        expires_at = time.monotonic() + self._lease
        for attempt, lease in zip(attempts, response.leases, strict=True):
            if lease.status == worker_pb2.LEASE_STATUS_LOST:
                self._tell_stop(attempt, Stop.LOST, "the lease is lost")
                continue
            attempt.expires_at = expires_at
            if lease.status == worker_pb2.LEASE_STATUS_CANCEL_REQUESTED:
                self._tell_stop(attempt, Stop.CANCEL, "cancelled")
        if response.directive:
            self._tell(self._directed, response.directive)

    def _stop_expired(self, attempts: list[Attempt]) -> None:
        """Stop what has run out while the broker could not be reached: by now another worker may have the job."""
        now = time.monotonic()
        for attempt in attempts:
            if attempt.expires_at <= now:
                self._tell_stop(attempt, Stop.LOST, "the lease ran out while the broker could not be reached")

    def _watch(self) -> None:
        failures = 0
        while not self._ended.is_set():
            self._heard_at = time.monotonic()
            try:
                stream = self._stub.WatchWorker(worker_pb2.WatchWorkerRequest(worker_id=self._info.worker_id))
                self._stream = stream
                stream.initial_metadata()
                if stream.is_active():  # else it ended before it began
                    self._outage.over(self)
                    self._tell(self._opened_now)
                for message in stream:
                    self._heard_at = time.monotonic()
                    failures = 0
                    self._obey(message)
            except (grpc.RpcError, ValueError) as error:  # ValueError: the channel was closed under it
                if isinstance(error, grpc.RpcError) and not self._ended.is_set():
                    self._outage.noticed(from_rpc_error(error), self)
            self._ended.wait(min(0.1 * 2**failures, 2.0) * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
            failures = min(failures + 1, 10)

    def _opened_now(self) -> None:
        if self._opened is not None:
            self._opened.set()

    def _obey(self, message: worker_pb2.WatchWorkerResponse) -> None:
        kind = message.WhichOneof("message")
        if kind == "directive":
            self._tell(self._directed, message.directive)
        elif kind == "cancel":
            attempt = self._attempts.get(message.cancel.lease_token)
            stop = Stop.LOST if message.cancel.status == worker_pb2.LEASE_STATUS_LOST else Stop.CANCEL
            reason = message.cancel.reason or "cancelled"
            if attempt is not None:
                self._tell_stop(attempt, stop, reason)
            else:  # perhaps the lease is still on its way
                self._tell(self._stop_unseen, message.cancel.lease_token, stop, reason)

    def _tell_stop(self, attempt: Attempt, stop: Stop, reason: str) -> None:
        if attempt.running:
            attempt.job.cancelled.set(reason)
            self._tell(self._stop_attempt, attempt, stop, reason)

    def _tell(self, what: Callable[..., None], *args: object) -> None:
        try:
            self._loop.call_soon_threadsafe(what, *args)
        except RuntimeError:  # the loop is closed: nobody is left to listen
            self._ended.set()


def _is_of_queues(error: LeaseMQError) -> bool:
    """Say whether it is only the queues that are no good: the lease calls are refused for them too, and end the worker."""
    fields = [violation.field for violation in error.field_violations]
    return bool(fields) and all(field.startswith("worker.queues") for field in fields)
