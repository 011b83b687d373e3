"""Looks at the store before work depends on it.

Version, eviction, persistence. Eviction strands jobs unseen, so such a store is refused.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from leasemq_server.store.connect import connect
from leasemq_server.store.store import Store
from leasemq_server.store.types import Durability

MIN_REDIS = (7, 0)
MIN_WAITAOF = (7, 2)
NEARLY_FULL = 0.9


class Finding(NamedTuple):
    """Something about the store's settings: an error is refused at start, a warning is said."""

    level: Literal["error", "warning", "ok"]
    message: str
    fix: str


@dataclass(slots=True)
class StoreState:
    """What the store is, and what it can promise."""

    kind: str
    version: str
    implied_durability: Durability
    unreachable: dict[Durability, str]  # what an add can't ask for, and what to change for it
    findings: list[Finding] = field(default_factory=list)

    @property
    def max_durability(self) -> Durability:
        """The highest level that the store can reach; it may not reach all below it."""
        return max(set(Durability) - self.unreachable.keys())

    @property
    def errors(self) -> list[Finding]:
        """What must be changed before a broker starts on it."""
        return [finding for finding in self.findings if finding.level == "error"]

    @property
    def warnings(self) -> list[str]:
        """What should be changed, one line each."""
        return [f"{finding.message}: {finding.fix}" for finding in self.findings if finding.level != "ok"]


async def inspect(store: Store, *, real: bool) -> StoreState:
    """Looks at a store.

    Raises:
        StoreUnavailableError: it does not answer.
        StoreRefusedError: it does, and says no.
    """
    if not real:
        finding = Finding("warning", "memory:// keeps nothing when the broker stops", "use it in tests only")
        why = "memory:// keeps nothing; use a Valkey or Redis"
        return StoreState("memory", "0", Durability.MEMORY, {Durability.FSYNC: why, Durability.REPLICATED: why}, [finding])
    info = await store.info()
    kind = "valkey" if "valkey_version" in info else "redis"
    version = str(info.get("valkey_version") or info.get("redis_version") or "0")
    implied = Durability.FSYNC if await _fsyncs_always(store, info) else Durability.MEMORY
    findings = [_version(kind, version, info), _eviction(info), *_memory(info), await _persistence(store, info)]
    return StoreState(kind, version, implied, _unreachable(implied, info, store.replicas), findings)


async def check_store(url: str) -> list[Finding]:
    """What there is to say about the store at a URL.

    Raises:
        StoreUnavailableError: it does not answer.
        ValueError: the URL is not one.
    """
    client, real = connect(url)
    store = Store(client, real=real)
    try:
        return (await inspect(store, real=real)).findings
    finally:
        await store.close()


async def _fsyncs_always(store: Store, info: dict[str, Any]) -> bool:
    return bool(info.get("aof_enabled")) and await store.setting("appendfsync") == "always"


def _unreachable(implied: Durability, info: dict[str, Any], replicas: int) -> dict[Durability, str]:
    """Syncing and replicas are apart: a store with replicas may write nothing to its disk."""
    why = {}
    if implied is not Durability.FSYNC and not info.get("aof_enabled"):
        why[Durability.FSYNC] = "it has no append-only file; set appendonly yes (CONFIG SET appendonly yes)"
    elif implied is not Durability.FSYNC and _numbers(str(info.get("redis_version", "0"))) < MIN_WAITAOF:
        why[Durability.FSYNC] = "it has no WAITAOF; set appendfsync always, or use Valkey, or Redis 7.2 or newer"
    if (connected := int(info.get("connected_slaves", 0))) < replicas:
        why[Durability.REPLICATED] = f"it has {connected} replicas of {replicas}; connect more, or ask for fewer with --replicas"
    return why


def _numbers(version: str) -> tuple[int, int]:
    parts = [int(part) for part in version.split(".")[:2] if part.isdigit()]
    return (parts[0], parts[1]) if len(parts) == 2 else (0, 0)  # noqa: PLR2004 - major and minor


def _version(kind: str, version: str, info: dict[str, Any]) -> Finding:
    if _numbers(str(info.get("redis_version", "0"))) < MIN_REDIS:
        return Finding("error", f"{kind} {version} is too old", "LeaseMQ needs Valkey, or Redis 7.0 or newer")
    return Finding("ok", f"{kind} {version}", "")


def _eviction(info: dict[str, Any]) -> Finding:
    policy = str(info.get("maxmemory_policy", "unknown"))
    if policy == "noeviction":
        return Finding("ok", "maxmemory-policy noeviction", "")
    return Finding(
        "error",
        f"maxmemory-policy is {policy}: a full store would silently drop jobs",
        "run CONFIG SET maxmemory-policy noeviction, and put it into the store's configuration file",
    )


def _memory(info: dict[str, Any]) -> list[Finding]:
    """No error, even at the limit: working goes on, and makes room."""
    used, limit = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    if not limit or used < NEARLY_FULL * limit:
        return []
    found = (
        "the store is at its memory limit: adds are refused (STORE_FULL)"
        if used >= limit
        else f"the store uses {NEARLY_FULL:.0%} of its memory limit or more: at the limit adds are refused (STORE_FULL)"
    )
    return [Finding("warning", found, "raise maxmemory, let workers catch up, or keep finished jobs for less long")]


async def _persistence(store: Store, info: dict[str, Any]) -> Finding:
    if info.get("aof_enabled"):
        fsync = await store.setting("appendfsync")
        return Finding("ok", f"appendonly yes, appendfsync {fsync or 'unknown'}", "")
    if await store.setting("save"):
        return Finding(
            "warning",
            "the store writes snapshots only: a crash loses all jobs since the last one",
            "set appendonly yes (CONFIG SET appendonly yes)",
        )
    return Finding(
        "warning", "the store keeps nothing on disk: a restart loses all jobs", "set appendonly yes (CONFIG SET appendonly yes)"
    )
