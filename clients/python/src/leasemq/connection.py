"""One channel to the broker, and how a call on it is made: with a deadline, with retries, with errors of our own."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

import grpc
import tenacity
from google.protobuf.duration_pb2 import Duration

from leasemq.codec import to_duration
from leasemq.errors import DurabilityNotReached, LeaseMQError, Unavailable, from_rpc_error, is_retryable
from leasemq.v1.admin_pb2_grpc import AdminServiceStub
from leasemq.v1.producer_pb2_grpc import ProducerServiceStub
from leasemq.v1.schedule_pb2_grpc import ScheduleServiceStub
from leasemq.v1.worker_pb2_grpc import WorkerServiceStub

if TYPE_CHECKING:
    from leasemq.v1.admin_pb2_grpc import AdminServiceAsyncStub
    from leasemq.v1.producer_pb2_grpc import ProducerServiceAsyncStub
    from leasemq.v1.schedule_pb2_grpc import ScheduleServiceAsyncStub
    from leasemq.v1.worker_pb2_grpc import WorkerServiceAsyncStub

log = logging.getLogger("leasemq")

DEFAULT_ADDRESS = "127.0.0.1:7878"
MAX_PORT = 65_535
OTHER_SCHEMES = ("unix:", "unix-abstract:", "vsock:", "dns:", "ipv4:", "ipv6:")
"""What gRPC knows beside host:port."""
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
CHANNEL_OPTIONS: list[tuple[str, int]] = [
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    # A connection that went away without a word is noticed within 30 s while a call is open on it.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # After an outage the next attempt to connect is at most 2 s away.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
]

MIN_ATTEMPT = 1.0
"""Seconds that an attempt is given at least, however little is left of its call's time."""

_jittered = tenacity.wait_random_exponential(multiplier=0.1, max=2)

Request_contra = TypeVar("Request_contra", contravariant=True)
Response_co = TypeVar("Response_co", covariant=True)


class Method(Protocol[Request_contra, Response_co]):
    """An RPC of a stub, or of a stream."""

    def __call__(self, request: Request_contra, /, *, timeout: float) -> Awaitable[Response_co]:
        """Send the request; the timeout is in seconds."""


def default_address() -> str:
    """Return $LEASEMQ_ADDRESS, or 127.0.0.1:7878."""
    return os.environ.get("LEASEMQ_ADDRESS") or DEFAULT_ADDRESS


def host_and_port(address: str) -> tuple[str, int] | None:
    """Read HOST:PORT; None: it is something else."""
    host, _, port = address.rpartition(":")
    is_host = host and "/" not in host and (":" not in host or (host[0], host[-1]) == ("[", "]"))
    return (host, int(port)) if is_host and port.isdecimal() and 0 < int(port) <= MAX_PORT else None


def check_address(address: str) -> str:
    """Return the address if a channel can be made to it; gRPC would try others for ever, some of them at a port of its own.

    Errors: ValueError, TypeError.
    """
    if not isinstance(address, str):
        raise TypeError(f"the address must be text, not {address!r}")
    if not address.startswith(OTHER_SCHEMES) and host_and_port(address) is None:
        raise ValueError(f"the address {address!r} is not HOST:PORT, as in {DEFAULT_ADDRESS}, or unix:/path")
    return address


def wait_before_retry(state: tenacity.RetryCallState) -> float:
    """Return the seconds until the next attempt: 0.1 s to 2 s, exponential with full jitter, or more if the server asks."""
    return max(_jittered(state), _asked(_error_of(state)))


def first_wait(error: LeaseMQError) -> float:
    """Return the seconds to wait after a first attempt, as `wait_before_retry` does after the later ones."""
    return max(random.uniform(0.0, 0.1), _asked(error))  # noqa: S311 - jitter, not a secret


def _error_of(state: tenacity.RetryCallState) -> LeaseMQError:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, LeaseMQError), "only LeaseMQErrors are retried"
    return error


def _asked(error: LeaseMQError) -> float:
    return error.retry_delay.total_seconds() if error.retry_delay else 0.0


def must_end() -> bool:
    """Say whether it was the running task that was cancelled, rather than the call that it waited for."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def worth_repeating(error: BaseException) -> bool:
    """Say whether a worker's loop tries again: it does unless the server itself said that it is no use."""
    return isinstance(error, LeaseMQError) and (is_retryable(error) or not error.reason)


async def persist(
    attempt: Callable[[], Awaitable[Response_co]],
    give_up: Callable[[LeaseMQError, float], bool],
    worth: Callable[[BaseException], bool] = is_retryable,
) -> Response_co:
    """Make attempts until one succeeds, fails with an error not worth a retry, or `give_up` says so of the error and the wait."""
    try:
        return await attempt()
    except LeaseMQError as error:
        wait = first_wait(error)
        if not worth(error) or give_up(error, wait):
            raise
    await asyncio.sleep(wait)
    retrying = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception(worth),
        wait=wait_before_retry,
        stop=lambda state: give_up(_error_of(state), state.upcoming_sleep),
        reraise=True,
    )
    return await retrying(attempt)


class Outage:
    """Logs one line when the broker is lost and one when it is back, whichever call or thread notices. Thread-safe.

    Each channel waits for a time of its own before it tries again, so the broker is back when it is for all that have lost it.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._since = 0.0
        self._lost_by: set[object] = set()
        self._lock = threading.Lock()

    @property
    def is_on(self) -> bool:
        """Say whether the broker is lost at present."""
        return bool(self._lost_by)

    def poll_time(self, seconds: float) -> Duration:
        """Return how long a long poll of the client's may wait: not at all while its channel has lost the broker.

        Its answer says that the outage is over, and one that waits for a job comes late.
        """
        return to_duration(0.0 if None in self._lost_by else seconds)

    def noticed(self, error: LeaseMQError, channel: object = None) -> None:
        """Begin the outage, if the error means one and none is on. channel: which one has lost it; None = the client's."""
        if not isinstance(error, Unavailable) or isinstance(error, DurabilityNotReached):
            return
        with self._lock:
            if not self._lost_by:
                self._since = time.monotonic()
                log.warning("lost the broker at %s, trying again until it is back: %s", self._address, error)
            self._lost_by.add(channel)

    def over(self, channel: object = None) -> None:
        """End the outage, if one is on and no other channel has lost the broker."""
        if not self._lost_by:
            return
        with self._lock:
            if self._lost_by == {channel}:
                log.warning("the broker at %s is back after %.1f s", self._address, time.monotonic() - self._since)
            self._lost_by.discard(channel)

    def forget(self, channel: object) -> None:
        """Take note that a channel was closed, and won't find the broker again."""
        with self._lock:
            self._lost_by.discard(channel)


class Stubs:
    """The services of the contract on one channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.producer: ProducerServiceAsyncStub = ProducerServiceStub(channel)
        self.worker: WorkerServiceAsyncStub = WorkerServiceStub(channel)
        self.admin: AdminServiceAsyncStub = AdminServiceStub(channel)
        self.schedule: ScheduleServiceAsyncStub = ScheduleServiceStub(channel)


class Connection:
    """A channel that opens with the first call, in the event loop that makes it, and stays with that loop."""

    def __init__(self, address: str | None, retry_timeout: float) -> None:
        self.address = check_address(address or default_address())
        self.retry_timeout = retry_timeout
        self.outage = Outage(self.address)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._channel: grpc.aio.Channel | None = None
        self._stubs: Stubs | None = None

    @property
    def stubs(self) -> Stubs:
        """The services; opens the channel if there is none yet.

        RuntimeError: the channel belongs to another event loop that still lives.
        """
        loop = asyncio.get_running_loop()
        if self._stubs is not None and self._loop is loop:
            return self._stubs
        if self._loop is not None and self._loop is not loop and not self._loop.is_closed():
            raise RuntimeError(
                "this Client belongs to another event loop: make one for each loop, or use leasemq.sync.Client in threads"
            )
        self._loop = loop
        self._channel = grpc.aio.insecure_channel(self.address, options=CHANNEL_OPTIONS)
        self._stubs = Stubs(self._channel)
        return self._stubs

    async def close(self) -> None:
        """Close the channel; calls in flight end with Unavailable. A later call opens a new one."""
        channel, self._channel, self._stubs, self._loop = self._channel, None, None, None
        if channel is not None:
            await channel.close(None)

    async def attempt(self, method: Method[Request_contra, Response_co], request: Request_contra, seconds: float) -> Response_co:
        """Make one attempt at a call, within this many seconds. LeaseMQError: it failed."""
        try:
            response = await method(request, timeout=seconds)
        except grpc.aio.AioRpcError as rpc_error:
            error = from_rpc_error(rpc_error)
            self.outage.noticed(error)
            raise error from None
        except asyncio.CancelledError:
            if must_end():
                raise
            raise Unavailable("the client was closed during the call", code=grpc.StatusCode.CANCELLED) from None
        self.outage.over()
        return response

    async def call(
        self, method: Method[Request_contra, Response_co], request: Request_contra, *, extra_time: float = 0.0
    ) -> Response_co:
        """Make a call with retries until retry_timeout is over, and `extra_time` for a call that waits.

        LeaseMQError: it failed.
        """
        deadline = time.monotonic() + self.retry_timeout + extra_time

        async def attempt() -> Response_co:
            return await self.attempt(method, request, max(deadline - time.monotonic(), MIN_ATTEMPT))

        return await persist(attempt, lambda _, wait: time.monotonic() + wait >= deadline)
