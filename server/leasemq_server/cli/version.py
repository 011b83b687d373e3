"""leasemq version"""

import asyncio
import sys

import leasemq
import typer

import leasemq_server.version
from leasemq_server.cli.connect import connect
from leasemq_server.cli.console import print_fields, print_json
from leasemq_server.cli.failure import Failure
from leasemq_server.cli.options import DEFAULT_ADDRESS, Address, Json

app = typer.Typer(add_completion=False)


@app.command()
def version(address: Address = DEFAULT_ADDRESS, as_json: Json = False) -> None:
    """Print the versions of this command and of the broker.

    Example:
    [cyan]leasemq version --json[/]
    """
    versions = {"leasemq": leasemq_server.version.__version__, "sdk": leasemq.__version__} | asyncio.run(_of_broker(address))
    if as_json:
        print_json(versions)
    else:
        print_fields(versions.items())


async def _of_broker(address: str) -> dict[str, str | None]:
    try:
        async with connect(address) as client:
            info = await client.admin.server_info()
    except Failure as failure:
        print(f"leasemq: {failure.message}", file=sys.stderr)
        return {"broker": None, "store": None}
    return {"broker": info.version, "store": f"{info.store.kind} {info.store.version}"}
