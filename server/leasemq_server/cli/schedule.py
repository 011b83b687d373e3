"""leasemq schedule add|list|show|delete|pause|resume|trigger"""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from leasemq import Client, NewJob, Overlap, ScheduleInfo

from leasemq_server.cli.connect import run
from leasemq_server.cli.console import ago, confirm, plain, print_fields, print_json, print_table
from leasemq_server.cli.options import DEFAULT_ADDRESS, Address, BackoffOption, Json, Queue, Yes, duration, headers, moment
from leasemq_server.cli.payloads import read_payload

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Add, list, show, pause, resume, trigger and delete schedules."
)

WHEN, JOB = "When", "The job"
COLUMNS = ("queue", "id", "when", "next run", "last run", "runs", "state")

ScheduleId = Annotated[str, typer.Argument(metavar="ID", help="The schedule's id.")]


def overlap(text: str | Overlap) -> Overlap:
    """allow or skip; a default is one already."""
    if isinstance(text, Overlap):
        return text
    if text.lower() not in ("allow", "skip"):
        raise typer.BadParameter(f"{text!r} is not allow or skip")
    return Overlap[text.upper()]


@app.command()
def add(
    queue: Queue,
    schedule_id: ScheduleId,
    payload: Annotated[
        str | None,
        typer.Argument(
            metavar="PAYLOAD", help="Each job's payload: JSON; - reads it from standard input, as does none with a pipe there."
        ),
    ] = None,
    *,
    cron: Annotated[
        str | None,
        typer.Option(
            metavar="CRON",
            help="minute hour day month weekday; six fields with the second first; @hourly, @daily, @weekly, @monthly, @yearly.",
            rich_help_panel=WHEN,
        ),
    ] = None,
    every: Annotated[
        timedelta | None,
        typer.Option(
            parser=duration, metavar="DURATION", help="From --start on, or from 1970: 1h is on the hour.", rich_help_panel=WHEN
        ),
    ] = None,
    time_zone: Annotated[
        str | None,
        typer.Option(
            "--time-zone", "--tz", metavar="ZONE", help="The cron's: Europe/Berlin (default UTC).", rich_help_panel=WHEN
        ),
    ] = None,
    start: Annotated[
        datetime | None, typer.Option(parser=moment, metavar="TIME", help="No run before it.", rich_help_panel=WHEN)
    ] = None,
    end: Annotated[
        datetime | None, typer.Option(parser=moment, metavar="TIME", help="No run after it.", rich_help_panel=WHEN)
    ] = None,
    max_runs: Annotated[int | None, typer.Option(min=1, metavar="N", help="Runs in all.", rich_help_panel=WHEN)] = None,
    overlap: Annotated[
        Any,
        typer.Option(
            parser=overlap,
            metavar="allow|skip",
            help="skip leaves a run out while the last job is unfinished (default allow).",
            show_default=False,
            rich_help_panel=WHEN,
        ),
    ] = Overlap.ALLOW,
    catch_up: Annotated[
        timedelta | None,
        typer.Option(
            "--catch-up",
            parser=duration,
            metavar="DURATION",
            help="After an outage, make all missed runs that are not older (default: only the latest).",
            rich_help_panel=WHEN,
        ),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", metavar="FILE", help="Read the payload from a file.", rich_help_panel=JOB)
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="The payload is not JSON.", rich_help_panel=JOB)] = False,
    content_type: Annotated[
        str | None, typer.Option(metavar="TYPE", help="The payload's media type.", rich_help_panel=JOB)
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="What kind of work it is (default: the queue's name).", rich_help_panel=JOB)
    ] = None,
    delay: Annotated[
        timedelta | None,
        typer.Option(parser=duration, metavar="DURATION", help="Start this long after the run.", rich_help_panel=JOB),
    ] = None,
    priority: Annotated[
        int, typer.Option(min=0, metavar="N", help="1 is the most urgent; 0 runs before all of them.", rich_help_panel=JOB)
    ] = 0,
    group: Annotated[
        str | None, typer.Option("--group", "-g", metavar="GROUP", help="The group that takes turns.", rich_help_panel=JOB)
    ] = None,
    attempts: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Attempts in all (default: the queue's, or 1).", rich_help_panel=JOB)
    ] = None,
    backoff: BackoffOption = None,
    timeout: Annotated[
        timedelta | None,
        typer.Option(parser=duration, metavar="DURATION", help="The longest that one attempt may take.", rich_help_panel=JOB),
    ] = None,
    ttl: Annotated[
        timedelta | None,
        typer.Option(parser=duration, metavar="DURATION", help="Fail it if it was not started by then.", rich_help_panel=JOB),
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option("--header", "-H", metavar="KEY=VALUE", help="Carried to the worker; repeatable.", rich_help_panel=JOB),
    ] = None,
    address: Address = DEFAULT_ADDRESS,
    as_json: Json = False,
) -> None:
    """Make a schedule, or change the one with this id: what isn't named goes back to its default.

    What has happened stays: a run is never made twice, and a timetable that is the same goes on as it was.

    Examples:
    [cyan]leasemq schedule add reports nightly '{"kind": "full"}' --cron '0 2 * * *' --tz Europe/Berlin --overlap skip[/]
    [cyan]leasemq schedule add health ping --every 30s --catch-up 5m[/]
    [cyan]leasemq schedule add mail advent --cron '0 9 * 12 *' --start 2026-12-01T00:00:00Z --end 2026-12-24T23:59:59Z[/]
    """
    if (cron is None) == (every is None):
        raise typer.BadParameter("say when: give --cron or --every (not both)", param_hint="--cron")
    data, media_type = read_payload(payload, file, raw=raw, content_type=content_type)
    job = NewJob(
        data,
        name,
        delay=delay,
        priority=priority,
        attempts=attempts,
        backoff=backoff,
        timeout=timeout,
        ttl=ttl,
        headers=headers(header or ()),
        content_type=media_type,
        group=group,
    )

    async def do(client: Client) -> None:
        schedule = await client.schedules.upsert(
            queue,
            schedule_id,
            job,
            cron=cron,
            every=every,
            time_zone=time_zone,
            start_time=start,
            end_time=end,
            max_runs=max_runs,
            overlap=overlap,
            catch_up_window=catch_up,
        )
        _print_changed(schedule, "scheduled", as_json=as_json)

    run(address, do)


@app.command("list")
def list_(
    queue: Annotated[str | None, typer.Argument(metavar="QUEUE", help="Only this queue's schedules.")] = None,
    address: Address = DEFAULT_ADDRESS,
    as_json: Json = False,
) -> None:
    """List schedules with their next and last runs.

    Examples:
    [cyan]leasemq schedule list[/]
    [cyan]leasemq schedule list reports --json[/]
    """

    async def do(client: Client) -> None:
        if as_json:
            async for schedule in client.schedules.list(queue):
                print_json(_as_json(schedule))
            return
        rows = [_row(schedule) async for schedule in client.schedules.list(queue)]
        print_table(COLUMNS, rows, empty="no schedules: leasemq schedule add makes one")

    run(address, do)


@app.command()
def show(queue: Queue, schedule_id: ScheduleId, address: Address = DEFAULT_ADDRESS, as_json: Json = False) -> None:
    """Show all there is to know of a schedule.

    Example:
    [cyan]leasemq schedule show reports nightly[/]
    """

    async def do(client: Client) -> None:
        schedule = await client.schedules.get(queue, schedule_id)
        if as_json:
            print_json(_as_json(schedule))
            return
        job = _as_json(schedule)["job"]
        fields = {name: getattr(schedule, name) for name in _as_json(schedule) if name != "job"}
        print_fields((name.replace("_", " "), value) for name, value in fields.items())
        print_fields((f"job {name.replace('_', ' ')}", value) for name, value in job.items())

    run(address, do)


@app.command()
def pause(queue: Queue, schedule_id: ScheduleId, address: Address = DEFAULT_ADDRESS, as_json: Json = False) -> None:
    """Make no more runs until the schedule is resumed.

    Example:
    [cyan]leasemq schedule pause reports nightly[/]
    """

    async def do(client: Client) -> None:
        _print_changed(await client.schedules.pause(queue, schedule_id), "paused", as_json=as_json)

    run(address, do)


@app.command()
def resume(queue: Queue, schedule_id: ScheduleId, address: Address = DEFAULT_ADDRESS, as_json: Json = False) -> None:
    """Make runs again, from the next one on; those of the pause are skipped.

    Example:
    [cyan]leasemq schedule resume reports nightly[/]
    """

    async def do(client: Client) -> None:
        _print_changed(await client.schedules.resume(queue, schedule_id), "resumed", as_json=as_json)

    run(address, do)


@app.command()
def trigger(queue: Queue, schedule_id: ScheduleId, address: Address = DEFAULT_ADDRESS, as_json: Json = False) -> None:
    """Add a schedule's job now, beside its timetable.

    Example:
    [cyan]leasemq schedule trigger reports nightly[/]
    """

    async def do(client: Client) -> None:
        job = await client.schedules.trigger(queue, schedule_id)
        if as_json:
            print_json({"queue": queue, "schedule_id": schedule_id, "id": job.id, "created": job.created, "state": job.state})
        elif job.created:
            print(f"added {job.id} to {queue}: {job.state.name.lower()}")
        else:
            print(f"{job.id} is unfinished, and {schedule_id} does not overlap: nothing was added")

    run(address, do)


@app.command()
def delete(
    queue: Queue, schedule_id: ScheduleId, address: Address = DEFAULT_ADDRESS, as_json: Json = False, yes: Yes = False
) -> None:
    """Delete a schedule; the jobs that it added stay.

    Example:
    [cyan]leasemq schedule delete reports nightly --yes[/]
    """
    confirm(f"Delete the schedule {schedule_id} of {queue}?", yes=yes)

    async def do(client: Client) -> None:
        await client.schedules.delete(queue, schedule_id)
        if as_json:
            print_json({"queue": queue, "id": schedule_id, "deleted": True})
        else:
            print(f"deleted {schedule_id} of {queue}")

    run(address, do)


def _as_json(schedule: ScheduleInfo) -> dict[str, Any]:
    fields: dict[str, Any] = plain(schedule)
    said = fields["job"].items()
    fields["job"] = {name: value for name, value in said if value not in (None, False, 0, []) or name == "payload"}
    return fields


def _row(schedule: ScheduleInfo) -> list[object]:
    state = "paused" if schedule.paused else "runs" if schedule.next_run_time else "ended"
    times = [ago(schedule.next_run_time), ago(schedule.last_run_time)]
    return [schedule.queue, schedule.id, _when(schedule), *times, schedule.run_count, state]


def _when(schedule: ScheduleInfo) -> str:
    if schedule.every is not None:
        return f"every {schedule.every.total_seconds():g}s"
    return f"{schedule.cron} {schedule.time_zone}"


def _print_changed(schedule: ScheduleInfo, what: str, *, as_json: bool) -> None:
    if as_json:
        print_json(_as_json(schedule))
    elif schedule.next_run_time is not None:
        print(f"{what} {schedule.id} of {schedule.queue}: next run {schedule.next_run_time.astimezone().isoformat(sep=' ')}")
    else:
        print(f"{what} {schedule.id} of {schedule.queue}: no run is to come")
