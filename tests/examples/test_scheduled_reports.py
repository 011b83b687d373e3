"""The example of schedules, and the page about them, done as they say."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import leasemq.sync
import pytest

from tests.support import BrokerProcess, free_port, short_directory

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "schedules.md").read_text()
TIMEOUT_S = 60


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with short_directory() as directory, BrokerProcess(directory) as broker:
        yield broker.address


def block(language: str) -> str:
    (text,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return text


def shell(text: str, address: str, directory: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "LEASEMQ_ADDRESS": address}
    return subprocess.run(
        ["bash", "-c", text], cwd=directory, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


def test_the_example_makes_its_runs_and_does_nothing_twice_when_it_is_run_again(address: str):
    with leasemq.sync.Client(address) as client:
        for times in (1, 2):
            ended = subprocess.run(
                [sys.executable, str(ROOT / "examples" / "scheduled_reports.py")],
                env=os.environ | {"LEASEMQ_ADDRESS": address},
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
            assert (ended.returncode, ended.stderr) == (0, "")
            assert ended.stdout.count("by schedule 'ping'") >= 3
            assert ended.stdout.count("the full report") == 1
            (nightly,) = client.schedules.list("reports")
            assert (nightly.id, nightly.run_count) == ("nightly", 0)
            assert nightly.last_job_id is not None
            reports = [job for job in client.admin.jobs("reports") if job.schedule_id == "nightly"]
            assert len(reports) == times


def test_the_commands_of_the_page_do_as_it_says(address: str, tmp_path: Path):
    ended = shell(f"set -e\n{block('console')}", address, tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "nightly:trigger:" in ended.stdout
    assert ended.stdout.endswith("deleted ping of health\n")


def test_the_crash_of_the_page_leaves_no_second_out(tmp_path: Path):
    ended = shell(block("sh").replace("7979", str(free_port())), "unused", tmp_path)
    count = re.search(r"^(\d+) runs$", ended.stdout, re.MULTILINE)
    assert count is not None, ended
    assert int(count[1]) >= 6
    assert "wrong" not in ended.stdout
