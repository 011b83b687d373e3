"""What the README says, done as it says: its commands and its program, against a broker on a port of their own."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import BrokerProcess, short_directory

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
TIMEOUT_S = 120


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    return [line.partition("#")[0].strip() for block in blocks("console") for line in block.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with short_directory() as directory:
        broker = BrokerProcess(directory).start()
        try:
            yield broker.address
        finally:
            broker.terminate()


def shell(line: str, address: str, timeout: float = TIMEOUT_S) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}:{Path.home() / 'go/bin'}:{ROOT / 'build/bin'}"
    environment = os.environ | {"PATH": path, "LEASEMQ_ADDRESS": address}
    return subprocess.run(
        line, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )


def test_the_first_two_commands_are_the_demo_and_the_tests_and_ci_runs_the_second():
    assert commands()[:2] == ["make demo", "make test"]
    assert "make test" in (ROOT / ".ci/run").read_text().splitlines()


def test_a_job_goes_through_the_commands_in_their_order(address: str):
    add, work, stats = (line for line in commands() if line.startswith("leasemq "))
    assert shell(add, address).returncode == 0
    # the worker works until it is told to stop, which `timeout` does with the signal of Ctrl-C
    worked = shell(f"timeout --preserve-status -s INT 4 {work}", address)
    assert worked.returncode in (0, 130), worked.stderr
    counted = shell(f"{stats} --json", address)
    assert '"completed": 1' in counted.stdout or '"completed":1' in counted.stdout, counted.stdout


def test_the_python_program_prints_the_result(address: str, tmp_path: Path):
    (program,) = blocks("python")
    script = tmp_path / "program.py"
    script.write_text(program.replace("127.0.0.1:7878", address))
    ended = shell(f"{sys.executable} {script}", address)
    assert ended.stdout.strip() == "{'sent': 'ada@example.com'}", ended.stderr


def test_the_settings_are_those_of_the_server():
    named = re.findall(r"^\| `(--[a-z-]+)` \|", README, re.MULTILINE)
    help_text = shell("COLUMNS=200 NO_COLOR=1 leasemq serve --help", "unused:1").stdout
    assert named, "the table is gone"
    assert [flag for flag in named if flag not in help_text] == []
