"""Rows written to a database in batches; and a long copy that goes on where a crash stopped it.

python examples/batched_rows.py        (LEASEMQ_ADDRESS says where the broker is)
"""

import asyncio
import sqlite3

from leasemq import Client, Fatal, Job, NewJob, Worker

ROWS, PAGES = 20, 5


async def main() -> None:
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY)")

    async def insert(jobs: list[Job]) -> list[object]:
        good = [job for job in jobs if job.payload >= 0]
        with database:  # one transaction for all of them; what it raises would fail each
            database.executemany("INSERT OR IGNORE INTO rows VALUES (?)", [(job.payload,) for job in good])
        print(f"wrote {len(good)} rows at once")
        return ["written" if job in good else Fatal("a row has a number") for job in jobs]

    async def copy(job: Job) -> str:
        first = job.last_checkpoint or 0
        print(f"attempt {job.attempt} begins at page {first}")
        for page in range(first, PAGES):
            await job.checkpoint(page + 1)  # this page is done, whatever happens
            if page == 2 and job.attempt == 1:
                raise RuntimeError("the network is away")
        return f"{PAGES} pages"

    async with Client() as client:
        rows = await client.add_many("rows", [NewJob(number) for number in [*range(ROWS - 1), -1]])
        pages = await client.add("pages", attempts=2)
        async with Worker(client, "rows", insert, batch=10, linger=0.2), Worker(client, "pages", copy):
            ends = [(await client.wait("rows", row.id)).state.name for row in rows]
            copied = await client.wait("pages", pages.id)
    print(f"{ends.count('COMPLETED')} completed, {ends.count('FAILED')} failed; copied {copied.result}")


if __name__ == "__main__":
    asyncio.run(main())
