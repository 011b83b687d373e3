"""The example of flows, and the page about them, done as they say."""

from pathlib import Path

from tests.examples.pages import commands, crash, run_example


def test_the_example_packs_the_album(address: str):
    ended = run_example("flow_album.py", address)
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
    ended = commands("flows.md", address, tmp_path)
    assert ended.returncode == 0, ended
    assert ended.stderr.count("completed resize") == 2
    assert "resize/album-7-a WAITING" in ended.stdout
    assert "B.JPG" in ended.stdout
    assert ended.stdout.endswith("album-7 is cancelled\n")


def test_the_crash_of_the_page_runs_the_dependent_once(tmp_path: Path):
    ended = crash("flows.md", tmp_path)
    lines = ended.stdout.splitlines()
    assert '"state":"COMPLETED","attempt":1' in lines, ended
    order = [line for line in lines if line in ("part", "whole")]
    assert order.count("whole") == 1, ended
    assert order[-1] == "whole"
    assert order.count("part") >= 6
