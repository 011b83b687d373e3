"""All that commands print: tables and sentences for people, JSON lines for scripts."""

import base64
import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import Enum
from types import NoneType
from typing import Any

import typer
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

WIDE = 200  # columns, when the reader is a pipe: a table is then never folded to fit a screen that isn't there

err = Console(highlight=False, stderr=True)

STATE_STYLES = {
    "WAITING": "cyan",
    "DELAYED": "blue",
    "BLOCKED": "magenta",
    "ACTIVE": "yellow",
    "COMPLETED": "green",
    "FAILED": "red",
    "CANCELLED": "dim",
}


def show(what: RenderableType) -> None:
    """Prints it as wide as the terminal, or as it needs to be."""
    seen = sys.stdout.isatty()
    Console(highlight=False, width=None if seen else WIDE, soft_wrap=not seen).print(what)


def print_json(value: Any) -> None:
    """One JSON object, on one line."""
    print(json.dumps(plain(value), ensure_ascii=False, separators=(",", ":")))


def check_strictly(value: Any) -> None:
    """Refuse what Python takes for JSON and others don't. ValueError: NaN, a number beyond all (1e999), half of a character."""
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def plain(value: Any) -> Any:  # noqa: PLR0911 - a return a type reads best
    """The value in JSON's own types: times as RFC 3339, durations as seconds, states by name, other bytes as text or base64."""
    match value:
        case Enum():
            return value.name
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case timedelta():
            return value.total_seconds()
        case bytes():
            return _text_or_base64(value)
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value


def _text_or_base64(value: bytes) -> Any:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str) -> None:
    """Rows under headings; numbers to the right; the sentence when there are none."""
    listed = [list(row) for row in rows]
    show(build_table(columns, listed) if listed else empty)


def build_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """A table without lines, as `grep` and `awk` like it."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for index, column in enumerate(columns):
        numbers = bool(rows) and all(type(row[index]) in {int, float, NoneType} for row in rows)
        table.add_column(column, justify="right" if numbers else "left", overflow="fold", no_wrap=index == 0)
    for row in rows:
        table.add_row(*[cell(value) for value in row])
    return table


def print_fields(fields: Iterable[tuple[str, Any]]) -> None:
    """Names and values below each other; those without a value are left out."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in fields:
        if value not in (None, "", [], {}):
            table.add_row(name, cell(value))
    show(table)


def cell(value: Any) -> Text:  # noqa: PLR0911 - a return a type reads best
    """A value as people read it."""
    match value:
        case None:
            return Text("-", style="dim")
        case Text():
            return value
        case Enum():
            return Text(value.name, style=STATE_STYLES.get(value.name, ""))
        case bool():
            return Text("yes" if value else "no")
        case int():
            return Text(f"{value:,}" if sys.stdout.isatty() else str(value))
        case datetime():
            return Text(value.astimezone().strftime("%Y-%m-%d %H:%M:%S"))
        case timedelta():
            return Text(span(value))
        case str():
            return Text(value)
    return Text(json.dumps(plain(value), ensure_ascii=False))


def span(value: timedelta) -> str:
    """A duration in its two largest units: 350ms, 12s, 3m 20s, 2d 4h."""
    seconds = value.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    left = round(seconds)
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])


def ago(time: datetime | None) -> str:
    """How long ago, or in how long."""
    if time is None:
        return ""
    since = datetime.now(UTC) - time
    return f"in {span(-since)}" if since < timedelta(0) else f"{span(since)} ago"


def number_of(count: int, thing: str) -> str:
    """1 job, 2 jobs."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def confirm(question: str, *, yes: bool) -> None:
    """Asks on a terminal before something is lost; a script is taken at its word."""
    if not yes and sys.stdin is not None and sys.stdin.isatty():
        typer.confirm(question, abort=True, err=True)


@contextmanager
def counting(what: str, of: int | None = None) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, when that is a terminal, for something that says how far it has come."""
    columns = (
        TextColumn(f"{what} {{task.completed:,}}" + ("" if of is None else " of {task.total:,}")),
        BarColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task(what, total=of)
        yield lambda done: progress.update(task, completed=done)
