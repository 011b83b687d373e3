"""leasemq workers"""

from typing import Annotated

import typer
from leasemq import Client, WorkerStatus

from leasemq_server.cli.connect import run
from leasemq_server.cli.console import ago, print_json, print_table
from leasemq_server.cli.options import DEFAULT_ADDRESS, Address, Json

app = typer.Typer(add_completion=False)

COLUMNS = ("worker", "queues", "running", "concurrency", "language", "host", "pid", "last heartbeat", "last poll")


@app.command()
def workers(
    queue: Annotated[str | None, typer.Argument(metavar="QUEUE", help="Only this queue's workers.")] = None,
    address: Address = DEFAULT_ADDRESS,
    as_json: Json = False,
) -> None:
    """List the workers that were heard of in the last minute.

    Those are the ones that were heard of within the last minute.

    Example:
    [cyan]leasemq workers email[/]
    """

    async def do(client: Client) -> None:
        found = [worker async for worker in client.admin.workers(queue)]
        if as_json:
            for worker in found:
                print_json(worker)
            return
        print_table(COLUMNS, [worker_row(worker) for worker in found], empty="no workers: leasemq work QUEUE --exec CMD is one")

    run(address, do)


def worker_row(worker: WorkerStatus) -> list[object]:
    """One row of the table with COLUMNS."""
    seen = [ago(worker.heartbeat_time), ago(worker.poll_time)]
    return [
        worker.worker_id,
        ", ".join(worker.queues),
        worker.running,
        worker.concurrency,
        worker.language,
        worker.hostname,
        str(worker.pid),
        *seen,
    ]
