"""leasemq flow add|show"""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from leasemq import Client, DependencyInfo, FlowNode, NewJob, OnFailure

from leasemq_server.cli.connect import run
from leasemq_server.cli.console import plain, print_json, print_table
from leasemq_server.cli.failure import Failure
from leasemq_server.cli.flow_view import print_tree
from leasemq_server.cli.job_view import as_json_job
from leasemq_server.cli.options import DEFAULT_ADDRESS, Address, Json, Queue, duration
from leasemq_server.cli.payloads import check_keys

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Add jobs that depend on each other, and show them as a tree.")

NODE_FIELDS = {"queue": str, "key": str, "depends_on": list}
JOB_FIELDS = {
    "payload": object,
    "name": str,
    "id": str,
    "priority": int,
    "group": str,
    "attempts": int,
    "delay": (int, float, str),
}


@app.command()
def add(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A JSON list of nodes; - reads it from standard input.")],
    address: Address = DEFAULT_ADDRESS,
    as_json: Json = False,
) -> None:
    """Add a flow: jobs of any queues, each of which starts when those that it depends on are done.

    A node has a queue, a key, depends_on (keys, or {"key": "a", "on_failure": "fail|run|ignore"}), and of its job payload, name,
    id, priority, group, attempts and delay. Give ids to be able to add it again after an error: what is there already stays.

    Examples:
    [cyan]leasemq flow add album.json[/]
    [cyan]echo '[{"queue": "resize", "key": "a"}, {"queue": "zip", "depends_on": ["a"]}]' | leasemq flow add -[/]
    """
    nodes = [_node(value, f"nodes[{number}]") for number, value in enumerate(_read(file))]

    async def do(client: Client) -> None:
        added = await client.add_flow(nodes)
        if as_json:
            for node, job in zip(nodes, added, strict=True):
                print_json({"queue": node.queue, "key": node.key, **plain(job)})
            return
        rows = [(node.key, node.queue, job.id, job.state, job.created) for node, job in zip(nodes, added, strict=True)]
        print_table(("key", "queue", "id", "state", "new"), rows, empty="")

    run(address, do, over_outages=True)


@app.command()
def show(
    queue: Queue,
    job_id: Annotated[str, typer.Argument(metavar="ID", help="The job's id.")],
    address: Address = DEFAULT_ADDRESS,
    as_json: Json = False,
) -> None:
    """Show a job and, below it, the jobs that it depends on, and those that they depend on.

    Example:
    [cyan]leasemq flow show zip 01939f5e-7c1b-7000-8000-000000000001[/]
    """

    async def do(client: Client) -> None:
        job = await client.get(queue, job_id)
        if not as_json:
            await print_tree(client, job)
            return
        found = [_as_json(it) async for it in client.dependencies(queue, job_id)]
        print_json(as_json_job(job, with_payload=True) | {"dependencies": found})

    run(address, do)


def _as_json(found: DependencyInfo) -> dict[str, Any]:
    try:
        result = found.result
    except ValueError:
        result = found.raw_result
    hidden = {"raw_result", "result_content_type"}
    fields = {it.name: getattr(found, it.name) for it in dataclasses.fields(found) if it.name not in hidden}
    return fields | {"result": result}


def _read(file: str) -> list[Any]:
    try:
        text = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise Failure(f"cannot read {file}: {error.strerror}") from error
    where = "standard input" if file == "-" else file
    try:
        nodes = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Failure(f"{where} is not JSON: {error}", exit_code=2) from error
    if not isinstance(nodes, list) or not nodes:
        raise Failure(f"{where} is not a JSON list of nodes", exit_code=2)
    return nodes


def _node(value: Any, where: str) -> FlowNode:
    fields: dict[str, Any] = NODE_FIELDS | JOB_FIELDS
    check_keys(value, fields, where)
    if "queue" not in value:
        raise Failure(f"{where} has no queue", exit_code=2)
    for name, kind in fields.items():
        if name in value and not isinstance(value[name], kind):
            raise Failure(f"{where}: {name} is {json.dumps(value[name])}", exit_code=2)
    job = {name: value[name] for name in JOB_FIELDS if name in value}
    if "delay" in job:
        try:
            job["delay"] = duration(str(job["delay"]))
        except typer.BadParameter as error:
            raise Failure(f"{where}: {error.message}", exit_code=2) from error
    edges = [_edge(edge, where) for edge in value.get("depends_on", [])]
    return FlowNode(value["queue"], NewJob(**job), value.get("key", ""), edges)


def _edge(edge: Any, where: str) -> tuple[str, OnFailure]:
    if isinstance(edge, str):
        return edge, OnFailure.FAIL
    policies = {policy.name.lower(): policy for policy in OnFailure if policy}
    if isinstance(edge, dict) and edge.keys() <= {"key", "on_failure"} and isinstance(edge.get("key"), str):
        policy = policies.get(str(edge.get("on_failure", "fail")).lower())
        if policy is not None:
            return edge["key"], policy
    raise Failure(f'{where}: {json.dumps(edge)} is no key and no {{"key", "on_failure": fail, run or ignore}}', exit_code=2)
