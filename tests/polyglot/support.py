"""What the polyglot tests are made of: processes, toolchains, and a producer and a worker on the plain Python stubs."""

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Self

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from leasemq.v1 import job_pb2, producer_pb2, worker_pb2
from leasemq.v1.admin_pb2_grpc import AdminServiceStub
from leasemq.v1.producer_pb2_grpc import ProducerServiceStub
from leasemq.v1.worker_pb2_grpc import WorkerServiceStub

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "polyglot"
PATIENCE_S = 30


def missing(toolchain: str, reason: str) -> NoReturn:
    """Skip for want of a toolchain, saying which; where CI=true none may be missing."""
    message = f"{toolchain} {reason}, so nothing was tested with it"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{message}; CI needs it")
    pytest.skip(message)


def locate(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=str(Path.home() / "go" / "bin"))


def needed(name: str) -> str:
    return locate(name) or missing(name, "is not installed")


def run(*command: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None, status: int = 0) -> str:
    """What the command printed; it must exit with the status."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == status, f"{command} exited with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@contextmanager
def process(command: list[str], log: Path, env: dict[str, str] | None = None) -> Iterator["subprocess.Popen[str]"]:
    """A process whose standard error goes to a file; shown if the test fails; killed at the end if it still runs."""
    with (
        log.open("w") as stderr,
        subprocess.Popen(command, env={**os.environ, **(env or {})}, stdout=subprocess.PIPE, stderr=stderr, text=True) as child,
    ):
        try:
            yield child
        finally:
            if child.poll() is None:
                child.kill()
            print(f"{command[0]} logged:\n{log.read_text()}")


@contextmanager
def serve(folder: Path, *options: str, listen: str = "127.0.0.1:0") -> Iterator["Broker"]:
    """A broker with its data in the folder."""
    command = [sys.executable, "-m", "leasemq_server", "serve", "--listen", listen, "--data-dir", str(folder / "data"), *options]
    log = folder / "broker.log"
    with process(command, log) as server:
        assert server.stdout is not None
        readable, _, _ = select.select([server.stdout], [], [], PATIENCE_S)
        line = server.stdout.readline() if readable else ""
        found = re.fullmatch(r"listening on (\S+)\n", line)
        assert found, f"the broker said {line!r}"
        broker = Broker(found[1])
        yield broker
        broker.channel.close()
        assert terminate(server) == 0


def terminate(child: "subprocess.Popen[str]") -> int:
    child.send_signal(signal.SIGTERM)
    return child.wait(timeout=PATIENCE_S)


def wait_until(fact: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not fact():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what}"
        time.sleep(0.02)


@dataclass(frozen=True)
class Programs:
    """One language's worker and producer, as commands."""

    language: str
    worker: list[str]
    producer: list[str]

    def work(self, broker: "Broker", queue: str, folder: Path, *options: str) -> AbstractContextManager["subprocess.Popen[str]"]:
        command = [*self.worker, "--queue", queue, *options]
        return process(command, folder / f"{uuid.uuid4().hex}.log", {"LEASEMQ_ADDRESS": broker.address})


class Broker:
    """A broker's address and its plain stubs."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.channel = grpc.insecure_channel(address)
        self.producer = ProducerServiceStub(self.channel)
        self.worker = WorkerServiceStub(self.channel)
        self.admin = AdminServiceStub(self.channel)

    def add(self, queue: str, payload: object, count: int = 1, **spec: Any) -> list[str]:
        raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        ids = [str(uuid.uuid4()) for _ in range(count)]
        jobs = [job_pb2.JobSpec(**{"id": job_id, "name": "sum", "payload": raw, **spec}) for job_id in ids]
        self.producer.BatchAddJobs(producer_pb2.BatchAddJobsRequest(queue=queue, jobs=jobs))
        return ids

    def finished(self, queue: str, job_id: str) -> job_pb2.Job:
        request = producer_pb2.AwaitJobRequest(queue=queue, job_id=job_id, wait_duration=Duration(seconds=20))
        response = self.producer.AwaitJob(request, timeout=PATIENCE_S)
        assert response.finished, f"still {job_pb2.JobState.Name(response.job.state)} after 20 s"
        return response.job


class PythonWorker(threading.Thread):
    """A worker on the plain Python stubs: one job at a time, until it is drained."""

    def __init__(self, broker: Broker, queue: str) -> None:
        super().__init__()
        self._broker, self._queue, self._id, self._draining = broker, queue, f"python-{uuid.uuid4()}", False

    def run(self) -> None:
        while not self._draining:
            request = worker_pb2.LeaseJobRequest(
                queues=[self._queue], worker_id=self._id, request_id=str(uuid.uuid4()), wait_duration=Duration(seconds=20)
            )
            response = self._broker.worker.LeaseJob(request)
            if response.HasField("lease"):
                self._settle(response.lease)

    def _settle(self, lease: worker_pb2.Lease) -> None:
        if lease.job.spec.name == "fail":
            failure = job_pb2.Failure(type="error", message="asked to fail")
            self._broker.worker.FailJob(worker_pb2.FailJobRequest(lease_token=lease.lease_token, failure=failure))
            return
        result = {"sum": sum(json.loads(lease.job.spec.payload)["numbers"]), "language": "python"}
        self._broker.worker.CompleteJob(
            worker_pb2.CompleteJobRequest(lease_token=lease.lease_token, result=json.dumps(result).encode())
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._draining = True
        self._broker.worker.DrainWorker(worker_pb2.DrainWorkerRequest(worker_id=self._id))
        self.join(timeout=PATIENCE_S)
        assert not self.is_alive(), "the drained worker's poll did not end"
