"""Works the queue `cleanup`: removes expired sessions from a SQLite file.

    python examples/cleanup_worker.py      (LEASEMQ_ADDRESS says where the broker is)

The handler is a plain function, so the worker runs it in a thread: blocking calls are fine in it.
"""

import asyncio
import sqlite3
import time
from contextlib import closing

from leasemq import Client, Job, Worker


def remove_expired(job: Job) -> dict[str, int]:
    with closing(sqlite3.connect(job.payload["database"])) as database, database:
        removed = database.execute("DELETE FROM sessions WHERE expires_at <= ?", (time.time(),)).rowcount
        (kept,) = database.execute("SELECT count(*) FROM sessions").fetchone()
    return {"removed": removed, "kept": kept}


async def main() -> None:
    async with Client() as client:
        await Worker(client, "cleanup", {"expired-sessions": remove_expired}, concurrency=2).run()


if __name__ == "__main__":
    asyncio.run(main())
