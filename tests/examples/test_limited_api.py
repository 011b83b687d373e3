"""The example of limits, and the page about them, done as they say."""

from pathlib import Path

from tests.examples.pages import block, crash, run_example, shell


def test_the_example_keeps_to_what_the_api_allows(address: str):
    ended = run_example("limited_api.py", address)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "12 cities in 13 calls, at most 2 at a time\n"


def test_the_commands_of_the_page_do_as_it_says(address: str, tmp_path: Path):
    anew = "leasemq queues delete geocode --force --yes || true"
    ended = shell(f"set -e\n{anew}\n{block('limits.md', 'console')}", address, tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert '"max_active":null' in ended.stdout


def test_the_crash_of_the_page_loses_no_slot(tmp_path: Path):
    ended = crash("limits.md", tmp_path)
    assert '"active":3' in ended.stdout, ended
    assert ended.stdout.endswith("all done\n")
    assert "too many" not in ended.stdout
