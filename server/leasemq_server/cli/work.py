"""leasemq work"""

import contextlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

import typer
from leasemq import Client, Job, JobState, LeaseMQError, Snooze, Unavailable, Worker, signals
from leasemq.worker import LONGEST_LEASE, SHORTEST_LEASE
from rich.text import Text

from leasemq_server.cli.connect import run
from leasemq_server.cli.console import check_strictly, err, number_of
from leasemq_server.cli.options import DEFAULT_ADDRESS, Address, duration
from leasemq_server.cli.program import run_program

app = typer.Typer(add_completion=False)

EX_TEMPFAIL = 75  # sysexits.h: not now, try again later
LINES_PER_CALL = 1_000


def lease_duration(text: str | timedelta) -> timedelta:
    """A duration that a lease may have."""
    lease = duration(text)
    if not SHORTEST_LEASE <= lease.total_seconds() <= LONGEST_LEASE:
        raise typer.BadParameter(f"{text!r} is not 1s to 12h")
    return lease


@app.command()
def work(
    queues: Annotated[list[str], typer.Argument(metavar="QUEUE", help="The queues, in the order of preference.")],
    *,
    command: Annotated[str, typer.Option("--exec", "-x", metavar="CMD", help="The program, as a shell command line.")],
    concurrency: Annotated[
        int, typer.Option("--concurrency", "-c", min=1, max=1_000, metavar="N", help="How many jobs run at a time.")
    ] = 1,
    snooze: Annotated[
        timedelta,
        typer.Option(parser=duration, metavar="DURATION", show_default="10s", help="How long exit status 75 puts a job off."),
    ] = timedelta(seconds=10),
    lease: Annotated[
        timedelta,
        typer.Option(
            parser=lease_duration,
            metavar="DURATION",
            show_default="30s",
            help="How long after this worker's death its jobs go to others: 1s to 12h.",
        ),
    ] = timedelta(seconds=30),
    drain_timeout: Annotated[
        timedelta,
        typer.Option(parser=duration, metavar="DURATION", show_default="30s", help="How long a stop waits for running jobs."),
    ] = timedelta(seconds=30),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no line a job.")] = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Work a queue's jobs with any program.

    The payload is on its standard input; LEASEMQ_JOB_ID, LEASEMQ_JOB_NAME, LEASEMQ_QUEUE, LEASEMQ_ATTEMPT in its environment.
    What it writes to standard error is the job's log.

    Exit status 0 completes the job: standard output is its result, as JSON if it is JSON.
    75 puts it off (--snooze) without using an attempt. Any other fails it, with the end of standard error as the message.

    A job that is cancelled, or whose lease is lost, gets SIGTERM, and SIGKILL 5 s later.
    A broker that is not there, yet or any more, is waited for.
    Ctrl-C or SIGTERM: no new jobs, running ones finish; Ctrl-C again gives them back.

    Examples:
    [cyan]leasemq work email --exec ./send-mail.sh[/]
    [cyan]leasemq work critical bulk --exec 'python resize.py' --concurrency 8[/]
    """

    async def do(client: Client) -> None:
        handler = Program(command, snooze, await _max_output_bytes(client), (lambda _: None) if quiet else _print_put_off)
        hooks: dict[str, Any] = (
            {} if quiet else {"on_completed": _print_completed, "on_failed": _print_failed, "on_lost": _print_lost}
        )
        worker = Worker(client, queues, handler, concurrency=concurrency, lease=lease, drain_timeout=drain_timeout, **hooks)
        with contextlib.ExitStack() as stack:
            if not quiet:
                err.print(f"working {', '.join(queues)} at {address}; Ctrl-C stops", highlight=False, markup=False)
                stopping = _tell_once_that_it_stops(worker)
                signals.listen(stopping)
                stack.callback(signals.unlisten, stopping)
            await worker.run()

    run(address, do, patient=True)


async def _max_output_bytes(client: Client) -> int:
    while True:
        with contextlib.suppress(Unavailable):  # of its store, say: a worker waits for both
            return (await client.admin.server_info()).max_payload_bytes


def _tell_once_that_it_stops(worker: Worker) -> Callable[[], None]:
    told = False

    def tell() -> None:
        nonlocal told
        if worker.running and not told:
            told = True
            jobs = number_of(worker.running, "running job")
            err.print(f"stopping: {jobs} may finish; Ctrl-C again gives back what still runs", highlight=False)

    return tell


class Program:
    """The handler: runs the command for each job, and reads its exit status."""

    def __init__(self, command: str, snooze: timedelta, max_output_bytes: int, put_off: Callable[[Job], None]) -> None:
        self._command = command
        self._snooze = snooze
        self._max_output_bytes = max_output_bytes
        self._put_off = put_off

    async def __call__(self, job: Job) -> Any:
        environment = {
            "LEASEMQ_JOB_ID": job.id,
            "LEASEMQ_JOB_NAME": job.name,
            "LEASEMQ_QUEUE": job.queue,
            "LEASEMQ_ATTEMPT": str(job.attempt),
        }

        async def log(lines: list[str]) -> None:
            # A line that can't be stored is no reason to stop the job.
            with contextlib.suppress(LeaseMQError):
                for start in range(0, len(lines), LINES_PER_CALL):
                    await job.log(*lines[start : start + LINES_PER_CALL])

        outcome = await run_program(self._command, job.raw_payload, environment, max_output_bytes=self._max_output_bytes, log=log)
        if outcome.status == EX_TEMPFAIL:
            self._put_off(job)
            raise Snooze(self._snooze)
        if outcome.status != 0:
            raise ProgramFailed(outcome.describe())
        return _result(outcome.output)


class ProgramFailed(Exception):  # noqa: N818 - it is what the job's failure is called
    """The program ended with an exit status that is neither 0 nor 75."""

    __traceback__ = None  # the stack of this worker says nothing about the program


def _result(output: bytes) -> Any:
    """JSON as the value that it is, no output as none, all else as bytes: what only Python takes for JSON too."""
    try:
        value = json.loads(output) if output.strip() else None
        check_strictly(value)
    except (ValueError, RecursionError):
        return output
    return value


def _print_completed(job: Job, _result: Any) -> None:
    _print_line("completed", "green", job)


def _print_failed(job: Job, error: BaseException) -> None:
    word, style = {JobState.FAILED: ("failed", "red"), JobState.CANCELLED: ("cancelled", "dim")}.get(
        job.state, ("again", "yellow")
    )
    _print_line(word, style, job, str(error).replace("\n", " | "))


def _print_put_off(job: Job) -> None:
    _print_line("put off", "yellow", job)


def _print_lost(job: Job, reason: str) -> None:
    _print_line("lost", "magenta", job, reason)


def _print_line(word: str, style: str, job: Job, why: str = "") -> None:
    what = f" {job.queue} {job.id} {job.name}" + (f", attempt {job.attempt}: {why}" if why else "")
    err.print(Text.assemble((word.ljust(9), style), what), soft_wrap=True)
