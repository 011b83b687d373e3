"""Builds, starts and stops all parts of a broker; nothing else does.

The order of the start: store, its check, subscription, loops, gRPC; only then is the address printed. The stop goes
backwards: no new calls, parked polls end with an empty OK, what is in flight finishes, then the loops and the store. The
gRPC server itself ends with the process (rpc/gate.py says why).
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import grpc
import structlog
from grpc_channelz.v1 import channelz
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from leasemq_server import logs
from leasemq_server.broker.broker import Broker
from leasemq_server.config import Settings
from leasemq_server.errors import StartError, StoreUnavailableError
from leasemq_server.loops.health import HealthLoop
from leasemq_server.loops.listen import ListenLoop
from leasemq_server.loops.loop import CANCEL_AGAIN_S
from leasemq_server.loops.schedule import ScheduleLoop
from leasemq_server.loops.supervise import SuperviseLoop
from leasemq_server.loops.tick import TickLoop
from leasemq_server.rpc import admin, producer, schedule, worker
from leasemq_server.rpc.gate import Gate
from leasemq_server.rpc.register import register
from leasemq_server.store import check
from leasemq_server.store.calls import StoreRefusedError
from leasemq_server.store.connect import connect, redact
from leasemq_server.store.embedded import EmbeddedStore
from leasemq_server.store.store import Store
from leasemq_server.version import __version__

MAX_MESSAGE_BYTES = 128 * 1024 * 1024
SERVICES = [producer.SERVICE, worker.SERVICE, admin.SERVICE, schedule.SERVICE]

log = structlog.get_logger("leasemq")


def run(settings: Settings) -> int:
    """Runs a broker until SIGTERM or SIGINT, which end the process with 0. Returns 1 when it could not start."""
    logs.configure(settings.log_format, settings.log_level)
    try:
        _loop_runner()(_serve(settings))
    except StartError as error:
        print(f"leasemq: {error}", file=sys.stderr)  # noqa: T201 - a person at a terminal reads it
        return 1
    return 0


def _loop_runner() -> Callable[[Coroutine[Any, Any, None]], None]:
    if sys.platform == "win32":
        return asyncio.run
    import uvloop  # noqa: PLC0415 - not on every platform

    runner: Callable[[Coroutine[Any, Any, None]], None] = uvloop.run
    return runner


async def _serve(settings: Settings) -> None:
    app = App(settings)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    try:
        address = await _unless(stopping, app.start())
        if address is not None:
            print(f"listening on {address}", flush=True)  # noqa: T201 - the contract with scripts
            await stopping.wait()
    finally:
        await app.stop()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # an orderly exit would shut the gRPC server down, see rpc/gate.py


async def _unless(stopping: asyncio.Event, start: Coroutine[Any, Any, str]) -> str | None:
    """The address, or None: it was stopped before it had started, whatever it waited for."""
    starting, stop = asyncio.create_task(start), asyncio.create_task(stopping.wait())
    await asyncio.wait([starting, stop], return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if starting.done():
        return starting.result()
    while not starting.done():
        starting.cancel()
        await asyncio.wait([starting], timeout=CANCEL_AGAIN_S)
    return None


class App:
    """A broker in this process; `start` and `stop` once each."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._embedded: EmbeddedStore | None = None
        self._store: Store | None = None
        self._broker: Broker | None = None
        self._gate = Gate()
        self._health: Any = health.aio.HealthServicer()  # type: ignore[attr-defined] # the stubs know no aio
        self._server: grpc.aio.Server | None = None
        self._loops: list[Any] = []

    async def start(self) -> str:
        """Starts everything; returns the gRPC address, HOST:PORT.

        Raises:
            StartError: one line that says what to change.
        """
        _refuse_taken_port(self.settings.listen)
        url = await self._start_embedded() if self.settings.store is None else self.settings.store
        client, real = connect(url)
        self._store = Store(client, real=real)
        self._store.replicas = self.settings.replicas
        state = await self._inspect(url, real)
        self._store.implied_durability = state.implied_durability
        broker = self._broker = Broker(self.settings, self._store, state)
        if why_not := broker.why_not(broker.default_durability):
            raise StartError(f"--durability {why_not}")
        server = self._server = self._make_server(broker)
        port = self._bind(server)
        health = HealthLoop(broker, self._health, [service.full_name for service in SERVICES])
        if self._embedded is not None:
            await self._start_loop(SuperviseLoop(self._embedded, health))
        try:
            await self._start_loop(ListenLoop(broker))
        except StoreRefusedError as error:
            raise _refused(url, error) from None
        await self._start_loop(TickLoop(broker))
        await self._start_loop(ScheduleLoop(broker))
        await self._start_loop(health)
        await server.start()
        address = f"{self.settings.listen.rpartition(':')[0]}:{port}"
        log.info(
            "broker started",
            version=__version__,
            listen=address,
            store=redact(url),
            store_version=f"{state.kind} {state.version}",
        )
        return address

    async def stop(self) -> None:
        """Stops everything that was started, in order."""
        if self._server is not None and self._broker is not None:
            broker = self._broker
            broker.workers.drain_all()
            broker.workers.close_streams()
            broker.awaiting.close()
            broker.events.close()
            await self._health.enter_graceful_shutdown()
            if not await self._gate.close(self.settings.drain_timeout):
                log.warning("stopped with calls in flight", drain_timeout=self.settings.drain_timeout)
            await self._finish(broker)
        for loop in reversed(self._loops):
            await loop.stop()
        if self._broker is not None:
            self._broker.wakes.close()
        if self._store is not None:
            await self._store.close()
        if self._embedded is not None:
            await self._embedded.stop()
        if self._server is not None:
            log.info("broker stopped")

    @staticmethod
    async def _finish(broker: Broker) -> None:
        try:
            async with asyncio.timeout(5.0):
                await broker.idle()
        except (TimeoutError, StoreUnavailableError) as error:
            log.warning("stopped with work in flight", detail=str(error))

    async def _start_embedded(self) -> str:
        embedded = EmbeddedStore(self.settings.data_dir, self.settings.store_fsync)
        embedded.lock()
        self._embedded = embedded
        await embedded.start()
        return embedded.url

    async def _inspect(self, url: str, real: bool) -> check.StoreState:
        assert self._store is not None
        try:
            state = await check.inspect(self._store, real=real)
        except StoreRefusedError as error:
            raise _refused(url, error) from None
        except StoreUnavailableError as error:
            raise StartError(
                f"the store at {redact(url)} does not answer ({error.detail}); is it running, and is the URL right?"
            ) from None
        if state.errors:
            problems = "; ".join(f"{finding.message} - {finding.fix}" for finding in state.errors)
            raise StartError(f"the store at {redact(url)} can't be used: {problems}")
        for warning in state.warnings:
            log.warning("store settings", detail=warning)
        return state

    async def _start_loop(self, loop: Any) -> None:
        self._loops.append(loop)
        await loop.start()

    def _make_server(self, broker: Broker) -> Any:
        options = [
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),
            ("grpc.optimization_target", "throughput"),
            ("grpc.keepalive_time_ms", 20_000),
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
            ("grpc.keepalive_permit_without_calls", 1),
        ]
        server: Any = grpc.aio.server(options=options)  # the stubs know less of it than there is
        register(server, producer.SERVICE, producer.ProducerServicer(broker), self._gate)
        register(server, worker.SERVICE, worker.WorkerServicer(broker), self._gate)
        register(server, admin.SERVICE, admin.AdminServicer(broker), self._gate)
        register(server, schedule.SERVICE, schedule.ScheduleServicer(broker), self._gate)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        channelz.add_channelz_servicer(server)
        names = [service.full_name for service in SERVICES]
        reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
        return server

    def _bind(self, server: Any) -> int:
        try:
            return int(server.add_insecure_port(self.settings.listen))
        except RuntimeError as error:
            raise StartError(f"can't listen on {self.settings.listen}: {error}; choose another address with --listen") from error


def _refused(url: str, error: StoreRefusedError) -> StartError:
    fix = "a broker's user must have its keys, its channels and all commands, as by ACL SETUSER name ~lmq:* &lmq:* +@all"
    return StartError(f"the store at {redact(url)} refuses a broker ({error.detail}); {fix}")


def _refuse_taken_port(listen: str) -> None:
    """Before anything is started, and before gRPC says it in lines of its own.

    Raises:
        StartError: the address can't be listened on.
    """
    host, _, port = listen.rpartition(":")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        raise StartError(f"can't listen on {listen}: {error.strerror or error}; choose another address with --listen") from error
