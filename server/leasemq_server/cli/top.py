"""leasemq top"""

import asyncio
import contextlib
import os
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Annotated, Any

import typer
from leasemq import Client, QueueInfo, Unavailable
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.measure import Measurement
from rich.text import Text

from leasemq_server.cli import stats, workers
from leasemq_server.cli.connect import run
from leasemq_server.cli.console import build_table
from leasemq_server.cli.failure import Failure
from leasemq_server.cli.options import DEFAULT_ADDRESS, Address, duration

app = typer.Typer(add_completion=False)

COLUMNS = (*stats.COLUMNS[:-1], "added/s", "completed/s", "failed/s", "")
WORKERS_SHOWN, FEWEST_SHOWN = 20, 3
FRAME = 8
"""Lines that are neither of queues nor of workers: the title, the columns, what is left out, and what is between."""
LEFT_OUT = ("cancelled", "blocked", "workers", "failed/s", "oldest waiting", "completed", "delayed", "added/s")
LEFT_OUT_OF_WORKERS = ("host", "pid", "language", "last poll", "concurrency", "last heartbeat")
"""Columns that a narrow terminal does without, these first."""


@app.command()
def top(
    interval: Annotated[
        timedelta, typer.Option(parser=duration, metavar="DURATION", show_default="1s", help="Between two looks.")
    ] = timedelta(seconds=1),
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Watch queues and workers live.

    q or Ctrl-C leaves.

    Example:
    [cyan]leasemq top --interval 500ms[/]
    """
    if not (sys.stdout.isatty() and sys.stdin is not None and sys.stdin.isatty()) or Console().is_dumb_terminal:
        raise Failure("top needs a terminal; a script can read: leasemq stats --json")
    run(address, lambda client: _watch(client, address, max(interval.total_seconds(), 0.1)))


async def _watch(client: Client, address: str, interval_s: float) -> None:
    leave = asyncio.Event()
    rates = Rates()
    with (
        _keys(lambda key: leave.set() if key in "qQ\x03\x04" else None),
        Live(console=(console := Console(highlight=False)), screen=True, auto_refresh=False) as live,
    ):
        while not leave.is_set():
            live.update(await _look(client, address, rates, console), refresh=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(interval_s):
                    await leave.wait()


async def _look(client: Client, address: str, rates: "Rates", console: Console) -> RenderableType:
    title = Text.assemble(("LeaseMQ ", "bold"), (address, "bold cyan"), f"   {time.strftime('%H:%M:%S')}   q leaves\n")
    try:
        queues = [queue async for queue in client.admin.queues()]
        alive = [workers.worker_row(worker) async for worker in client.admin.workers()]
    except Unavailable as error:
        return Group(title, Text(f"out of reach, trying again: {error.message}", style="red"))
    rows = [[*stats.stats_row(queue)[:-1], *rates.of(queue), "paused" if queue.stats.paused else ""] for queue in queues]
    room = console.height - FRAME
    some_workers = min(len(alive), WORKERS_SHOWN, max(FEWEST_SHOWN, room - len(rows)))
    return Group(
        title,
        *_listed("queues", COLUMNS, rows, max(FEWEST_SHOWN, room - some_workers), LEFT_OUT, console),
        Text(),
        *_listed("workers", workers.COLUMNS, alive, some_workers, LEFT_OUT_OF_WORKERS, console),
    )


def _listed(
    what: str, columns: Sequence[str], rows: list[list[Any]], most: int, left_out: Sequence[str], console: Console
) -> Iterator[RenderableType]:
    """A table of the first rows, with as many columns as fit, and how many rows there are besides."""
    if not rows:
        yield Text(f"no {what}")
        return
    for count in range(len(left_out) + 1):
        kept = [index for index, column in enumerate(columns) if column not in left_out[:count]]
        table = build_table([columns[index] for index in kept], [[row[index] for index in kept] for row in rows[:most]])
        if Measurement.get(console, console.options.update(max_width=10_000), table).maximum <= console.width:
            break
    yield table
    if len(rows) > most:
        yield Text(f"… and {len(rows) - most} more {what}", style="dim")


class Rates:
    """Jobs a second, from the lifetime totals of two looks."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, tuple[int, int, int]]] = {}

    def of(self, queue: QueueInfo) -> list[int]:
        now, counted = time.monotonic(), queue.stats
        totals = (counted.added_total, counted.completed_total, counted.failed_total)
        before, last = self._last.get(queue.name, (now, totals))
        self._last[queue.name] = (now, totals)
        return [
            round(max(0, total - previous) / (now - before)) if now > before else 0
            for total, previous in zip(totals, last, strict=True)
        ]


@contextlib.contextmanager
def _keys(pressed: Callable[[str], None]) -> Iterator[None]:
    """Single keys without return, as they are pressed."""
    descriptor, loop = sys.stdin.fileno(), asyncio.get_running_loop()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    loop.add_reader(descriptor, lambda: pressed(os.read(descriptor, 1).decode(errors="replace")))
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
