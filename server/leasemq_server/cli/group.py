"""leasemq group list|update|pause|resume"""

import shlex
from typing import Annotated, Any

import typer
from leasemq import Client, Group, RateLimit

from leasemq_server.cli.connect import run
from leasemq_server.cli.console import cell, print_json, print_table
from leasemq_server.cli.options import DEFAULT_ADDRESS, NONE, Address, Json, Queue, count_or_none, rate

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="List, configure, pause and resume groups, which take turns within a queue.",
)

COLUMNS = ("group", "waiting", "active", "max active", "rate limit", "max waiting", "weight", "paused")
SETTINGS = ("max-active", "rate-limit", "max-waiting", "weight")

GroupName = Annotated[str, typer.Argument(metavar="GROUP", help="The group; it need not have jobs yet.")]


def setting(text: str) -> str:
    """The name of a setting, with - or _."""
    name = text.lower().replace("_", "-")
    if name not in SETTINGS:
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(SETTINGS)}")
    return name


@app.command("list")
def list_(
    queue: Queue,
    group: Annotated[str | None, typer.Argument(metavar="GROUP", help="Only this one.")] = None,
    address: Address = DEFAULT_ADDRESS,
    as_json: Json = False,
) -> None:
    """List the groups of a queue that have waiting or running jobs, or settings of their own; in no order.

    A setting shown as - is the queue's: leasemq queues show QUEUE has its group defaults; a weight is 1.

    Examples:
    [cyan]leasemq group list reports[/]
    [cyan]leasemq group list reports customer-7 --json[/]
    """

    async def do(client: Client) -> None:
        if as_json:
            async for found in client.admin.groups(queue, group):
                print_json(found)
            return
        rows = [_row(found) async for found in client.admin.groups(queue, group)]
        print_table(COLUMNS, rows, empty=f"no such group in {queue}" if group else f"no groups in {queue}")

    run(address, do, about=queue)


@app.command()
def update(
    queue: Queue,
    group: GroupName,
    *,
    max_active: Annotated[
        Any, typer.Option(parser=count_or_none, metavar="N|none", help="Its jobs that run at a time; 1: one after the other.")
    ] = None,
    rate_limit: Annotated[
        Any,
        typer.Option("--rate-limit", "--rate", parser=rate, metavar="N/DURATION", help="Its jobs that start in a time: 10/1s."),
    ] = None,
    max_waiting: Annotated[
        Any,
        typer.Option(
            parser=count_or_none, metavar="N|none", help="Its waiting jobs, delayed ones not counted; more are refused."
        ),
    ] = None,
    weight: Annotated[
        int | None,
        typer.Option(min=1, max=1000, metavar="N", help="Its jobs that are leased each time that its turn comes (default 1)."),
    ] = None,
    unset: Annotated[
        list[str] | None,
        typer.Option(
            parser=setting,
            metavar="SETTING",
            help="Back to the queue's default: max-active, rate-limit, max-waiting or weight; repeatable.",
        ),
    ] = None,
    address: Address = DEFAULT_ADDRESS,
    as_json: Json = False,
) -> None:
    """Give a group settings of its own, instead of the queue's group defaults; what isn't named stays as it is.

    none is no limit, whatever the queue's default; --unset goes back to that default. It holds at once.

    Examples:
    [cyan]leasemq group update reports customer-7 --max-active 2 --rate-limit 10/1s --max-waiting 1000[/]
    [cyan]leasemq group update reports customer-8 --weight 3 --max-active none[/]
    [cyan]leasemq group update reports customer-7 --unset rate-limit --unset max-waiting[/]
    """
    said = {"max_active": max_active, "rate_limit": rate_limit, "max_waiting": max_waiting, "weight": weight}
    changes: dict[str, Any] = {name: 0 if value == NONE else value for name, value in said.items() if value is not None}
    back = [name.replace("-", "_") for name in unset or ()]
    if both := changes.keys() & back:
        raise typer.BadParameter(f"--{min(both).replace('_', '-')} is given a value too", param_hint="--unset")
    if not (changes or back):
        raise typer.BadParameter("name at least one setting to change", param_hint="update")

    async def do(client: Client) -> None:
        _print_group(await client.admin.update_group(queue, group, **(changes | dict.fromkeys(back))), as_json=as_json)

    run(address, do)


@app.command()
def pause(queue: Queue, group: GroupName, address: Address = DEFAULT_ADDRESS, as_json: Json = False) -> None:
    """Give out no more of a group's jobs; those that run go on, and so do other groups.

    Example:
    [cyan]leasemq group pause reports customer-7[/]
    """

    async def do(client: Client) -> None:
        paused = await client.admin.update_group(queue, group, paused=True)
        said = f"paused {group} of {queue}; go on with: leasemq group resume {queue} {shlex.quote(group)}"
        print_json(paused) if as_json else print(said)

    run(address, do)


@app.command()
def resume(queue: Queue, group: GroupName, address: Address = DEFAULT_ADDRESS, as_json: Json = False) -> None:
    """Give out a paused group's jobs again.

    Example:
    [cyan]leasemq group resume reports customer-7[/]
    """

    async def do(client: Client) -> None:
        resumed = await client.admin.update_group(queue, group, paused=False)
        print_json(resumed) if as_json else print(f"resumed {group} of {queue}")

    run(address, do)


def _print_group(group: Group, *, as_json: bool) -> None:
    if as_json:
        print_json(group)
    else:
        print_table(COLUMNS, [_row(group)], empty="")


def _row(group: Group) -> list[object]:
    config = group.config
    limits = (_limit(config.max_active), _rate(config.rate_limit), _limit(config.max_waiting))
    return [group.name, group.waiting, group.active, *limits, config.weight, config.paused]


def _limit(limit: int | None) -> int | str | None:
    return NONE if limit == 0 else limit


def _rate(limit: RateLimit | None) -> str | None:
    return None if limit is None else f"{limit.max_jobs}/{cell(limit.duration)}"
