"""leasemq add"""

import asyncio
import dataclasses
import re
import shlex
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from leasemq import AddedJob, Client, Deduplication, DeduplicationMode, JobInfo, JobState, LeaseMQError, NewJob, Unavailable
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from leasemq_server.cli.connect import explain, run
from leasemq_server.cli.console import err, number_of, print_json
from leasemq_server.cli.failure import Failure
from leasemq_server.cli.job_view import as_json_job
from leasemq_server.cli.options import DEFAULT_ADDRESS, Address, BackoffOption, DedupMode, Json, Queue, duration, headers, moment
from leasemq_server.cli.payloads import JsonLines, Line, print_result, read_payload

app = typer.Typer(add_completion=False)

GRACE_S = 1.0
WAIT, MANY, SAME = "Waiting", "Many jobs", "Jobs that are the same"


@app.command()
def add(
    queue: Queue,
    payload: Annotated[
        str | None,
        typer.Argument(metavar="PAYLOAD", help="JSON; - reads it from standard input, as does none with a pipe or a file there."),
    ] = None,
    *,
    file: Annotated[Path | None, typer.Option("--file", "-f", metavar="FILE", help="Read the payload from a file.")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="The payload is not JSON: send its bytes as they are.")] = False,
    content_type: Annotated[str | None, typer.Option(metavar="TYPE", help="The payload's media type.")] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="What kind of work it is (default: the queue's name).")] = None,
    job_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Your own id: adding it again changes nothing.")
    ] = None,
    delay: Annotated[
        timedelta | None,
        typer.Option(parser=duration, metavar="DURATION", help="Start no earlier than this from now: 500ms, 30s, 5m, 2h, 1d."),
    ] = None,
    run_time: Annotated[
        datetime | None,
        typer.Option(
            parser=moment, metavar="TIME", help="No earlier than this: 2026-01-31T08:00:00Z; without a zone, this machine's."
        ),
    ] = None,
    priority: Annotated[
        int, typer.Option(min=0, metavar="N", help="1 is the most urgent, 2097151 the least; 0 runs before all of them.")
    ] = 0,
    lifo: Annotated[bool, typer.Option("--lifo", help="To the head of its priority.")] = False,
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            "-g",
            metavar="GROUP",
            help="A tenant, say: groups take turns. Jobs without one are leased before all of them.",
        ),
    ] = None,
    attempts: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Attempts in all (default: the queue's, or 1).")
    ] = None,
    backoff: BackoffOption = None,
    timeout: Annotated[
        timedelta | None, typer.Option(parser=duration, metavar="DURATION", help="The longest that one attempt may take.")
    ] = None,
    ttl: Annotated[
        timedelta | None,
        typer.Option(parser=duration, metavar="DURATION", help="Fail it if it was not started within this time."),
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", metavar="KEY=VALUE", help="Carried to the worker; repeatable.")
    ] = None,
    dead_letter_queue: Annotated[
        str | None, typer.Option(metavar="QUEUE", help="Receives a copy if the job fails for good.")
    ] = None,
    dedup_key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="Only one job of the queue at a time may have it.", rich_help_panel=SAME),
    ] = None,
    dedup_mode: DedupMode = DeduplicationMode.UNTIL_FINISHED,
    dedup_ttl: Annotated[
        timedelta | None,
        typer.Option(
            parser=duration, metavar="DURATION", help="How long the key is held at most; throttle needs it.", rich_help_panel=SAME
        ),
    ] = None,
    jsonl: Annotated[
        str | None,
        typer.Option("--jsonl", metavar="FILE", help="Add a job a line; - reads standard input.", rich_help_panel=MANY),
    ] = None,
    spec: Annotated[
        bool,
        typer.Option(
            "--spec",
            help='With --jsonl: each line is {"payload": …, "name": …, "id": …, "delay": …, "priority": …, "group": …}.',
            rich_help_panel=MANY,
        ),
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end and print the result.", rich_help_panel=WAIT)] = False,
    wait_timeout: Annotated[
        timedelta | None,
        typer.Option(parser=duration, metavar="DURATION", help="Give up waiting after this.", rich_help_panel=WAIT),
    ] = None,
    address: Address = DEFAULT_ADDRESS,
    as_json: Json = False,
) -> None:
    """Add a job, or many.

    With neither PAYLOAD nor --file, what is piped in is the payload, up to its end; with nothing there it is null.

    Examples:
    [cyan]leasemq add email '{"to": "a@example.com"}' --delay 5m --attempts 5 --backoff exponential:1s[/]
    [cyan]leasemq add images --file photo.png --raw[/]
    [cyan]leasemq add email --jsonl mails.jsonl[/]
    [cyan]leasemq add reports '{"customer": 7}' --group customer-7[/]
    [cyan]leasemq add index '{"page": 7}' --dedup-key page-7 --dedup-mode debounce --delay 5s[/]
    [cyan]leasemq add sum '[1, 2]' --wait[/]
    [cyan]echo '{"page": 8}' | leasemq add index[/]
    """
    template = NewJob(
        name=name,
        id=job_id,
        delay=delay,
        run_time=run_time,
        priority=priority,
        lifo=lifo,
        group=group,
        attempts=attempts,
        backoff=backoff,
        timeout=timeout,
        ttl=ttl,
        headers=headers(header or ()),
        content_type=content_type,
        dead_letter_queue=dead_letter_queue,
        deduplication=Deduplication(dedup_key, dedup_mode, dedup_ttl) if dedup_key is not None else None,
    )
    if dedup_key is None and (dedup_ttl is not None or dedup_mode is not DeduplicationMode.UNTIL_FINISHED):
        raise typer.BadParameter("goes with --dedup-key", param_hint="--dedup-mode, --dedup-ttl")
    if delay is not None and run_time is not None:
        raise typer.BadParameter("give --delay or --run-time, not both", param_hint="--run-time")
    if wait_timeout is not None and not wait:
        raise typer.BadParameter("goes with --wait", param_hint="--wait-timeout")
    if spec and jsonl is None:
        raise typer.BadParameter("goes with --jsonl", param_hint="--spec")
    if jsonl is not None:
        if alone := [
            given
            for given, is_given in {"PAYLOAD": payload, "--file": file, "--raw": raw, "--id": job_id, "--wait": wait}.items()
            if is_given
        ]:
            raise typer.BadParameter(f"goes without {alone[0]}", param_hint="--jsonl")
        lines = JsonLines(jsonl, template, spec=spec)
        run(address, lambda client: _add_many(client, queue, lines, as_json=as_json), over_outages=True)
    else:
        template.payload, template.content_type = read_payload(payload, file, raw=raw, content_type=content_type)
        run(
            address,
            lambda client: _add_one(client, queue, template, wait=wait, wait_timeout=wait_timeout, as_json=as_json),
            over_outages=True,
        )


async def _add_one(client: Client, queue: str, job: NewJob, *, wait: bool, wait_timeout: timedelta | None, as_json: bool) -> None:
    added = await client.add(queue, **{field.name: getattr(job, field.name) for field in dataclasses.fields(job)})
    if not wait:
        _print_added(queue, added, as_json=as_json)
        return
    try:
        finished = await client.wait(queue, added.id, timeout=wait_timeout)
    except TimeoutError:
        raise Failure(_unfinished(queue, added)) from None
    except asyncio.CancelledError:  # Ctrl-C
        err.print(_unfinished(queue, added), soft_wrap=True, highlight=False, markup=False)
        raise
    if as_json:
        print_json(as_json_job(finished, with_payload=True))
    elif finished.state is JobState.COMPLETED:
        print_result(finished.raw_result)
    if finished.state is not JobState.COMPLETED:
        raise Failure(_why(finished))


def _unfinished(queue: str, added: AddedJob) -> str:
    return f"job {added.id} is not finished yet — look at it with: leasemq jobs show {queue} {added.id}"


def _why(job: JobInfo) -> str:
    last = f": {job.failures[-1].message}" if job.failures else ""
    return f"job {job.id} {job.state.name.lower()} after {number_of(job.attempt, 'attempt')}{last}"


def _print_added(queue: str, added: AddedJob, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "queue": queue,
                "id": added.id,
                "created": added.created,
                "state": added.state,
                "run_time": added.run_time,
                "durability": added.durability,
                "deduplicated": added.deduplicated,
            }
        )
    elif added.created:
        instead = ", in the place of another one with its key" if added.deduplicated else ""
        print(f"added {added.id} to {queue}: {added.state.name.lower()}{instead}")
    elif added.deduplicated:
        print(f"{added.id} has the key in {queue}: not added")
    else:
        print(f"{added.id} is in {queue} already: nothing changed")


class Tally:
    """How many jobs were added, and up to which line: whoever stops half-way must know where to go on."""

    def __init__(self, queue: str, lines: JsonLines) -> None:
        self._queue, self._lines = queue, lines
        self._total = self._created = self._last = self._unsure = 0

    def sent(self, batch: Sequence[Line]) -> None:
        """A batch is on its way."""
        self._unsure = batch[-1].number

    def added(self, results: Sequence[AddedJob]) -> None:
        """It has arrived."""
        self._total += len(results)
        self._created += sum(added.created for added in results)
        self._last, self._unsure = self._unsure, 0

    def refused(self) -> None:
        """It won't arrive."""
        self._unsure = 0

    def __str__(self) -> str:
        there = self._total - self._created
        were = "was" if there == 1 else "were"
        return f"added {number_of(self._created, 'job')} to {self._queue}" + (f"; {there} {were} there already" if there else "")

    @property
    def so_far(self) -> str:
        """The same of a run that ended early."""
        said = f"{self}, up to line {self._last} of {self._lines.name}" if self._last else f"{self}"
        if self._unsure:
            return f"{said}; those up to line {self._unsure} perhaps"
        if self._last and self._lines.is_file:
            return f"{said}; for the rest: tail -n +{self._last + 1} -- {shlex.quote(self._lines.name)} | leasemq add … --jsonl -"
        return said


async def _add_many(client: Client, queue: str, lines: JsonLines, *, as_json: bool) -> None:
    tally = Tally(queue, lines)

    def note(results: Sequence[AddedJob]) -> None:
        tally.added(results)
        advance(len(results))
        if as_json:
            for added in results:
                _print_added(queue, added, as_json=True)

    try:
        with _progress(lines) as advance:
            async for batch in lines.batches():
                tally.sent(batch)
                try:
                    await _to_its_end(client.add_many(queue, [line.job for line in batch]), note)
                except LeaseMQError as error:
                    if error.reason and not isinstance(error, Unavailable):
                        tally.refused()
                    raise _by_line(explain(error), batch) from error
    except Failure as failure:
        raise Failure(f"{failure.message} — {tally.so_far}", failure.exit_code) from failure
    except asyncio.CancelledError:
        after_the_key = "\n" if lines.is_typed and err.is_terminal else ""
        print(f"{after_the_key}stopped: {tally.so_far}", file=sys.stderr)
        raise
    if not as_json:
        print(tally)


def _by_line(failure: Failure, batch: Sequence[Line]) -> Failure:
    """The same with the lines' numbers instead of the jobs' places in the batch."""
    message = re.sub(r"\bjobs\[(\d+)\]\.", lambda it: f"line {batch[int(it[1])].number}: ", failure.message)
    return Failure(message, failure.exit_code)


async def _to_its_end(adding: Coroutine[Any, Any, list[AddedJob]], note: Callable[[Sequence[AddedJob]], None]) -> None:
    """Adds; after Ctrl-C it still has a second to end, so that people learn what was added."""
    task = asyncio.ensure_future(adding)
    try:
        note(await asyncio.shield(task))
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=GRACE_S)
        if task.done() and not task.exception():
            note(task.result())
        task.cancel()
        raise


@contextmanager
def _progress(lines: JsonLines) -> Iterator[Callable[[int], None]]:
    """A bar on standard error when that is a terminal on which nobody types lines, and what moves it on."""
    columns = (
        TextColumn("{task.completed:,} jobs" if lines.count is None else "{task.completed:,} of {task.total:,} jobs"),
        BarColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal or lines.is_typed) as progress:
        task = progress.add_task("add", total=lines.count)
        yield lambda jobs: progress.advance(task, jobs)
