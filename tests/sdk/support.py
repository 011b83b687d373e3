"""A broker in a process of its own, that can be killed and comes back at the same address with the same data."""

import asyncio
import contextlib
import itertools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from leasemq import Client, Worker

PATIENCE = 30.0


class Broker:
    """`leasemq serve` as a child process."""

    def __init__(self, data_dir: Path, store: str | None = "memory://") -> None:
        self.address = "127.0.0.1:0"
        self._data_dir = data_dir
        self._store = store
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        store = ["--store", self._store] if self._store else []
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "leasemq_server", "serve", "--listen", self.address, "--data-dir", str(self._data_dir), *store,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        assert self._process.stdout is not None
        line = (await asyncio.wait_for(self._process.stdout.readline(), PATIENCE)).decode()
        assert line.startswith("listening on "), line
        self.address = line.removeprefix("listening on ").strip()

    async def end(self, sig: signal.Signals = signal.SIGTERM) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, sig)
        await asyncio.wait_for(self._process.wait(), PATIENCE)
        self._process = None


_numbers = itertools.count()


def new_queue() -> str:
    return f"queue-{os.getpid()}-{next(_numbers)}"


async def until(fact: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Wait until something holds, and return it; the fact may be a coroutine function."""
    async with asyncio.timeout(patience):
        while True:
            value = fact()
            if asyncio.iscoroutine(value):
                value = await value
            if value:
                return value
            await asyncio.sleep(0.01)


def is_state(client: Client, queue: str, job_id: str, state: Any, lease_expirations: int = 0) -> Callable[[], Any]:
    async def fact() -> Any:
        job = await client.get(queue, job_id)
        return job if job.state is state and job.lease_expirations == lease_expirations else None

    return fact


def worker(client: Client, queue: str, handler: Any, **options: Any) -> Worker:
    return Worker(client, queue, handler, **{"lease": 2, "drain_timeout": 1, "concurrency": 10, **options})
