"""The example of batches and checkpoints."""

from pathlib import Path

from tests.examples.pages import crash, run_example


def test_the_example_writes_in_batches_and_goes_on_at_its_checkpoint(address: str):
    ended = run_example("batched_rows.py", address)
    assert ended.returncode == 0, ended
    lines = ended.stdout.splitlines()
    assert lines.count("wrote 10 rows at once") == 1
    assert lines.count("wrote 9 rows at once") == 1
    assert "attempt 2 begins at page 3" in lines
    assert lines[-1] == "19 completed, 1 failed; copied 5 pages"


def test_the_crash_of_the_page_begins_behind_the_last_checkpoint(tmp_path: Path):
    ended = crash("batches-and-checkpoints.md", tmp_path)
    assert ended.stdout.splitlines() == ["attempt 1 begins at page 0", "attempt 1 begins at page 3"], ended
