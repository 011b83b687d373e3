import re
import subprocess
import sys
from enum import IntEnum

import pytest
from leasemq_server.cli.app import COMMANDS, load

from tests.cli.harness import Command


def leaves(command, *path):
    """All commands below this one, with the words that call them."""
    for name, below in getattr(command, "commands", {}).items():
        yield from leaves(below, *path, name)
    if not getattr(command, "commands", {}):
        yield path, command


EVERY_COMMAND = [(path, command) for name in COMMANDS for path, command in leaves(load(name), name)]


@pytest.mark.parametrize(("path", "command"), EVERY_COMMAND, ids=[" ".join(path) for path, _ in EVERY_COMMAND])
def test_every_command_teaches_by_an_example(path, command):
    assert f"leasemq {' '.join(path)}" in command.help.partition("Example")[2]


@pytest.mark.parametrize(("path", "command"), EVERY_COMMAND, ids=[" ".join(path) for path, _ in EVERY_COMMAND])
def test_no_default_is_shown_as_the_number_that_the_contract_has_for_it(path, command):
    enums = [option for option in command.params if isinstance(option.default, IntEnum)]
    assert [option.name for option in enums if getattr(option, "show_default", False)] == []


def test_the_flow_of_the_help_can_be_pasted(cli, program):
    shown = cli("flow", "add", "--help", COLUMNS="200").out
    flow = re.search(r"echo '(.*)' \| leasemq flow add -", shown)
    assert flow
    assert "BLOCKED" in program.ok("flow", "add", "-", stdin=flow[1].encode()).out


@pytest.mark.parametrize("name", COMMANDS)
def test_the_overview_says_of_a_command_what_it_says_of_itself(name):
    assert load(name).help.partition("\n")[0] == COMMANDS[name][1]


def test_help_loads_neither_the_sdk_nor_the_server():
    program = "import sys; from leasemq_server.cli.app import run; run(['--help']); print({'grpc', 'redis'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.endswith("set()\n")


MAIN = {
    "leasemq": "from leasemq_server.cli import main; main()",
    "python -m leasemq_server": "runpy.run_module('leasemq_server', run_name='__main__')",
}


@pytest.mark.parametrize("name", MAIN)
def test_ctrl_c_while_the_program_is_loaded_ends_it_without_a_word(name):
    program = """
import runpy
import sys
class Interrupted:
    def find_spec(self, name, *_):
        if name == "typer":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
"""
    program += MAIN[name]
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_the_overview_names_the_exit_codes_and_every_command():
    shown = Command("").ok("--help").out
    assert "3 no broker in reach" in shown
    assert all(name in shown for name in COMMANDS)


def test_a_typo_is_exit_2_and_gets_a_suggestion():
    assert "Did you mean 'serve'" in Command("").fails(2, "srve")


def test_no_command_prints_the_help():
    ended = Command("")()
    assert (ended.code, "Usage" in ended.out) == (2, True)


def test_version_says_what_runs_on_both_sides(cli):
    assert cli.ok("--version").out.startswith("leasemq ")
    versions = cli.ok("version", "--json").json
    assert versions["broker"]
    assert versions["leasemq"]
    assert "memory" in versions["store"]


def test_version_needs_no_broker():
    ended = Command("127.0.0.1:1").ok("version", "--json")
    assert ended.json["broker"] is None
    assert "cannot reach a broker at 127.0.0.1:1" in ended.err
