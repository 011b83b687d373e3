"""The example of changing jobs, and the commands of the page about it."""

from pathlib import Path

from tests.examples.pages import commands, run_example


def test_the_example_puts_jobs_right_and_calls_others_off(address: str):
    ended = run_example("changed_jobs.py", address)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.count("put right: user") == 3
    assert "exmaple" not in ended.stdout
    assert ended.stdout.endswith("2000 cancelled, 3 still wait\n")


def test_the_commands_of_the_page_do_as_it_says(address: str, tmp_path: Path):
    ended = commands("changing-jobs.md", address, tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert "changed welcome-1 of email: waiting" in lines
    assert "changed welcome-2 of email: delayed" in lines
    assert "changed welcome-2 of email: waiting" in lines
    assert lines[-3:] == ["cancelled 2 jobs", "retried 2 jobs", "deleted 2 jobs"]
