"""A broker that is there while its store is not."""

import signal
import time

import pytest

from tests.cli.harness import TIMEOUT_S, Command
from tests.support import BrokerProcess, StoreProcess

PATIENCE_S = 30.0  # the SDK's
LOOKED_AT_S = 10.0  # by the broker itself: each 30 s


@pytest.fixture
def store(tmp_path):
    with StoreProcess(tmp_path / "store") as store:
        yield store


@pytest.fixture
def broker(store, tmp_path):
    with BrokerProcess(tmp_path, store=store.url) as broker:
        yield broker


@pytest.fixture
def cut_off(store, broker):
    """The command, whose broker has noticed that its store is gone."""
    store.kill()
    return _noticed(broker)


@pytest.fixture
def held_up(store, broker):
    """The same, of a store that takes calls and answers none."""
    store.signal(signal.SIGSTOP)
    yield _noticed(broker)
    store.signal(signal.SIGCONT)


def _noticed(broker):
    deadline = time.monotonic() + TIMEOUT_S
    while "store lost" not in broker.log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return Command(broker.address)


def test_short_commands_say_at_once_that_the_store_is_away(cut_off):
    started = time.monotonic()
    for arguments in (["stats"], ["stats", "q"], ["queues", "pause", "q"], ["jobs", "list", "q"]):
        said = cut_off.fails(1, *arguments)
        assert said.startswith(f"leasemq: the broker at {cut_off.address} answers, its store does not: ")
    assert time.monotonic() - started < PATIENCE_S / 2


def test_a_store_that_hangs_is_away_too(held_up):
    started = time.monotonic()
    assert f"the broker at {held_up.address} answers, its store does not: " in held_up.fails(1, "stats")
    assert held_up("doctor").code == 1
    assert time.monotonic() - started < PATIENCE_S / 2


def test_doctor_finds_a_store_that_is_away(cut_off):
    started = time.monotonic()
    ended = cut_off("doctor", "--json")
    assert (ended.code, [line["level"] for line in ended.json_lines]) == (1, ["ok", "error"])
    assert ended.json_lines[1]["message"].startswith("its store does not: ")
    assert time.monotonic() - started < PATIENCE_S / 2


def test_doctor_sees_what_the_store_s_settings_are_now(store, broker):
    cli = Command(broker.address)
    assert {line["level"] for line in cli("doctor", "--json").json_lines} == {"ok", "warning"}  # this one keeps nothing on disk
    with store.client() as client:
        client.config_set("appendonly", "yes")
        _until(lambda: cli("doctor", "--json").code == 0)
        client.config_set("maxmemory", client.info("memory")["used_memory"])
        _until(lambda: "at its memory limit: adds are refused (STORE_FULL)" in cli("doctor").out)


def _until(fact):
    deadline = time.monotonic() + LOOKED_AT_S
    while not fact():
        assert time.monotonic() < deadline


def test_an_add_is_tried_again_until_the_store_is_back(cut_off, store):
    adding = cut_off.start("add", "q", "7")
    assert b"trying again" in adding.stderr.readline()
    store.start()
    out, _ = adding.communicate(timeout=TIMEOUT_S)
    assert (adding.returncode, out.startswith(b"added ")) == (0, True)
