"""docs/write-a-client.md is run as it stands: each command, in order, in one shell; what it prints is what the page says."""

import json
import os
import re
import subprocess
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from tests.polyglot.support import ROOT, Broker

PAGE = ROOT / "docs" / "write-a-client.md"


@dataclass
class Block:
    language: str
    text: str
    line: int


def blocks() -> list[Block]:
    page = PAGE.read_text()
    found = re.finditer(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [Block(block[1], block[2], page[: block.start()].count("\n") + 1) for block in found]


def pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.split("…"))), re.DOTALL)


def same(expected: object, found: object) -> bool:
    """Equal, where "…" equals any one value."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return expected.keys() == found.keys() and all(same(expected[key], found[key]) for key in expected)
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(same, expected, found))
    return expected in ("…", found)


def says(expected: str, printed: str) -> bool:
    """The lines are all there, in this order, whatever is between them."""
    lines = iter(line.strip() for line in printed.splitlines())
    return all(any(pattern(wanted.strip()).fullmatch(line) for line in lines) for wanted in expected.splitlines())


def run_all(commands: list[Block], address: str, grpcurl: str, folder: Path) -> None:
    """Runs the commands in one bash; what the n-th prints and its status go to files named by n."""
    steps = [
        f"{{\n{command.text.replace('localhost:7878', address)}}} > out.{n} 2> err.{n}\necho $? > status.{n}\n"
        for n, command in enumerate(commands)
    ]
    env = {**os.environ, "PATH": os.pathsep.join([grpcurl, os.environ["PATH"]])}
    (folder / "page.sh").write_text("".join(steps))
    subprocess.run(["bash", "page.sh"], cwd=folder, env=env, check=True, timeout=120)


def test_the_page_has_only_blocks_that_are_run_or_compared() -> None:
    found = [block.language for block in blocks()]
    assert set(found) == {"sh", "json", "text"}
    assert all(before == "sh" for before, block in pairwise(found) if block != "sh")
    assert len(found) == len(re.findall(r"^```\w", PAGE.read_text(), re.MULTILINE))


def test_every_command_of_the_page_does_what_it_says(broker: Broker, grpcurl: str, tmp_path: Path) -> None:
    page = [*blocks(), Block("end", "", 0)]
    commands = [block for block in page if block.language == "sh"]
    run_all(commands, broker.address, grpcurl, tmp_path)
    expectations = [after for before, after in pairwise(page) if before.language == "sh"]
    for n, (command, expected) in enumerate(zip(commands, expectations, strict=False)):
        out, err, status = [(tmp_path / f"{name}.{n}").read_text() for name in ("out", "err", "status")]
        seen = f"line {command.line} of {PAGE.name} exited with {status}{out}{err}"
        fails = expected.text.startswith("ERROR")
        assert (status != "0\n") == fails, seen
        if expected.language == "json":
            printed = json.loads(out[out.index("{") :])
            assert same(json.loads(expected.text), printed), seen
        elif expected.language == "text":
            assert says(expected.text, out + err), seen


@pytest.mark.parametrize("reason", re.findall(r"ERROR_REASON_(\w+) =", (ROOT / "proto/leasemq/v1/errors.proto").read_text()))
def test_the_page_tells_what_to_do_about_each_reason(reason: str) -> None:
    assert (f"`{reason}`" in PAGE.read_text()) != (reason == "UNSPECIFIED")
