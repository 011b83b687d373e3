"""A search that follows the typing: each key stroke adds a job, and one search is made of a burst of them.

python examples/deduplicated_search.py        (LEASEMQ_ADDRESS says where the broker is)
"""

import asyncio

from leasemq import Client, Deduplication, DeduplicationMode, Job, Worker

QUEUE = "search"
USER = Deduplication("ada", DeduplicationMode.DEBOUNCE)


async def main() -> None:
    searched = asyncio.Event()

    async def search(job: Job) -> None:
        print(f"searching for {job.payload!r}")
        searched.set()

    async with Client() as client, Worker(client, QUEUE, search):
        for end in range(1, len("leases") + 1):
            added = await client.add(QUEUE, "leases"[:end], delay=0.5, deduplication=USER)
            print("replaced the one before" if added.deduplicated else "the first of a burst")
        await searched.wait()


if __name__ == "__main__":
    asyncio.run(main())
