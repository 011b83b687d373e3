"""The example of metrics, and the page about them, done as they say."""

import re
import subprocess
from pathlib import Path

import leasemq.sync

from tests.examples.pages import commands, crash, run_example


def test_the_example_fails_when_a_queue_is_late(address: str):
    def check(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run_example("late_queue.py", address, "slow", *arguments)

    unknown = check()
    assert (unknown.returncode, unknown.stdout) == (3, "")
    assert unknown.stderr.startswith("can't tell: ")
    assert check("soon").returncode == 2
    with leasemq.sync.Client(address) as client:
        client.admin.update_queue("slow", attempts=1)
        assert (check().returncode, check().stderr) == (0, "")
        client.add("slow")
    assert check("600").returncode == 0
    late = check("0")
    assert (late.returncode, late.stderr) == (1, "")
    assert "late by" in late.stdout


def test_the_commands_of_the_page_do_as_it_says(address: str, tmp_path: Path):
    ended = commands("metrics.md", address, tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    counts = re.findall(r'"completed":(\d+),"failed":(\d+)', ended.stdout)
    assert [sum(map(int, column)) for column in zip(*counts, strict=True)] == [1, 1]


def test_the_crash_of_the_page_counts_each_job_once(tmp_path: Path):
    ended = crash("metrics.md", tmp_path)
    assert ended.stdout == "20 counted\n", ended
