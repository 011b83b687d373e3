"""The example of flows, and the page about them, done as they say."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import BrokerProcess, free_port, short_directory

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "flows.md").read_text()
TIMEOUT_S = 90


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


def test_the_example_packs_the_album(address: str):
    ended = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "flow_album.py")],
        env=os.environ | {"LEASEMQ_ADDRESS": address},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert lines[0] == "album-1 is BLOCKED, its photos are WAITING"
    assert "album-1-broken.jpg failed: broken.jpg is no photo" in lines
    assert lines[-3:] == [
        "3 of 4 photos are good",
        "page 1: small beach.jpg + small city.jpg",
        "page 2: small forest.jpg",
    ]


def test_the_commands_of_the_page_do_as_it_says(address: str, tmp_path: Path):
    ended = shell(f"set -e\n{block('console')}", address, tmp_path)
    assert ended.returncode == 0, ended
    assert ended.stderr.count("completed resize") == 2
    assert "resize/album-7-a WAITING" in ended.stdout
    assert "B.JPG" in ended.stdout
    assert ended.stdout.endswith("album-7 is cancelled\n")


def test_the_crash_of_the_page_runs_the_dependent_once(tmp_path: Path):
    ended = shell(block("sh").replace("7979", str(free_port())), "unused", tmp_path)
    lines = ended.stdout.splitlines()
    assert '"state":"COMPLETED","attempt":1' in lines, ended
    order = [line for line in lines if line in ("part", "whole")]
    assert order.count("whole") == 1, ended
    assert order[-1] == "whole"
    assert order.count("part") >= 6
