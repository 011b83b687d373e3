"""What the store spends on a job: the scripts of add, lease and complete, called with their real texts, by INFO commandstats.

`python -m bench.store_cost [ROUNDS]` prints microseconds a job for each script.

The least of several runs counts for each script, since a busy machine only adds.
"""

import asyncio
import sys

import uuid_utils
from leasemq_server.store.connect import connect
from leasemq_server.store.store import Store
from leasemq_server.store.types import Durability, LeaseRequest, NewJob

from tests.store.valkey import running_valkey

BATCHES = (1, 10, 100)
RUNS = 25
QUEUE = "email"
SPEC = b"x" * 150


async def _lives(store: Store, batch: int, rounds: int) -> dict[str, float]:
    """All adds, then all leases, then all completes."""
    spent: dict[str, float] = {}

    async def charge(name: str) -> None:
        stats = await store.info("commandstats")
        usec = sum(int(stats.get(f"cmdstat_{command}", {"usec": 0})["usec"]) for command in ("eval", "evalsha"))
        spent[name] = usec / rounds / batch
        await store._command("CONFIG", "RESETSTAT")  # noqa: SLF001 - a measurement, not a caller

    for _ in range(rounds):
        await store.add(QUEUE, [NewJob(str(uuid_utils.uuid7()), SPEC, "", "", "") for _ in range(batch)], Durability.MEMORY)
    await charge("add")
    leased = []
    for _ in range(rounds):
        leased += (await store.lease(QUEUE, [LeaseRequest(str(uuid_utils.uuid7()), "worker-1", batch, 30_000)])).answers
    await charge("lease")
    for jobs in leased:
        await store.complete(QUEUE, [(job.id, job.nonce, b"", "application/json") for job in jobs])
    await charge("complete")
    return spent


async def _measure(url: str, rounds: int) -> None:
    client, real = connect(url)
    store = Store(client, real=real)
    for batch in BATCHES:
        best: dict[str, float] = {}
        for _ in range(RUNS):
            await store._command("FLUSHALL")  # noqa: SLF001 - as above
            for name, usec in (await _lives(store, batch, rounds)).items():
                best[name] = min(best.get(name, usec), usec)
        parts = ", ".join(f"{name} {usec:.2f}" for name, usec in best.items())
        print(f"batches of {batch}: {sum(best.values()):.2f} us a job ({parts})")
    await store.close()


def main() -> None:
    """Runs the measurement."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    with running_valkey() as url:
        asyncio.run(_measure(url, rounds))


if __name__ == "__main__":
    main()
