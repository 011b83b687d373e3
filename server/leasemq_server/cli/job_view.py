"""A job as people and scripts see it; shared by `jobs`, `search` and `add --wait`."""

from collections.abc import Iterator, Sequence
from typing import Any

from leasemq import DependencyInfo, JobInfo
from rich.text import Text

from leasemq_server.cli.console import ago, check_strictly, plain, print_fields, print_table, show

COLUMNS = ("id", "name", "state", "attempt", "added", "runs", "finished", "last failure")
FAILURE_WIDTH = 60


def as_json_job(job: JobInfo, *, with_payload: bool) -> dict[str, Any]:
    """The job's fields under the contract's names; payload and result decoded if they are JSON, else text or base64."""
    hidden = {"raw_payload", "raw_result", "content_type", "result_content_type"}
    fields = {name: value for name, value in plain(job).items() if name not in hidden}
    if with_payload:
        fields |= {"payload": decoded(job.raw_payload, job, "payload"), "content_type": job.content_type or "application/json"}
    if with_payload and job.raw_result:
        fields |= {
            "result": decoded(job.raw_result, job, "result"),
            "result_content_type": job.result_content_type or "application/json",
        }
    return fields


def print_jobs(jobs: Sequence[JobInfo], *, with_payload: bool, empty: str) -> None:
    """A job a line, below it those of them that it depends on; with groups where one of them has one, and payloads if asked."""
    with_group = any(job.group for job in jobs)
    columns = [*COLUMNS, *["group"] * with_group, *["payload"] * with_payload]
    rows = [_row(job, depth, with_group=with_group, with_payload=with_payload) for job, depth in _nested(jobs)]
    print_table(columns, rows, empty=empty)


def _nested(jobs: Sequence[JobInfo]) -> Iterator[tuple[JobInfo, int]]:
    """The jobs in their order, but each that others of them wait for below the first of those, once, and how deep."""
    by_ref = {(job.queue, job.id): job for job in jobs}
    awaited = {(it.queue, it.id) for job in jobs for it in job.depends_on}
    for job in jobs:
        todo = [(job, 0)] if (job.queue, job.id) not in awaited else []
        while todo:
            found, depth = todo.pop()
            if by_ref.pop((found.queue, found.id), None) is not None:
                yield found, depth
                below = [by_ref[it.queue, it.id] for it in found.depends_on if (it.queue, it.id) in by_ref]
                todo += [(it, depth + 1) for it in reversed(below)]


def _row(job: JobInfo, depth: int, *, with_group: bool, with_payload: bool) -> list[object]:
    failure = job.failures[-1].message.replace("\n", " | ")[:FAILURE_WIDTH] if job.failures else ""
    attempt = f"{job.attempt}/{job.max_attempts}" if job.max_attempts else job.attempt
    shown_id = "  " * (depth - 1) + "└ " + job.id if depth else job.id
    times = [ago(job.create_time), ago(job.run_time), ago(job.finish_time)]
    fields = [shown_id, job.name, job.state, attempt, *times, failure]
    group = [job.group] if with_group else []
    return [*fields, *group, *([decoded(job.raw_payload, job, "payload")] if with_payload else [])]


def print_job(job: JobInfo) -> None:
    """All that is known of the job, its failures below."""
    fields = as_json_job(job, with_payload=True)
    failures = fields.pop("failures")
    times = {name: getattr(job, name) for name in fields if name.endswith("_time")}
    print_fields((name.replace("_", " "), value) for name, value in (fields | {"state": job.state} | times).items())
    for failure in failures:
        show(Text(f"\nattempt {failure['attempt']}, {failure['kind']}, {failure['time']}, {failure['worker_id']}", style="bold"))
        stack = failure["stack_trace"].rstrip()
        if failure["message"] not in stack:
            show(Text(f"{failure['type']}: {failure['message']}" if failure["type"] else failure["message"]))
        show(Text(stack, style="dim"))


def decoded(raw: bytes, job: JobInfo | DependencyInfo, name: str) -> Any:
    """The decoded value; what claims to be JSON and isn't is shown as it is."""
    try:
        value = plain(getattr(job, name))
        check_strictly(value)
    except ValueError:
        return plain(raw)
    return value
