"""leasemq jobs list|show|update|retry|cancel|promote|delete|logs"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from leasemq import BulkResult, Cascade, Client, JobState

from leasemq_server.cli.connect import run
from leasemq_server.cli.console import confirm, counting, number_of, print_json, show
from leasemq_server.cli.exits import EXIT_FAILED, EXIT_NOT_FOUND
from leasemq_server.cli.failure import Failure
from leasemq_server.cli.flow_view import dependencies_of, print_dependencies, print_forest
from leasemq_server.cli.job_view import as_json_job, print_job, print_jobs
from leasemq_server.cli.options import DEFAULT_ADDRESS, Address, Group, Json, Queue, Yes, duration, job_state, moment
from leasemq_server.cli.payloads import read_payload

app = typer.Typer(add_completion=False, no_args_is_help=True, help="List, show, change, retry, cancel, promote and delete jobs.")

FINISHED = (JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED)
CANCELLABLE = (JobState.WAITING, JobState.DELAYED, JobState.BLOCKED, JobState.ACTIVE)
DELETABLE = (JobState.WAITING, JobState.DELAYED, JobState.BLOCKED, *FINISHED)

JobId = Annotated[str, typer.Argument(metavar="ID", help="The job's id.")]
JobIds = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Jobs by id; or --all.")]
All = Annotated[bool, typer.Option("--all", help="All that match, instead of ids.")]
States = Annotated[
    list[JobState] | None,
    typer.Option(
        "--state",
        "-s",
        parser=job_state,
        metavar="STATE",
        help="waiting, delayed, blocked, active, completed, failed or cancelled; repeatable.",
    ),
]
State = Annotated[
    JobState | None, typer.Option("--state", "-s", parser=job_state, metavar="STATE", help="With --all: only jobs in this state.")
]
Name = Annotated[str | None, typer.Option("--name", metavar="NAME", help="Only jobs of this name.")]
OlderThan = Annotated[
    timedelta | None,
    typer.Option("--older-than", parser=duration, metavar="DURATION", help="With --all: finished (or added) longer ago."),
]
Limit = Annotated[int | None, typer.Option("--limit", "-n", min=1, metavar="N", help="At most this many.")]

LIST_LIMIT = 50


def cascade_of(text: str | Cascade) -> Cascade:
    """dependencies or dependents; a default is one already."""
    if isinstance(text, Cascade):
        return text
    if text.lower() not in ("dependencies", "dependents"):
        raise typer.BadParameter(f"{text!r} is not dependencies or dependents")
    return Cascade[text.upper()]


CascadeOption = Annotated[
    Any,
    typer.Option(
        "--cascade",
        parser=cascade_of,
        metavar="dependencies|dependents",
        help="And those that the job depends on, or that depend on it, and on.",
    ),
]


@app.command("list")
def list_(
    queue: Queue,
    *,
    states: States = None,
    name: Name = None,
    group: Group = None,
    descending: Annotated[bool, typer.Option("--desc", help="Newest, or last in order, first.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, metavar="N", help="At most this many; 0 = all.")] = LIST_LIMIT,
    with_payload: Annotated[bool, typer.Option("--payload", help="Print payloads and results too.")] = False,
    as_tree: Annotated[bool, typer.Option("--tree", help="Below each job those that it depends on, of any queue.")] = False,
    address: Address = DEFAULT_ADDRESS,
    as_json: Json = False,
) -> None:
    """List a queue's jobs: waiting ones in the order of their leases, finished ones oldest first.

    Examples:
    [cyan]leasemq jobs list email --state failed --payload[/]
    [cyan]leasemq jobs list email --limit 0 --json[/]
    [cyan]leasemq jobs list email --group customer-7 --state waiting[/]
    [cyan]leasemq jobs list email --tree[/]
    """
    if as_tree and as_json:
        raise typer.BadParameter("--tree is for people; --json has depends_on", param_hint="--tree")

    async def do(client: Client) -> None:
        jobs = client.admin.jobs(
            queue, states=states or (), name=name, group=group, descending=descending, limit=_one_more(limit, as_json=as_json)
        )
        if as_json:
            async for job in jobs:
                print_json(as_json_job(job, with_payload=with_payload))
            return
        if as_tree:
            await print_forest(client, [job async for job in jobs][: limit or None])
            return
        found = [job async for job in jobs]
        print_jobs(found[: limit or None], with_payload=with_payload, empty=f"no such jobs in {queue}")
        if limit and len(found) > limit:
            show("[dim]… and more: --limit 0 lists all[/]")

    run(address, do, about=queue)


def _one_more(limit: int, *, as_json: bool) -> int | None:
    """How many to read: for people one more than they asked for, to tell them that there are more."""
    return None if not limit else limit if as_json else limit + 1


@app.command("show")
def show_(queue: Queue, job_id: JobId, address: Address = DEFAULT_ADDRESS, as_json: Json = False) -> None:
    """Show all there is to know of a job.

    Example:
    [cyan]leasemq jobs show email 01939f5e-7c1b-7000-8000-000000000001[/]
    """

    async def do(client: Client) -> None:
        job = await client.get(queue, job_id)
        if as_json:
            print_json(as_json_job(job, with_payload=True) | {"dependencies": await dependencies_of(client, job)})
        else:
            print_job(job)
            if job.depends_on:
                await print_dependencies(client, job)

    run(address, do)


@app.command()
def update(
    queue: Queue,
    job_id: JobId,
    payload: Annotated[str | None, typer.Argument(metavar="PAYLOAD", help="The new one: JSON; - reads standard input.")] = None,
    *,
    priority: Annotated[int | None, typer.Option(min=0, metavar="N", help="To the tail of this priority.")] = None,
    run_time: Annotated[
        datetime | None, typer.Option(parser=moment, metavar="TIME", help="Start no earlier than this; in the past: at once.")
    ] = None,
    delay: Annotated[
        timedelta | None, typer.Option(parser=duration, metavar="DURATION", help="Start no earlier than this from now.")
    ] = None,
    address: Address = DEFAULT_ADDRESS,
    as_json: Json = False,
) -> None:
    """Change a job that is waiting or delayed.

    Examples:
    [cyan]leasemq jobs update email ID '{"to": "b@example.com"}'[/]
    [cyan]leasemq jobs update email ID --priority 1[/]
    [cyan]leasemq jobs update email ID --delay 2h[/]
    """
    if delay is not None and run_time is not None:
        raise typer.BadParameter("give --delay or --run-time, not both", param_hint="--run-time")
    changes: dict[str, Any] = {}
    if payload is not None:
        changes["payload"] = read_payload(payload, None, raw=None, content_type=None)[0]
    if priority is not None:
        changes["priority"] = priority
    if delay is not None or run_time is not None:
        changes["run_time"] = run_time if delay is None else datetime.now(UTC) + delay
    if not changes:
        raise typer.BadParameter("give a payload, --priority, --delay or --run-time", param_hint="PAYLOAD")

    async def do(client: Client) -> None:
        job = await client.admin.update_job(queue, job_id, **changes)
        if as_json:
            print_json(as_json_job(job, with_payload=True))
        else:
            print(f"changed {job.id} of {queue}: {job.state.name.lower()}")

    run(address, do)


@app.command()
def logs(queue: Queue, job_id: JobId, address: Address = DEFAULT_ADDRESS) -> None:
    """Print what a job's handlers logged.

    Example:
    [cyan]leasemq jobs logs email 01939f5e-7c1b-7000-8000-000000000001[/]
    """

    async def do(client: Client) -> None:
        async for line in client.admin.logs(queue, job_id):
            print(line)

    run(address, do)


@app.command()
def cancel(
    queue: Queue,
    job_ids: JobIds = None,
    *,
    all_: All = False,
    state: State = None,
    name: Name = None,
    group: Group = None,
    older_than: OlderThan = None,
    limit: Limit = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Told to the workers and kept with the jobs.")] = "",
    cascade: CascadeOption = None,
    address: Address = DEFAULT_ADDRESS,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Cancel jobs: at once if they wait; a running one's worker is told within a second. --all needs --state.

    Examples:
    [cyan]leasemq jobs cancel email 01939f5e-7c1b-7000-8000-000000000001 --reason "sent by hand"[/]
    [cyan]leasemq jobs cancel email --all --state waiting --name newsletter[/]
    [cyan]leasemq jobs cancel email --all --state waiting --group customer-7[/]
    """
    if all_ and state is None:
        raise typer.BadParameter("--all needs --state: waiting, delayed, blocked or active", param_hint="--all")
    selection = _selection(job_ids, all_, CANCELLABLE, state=state, name=name, group=group, older_than=older_than, limit=limit)
    if all_ and cascade is not None:
        raise typer.BadParameter("goes with ids, not with --all", param_hint="--cascade")
    if state is not None:
        confirm(f"Cancel all matching {state.name.lower()} jobs of {queue}?", yes=yes)
        _bulk(address, queue, "cancel", "cancelled", selection, as_json=as_json, reason=reason)
        return

    async def do(client: Client) -> None:
        for job_id in job_ids or ():
            state = await client.cancel(queue, job_id, reason=reason, cascade=cascade or Cascade.NONE)
            if as_json:
                print_json({"queue": queue, "id": job_id, "state": state})
            else:
                print(f"{job_id} is cancelled" if state is JobState.CANCELLED else f"{job_id} runs; its worker is told to stop")

    run(address, do)


@app.command()
def retry(
    queue: Queue,
    job_ids: JobIds = None,
    *,
    all_: All = False,
    state: State = None,
    name: Name = None,
    group: Group = None,
    older_than: OlderThan = None,
    limit: Limit = None,
    address: Address = DEFAULT_ADDRESS,
    as_json: Json = False,
) -> None:
    """Make finished jobs wait again, their attempts at 0; with --all the failed ones, unless --state says otherwise.

    Examples:
    [cyan]leasemq jobs retry email ID[/]
    [cyan]leasemq jobs retry email --all --name welcome[/]
    """
    selection = _selection(job_ids, all_, FINISHED, state=state, name=name, group=group, older_than=older_than, limit=limit)
    _bulk(address, queue, "retry", "retried", selection, as_json=as_json)


@app.command()
def promote(
    queue: Queue,
    job_ids: JobIds = None,
    *,
    all_: All = False,
    name: Name = None,
    group: Group = None,
    older_than: OlderThan = None,
    limit: Limit = None,
    address: Address = DEFAULT_ADDRESS,
    as_json: Json = False,
) -> None:
    """Let delayed jobs start now.

    Examples:
    [cyan]leasemq jobs promote email ID[/]
    [cyan]leasemq jobs promote email --all[/]
    """
    selection = _selection(job_ids, all_, (), name=name, group=group, older_than=older_than, limit=limit)
    _bulk(address, queue, "promote", "promoted", selection, as_json=as_json)


@app.command()
def delete(
    queue: Queue,
    job_ids: JobIds = None,
    *,
    all_: All = False,
    state: State = None,
    name: Name = None,
    group: Group = None,
    older_than: OlderThan = None,
    limit: Limit = None,
    cascade: CascadeOption = None,
    address: Address = DEFAULT_ADDRESS,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Delete jobs that aren't running; --all needs --state.

    Examples:
    [cyan]leasemq jobs delete email ID[/]
    [cyan]leasemq jobs delete email --all --state failed --older-than 7d[/]
    """
    if all_ and state is None:
        raise typer.BadParameter("--all needs --state: say which jobs to delete", param_hint="--all")
    selection = _selection(job_ids, all_, DELETABLE, state=state, name=name, group=group, older_than=older_than, limit=limit)
    if cascade is not None and all_:
        raise typer.BadParameter("--cascade goes with ids, not with --all", param_hint="--cascade")
    if cascade is not None:
        selection["cascade"] = cascade
    what = f"all matching {state.name.lower()} jobs" if state else number_of(len(job_ids or ()), "job")
    confirm(f"Delete {what} of {queue}?", yes=yes)
    _bulk(address, queue, "delete", "deleted", selection, as_json=as_json)


def _selection(job_ids: list[str] | None, all_: bool, states: Sequence[JobState], **conditions: object) -> dict[str, Any]:
    state = conditions.get("state")
    if state is not None and state not in states:
        names = ", ".join(it.name.lower() for it in states)
        raise typer.BadParameter(f"must be one of {names} here", param_hint="--state")
    given = {name: value for name, value in conditions.items() if value is not None}
    if bool(job_ids) == all_:
        raise typer.BadParameter("name jobs by id, or give --all (not both)", param_hint="ID")
    if job_ids and given:
        raise typer.BadParameter(f"--{next(iter(given)).replace('_', '-')} goes with --all, not with ids", param_hint="ID")
    return given if all_ else {"ids": job_ids}


def _bulk(address: str, queue: str, verb: str, past: str, selection: dict[str, Any], *, as_json: bool, **more: Any) -> None:
    ids = "ids" in selection

    async def do(client: Client) -> None:
        call: Callable[..., Awaitable[BulkResult]] = getattr(client.admin, verb)
        done = 0

        def note(so_far: BulkResult) -> None:
            nonlocal done
            done = so_far.done
            progress(done)

        try:
            with counting(past) as progress:
                result = await call(queue, **selection, **more, on_progress=note)
        except asyncio.CancelledError:
            if done:
                some = number_of(done, "job")
                print(f"stopped: {past} {some} or some more; give the command again for the rest", file=sys.stderr)
            raise
        if as_json:
            print_json({past: result.done, "not_found": result.not_found, "skipped": result.skipped})
        else:
            print(past, number_of(result.done, "job"))
        left = [f"{result.not_found} of the jobs named do not exist"] if result.not_found else []
        if result.skipped:
            left.append(f"{result.skipped} can't be {past} in the state that they are in — see: leasemq jobs show")
        if ids and left:
            raise Failure("; ".join(left), EXIT_NOT_FOUND if result.not_found else EXIT_FAILED)

    run(address, do, about=queue)
