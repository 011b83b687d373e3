"""The two sides: LeaseMQ with its broker, and BullMQ, each with a client process that adds and one that works."""

import contextlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.processes import Answer, ClientProcess, MeasuredProcess, ProcessFailedError
from bench.store import Store

PROJECT = Path(__file__).resolve().parent.parent
BULLMQ_FOLDER = Path(__file__).resolve().parent / "bullmq"
INSTALL_TIMEOUT_S = 120
BROKER_START_TIMEOUT_S = 30
LEASEMQ, BULLMQ = "LeaseMQ", "BullMQ"


class PeerUnavailableError(Exception):
    """Why a peer can't be measured here."""


@dataclass(frozen=True)
class Cpu:
    """CPU seconds by part."""

    broker: float
    store: float
    client: float

    def since(self, earlier: "Cpu") -> "Cpu":
        return Cpu(self.broker - earlier.broker, self.store - earlier.store, self.client - earlier.client)


@dataclass(frozen=True)
class Peer:
    """One side, running."""

    name: str
    store: Store
    broker: MeasuredProcess | None
    producer: ClientProcess
    worker: ClientProcess

    def cpu(self) -> Cpu:
        return Cpu(
            broker=self.broker.cpu_seconds() if self.broker else 0.0,
            store=self.store.cpu_seconds(),
            client=self.producer.cpu_seconds() + self.worker.cpu_seconds(),
        )

    def counts(self, queue: str) -> Answer:
        return self.producer.call("counts", queue=queue)


@contextlib.contextmanager
def leasemq(store: Store) -> Iterator[Peer]:
    """A broker on the store, with its defaults, and its clients."""
    command = Path(sys.executable).parent / "leasemq"
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(
            MeasuredProcess(command, "serve", "--listen", "127.0.0.1:0", "--store", f"unix://{store.socket}")
        )
        address = address_said_by(broker)
        clients = [
            stack.enter_context(ClientProcess(sys.executable, "-m", "bench.client", address, cwd=PROJECT)) for _ in range(2)
        ]
        yield Peer(LEASEMQ, store, broker, *clients)


@contextlib.contextmanager
def bullmq(store: Store) -> Iterator[Peer]:
    """Its clients on the store: there is no broker."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(ClientProcess("node", BULLMQ_FOLDER / "client.mjs", store.socket)) for _ in range(2)]
        yield Peer(BULLMQ, store, None, *clients)


STARTERS: dict[str, Callable[[Store], contextlib.AbstractContextManager[Peer]]] = {LEASEMQ: leasemq, BULLMQ: bullmq}


def address_said_by(broker: MeasuredProcess) -> str:
    line = broker.read_line(BROKER_START_TIMEOUT_S)
    said = re.fullmatch(r"listening on (\S+:\d+)\n", line)
    if not said:
        msg = f"the broker said {line!r} instead of where it listens"
        raise ProcessFailedError(msg)
    return said[1]


def prepare_bullmq() -> str:
    """Installs the pinned peer unless it is there; returns the version of node."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not (node and npm):
        msg = f"{'npm' if node else 'node'} is not installed"
        raise PeerUnavailableError(msg)
    installed = BULLMQ_FOLDER / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < (BULLMQ_FOLDER / "package-lock.json").stat().st_mtime:
        install_bullmq(npm)
    return subprocess.run([node, "--version"], check=True, capture_output=True, text=True).stdout.strip()


def install_bullmq(npm: str) -> None:
    command = [npm, "install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        subprocess.run(command, cwd=BULLMQ_FOLDER, check=True, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        msg = f"`npm install` was not done within {INSTALL_TIMEOUT_S} s"
        raise PeerUnavailableError(msg) from error
    except subprocess.CalledProcessError as error:
        msg = f"`npm install` failed: {error.stderr.strip()[-400:]}"
        raise PeerUnavailableError(msg) from error
