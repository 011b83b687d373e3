import signal
import subprocess
import sys

import pytest

from tests.cli.harness import Command, end, start_broker

SERVE = ("serve", "--listen", "127.0.0.1:0")


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    """A broker on its embedded store, and the data directory."""
    directory = tmp_path_factory.mktemp("data")
    broker, address = start_broker("--data-dir", str(directory))
    yield Command(address), directory
    assert end(broker).code == 0


def test_jobs_go_through_a_broker_on_the_embedded_store(embedded):
    cli, _ = embedded
    cli.ok("add", "email", '{"to": "a@example.com"}')
    worker = cli.start("work", "email", "--exec", "cat")
    try:
        assert cli.ok("add", "email", "[1]", "--wait").out == "[1]\n"
    finally:
        assert end(worker).code == 0
    assert cli.ok("stats", "email", "--json").json["completed"] == 2


def test_the_embedded_store_keeps_its_jobs_over_a_restart(tmp_path):
    broker, address = start_broker("--data-dir", str(tmp_path))
    Command(address).ok("add", "q", "1", "--id", "kept")
    assert end(broker).code == 0
    broker, address = start_broker("--data-dir", str(tmp_path))
    assert Command(address).ok("jobs", "show", "q", "kept", "--json").json["payload"] == 1
    assert end(broker, signal.SIGINT).code == 0


def test_doctor_finds_nothing_to_change_in_the_embedded_store(embedded):
    cli, _ = embedded
    assert "embedded valkey" in cli.ok("doctor").out
    assert {line["level"] for line in cli.ok("doctor", "--json").json_lines} == {"ok"}


def test_bench_prints_rates_and_leaves_no_queue(embedded):
    cli, _ = embedded
    rates = cli.ok("bench", "--jobs", "300", "--json").json
    assert rates["jobs"] == 300
    assert rates["add_per_s"] > 0 < rates["work_per_s"]
    assert not [queue for queue in cli.ok("queues", "list", "--json").json_lines if queue["name"].startswith("bench")]


def test_a_data_directory_in_use_is_one_line(embedded):
    _, directory = embedded
    said = Command("").fails(1, *SERVE, "--data-dir", str(directory))
    assert str(directory) in said


def test_a_port_in_use_ends_with_a_line_that_says_so(embedded):
    cli, _ = embedded
    ended = Command("")("serve", "--listen", cli.address, "--store", "memory://")
    assert ended.code == 1
    assert "Traceback" not in ended.err
    assert ended.err.splitlines()[-1].startswith(f"leasemq: can't listen on {cli.address}: ")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--listen", "nowhere"], "HOST:PORT"),
        (["--listen", "0.0.0.0:0"], "--insecure"),
        (["--store", "mysql://x"], "redis://"),
        (["--store-fsync", "never"], "--store-fsync"),
        (["--durability", "hope"], "--durability"),
        (["--max-payload-bytes", "0"], "--max-payload-bytes"),
        (["--replicas", "0"], "--replicas"),
    ],
)
def test_a_wrong_setting_is_exit_2_and_names_it(options, said):
    assert said in Command("").refuses("serve", *options)


def test_the_module_serves_too():
    command = [sys.executable, "-m", "leasemq_server", "--listen", "127.0.0.1:0", "--store", "memory://"]
    broker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert broker.stdout is not None
    assert broker.stdout.readline().startswith(b"listening on 127.0.0.1:")
    assert end(broker).code == 0


def test_settings_come_from_the_environment_and_flags_win():
    ended = Command("")("serve", LEASEMQ_LISTEN="nowhere")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    broker = subprocess.Popen(
        [sys.executable, "-m", "leasemq_server", "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=Command("").environment(LEASEMQ_LISTEN="nowhere", LEASEMQ_STORE="memory://"),
    )
    assert broker.stdout is not None
    assert broker.stdout.readline().startswith(b"listening on 127.0.0.1:")
    assert end(broker).code == 0


def test_doctor_looks_at_a_store_by_its_url():
    ended = Command("")("doctor", "--store", "redis://127.0.0.1:1/0", "--json")
    assert ended.code == 1
    assert "Traceback" not in ended.err
