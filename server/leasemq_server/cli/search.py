"""leasemq search"""

from typing import Annotated

import typer
from leasemq import Client

from leasemq_server.cli.connect import run
from leasemq_server.cli.console import counting, number_of, print_json, show
from leasemq_server.cli.job_view import as_json_job, print_jobs
from leasemq_server.cli.jobs import LIST_LIMIT, States
from leasemq_server.cli.options import DEFAULT_ADDRESS, Address, Json, Queue

app = typer.Typer(add_completion=False)


@app.command()
def search(
    queue: Queue,
    payload: Annotated[str, typer.Argument(metavar="TEXT", help="Text somewhere in the payload.")] = "",
    *,
    id_prefix: Annotated[str, typer.Option("--id", metavar="PREFIX", help="How the id begins.")] = "",
    name: Annotated[str, typer.Option(metavar="NAME", help="The job's name.")] = "",
    group: Annotated[str, typer.Option("--group", "-g", metavar="GROUP", help="The job's group.")] = "",
    failure: Annotated[str, typer.Option(metavar="TEXT", help="Text somewhere in a failure's type, message or stack.")] = "",
    states: States = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, metavar="N", help="At most this many; 0 = all.")] = LIST_LIMIT,
    with_payload: Annotated[bool, typer.Option("--payload", help="Print payloads and results too.")] = False,
    address: Address = DEFAULT_ADDRESS,
    as_json: Json = False,
) -> None:
    """Find jobs by id, name, group, payload or failure; all that is given must hold.

    It looks at every job of the queue, or of the states given, and says at how many: some ten thousand a second and more.

    Examples:
    [cyan]leasemq search email ada@example.com[/]
    [cyan]leasemq search email --failure "mailbox full" --state failed[/]
    """
    if not (payload or id_prefix or name or group or failure):
        raise typer.BadParameter("give a TEXT, --id, --name, --group or --failure", param_hint="TEXT")

    async def do(client: Client) -> None:
        jobs, examined = [], 0
        with counting("looked at") as progress:

            def looked(count: int) -> None:
                nonlocal examined
                examined = count
                progress(count)

            found = client.admin.search(
                queue,
                id_prefix=id_prefix,
                name=name,
                group=group,
                payload=payload,
                failure=failure,
                states=states or (),
                on_progress=looked,
            )
            async for job in found:
                if as_json:
                    print_json(as_json_job(job, with_payload=with_payload))
                jobs.append(job)
                if len(jobs) == limit:
                    break
        if not as_json:
            print_jobs(jobs, with_payload=with_payload, empty=f"no such jobs in {queue}")
            show(f"[dim]looked at {number_of(examined, 'job')}{'; --limit 0 finds all' if len(jobs) == limit else ''}[/]")

    run(address, do, about=queue)
