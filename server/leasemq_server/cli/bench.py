"""leasemq bench"""

import asyncio
import time
from typing import Annotated

import typer
import uuid_utils
from leasemq import Client, Job, LeaseMQError, NewJob, QueueNotFound, Worker

from leasemq_server.cli.connect import run
from leasemq_server.cli.console import err, number_of, print_fields, print_json
from leasemq_server.cli.failure import Failure
from leasemq_server.cli.options import DEFAULT_ADDRESS, Address, Json

app = typer.Typer(add_completion=False)

PAYLOAD = b'{"to":"' + b"x" * 140 + b'"}'
PATIENCE_S = 30


@app.command()
def bench(
    jobs: Annotated[int, typer.Option("--jobs", "-n", min=1, max=1_000_000, metavar="N", help="How many no-op jobs.")] = 10_000,
    concurrency: Annotated[
        int, typer.Option(min=1, max=1_000, metavar="N", help="How many of them a worker runs at a time.")
    ] = 100,
    address: Address = DEFAULT_ADDRESS,
    as_json: Json = False,
) -> None:
    """Measure add and work rates against a broker.

    This is one client on this machine, on a queue of its own that is deleted afterwards.
    The full comparison, on stores of its own and with peers, is `make bench` in a checkout.

    Example:
    [cyan]leasemq bench --jobs 20000[/]
    """
    run(address, lambda client: _bench(client, jobs, concurrency, as_json=as_json))


async def _bench(client: Client, jobs: int, concurrency: int, *, as_json: bool) -> None:
    queue = f"bench-{uuid_utils.uuid7().hex[-12:]}"
    try:
        adding_s = await _add(client, queue, jobs)
        working_s = await _work(client, queue, jobs, concurrency)
    finally:
        await _delete(client, queue)
    rates = {
        "jobs": jobs,
        "add_per_s": round(jobs / adding_s),
        "work_per_s": round(jobs / working_s),
        "lifecycle_per_s": round(jobs / (adding_s + working_s)),
    }
    if as_json:
        print_json(rates)
    else:
        print_fields(
            (name.replace("_per_s", " jobs/s").replace("lifecycle", "add, then work"), value) for name, value in rates.items()
        )


async def _delete(client: Client, queue: str) -> None:
    """Deletes the queue, if anything was added to it. That this can't be done is said, and hides no other end."""
    try:
        await client.admin.delete_queue(queue, force=True)
    except QueueNotFound:
        pass
    except LeaseMQError as error:
        left = f"queue {queue} is left ({error.message}) — delete it with: leasemq queues delete {queue} --force"
        err.print(left, soft_wrap=True, markup=False)


async def _add(client: Client, queue: str, jobs: int) -> float:
    err.print(f"adding {number_of(jobs, 'job')} to {queue} …")
    started = time.perf_counter()
    await client.add_many(queue, (NewJob(PAYLOAD, content_type="application/json") for _ in range(jobs)))
    return time.perf_counter() - started


async def _work(client: Client, queue: str, jobs: int, concurrency: int) -> float:
    err.print(f"working them, {concurrency} at a time …")

    async def nothing(_: Job) -> None:
        pass

    started = time.perf_counter()
    async with Worker(client, queue, nothing, concurrency=concurrency):
        completed, moved = 0, started
        while completed < jobs:
            await asyncio.sleep(0.02)
            now = (await client.admin.stats(queue)).completed_total
            if now == completed and time.perf_counter() - moved > PATIENCE_S:
                raise Failure(f"no job was completed for {PATIENCE_S} s, {completed} of {jobs} so far")
            moved = time.perf_counter() if now > completed else moved
            completed = now
        return time.perf_counter() - started
