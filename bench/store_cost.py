"""What the store spends on a job: the scripts of add, lease and complete, called with their real texts, by INFO commandstats.

`python -m bench.store_cost [ROUNDS]` prints microseconds a job for each script.

Of each script the tenth of its calls that took least is averaged, since a busy machine only adds.
"""

import asyncio
import sys

import uuid_utils
from leasemq_server.store.connect import connect
from leasemq_server.store.store import Store
from leasemq_server.store.types import Durability, LeaseRequest, NewJob

from tests.store.valkey import running_valkey

BATCHES = (1, 10, 100)
RUNS = 3
QUEUE = "email"
SPEC = b"x" * 150


async def _lives(store: Store, batch: int, rounds: int) -> dict[str, float]:
    spent: dict[str, list[int]] = {"add": [], "lease": [], "complete": []}

    async def charge(name: str) -> None:
        stats = await store.info("commandstats")
        spent[name].append(sum(int(stats.get(f"cmdstat_{command}", {"usec": 0})["usec"]) for command in ("eval", "evalsha")))
        await store._command("CONFIG", "RESETSTAT")  # noqa: SLF001 - a measurement, not a caller

    for number in range(rounds):
        jobs = [NewJob(str(uuid_utils.uuid7()), SPEC, "", "", "") for _ in range(batch)]
        await store.add(QUEUE, jobs, Durability.MEMORY)
        await charge("add")
        reply = await store.lease(QUEUE, [LeaseRequest(f"r{number}", "worker-1", batch, 30_000)])
        await charge("lease")
        await store.complete(QUEUE, [(job.id, job.nonce, b"", "application/json") for job in reply.answers[0]])
        await charge("complete")
    least = max(1, rounds // 10)
    return {name: sum(sorted(calls)[:least]) / least / batch for name, calls in spent.items()}


async def _measure(url: str, rounds: int) -> None:
    client, real = connect(url)
    store = Store(client, real=real)
    for batch in BATCHES:
        best: dict[str, float] = {}
        for _ in range(RUNS):
            await store._command("FLUSHALL")  # noqa: SLF001
            for name, usec in (await _lives(store, batch, rounds)).items():
                best[name] = min(best.get(name, usec), usec)
        parts = ", ".join(f"{name} {usec:.2f}" for name, usec in best.items())
        print(f"batches of {batch}: {sum(best.values()):.2f} us a job ({parts})")
    await store.close()


def main() -> None:
    """Runs the measurement."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with running_valkey() as url:
        asyncio.run(_measure(url, rounds))


if __name__ == "__main__":
    main()
