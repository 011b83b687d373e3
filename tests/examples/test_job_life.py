"""The page about the life of a job, done as it says."""

from pathlib import Path

from tests.examples.pages import crash


def test_the_crash_of_the_page_completes_each_job_at_its_first_attempt(tmp_path: Path):
    ended = crash("job-life.md", tmp_path)
    assert ended.stdout.split() == ["20", '"state":"COMPLETED","attempt":1'], ended
