"""The example of groups, and the page about them, done as they say."""

import re
from pathlib import Path

from tests.examples.pages import commands, crash, run_example


def test_the_example_gives_everybody_a_turn_and_keeps_each_accounts_order(address: str):
    ended = run_example("fair_tenants.py", address)
    assert (ended.returncode, ended.stderr) == (0, "")
    fair, ordered = ended.stdout.splitlines()
    (of_big_meanwhile,) = re.findall(r"^15 reports of small tenants were done when (\d+) of the big one's 1000 were$", fair)
    assert int(of_big_meanwhile) <= 25
    assert ordered == "60 bookings, 3 accounts at a time, each of them in order"


def test_the_commands_of_the_page_do_as_it_says(address: str, tmp_path: Path):
    ended = commands("groups.md", address, tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert re.findall(r"LEASED +(\S+)", ended.stdout) == ["alone", "big-1", "ada-1", "big-2", "ada-2", "big-3"]
    assert "cancelled 1 job\n" in ended.stdout
    *_, ada, big = sorted(ended.stdout.splitlines()[-2:])
    assert ada.startswith('{"name":"ada","config":{"max_active":0,')
    assert big.startswith('{"name":"big","config":{"max_active":null,')


def test_the_crash_of_the_page_breaks_no_order_and_no_limit(tmp_path: Path):
    ended = crash("groups.md", tmp_path)
    assert "too many" not in ended.stdout
    assert ended.stdout.splitlines() == [
        '"active":3',
        *(" ".join(f'"{account}-{n}"' for n in range(1, 5)) + " " for account in ("ada", "bob", "eve")),
    ], ended
