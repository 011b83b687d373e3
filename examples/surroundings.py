"""What the demo needs around LeaseMQ, all of it real: processes, an SMTP server, a web endpoint, a SQLite file."""

import asyncio
import csv
import json
import os
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP

HERE = Path(__file__).parent
STOP_TIMEOUT_S = 8


def rows(name: str) -> list[dict[str, str]]:
    """A CSV file of examples/data."""
    with (HERE / "data" / name).open(newline="") as file:
        return list(csv.DictReader(file))


class Processes:
    """The broker and the workers, each in its own process group: Ctrl-C reaches the demo alone, which stops them in order."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._running: list[tuple[str, asyncio.subprocess.Process]] = []

    async def start(self, name: str, *command: str, **environment: str) -> asyncio.subprocess.Process:
        with self.log(name).open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *command,
                env=os.environ | environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if name == "broker" else log,
                stderr=log,
                start_new_session=True,
            )
        self._running.append((name, process))
        return process

    def log(self, name: str) -> Path:
        return self._directory / f"{name}.log"

    async def start_broker(self) -> str:
        """Starts a broker on the embedded store and a free port; its address."""
        broker = await self.start(
            "broker", "-m", "leasemq_server", "serve", "--listen", "127.0.0.1:0", "--data-dir", str(self._directory / "store")
        )
        assert broker.stdout is not None
        async with asyncio.timeout(30):
            async for line in broker.stdout:
                if line.startswith(b"listening on "):
                    return line.decode().split()[-1]
        raise RuntimeError(f"the broker did not start: {self.log('broker').read_text()[-2000:]}")

    def check(self) -> None:
        """Raises if one of them ended before its time."""
        for name, process in self._running:
            if process.returncode is not None:
                raise RuntimeError(f"{name} ended with {process.returncode}: {self.log(name).read_text()[-2000:]}")

    async def stop(self) -> list[int]:
        """Ends the workers, then the broker; their exit codes. Who interrupts this, too, ends them without grace."""
        try:
            for name, process in reversed(self._running):
                if process.returncode is None:
                    process.send_signal(signal.SIGTERM)
                    await _wait_or_kill(name, process)
        finally:
            for _, process in self._running:
                if process.returncode is None:
                    os.killpg(process.pid, signal.SIGKILL)
        return [-1 if process.returncode is None else process.returncode for _, process in self._running]


async def _wait_or_kill(name: str, process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        print(f"{name} did not stop in {STOP_TIMEOUT_S} s: killed", file=sys.stderr)
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


@dataclass
class Mail:
    to: str
    subject: str


class Mailbox:
    """An SMTP server that keeps what it accepts and refuses one address, as a server does whose user has left."""

    def __init__(self, refuses: str, tell: Callable[[str], None]) -> None:
        self.delivered: list[Mail] = []
        self.refusals: list[float] = []
        self._refuses = refuses
        self._tell = tell

    async def start(self) -> tuple[asyncio.Server, int]:
        server = await asyncio.get_running_loop().create_server(lambda: SMTP(self, hostname="localhost"), "127.0.0.1", 0)
        return server, server.sockets[0].getsockname()[1]

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802  # aiosmtpd's name
        if address == self._refuses:
            self.refusals.append(time.monotonic())
            after = self.refusals[-1] - self.refusals[0]
            self._tell(f"[red]refused[/]    {address}: attempt {len(self.refusals)}, {after:.1f} s after the first")
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's name
        subject = next(line for line in envelope.content.decode().splitlines() if line.startswith("Subject: ")).removeprefix(
            "Subject: "
        )
        self.delivered.append(Mail(envelope.rcpt_tos[0], subject))
        self._tell(f"[green]delivered[/]  {subject!r} to {envelope.rcpt_tos[0]}")
        return "250 OK"


@contextmanager
def webhook_endpoint(tell: Callable[[str], None]) -> Iterator[tuple[str, list[Any]]]:
    """A web endpoint on a free port that keeps what is posted to it: its URL, and the list that fills."""
    received: list[Any] = []

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            received.append(event)
            tell(f"[green]posted[/]     {event['event']} of account {event['account']}")
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hooks", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def make_sessions(path: Path) -> tuple[int, int]:
    """Writes sessions.csv into a SQLite file; how many sessions there are, and how many of them have expired."""
    now = time.time()
    sessions = [(row["session"], row["account"], now + int(row["expires_in_seconds"])) for row in rows("sessions.csv")]
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE sessions (id TEXT PRIMARY KEY, account TEXT, expires_at REAL)")
        database.executemany("INSERT INTO sessions VALUES (?, ?, ?)", sessions)
    return len(sessions), sum(expires_at <= now for _, _, expires_at in sessions)


def count_sessions(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        (count,) = database.execute("SELECT count(*) FROM sessions").fetchone()
    return int(count)
