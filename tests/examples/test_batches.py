"""The example of batches and checkpoints."""

from tests.examples.pages import run_example


def test_the_example_writes_in_batches_and_goes_on_at_its_checkpoint(address: str):
    ended = run_example("batched_rows.py", address)
    assert ended.returncode == 0, ended
    lines = ended.stdout.splitlines()
    assert lines.count("wrote 10 rows at once") == 1
    assert lines.count("wrote 9 rows at once") == 1
    assert "attempt 2 begins at page 3" in lines
    assert lines[-1] == "19 completed, 1 failed; copied 5 pages"
