"""leasemq events"""

from typing import Annotated

import typer
from leasemq import Client, Event, EventKind
from rich.text import Text

from leasemq_server.cli.connect import run
from leasemq_server.cli.console import STATE_STYLES, print_json, show
from leasemq_server.cli.options import DEFAULT_ADDRESS, Address, Json, Queue

app = typer.Typer(add_completion=False)

KIND_WIDTH = max(len(kind.name) for kind in EventKind)


def event_kind(text: str) -> EventKind:
    """A kind by its name, in upper or lower case."""
    name = text.upper().replace("-", "_")
    if name not in EventKind.__members__:
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(kind.name.lower() for kind in EventKind)}")
    return EventKind[name]


@app.command()
def events(
    queue: Queue,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what happens, until Ctrl-C.")] = False,
    new: Annotated[bool, typer.Option("--new", help="Only what happens from now on; with --follow.")] = False,
    kind: Annotated[
        list[EventKind] | None,
        typer.Option(parser=event_kind, metavar="KIND", help="Only these, e.g. failed; may be given several times."),
    ] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="TOKEN", help="Go on after an event: its resume_token, as --json shows it.")
    ] = None,
    address: Address = DEFAULT_ADDRESS,
    as_json: Json = False,
) -> None:
    """Show what happened in a queue, and what happens.

    The newest 10,000 or so events are kept. With --follow it goes on over an outage, without a gap.

    Examples:
    [cyan]leasemq events email[/]
    [cyan]leasemq events email --follow --new --kind failed --kind retrying[/]
    [cyan]leasemq events email --follow --json --resume 1763780000000042.email[/]
    """
    if new and (resume or not follow):
        raise typer.BadParameter("goes with --follow, and not with --resume", param_hint="--new")

    async def do(client: Client) -> None:
        watch = client.events(queue, kinds=kind or (), resume_token=resume, from_oldest=not (new or resume), until_now=not follow)
        async with watch:
            async for event in watch:
                if as_json:
                    print_json(event)
                else:
                    show(_line(event))

    run(address, do, about=None if resume else queue, over_outages=follow)


def _line(event: Event) -> Text:
    name = event.kind.name if isinstance(event.kind, EventKind) else str(event.kind)
    line = Text(event.time.astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "  ", style="dim")
    line.append(f"{name:{KIND_WIDTH}}  ", style="bold")
    if event.job_id:
        line.append(f"{event.job_id}  ")
    if event.state is not None and event.state.name != name:
        line.append(f"{event.state.name}  ", style=STATE_STYLES.get(event.state.name, ""))
    if event.worker_id:
        line.append(f"by {event.worker_id}  ", style="dim")
    line.append(" ".join(event.reason.split()))
    line.rstrip()
    return line
