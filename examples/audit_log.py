"""A log of all that happens in a queue, which misses nothing while it is not running and has nothing twice.

    python examples/audit_log.py [FILE]        (LEASEMQ_ADDRESS says where the broker is)

Each line has the event's resume token, so the last line of the file says where to go on: run it again, and it
writes what happened since.
"""

import asyncio
import json
import sys
from pathlib import Path

from leasemq import Client, EventKind, Fatal, Job, NewJob, Worker

QUEUE = "invoices"
ENDS = (EventKind.COMPLETED, EventKind.FAILED)


def last_token(log: Path) -> str | None:
    lines = log.read_text().splitlines() if log.exists() else []
    return json.loads(lines[-1])["resume_token"] if lines else None


async def write_log(client: Client, log: Path, ends_wanted: int) -> None:
    """Writes down what happened since the last line, and goes on until so many jobs have ended."""
    token = last_token(log)
    async with client.events(QUEUE, resume_token=token, from_oldest=token is None) as events:
        with log.open("a") as file:
            async for event in events:
                kind = EventKind(event.kind)
                line = {"time": event.time.isoformat(), "kind": kind.name, "job": event.job_id, "why": event.reason}
                print(*(part for part in (kind.name, event.job_id, event.reason) if part))
                file.write(json.dumps({**line, "resume_token": event.resume_token}) + "\n")
                file.flush()
                ends_wanted -= kind in ENDS
                if ends_wanted == 0:
                    return


async def send(job: Job) -> None:
    if job.payload["amount"] < 0:
        raise Fatal("an invoice of less than nothing")


async def main() -> None:
    log = Path(sys.argv[1] if len(sys.argv) > 1 else "audit.jsonl")
    async with Client() as client:
        async with Worker(client, QUEUE, send):
            added = await client.add_many(QUEUE, [NewJob({"amount": amount}) for amount in (120, -5, 80)])
            for job in added:
                await client.wait(QUEUE, job.id)
        await write_log(client, log, len(added))  # nobody was listening when it happened


if __name__ == "__main__":
    asyncio.run(main())
