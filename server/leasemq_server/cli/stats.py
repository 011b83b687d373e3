"""leasemq stats"""

from typing import Annotated

import typer
from leasemq import Client, QueueInfo, Stats

from leasemq_server.cli.connect import run
from leasemq_server.cli.console import plain, print_fields, print_json, print_table
from leasemq_server.cli.options import DEFAULT_ADDRESS, Address, Json

app = typer.Typer(add_completion=False)

COUNTS = ("waiting", "delayed", "blocked", "active", "completed", "failed", "cancelled")
COLUMNS = ("queue", *COUNTS, "workers", "oldest waiting", "")


@app.command()
def stats(
    queue: Annotated[str | None, typer.Argument(metavar="QUEUE", help="One queue; all of them if none is named.")] = None,
    address: Address = DEFAULT_ADDRESS,
    as_json: Json = False,
) -> None:
    """Count the jobs of one queue, or of all.

    Examples:
    [cyan]leasemq stats[/]
    [cyan]leasemq stats email --json[/]
    """

    async def do(client: Client) -> None:
        if queue is not None:
            _print_one(queue, await client.admin.stats(queue), as_json=as_json)
        elif as_json:
            async for found in client.admin.queues():
                print_json({"queue": found.name} | plain(found.stats))
        else:
            rows = [stats_row(found) async for found in client.admin.queues()]
            print_table(COLUMNS, rows, empty="no queues yet: leasemq add email '{}' makes one")

    run(address, do, about=queue)


def _print_one(queue: str, counted: Stats, *, as_json: bool) -> None:
    values = {"queue": queue} | plain(counted)
    if as_json:
        print_json(values)
    else:
        values["oldest_waiting_age"] = counted.oldest_waiting_age
        print_fields((name.replace("_", " "), value) for name, value in values.items())


def stats_row(queue: QueueInfo) -> list[object]:
    """One row of the table with COLUMNS."""
    counted = queue.stats
    counts = [getattr(counted, name) for name in COUNTS]
    return [queue.name, *counts, counted.workers, counted.oldest_waiting_age or "", _stands_still(counted)]


def _stands_still(counted: Stats) -> str:
    if counted.paused:
        return "paused"
    return "resting" if counted.hold_expire_time else ""
