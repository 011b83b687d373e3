"""The example of metrics, and the page about them, done as they say."""

import os
import re
import subprocess
import sys
from pathlib import Path

import leasemq.sync

from tests.examples.test_scheduled_reports import ROOT, TIMEOUT_S, address, shell  # noqa: F401 - a fixture

PAGE = (ROOT / "docs" / "metrics.md").read_text()


def test_the_example_fails_when_a_queue_is_late(address: str):  # noqa: F811 - the fixture
    def check(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(ROOT / "examples" / "late_queue.py"), "slow", *arguments],
            env=os.environ | {"LEASEMQ_ADDRESS": address},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

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


def test_the_commands_of_the_page_do_as_it_says(address: str, tmp_path: Path):  # noqa: F811 - the fixture
    (text,) = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    ended = shell(f"set -e\n{text}", address, tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    counts = re.findall(r'"completed":(\d+),"failed":(\d+)', ended.stdout)
    assert [sum(map(int, column)) for column in zip(*counts, strict=True)] == [1, 1]
