"""leasemq metrics"""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from leasemq import Client, MetricsPoint, TimeQuantiles

from leasemq_server.cli.connect import run
from leasemq_server.cli.console import plain, print_json, print_table, span
from leasemq_server.cli.options import DEFAULT_ADDRESS, Address, Json, Queue, duration

app = typer.Typer(add_completion=False)

KEPT = timedelta(hours=24)
COLUMNS = ("from", "completed", "failed", "waited p50", "p95", "p99", "ran p50", "p95", "p99")


@app.command()
def metrics(
    queue: Queue,
    *,
    last: Annotated[
        timedelta, typer.Option(parser=duration, metavar="DURATION", show_default="1h", help="How far back; 24 h are kept.")
    ] = timedelta(hours=1),
    resolution: Annotated[
        timedelta, typer.Option(parser=duration, metavar="DURATION", show_default="1m", help="A line each; whole minutes.")
    ] = timedelta(minutes=1),
    address: Address = DEFAULT_ADDRESS,
    as_json: Json = False,
) -> None:
    """Show how many jobs a queue did, and how long they waited and ran.

    Waited: from when a job was due to its first lease. Ran: from the last lease to completion. Lines without jobs are left out.

    Examples:
    [cyan]leasemq metrics email[/]
    [cyan]leasemq metrics email --last 24h --resolution 1h --json[/]
    """

    if last > KEPT:
        raise typer.BadParameter("no more than 24 h are kept", param_hint="--last")

    async def do(client: Client) -> None:
        points = await client.admin.metrics(queue, start=datetime.now(UTC) - last, resolution=resolution)
        if as_json:
            for point in points:
                print_json({"queue": queue} | plain(point))
            return
        print_table(COLUMNS, [_row(point) for point in points if _has_jobs(point)], empty="no jobs were done in that time")

    run(address, do, about=queue)


def _has_jobs(point: MetricsPoint) -> bool:
    return bool(point.completed or point.failed or point.wait_time)


def _row(point: MetricsPoint) -> list[object]:
    return [point.time, point.completed, point.failed, *_spans(point.wait_time), *_spans(point.run_time)]


def _spans(times: TimeQuantiles | None) -> list[str]:
    return [span(time) for time in (times.p50, times.p95, times.p99)] if times else ["", "", ""]
