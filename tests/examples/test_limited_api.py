"""The example of limits, and the page about them, done as they say."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import BrokerProcess, free_port, short_directory

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "limits.md").read_text()
TIMEOUT_S = 90


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with short_directory() as directory, BrokerProcess(directory) as broker:
        yield broker.address


def block(language: str) -> str:
    (text,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return text


def run(command: list[str], address: str, directory: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "LEASEMQ_ADDRESS": address}
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def test_the_example_keeps_to_what_the_api_allows(address: str, tmp_path: Path):
    ended = run([sys.executable, str(ROOT / "examples" / "limited_api.py")], address, tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "12 cities in 13 calls, at most 2 at a time\n"


def test_the_commands_of_the_page_do_as_it_says(address: str, tmp_path: Path):
    ended = run(
        ["bash", "-c", f"set -e\nleasemq queues delete geocode --force --yes || true\n{block('console')}"], address, tmp_path
    )
    assert ended.returncode == 0, ended.stderr
    assert '"max_active":null' in ended.stdout


def test_the_crash_of_the_page_loses_no_slot(tmp_path: Path):
    ended = run(["bash", "-c", block("sh").replace("7979", str(free_port()))], "unused", tmp_path)
    assert '"active":3' in ended.stdout, ended
    assert ended.stdout.endswith("all done\n")
    assert "too many" not in ended.stdout
