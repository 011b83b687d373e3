"""Shows results: tables on the terminal and in Markdown, and everything as JSON."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

from bench.runner import Report, Result
from bench.targets import ratio_to_peer, targets

BEGIN_MARK = "<!-- results: begin (written by `python -m bench --write`) -->"
END_MARK = "<!-- results: end -->"

Cell = Callable[[Result, Sequence[Result]], str]


@dataclass(frozen=True)
class Table:
    """Rows under a title, ready to be drawn; all but the first two columns are numbers."""

    title: str
    header: list[str]
    rows: list[list[str]]


def number(name: str, form: str) -> Cell:
    return lambda result, _: format(result.medians[name], form)


def ratio(result: Result, results: Sequence[Result]) -> str:
    value = ratio_to_peer(result, results)
    return "" if value is None else f"{value:.2f}x"


CPU_COLUMNS = {
    "broker µs/job": number("broker_us", ".1f"),
    "store µs/job": number("store_us", ".1f"),
    "client µs/job": number("client_us", ".1f"),
}
SPEED_COLUMNS = {"jobs/s": number("jobs_per_s", ",.0f"), "to BullMQ": ratio, **CPU_COLUMNS}
COLUMNS_BY_METRIC: dict[str, dict[str, Cell]] = {
    "jobs_per_s": SPEED_COLUMNS,
    "p50_ms": {
        "p50 ms": number("p50_ms", ".2f"),
        "p99 ms": number("p99_ms", ".2f"),
        "p99.9 ms": number("p999_ms", ".2f"),
        "p50 to BullMQ": ratio,
        **CPU_COLUMNS,
    },
    "bytes_per_job": {"bytes a job": number("bytes_per_job", ",.0f"), "to BullMQ": ratio},
    "us_per_job": {
        "µs/call": number("us_per_call", ",.1f"),
        "µs/job": number("us_per_job", ".2f"),
        "longest call µs": number("longest_us", ",.0f"),
    },
}


def tables(results: Sequence[Result]) -> list[Table]:
    """One table a scenario and store, then the targets."""
    by_table: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        by_table.setdefault((result.store.name, result.scenario.name), []).append(result)
    return [*(scenario_table(group, results) for group in by_table.values()), target_table(results)]


def scenario_table(group: list[Result], results: Sequence[Result]) -> Table:
    scenario, store = group[0].scenario, group[0].store
    columns = COLUMNS_BY_METRIC[scenario.metric]
    rows = [
        [result.variant.case, result.variant.contender, *(cell(result, results) for cell in columns.values())] for result in group
    ]
    return Table(f"{scenario.name}: {scenario.title} ({store.title})", ["what", "who", *columns], rows)


def target_table(results: Sequence[Result]) -> Table:
    rows = [[target.name, target.store, target.goal, target.found, target.verdict] for target in targets(results)]
    return Table("targets", ["what", "store", "goal", "found", "verdict"], rows)


def print_tables(console: Console, report: Report, facts: dict[str, str]) -> None:
    for name, value in facts.items():
        console.print(f"{name}: {value}", highlight=False)
    for table in tables(report.results):
        drawn = RichTable(title=table.title, title_justify="left")
        for index, column in enumerate(table.header):
            drawn.add_column(column, justify="left" if index < 2 else "right")
        for row in table.rows:
            drawn.add_row(*row)
        console.print()
        console.print(drawn)


def as_markdown(report: Report, facts: dict[str, str]) -> str:
    blocks = ["\n".join(f"- {name}: {value}" for name, value in facts.items())]
    for table in tables(report.results):
        head = ["| " + " | ".join(table.header) + " |", "| --- | --- |" + " ---: |" * (len(table.header) - 2)]
        rows = ["| " + " | ".join(row) + " |" for row in table.rows]
        blocks.append("\n".join([f"### {table.title}", "", *head, *rows]))
    return "\n\n".join(blocks)


def as_json(report: Report, facts: dict[str, str]) -> str:
    results = [
        {
            "store": result.store.name,
            "scenario": result.scenario.name,
            "case": result.variant.case,
            "contender": result.variant.contender,
            "medians": result.medians,
            "ratio_to_bullmq": ratio_to_peer(result, report.results),
            "samples": result.samples,
        }
        for result in report.results
    ]
    document: dict[str, Any] = {
        "facts": facts,
        "results": results,
        "targets": [asdict(target) for target in targets(report.results)],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def write_between_marks(file: Path, text: str) -> None:
    """Replaces what stands between the marks; everything around stays."""
    before, begin, rest = file.read_text(encoding="utf-8").partition(BEGIN_MARK)
    _, end, after = rest.partition(END_MARK)
    if not (begin and end):
        msg = f"{file} lacks the lines {BEGIN_MARK} and {END_MARK}"
        raise ValueError(msg)
    file.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")
