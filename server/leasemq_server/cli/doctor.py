"""leasemq doctor"""

import asyncio
import dataclasses
from typing import Annotated

import typer
from leasemq import ServerInfo
from rich.text import Text

from leasemq_server.cli.connect import StoreAway, connect
from leasemq_server.cli.console import print_json, show
from leasemq_server.cli.failure import Failure
from leasemq_server.cli.options import DEFAULT_ADDRESS, Address, Json
from leasemq_server.errors import StoreUnavailableError
from leasemq_server.store.check import check_store

app = typer.Typer(add_completion=False)

MARKS = {
    "ok": ("ok      ", "green"),
    "info": ("ok      ", "green"),
    "warning": ("change  ", "yellow"),
    "error": ("change! ", "red"),
}


@dataclasses.dataclass(frozen=True)
class Line:
    """One thing that was looked at: its level (ok; warning; error: no broker works on it), what was found, what to change."""

    level: str
    message: str
    fix: str = ""


@app.command()
def doctor(
    store: Annotated[str | None, typer.Option(metavar="URL", help="Look at this store itself; no broker needed.")] = None,
    address: Address = DEFAULT_ADDRESS,
    as_json: Json = False,
) -> None:
    """Check the store's settings and say what to change.

    Exit 1 if there is something to change.

    Examples:
    [cyan]leasemq doctor[/]
    [cyan]leasemq doctor --store redis://127.0.0.1:6379/0[/]
    """
    lines = asyncio.run(_ask_store(store) if store is not None else _ask_broker(address))
    for line in lines:
        if as_json:
            print_json(line)
        else:
            mark, style = MARKS[line.level]
            show(Text.assemble((mark, style), line.message, f"\n        {line.fix}" if line.fix else ""))
    raise typer.Exit(1 if any(line.level != "ok" for line in lines) else 0)


async def _ask_broker(address: str) -> list[Line]:
    try:
        async with connect(address) as client:
            info = await client.admin.server_info()
    except StoreAway as away:
        return [
            Line("ok", f"the broker at {address} answers"),
            Line("error", f"its store does not: {away.detail}", "see that it runs; once it answers the broker goes on by itself"),
        ]
    return [
        Line("ok", f"the broker at {address} answers: version {info.version}"),
        Line("ok", _describe(info)),
        *(Line("warning", text) for text in info.store.warnings),
    ]


async def _ask_store(url: str) -> list[Line]:
    try:
        return [Line(finding.level, finding.message, finding.fix) for finding in await check_store(url)]
    except StoreUnavailableError as error:
        raise Failure(f"cannot reach the store: {error.message} — is it running, and is the URL right?") from error
    except ValueError as error:
        raise Failure(f"--store: {error}", exit_code=2) from error


def _describe(info: ServerInfo) -> str:
    store = info.store
    kind = f"{'embedded ' if store.embedded else ''}{store.kind} {store.version}"
    limit = f"limit {store.max_memory_bytes / 2**20:.0f} MiB" if store.max_memory_bytes else "no limit"
    memory = f"{store.used_memory_bytes / 2**20:.0f} MiB used, {limit}"
    return f"its store is {kind}; {memory}; an add reaches {store.default_durability.name}, at most {store.max_durability.name}"
