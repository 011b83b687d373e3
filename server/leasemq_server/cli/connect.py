"""The door to the broker: a client that is known to reach one, and the SDK's errors as one line each."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from leasemq import (
    Client,
    DeadlineExceeded,
    DurabilityNotReached,
    LeaseMQError,
    NotFound,
    QueueNotFound,
    StoreUnavailable,
    Unavailable,
)
from leasemq.connection import CHANNEL_OPTIONS, DEFAULT_ADDRESS, host_and_port
from leasemq.errors import from_rpc_error
from leasemq.v1 import admin_pb2, admin_pb2_grpc

from leasemq_server.cli.exits import EXIT_FAILED, EXIT_NOT_FOUND, EXIT_UNREACHABLE
from leasemq_server.cli.failure import Failure

REACH_TIMEOUT_S = 3.0
RETRY_S = 0.5


class StoreAway(Failure):
    """There is a broker, which can do nothing for now."""

    def __init__(self, address: str, detail: str) -> None:
        super().__init__(f"the broker at {address} answers, its store does not: {detail} — see: leasemq doctor")
        self.detail = detail


@asynccontextmanager
async def connect(address: str, *, patient: bool = False, over_outages: bool = False) -> AsyncIterator[Client]:
    """A client of the broker at that address; a Failure at once when none listens there, instead of the SDK's patience.

    The same, a StoreAway, when its store is away.
    over_outages: tries all the same, for as long as the SDK does.
    patient: waits for a broker instead, and says so; for its store too.
    """
    await _reach(address, patient=patient)
    if not (patient or over_outages):
        await _look_for_store(address)
    try:
        async with Client(address) as client:
            yield client
    except LeaseMQError as error:
        raise explain(error) from error


def explain(error: LeaseMQError) -> Failure:
    """The SDK's error as a Failure."""
    violations = "; ".join(f"{violation.field}: {violation.description}" for violation in error.field_violations)
    message = violations or error.message or type(error).__name__
    return Failure(f"{message} ({error.reason})" if error.reason else message, _exit_code(error))


def _exit_code(error: LeaseMQError) -> int:
    match error:
        case NotFound():
            return EXIT_NOT_FOUND
        case StoreUnavailable() | DurabilityNotReached():  # the broker itself said so
            return EXIT_FAILED
        case Unavailable():
            return EXIT_UNREACHABLE
    return EXIT_FAILED


def run(
    address: str,
    do: Callable[[Client], Coroutine[Any, Any, None]],
    *,
    about: str | None = None,
    patient: bool = False,
    over_outages: bool = False,
) -> None:
    """Runs one conversation with the broker, from connecting to closing.

    about: a queue that this finds something in; that there is none is said first, since its name may be a slip.
    over_outages: an outage of the store may last as long as the SDK tries; else the command ends at once.
    patient: waits for a broker.
    """

    async def conversation() -> None:
        async with connect(address, patient=patient, over_outages=over_outages) as client:
            if about is not None:
                await _say_if_unused(client, about)
            await do(client)

    asyncio.run(conversation())


async def _say_if_unused(client: Client, queue: str) -> None:
    try:
        await client.admin.queue(queue)
    except QueueNotFound:
        print(f"there is no queue {queue!r}: nothing was added to it so far — see: leasemq queues list", file=sys.stderr)


async def _look_for_store(address: str) -> None:
    """Asks for the broker's health, and why if it is not well: it may also be about to stop."""
    async with grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
        try:
            health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=REACH_TIMEOUT_S)
        except grpc.aio.AioRpcError:
            return  # the command itself will learn what is the matter
        if health.status != health_pb2.HealthCheckResponse.NOT_SERVING:
            return
        try:
            admin = admin_pb2_grpc.AdminServiceStub(channel)
            await admin.GetServerInfo(admin_pb2.GetServerInfoRequest(), timeout=REACH_TIMEOUT_S)
        except grpc.aio.AioRpcError as rpc_error:
            error = from_rpc_error(rpc_error)
            if isinstance(error, DeadlineExceeded):
                raise StoreAway(address, f"it says nothing for {REACH_TIMEOUT_S:.0f} s") from None
            if isinstance(error, StoreUnavailable):
                raise StoreAway(address, error.message) from None


async def _reach(address: str, *, patient: bool) -> None:
    place = host_and_port(address)
    if place is None:
        raise Failure(f"the address {address!r} is not HOST:PORT, as in {DEFAULT_ADDRESS}", exit_code=2)
    host, port = place
    told = False
    while True:
        try:
            async with asyncio.timeout(REACH_TIMEOUT_S):
                _, writer = await asyncio.open_connection(host.strip("[]"), port)
        except OSError as error:
            if not patient:
                raise Failure(
                    f"cannot reach a broker at {address} — is it running? start one with: leasemq serve", EXIT_UNREACHABLE
                ) from error
        else:
            writer.close()
            return
        if not told:
            print(f"no broker at {address} yet: waiting for one; Ctrl-C stops", file=sys.stderr)
            told = True
        await asyncio.sleep(RETRY_S)
