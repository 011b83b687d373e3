"""leasemq serve"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from leasemq_server.app import run
from leasemq_server.cli.failure import Failure
from leasemq_server.cli.output import do_without_if_closed
from leasemq_server.config import load_settings
from leasemq_server.errors import StartError

app = typer.Typer(add_completion=False)


@app.command()
def serve(
    *,
    listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where to listen; port 0 picks a free one (default 127.0.0.1:7878).")
    ] = None,
    store: Annotated[
        str | None, typer.Option(metavar="URL", help="redis://, rediss://, unix:// or memory:// (default an embedded Valkey).")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the embedded store keeps its files (default ./leasemq-data).")
    ] = None,
    store_fsync: Annotated[
        Literal["always", "everysec"] | None, typer.Option(help="How often the embedded store writes to disk (default always).")
    ] = None,
    durability: Annotated[
        Literal["memory", "fsync", "replicated"] | None, typer.Option(help="What an add reaches that asks for nothing else.")
    ] = None,
    replicas: Annotated[int | None, typer.Option(min=1, metavar="N", help="Replicas that 'replicated' waits for.")] = None,
    max_payload_bytes: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The longest payload and result (default 1 MiB).")
    ] = None,
    drain_timeout: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="How long a stop waits for calls in flight (default 30).")
    ] = None,
    log_format: Annotated[
        Literal["text", "json"] | None, typer.Option(help="How to log, to standard error (default text).")
    ] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None, typer.Option(help="How much to log (default info).")
    ] = None,
    insecure: Annotated[
        bool | None, typer.Option("--insecure", help="Allow listening beyond this machine without TLS or tokens.")
    ] = None,
) -> None:
    """Run the broker.

    It prints one line, "listening on HOST:PORT", once it answers. SIGTERM or Ctrl-C ends it in order.
    Each option is an environment variable too: LEASEMQ_LISTEN, LEASEMQ_STORE, LEASEMQ_DATA_DIR, ...

    Example:
    [cyan]leasemq serve --listen 127.0.0.1:7878 --data-dir ./leasemq-data[/]
    """
    options = {
        "listen": listen,
        "store": store,
        "data_dir": data_dir,
        "store_fsync": store_fsync,
        "durability": durability,
        "replicas": replicas,
        "max_payload_bytes": max_payload_bytes,
        "drain_timeout": drain_timeout,
        "log_format": log_format,
        "log_level": log_level,
        "insecure": insecure,
    }
    try:
        settings = load_settings(**{name: value for name, value in options.items() if value is not None})
    except StartError as error:
        raise Failure(str(error), exit_code=2) from error
    do_without_if_closed()
    raise typer.Exit(run(settings))
