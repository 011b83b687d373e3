"""The example of events, and the page about them, done as they say."""

import re
from pathlib import Path

from tests.examples.pages import commands, crash, run_example


def test_the_example_misses_nothing_and_has_nothing_twice_when_it_is_run_again(address: str, tmp_path: Path):
    log = tmp_path / "audit.jsonl"
    for times in (1, 2):
        ended = run_example("audit_log.py", address, str(log))
        assert ended.returncode == 0, ended
        said = [line.split()[0] for line in ended.stdout.splitlines()]
        assert [said.count(kind) for kind in ("ADDED", "LEASED", "COMPLETED", "FAILED")] == [3, 3, 2, 1]
        assert "Fatal: an invoice of less than nothing" in ended.stdout
        tokens = re.findall(r'"resume_token": "(\d+)\.invoices"', log.read_text())
        assert len(set(tokens)) == len(tokens) >= 9 * times


def test_the_commands_of_the_page_do_as_it_says(address: str, tmp_path: Path):
    ended = commands("events.md", address, tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    kinds = re.findall(r'(?:"kind":"|  )(ADDED|LEASED|DRAINED|COMPLETED|PAUSED|CONFIGURED)\b', ended.stdout)
    assert kinds == ["ADDED", "COMPLETED", "LEASED", "DRAINED", "COMPLETED", "CONFIGURED", "PAUSED"]


def test_the_crash_of_the_page_leaves_no_gap(tmp_path: Path):
    ended = crash("events.md", tmp_path)
    assert ended.stdout.endswith("6 events\n"), ended
    assert "wrong" not in ended.stdout
