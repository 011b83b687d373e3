"""The example of deduplication, and the page about it, done as they say."""

import re
from pathlib import Path

from tests.examples.pages import CRASH, block, commands, run_example, shell


def test_the_example_makes_one_search_of_a_burst(address: str):
    ended = run_example("deduplicated_search.py", address)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == ["the first of a burst", *["replaced the one before"] * 5, "searching for 'leases'"]


def test_the_commands_of_the_page_do_as_it_says(address: str, tmp_path: Path):
    ended = commands("deduplication.md", address, tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "has the key in index: not added" in ended.stdout
    assert "in the place of another one" in ended.stdout
    assert re.findall(r"text.: .(\w+)", ended.stdout) == ["lease"]


def test_a_key_survives_a_killed_worker_and_is_free_when_the_job_is_done(address: str, tmp_path: Path):
    ended = shell(block("deduplication.md", "sh", CRASH), address, tmp_path)
    assert ended.stdout.split() == ['"created":false', '"created":true'], ended
