"""leasemq queues list|show|pause|resume|drain|delete|update|free-key"""

import dataclasses
from datetime import timedelta
from typing import Annotated, Any

import typer
from leasemq import Client, GroupDefaults, QueueInfo, QueueNotFound, Retention

from leasemq_server.cli.connect import run
from leasemq_server.cli.console import confirm, number_of, plain, print_fields, print_json, print_table
from leasemq_server.cli.options import (
    DEFAULT_ADDRESS,
    NONE,
    Address,
    BackoffOption,
    Json,
    Queue,
    Yes,
    count_or_none,
    duration,
    rate_or_none,
)
from leasemq_server.cli.stats import COLUMNS, stats_row

LIMITS, GROUPS = "Limits", "Limits of each group that has none of its own"

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="List, show, pause, resume, drain, delete and configure queues."
)


@app.command("list")
def list_(address: Address = DEFAULT_ADDRESS, as_json: Json = False) -> None:
    """List the queues with their counts.

    Example:
    [cyan]leasemq queues list --json[/]
    """

    async def do(client: Client) -> None:
        queues = [queue async for queue in client.admin.queues()]
        if as_json:
            for queue in queues:
                print_json(queue)
        else:
            print_table(COLUMNS, [stats_row(queue) for queue in queues], empty="no queues yet")

    run(address, do)


@app.command()
def show(queue: Queue, address: Address = DEFAULT_ADDRESS, as_json: Json = False) -> None:
    """Show a queue's configuration and counts.

    Example:
    [cyan]leasemq queues show email[/]
    """

    async def do(client: Client) -> None:
        _print_queue(await client.admin.queue(queue), as_json=as_json)

    run(address, do)


@app.command()
def pause(queue: Queue, address: Address = DEFAULT_ADDRESS) -> None:
    """Give out no more of a queue's jobs, also before it has any; those that run go on.

    Example:
    [cyan]leasemq queues pause email[/]
    """

    async def do(client: Client) -> None:
        await client.admin.pause(queue)
        print(f"paused {queue}; go on with: leasemq queues resume {queue}")

    run(address, do)


@app.command()
def resume(queue: Queue, address: Address = DEFAULT_ADDRESS) -> None:
    """Give out a paused queue's jobs again, or those of a queue that rests since a worker raised RateLimited.

    Example:
    [cyan]leasemq queues resume email[/]
    """

    async def do(client: Client) -> None:
        await client.admin.resume(queue)
        print(f"resumed {queue}")

    run(address, do)


@app.command()
def drain(
    queue: Queue,
    *,
    include_delayed: Annotated[bool, typer.Option("--include-delayed", help="Remove delayed jobs too.")] = False,
    address: Address = DEFAULT_ADDRESS,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Remove a queue's waiting jobs.

    Example:
    [cyan]leasemq queues drain email --include-delayed --yes[/]
    """
    confirm(f"Remove all waiting {'and delayed ' if include_delayed else ''}jobs of {queue}?", yes=yes)

    async def do(client: Client) -> None:
        _print_removed(queue, await client.admin.drain(queue, include_delayed=include_delayed), as_json=as_json)

    run(address, do, about=queue)


@app.command()
def delete(
    queue: Queue,
    *,
    force: Annotated[bool, typer.Option("--force", help="Even with unfinished and running jobs, and with schedules.")] = False,
    address: Address = DEFAULT_ADDRESS,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Delete a queue with everything in it.

    Example:
    [cyan]leasemq queues delete email --force --yes[/]
    """
    goes = "its schedules and all its jobs, the running ones too" if force else "its finished jobs"
    confirm(f"Delete {queue} and {goes}?", yes=yes)

    async def do(client: Client) -> None:
        _print_removed(queue, await client.admin.delete_queue(queue, force=force), as_json=as_json)

    run(address, do)


@app.command()
def update(
    queue: Queue,
    *,
    attempts: Annotated[int | None, typer.Option(min=1, metavar="N", help="Attempts of a job that doesn't say.")] = None,
    backoff: BackoffOption = None,
    dead_letter_queue: Annotated[
        str | None, typer.Option(metavar="QUEUE", help="Receives a copy of each job that fails for good.")
    ] = None,
    max_lease_expirations: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Leases a job may lose before it fails.")
    ] = None,
    completed_age: Annotated[
        timedelta | None, typer.Option(parser=duration, metavar="DURATION", help="Keep completed jobs this long.")
    ] = None,
    completed_count: Annotated[int | None, typer.Option(min=0, metavar="N", help="Keep this many completed jobs.")] = None,
    failed_age: Annotated[
        timedelta | None, typer.Option(parser=duration, metavar="DURATION", help="Keep failed jobs this long.")
    ] = None,
    failed_count: Annotated[int | None, typer.Option(min=0, metavar="N", help="Keep this many failed jobs.")] = None,
    max_events: Annotated[int | None, typer.Option(min=0, metavar="N", help="Keep this many events; 0 writes none.")] = None,
    max_active: Annotated[
        Any,
        typer.Option(
            parser=count_or_none, metavar="N|none", help="Jobs that run at a time, over all workers.", rich_help_panel=LIMITS
        ),
    ] = None,
    rate_limit: Annotated[
        Any,
        typer.Option(
            parser=rate_or_none, metavar="N/DURATION|none", help="Jobs that start in a time: 100/1s, 5/m.", rich_help_panel=LIMITS
        ),
    ] = None,
    max_waiting: Annotated[
        Any,
        typer.Option(
            parser=count_or_none, metavar="N|none", help="Waiting and delayed jobs; more are refused.", rich_help_panel=LIMITS
        ),
    ] = None,
    group_max_active: Annotated[
        Any,
        typer.Option(
            parser=count_or_none,
            metavar="N|none",
            help="Jobs of a group that run at a time; 1 runs them one after the other.",
            rich_help_panel=GROUPS,
        ),
    ] = None,
    group_rate_limit: Annotated[
        Any,
        typer.Option(
            parser=rate_or_none,
            metavar="N/DURATION|none",
            help="Jobs of a group that start in a time: 10/1s.",
            rich_help_panel=GROUPS,
        ),
    ] = None,
    group_max_waiting: Annotated[
        Any,
        typer.Option(
            parser=count_or_none,
            metavar="N|none",
            help="Waiting jobs of a group, delayed ones not counted; more are refused.",
            rich_help_panel=GROUPS,
        ),
    ] = None,
    address: Address = DEFAULT_ADDRESS,
    as_json: Json = False,
) -> None:
    """Change a queue's limits and what holds for jobs that say nothing themselves; what isn't named stays as it is.

    Examples:
    [cyan]leasemq queues update email --attempts 5 --backoff exponential:1s --completed-age 1d[/]
    [cyan]leasemq queues update email --max-active 20 --rate-limit 100/1s --max-waiting 50000[/]
    [cyan]leasemq queues update email --rate-limit none[/]
    [cyan]leasemq queues update email --group-max-active 2 --group-rate-limit 10/1s[/]
    """
    changes: dict[str, Any] = {
        "attempts": attempts,
        "backoff": backoff,
        "dead_letter_queue": dead_letter_queue,
        "max_lease_expirations": max_lease_expirations,
        "completed_retention": _retention(completed_age, completed_count),
        "failed_retention": _retention(failed_age, failed_count),
        "max_events": max_events,
        "max_active": max_active,
        "rate_limit": rate_limit,
        "max_waiting": max_waiting,
    }
    given = _given(changes)
    of_groups = _given({"max_active": group_max_active, "rate_limit": group_rate_limit, "max_waiting": group_max_waiting})
    if not (given or of_groups):
        raise typer.BadParameter("name at least one setting to change", param_hint="update")

    async def do(client: Client) -> None:
        kept = await _other_half_of_retry(client, queue, given) | await _with_other_defaults(client, queue, of_groups)
        _print_queue(await client.admin.update_queue(queue, **kept, **given), as_json=as_json)

    run(address, do)


async def _other_half_of_retry(client: Client, queue: str, given: dict[str, Any]) -> dict[str, Any]:
    """Attempts and backoff are one setting to the broker: changing one of them sends the other along as it is."""
    if ("attempts" in given) == ("backoff" in given):
        return {}
    try:
        config = (await client.admin.queue(queue)).config
    except QueueNotFound:
        return {}
    return {"backoff": config.backoff} if "attempts" in given else {"attempts": config.attempts}


async def _with_other_defaults(client: Client, queue: str, of_groups: dict[str, Any]) -> dict[str, Any]:
    """The group defaults are one setting to the broker: changing one of them sends the others along as they are."""
    if not of_groups:
        return {}
    try:
        before = (await client.admin.queue(queue)).config.group_defaults
    except QueueNotFound:
        before = None
    after = dataclasses.replace(before or GroupDefaults(), **of_groups)
    return {"group_defaults": None if after == GroupDefaults() else after}


@app.command("free-key")
def free_key(
    queue: Queue,
    key: Annotated[str, typer.Argument(metavar="KEY", help="The deduplication key.")],
    address: Address = DEFAULT_ADDRESS,
    as_json: Json = False,
) -> None:
    """Free a deduplication key, so that the next job with it is added; the job that holds it goes on.

    Example:
    [cyan]leasemq queues free-key index page-7[/]
    """

    async def do(client: Client) -> None:
        holder = await client.remove_deduplication_key(queue, key)
        if as_json:
            print_json({"queue": queue, "key": key, "removed": holder is not None, "id": holder})
        else:
            print(f"{key} is free: {holder} goes on without it" if holder else f"{key} was free already")

    run(address, do)


def _given(changes: dict[str, Any]) -> dict[str, Any]:
    """What was given; none takes a limit off."""
    return {name: None if value == NONE else value for name, value in changes.items() if value is not None}


def _retention(age: timedelta | None, count: int | None) -> Retention | None:
    return None if age is None and count is None else Retention(max_age=age, max_count=count)


def _print_queue(queue: QueueInfo, *, as_json: bool) -> None:
    if as_json:
        print_json(queue)
        return
    config = plain(queue.config)
    print_fields([("queue", queue.name), *((name.replace("_", " "), value) for name, value in config.items())])
    print_table(COLUMNS, [stats_row(queue)], empty="")


def _print_removed(queue: str, removed: int, *, as_json: bool) -> None:
    if as_json:
        print_json({"queue": queue, "removed": removed})
    else:
        print(f"removed {number_of(removed, 'job')} from {queue}")
