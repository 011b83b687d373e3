"""Every key and channel that LeaseMQ uses in the store is named here.

store/lua/KEYS.md lists their types, times to live and owners.

All keys of a queue share the hash tag `{queue}`, so that they are in one cluster slot; queue names can't hold a brace.
"""

from functools import lru_cache

WAKE_CHANNEL = "lmq:wake"  # "<queue> <ms>": something to lease (0), or look again at that time
CONTROL_CHANNEL = "lmq:control"  # JSON: what one worker must hear
DONE_CHANNEL = "lmq:done"  # "<queue> <job id>": a job that somebody waits for has finished
SCHEDULE_CHANNEL = "lmq:schedule"  # "<queue> <ms>": when the queue's next run is, in so many ms; -1 when none is to come

QUEUES = "lmq:queues"  # sorted set, all scores 0: the names of all queues
WORKERS = "lmq:{workers}:seen"  # sorted set: worker id by the time of its last heartbeat
WORKER_INFOS = "lmq:{workers}:infos"  # hash: worker id to a serialized Worker
WORKER_POLLS = "lmq:{workers}:polls"  # hash: worker id to the time of its last lease call
SCHEDULE_QUEUES = "lmq:{schedules}:queues"  # sorted set, all scores 0: the names of all queues that ever had a schedule

_NAMES = (
    "meta",
    "wait",
    "delayed",
    "leases",
    "expiry",
    "completed",
    "failed",
    "cancelled",
    "purge",
    "blocked",
    "outbox",
    "events",
    "schedules",
    "schedule_times",
    "behind",
    "heads",
    "shut",
    "group_leases",
    "group_rules",
)
_PREFIXES = (
    "spec",
    "job",
    "run",
    "logs",
    "request",
    "schedule",
    "dedup",
    "deps",
    "needs",
    "dependents",
    "metrics",
    "line",
    "window",
)


@lru_cache(maxsize=4096)
def queue_keys(queue: str) -> dict[str, str]:
    """The keys of a queue by the names that script headers use; `job*` and the like are prefixes for an id."""
    base = f"lmq:q:{{{queue}}}:"
    keys = {name: base + name for name in _NAMES}
    keys.update({f"{name}*": f"{base}{name}:" for name in _PREFIXES})
    return keys
