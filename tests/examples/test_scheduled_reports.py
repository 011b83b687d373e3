"""The example of schedules, and the page about them, done as they say."""

import re
from pathlib import Path

import leasemq.sync

from tests.examples.pages import commands, crash, run_example


def test_the_example_makes_its_runs_and_does_nothing_twice_when_it_is_run_again(address: str):
    with leasemq.sync.Client(address) as client:
        for times in (1, 2):
            ended = run_example("scheduled_reports.py", address)
            assert (ended.returncode, ended.stderr) == (0, "")
            assert ended.stdout.count("by schedule 'ping'") >= 3
            assert ended.stdout.count("the full report") == 1
            (nightly,) = client.schedules.list("reports")
            assert (nightly.id, nightly.run_count) == ("nightly", 0)
            assert nightly.last_job_id is not None
            reports = [job for job in client.admin.jobs("reports") if job.schedule_id == "nightly"]
            assert len(reports) == times


def test_the_commands_of_the_page_do_as_it_says(address: str, tmp_path: Path):
    ended = commands("schedules.md", address, tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "nightly:trigger:" in ended.stdout
    assert ended.stdout.endswith("deleted ping of health\n")


def test_the_crash_of_the_page_leaves_no_second_out(tmp_path: Path):
    ended = crash("schedules.md", tmp_path)
    count = re.search(r"^(\d+) runs$", ended.stdout, re.MULTILINE)
    assert count is not None, ended
    assert int(count[1]) >= 6
    assert "wrong" not in ended.stdout
