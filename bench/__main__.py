"""The command `python -m bench`; `--help` lists its options."""

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.peers import BULLMQ, LEASEMQ, PeerUnavailableError, prepare_bullmq
from bench.processes import ProcessFailedError
from bench.report import BEGIN_MARK, as_json, as_markdown, print_tables, write_between_marks
from bench.runner import Plan, Report, run
from bench.scenarios import SCENARIOS, WrongOutcomeError
from bench.sizes import NORMAL, QUICK
from bench.store import STORE_KINDS
from bench.yardstick import yardstick_ns


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures LeaseMQ, and BullMQ beside it.")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, one round: to see that all works")
    parser.add_argument("--scenario", action="append", choices=SCENARIOS, help="only this one; may be repeated")
    parser.add_argument("--store", action="append", choices=STORE_KINDS, help="only this one; may be repeated")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each is run (default 5); more for a busy machine")
    parser.add_argument("--peer", choices=["bullmq", "none"], default="bullmq", help="whom to compare with")
    parser.add_argument("--json", action="store_true", help="print all samples as JSON instead of tables")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the results between the marks in this file")
    options = parser.parse_args(arguments)
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds must be at least 1")
    if options.write and not (options.write.is_file() and BEGIN_MARK in options.write.read_text(encoding="utf-8")):
        parser.error(f"--write: {options.write} is no file with the line {BEGIN_MARK}")
    if options.write and (options.scenario or options.store):
        parser.error("--write takes the whole: leave out --scenario and --store")
    return options


def peers(wanted: str) -> tuple[list[str], str]:
    """The sides to run, and what to say about the peer."""
    if wanted == "none":
        return [LEASEMQ], "left out, as asked"
    try:
        node = prepare_bullmq()
    except PeerUnavailableError as error:
        return [LEASEMQ], f"LEFT OUT: {error}"
    return [LEASEMQ, BULLMQ], f"BullMQ 6.7.0 on node {node}"


def facts(plan: Plan, peer: str, report: Report, before: tuple[float, float]) -> dict[str, str]:
    load, yardstick = before
    memory_gib = psutil.virtual_memory().total / 2**30
    return {
        "when": f"{datetime.now(UTC):%Y-%m-%d}, {plan.sizes.name} sizes, medians of {plan.sizes.rounds} alternating round(s)",
        "machine": f"{os.cpu_count()} cores, {memory_gib:.0f} GiB, {platform.system()} {platform.machine()}, "
        f"load {load:.1f} before the start",
        "yardstick": f"a step of an empty Python loop took {yardstick:.0f} ns before and {yardstick_ns():.0f} ns after the runs",
        "store": report.store_version,
        "LeaseMQ": f"{version('leasemq-server')} on Python {platform.python_version()}, grpcio {version('grpcio')}",
        "peer": peer,
    }


def run_with_progress(plan: Plan) -> Report:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("starting", total=plan.run_count())

        def on_run(what: str) -> None:
            progress.update(task, description=what, advance=1)

        return run(plan, on_run)


def main(arguments: Sequence[str]) -> int:
    options = parsed(arguments)
    before = os.getloadavg()[0], yardstick_ns()
    names, peer = peers(options.peer)
    sizes = QUICK if options.quick else NORMAL
    plan = Plan(
        scenarios=[SCENARIOS[name] for name in options.scenario or SCENARIOS],
        stores=[STORE_KINDS[name] for name in options.store or STORE_KINDS],
        peers=names,
        sizes=replace(sizes, rounds=options.rounds or sizes.rounds),
    )
    if len(names) == 1:
        print(f"BullMQ: {peer}", file=sys.stderr)
    try:
        report = run_with_progress(plan)
    except (ProcessFailedError, WrongOutcomeError, TimeoutError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    about = facts(plan, peer, report, before)
    if options.json:
        print(as_json(report, about))
    else:
        print_tables(Console(width=None if sys.stdout.isatty() else 160), report, about)
    if options.write:
        write_between_marks(options.write, as_markdown(report, about))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
