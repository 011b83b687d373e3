"""The demo: a broker, three workers and an SMTP server on this machine; real mails go through, one bounces, one overtakes.

    make demo        (or: python examples/demo.py)

What it shows is checked at the end: exit 0 if every job ended as it should, 1 if not.
"""

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from leasemq import Client, JobInfo, JobState, NewJob, exponential
from rich.console import Console
from rich.live import Live
from rich.table import Table
from surroundings import HERE, Mailbox, Processes, count_sessions, make_sessions, rows, webhook_endpoint

QUEUES = ("email", "cleanup", "notification", "email.dead")
COUNTS = ("waiting", "delayed", "active", "completed", "failed")
BOUNCES = "no-such-mailbox@example.com"
FORGETFUL = "account-1001@example.com"
REMINDER_DELAY_S = 5
BACKOFF_S = (1, 2, 4)
DEADLINE_S = 50

interactive = sys.stdout.isatty() and not os.environ.get("CI") and not os.environ.get("NO_COLOR")
console = Console(
    highlight=False, soft_wrap=True, color_system="auto" if interactive else None, force_terminal=None if interactive else False
)
started = time.monotonic()


def tell(line: str) -> None:
    console.print(f"[dim]{time.monotonic() - started:5.1f} s[/]  {line}")


def step(number: int, title: str, how: str) -> None:
    console.print(f"\n[bold]{number}. {title}[/]\n   [cyan]{how}[/]")


@dataclass
class Sent:
    """The jobs whose end the demo waits for."""

    welcomes: list[str]
    bounce: str
    reminder: str
    reset: str
    cleanup: str
    webhooks: list[str]

    def by_queue(self) -> list[tuple[str, str]]:
        emails = [*self.welcomes, self.bounce, self.reminder, self.reset]
        return (
            [("email", job_id) for job_id in emails]
            + [("cleanup", self.cleanup)]
            + [("notification", job_id) for job_id in self.webhooks]
        )


async def stats_table(client: Client) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("queue", style="bold")
    for count in COUNTS:
        table.add_column(count, justify="right")
    for queue in QUEUES:
        stats = await client.admin.stats(queue)
        table.add_row(queue, *[str(getattr(stats, count)) for count in COUNTS])
    return table


@asynccontextmanager
async def live_stats(client: Client) -> AsyncIterator[None]:
    """On a terminal, the queues' counts stay below the lines while they change."""
    if not interactive:
        yield
        return
    with Live(console=console, transient=True, auto_refresh=False) as live:

        async def refresh() -> None:
            while True:
                live.update(await stats_table(client), refresh=True)
                await asyncio.sleep(0.2)

        refreshing = asyncio.create_task(refresh())
        try:
            yield
        finally:
            refreshing.cancel()


async def add_emails(client: Client) -> tuple[list[str], str, str, str]:
    step(
        2,
        "A service adds mails while the queue is paused",
        'client.add("email", {"to": ...}, name="welcome", priority=10)   RPC AddJob, BatchAddJobs',
    )
    await client.admin.pause("email")
    tell("paused the queue email, so that mails pile up          (leasemq queues pause email)")
    signups = rows("signups.csv")
    welcome = [NewJob(payload(row), name="welcome", priority=10) for row in signups if row["email"] != BOUNCES]
    welcomes = await client.add_many("email", welcome)
    tell(f"added {len(welcomes)} welcome mails from data/signups.csv")
    (gone,) = [payload(row) for row in signups if row["email"] == BOUNCES]
    bounce = await client.add(
        "email",
        gone,
        name="welcome",
        priority=10,
        attempts=len(BACKOFF_S) + 1,
        backoff=exponential(BACKOFF_S[0]),
        dead_letter_queue="email.dead",
    )
    tell(f"added one to {BOUNCES}: 4 attempts, waits of 1, 2 and 4 s between them")
    forgetful = next(payload(row) for row in signups if row["email"] == FORGETFUL)
    reminder = await client.add("email", forgetful, name="reminder", delay=REMINDER_DELAY_S)
    tell(f"added a reminder that is due in {REMINDER_DELAY_S} s")
    reset = await client.add("email", forgetful, name="password-reset", priority=1)
    tell("added, last of all, a password reset with priority 1: it must overtake the welcome mails")
    console.print(await stats_table(client))
    await client.admin.resume("email")
    tell("resumed the queue                                      (leasemq queues resume email)")
    return [job.id for job in welcomes], bounce.id, reminder.id, reset.id


def payload(row: dict[str, str]) -> dict[str, str]:
    return {"to": row["email"], "account": row["account"], "plan": row["plan"]}


async def add_all(client: Client, database: Path, url: str) -> Sent:
    welcomes, bounce, reminder, reset = await add_emails(client)
    step(3, "Other services add a clean-up and webhooks", 'client.add("cleanup", ...), client.add_many("notification", [...])')
    cleanup = await client.add("cleanup", {"database": str(database)}, name="expired-sessions")
    tell(f"added a clean-up of {database.name}")
    webhooks = await client.add_many(
        "notification", [NewJob({"url": url, "event": row}, name="webhook", attempts=3) for row in rows("events.csv")]
    )
    tell(f"added {len(webhooks)} webhooks from data/events.csv")
    return Sent(welcomes, bounce, reminder, reset, cleanup.id, [job.id for job in webhooks])


async def wait_for_all(client: Client, sent: Sent, processes: Processes) -> dict[str, JobInfo]:
    step(
        4,
        "Workers lease the jobs, run them and settle them",
        "python examples/email_worker.py, ...   RPC BatchLeaseJobs, Heartbeat, SettleJobs",
    )
    async with live_stats(client):
        waits = [asyncio.ensure_future(client.wait(queue, job_id, timeout=DEADLINE_S)) for queue, job_id in sent.by_queue()]
        try:
            while not all(wait.done() for wait in waits):
                processes.check()
                await asyncio.wait(waits, timeout=1)
        finally:
            for wait in waits:
                wait.cancel()
        jobs = {job.id: job for job in [wait.result() for wait in waits]}
        async with asyncio.timeout(10):  # the copy goes over by the outbox, a moment after the job has failed
            while not (await client.admin.stats("email.dead")).waiting:  # noqa: ASYNC110 - the count is the broker's, not an event here
                await asyncio.sleep(0.05)
    return jobs


async def show_dead_letter(client: Client, failed: JobInfo) -> list[JobInfo]:
    step(
        5,
        "The mail that bounced is a dead letter",
        "leasemq jobs list email --state failed; leasemq jobs retry email ID   RPC ListJobs, RetryJobs",
    )
    for failure in failed.failures:
        console.print(f"   attempt {failure.attempt}: {failure.message}", markup=False)
    copies = [job async for job in client.admin.jobs("email.dead", with_payload=True)]
    console.print(f"   {failed.state.name} in email, and {len(copies)} copy in email.dead, where a worker could take care of it")
    return copies


async def demo(directory: Path) -> bool:
    processes, mailbox = Processes(directory), Mailbox(refuses=BOUNCES, tell=tell)
    database = directory / "sessions.sqlite"
    sessions, expired = make_sessions(database)
    try:
        step(
            1, "Start a broker on its embedded store, and three workers", "leasemq serve --data-dir DIR   (make run does it, too)"
        )
        address = await processes.start_broker()
        tell(f"the broker listens on {address}")
        smtp, smtp_port = await mailbox.start()
        where = {"LEASEMQ_ADDRESS": address, "SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(smtp_port)}
        for queue in ("email", "cleanup", "notification"):
            await processes.start(f"{queue}-worker", str(HERE / f"{queue}_worker.py"), **where)
        tell(f"an SMTP server listens on 127.0.0.1:{smtp_port}; it knows no {BOUNCES}")
        tell("a worker each for the queues email, cleanup and notification starts")
        with webhook_endpoint(tell) as (url, received):
            async with smtp, Client(address) as client:
                sent = await add_all(client, database, url)
                jobs = await wait_for_all(client, sent, processes)
                copies = await show_dead_letter(client, jobs[sent.bounce])
                removed: Any = jobs[sent.cleanup].result
                tell(f"the clean-up removed {removed['removed']} of {sessions} sessions")
                step(6, "Count", "leasemq stats   RPC GetStats")
                console.print(await stats_table(client))
                results = checks_of_mails(mailbox, jobs[sent.bounce], jobs[sent.reminder], copies)
                results["expired sessions removed"] = (removed["removed"], expired)
                results["sessions left in the file"] = (count_sessions(database), sessions - expired)
                results["webhooks received"] = (len(received), len(sent.webhooks))
                results |= await checks_of_stats(client, sent)
    finally:
        codes = await processes.stop()
    results["broker and workers ended with exit code 0"] = (sorted(codes), [0] * 4)
    return report(results)


def checks_of_mails(mailbox: Mailbox, bounced: JobInfo, reminder: JobInfo, copies: list[JobInfo]) -> dict[str, tuple[Any, Any]]:
    """What was seen and what was expected, by name."""
    expected = Counter({row["email"]: 1 for row in rows("signups.csv") if row["email"] != BOUNCES})
    expected[FORGETFUL] += 2
    waits = [later - earlier for earlier, later in pairwise(mailbox.refusals)]
    backed_off = len(waits) == len(BACKOFF_S) and all(wait >= least for wait, least in zip(waits, BACKOFF_S, strict=True))
    assert reminder.create_time is not None
    assert reminder.start_time is not None
    return {
        "mails delivered": (len(mailbox.delivered), expected.total()),
        "each to its address, once": (Counter(mail.to for mail in mailbox.delivered) == expected, True),
        "the password reset came first": (mailbox.delivered[0].subject, "Reset your password"),
        "the reminder waited its 5 s": ((reminder.start_time - reminder.create_time).total_seconds() >= REMINDER_DELAY_S, True),
        "refused attempts": (len(mailbox.refusals), len(BACKOFF_S) + 1),
        f"waits of 1, 2 and 4 s at least between them ({', '.join(f'{wait:.1f}' for wait in waits)})": (backed_off, True),
        "the bounced mail's state": (bounced.state.name, JobState.FAILED.name),
        "its copy is in email.dead": ([copy.payload for copy in copies] == [bounced.payload], True),
    }


async def checks_of_stats(client: Client, sent: Sent) -> dict[str, tuple[Any, Any]]:
    email, cleanup, notification = [await client.admin.stats(queue) for queue in QUEUES[:3]]
    return {
        "email completed, failed": ((email.completed, email.failed), (len(sent.welcomes) + 2, 1)),
        "cleanup completed, failed": ((cleanup.completed, cleanup.failed), (1, 0)),
        "notification completed, failed": ((notification.completed, notification.failed), (len(sent.webhooks), 0)),
    }


def report(results: dict[str, tuple[Any, Any]]) -> bool:
    console.print()
    for what, (seen, expected) in results.items():
        well = seen == expected
        mark = "[green]ok[/]    " if well else "[red]WRONG[/] "
        console.print(
            f"{mark} {what}"
            + (f": {seen}" if expected is not True or not well else "")
            + ("" if well else f", expected {expected}")
        )
    failed = sum(seen != expected for seen, expected in results.values())
    console.print(f"\n{len(results) - failed} of {len(results)} checks hold, {time.monotonic() - started:.0f} s.")
    return not failed


async def main() -> int:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with tempfile.TemporaryDirectory(prefix="leasemq-demo-") as directory:
        return 0 if await demo(Path(directory)) else 1


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("\nstopped")
        sys.exit(130)
