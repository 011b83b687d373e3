import json
import os
import pty
import re
import signal
import socket
import subprocess
import time
from itertools import islice

import pytest
from leasemq import JobState

from tests.cli.harness import LEASEMQ, TIMEOUT_S, end


def test_a_json_payload_arrives_as_it_was_typed(cli, client, queue):
    added = cli.ok("add", queue, '{"to":  "a@example.com"}', "--json").json
    job = client.get(queue, added["id"])
    assert (job.raw_payload, job.content_type or "application/json", job.name) == (
        b'{"to":  "a@example.com"}',
        "application/json",
        queue,
    )
    assert (added["queue"], added["created"], added["state"], added["run_time"]) == (queue, True, "WAITING", None)


def test_without_json_a_sentence_names_the_job(cli, client, queue):
    said = cli.ok("add", queue, "{}").out
    (job,) = client.admin.jobs(queue)
    assert said == f"added {job.id} to {queue}: waiting\n"


def test_every_option_reaches_the_job(cli, client, queue):
    options = "--name welcome --id one --delay 90s --priority 7 --attempts 3 --backoff exponential:2s --header a=1 --header b=x=y"
    cli.ok("add", queue, "[1]", *options.split(), "--ttl", "1h", "--timeout", "5s", "--dead-letter-queue", f"{queue}.dead")
    job = client.get(queue, "one")
    assert (job.name, job.state, job.priority, job.max_attempts, job.headers) == (
        "welcome",
        JobState.DELAYED,
        7,
        3,
        {"a": "1", "b": "x=y"},
    )
    assert 85 <= (job.run_time - job.create_time).total_seconds() <= 91
    assert (job.expire_time - job.create_time).total_seconds() == pytest.approx(3600, abs=1)


def test_a_second_add_of_the_same_id_changes_nothing_and_says_so(cli, client, queue):
    cli.ok("add", queue, "1", "--id", "same")
    assert "is in" in cli.ok("add", queue, "2", "--id", "same").out
    assert client.get(queue, "same").payload == 1


def test_lifo_goes_to_the_head(cli, client, queue):
    cli.ok("add", queue, "1")
    cli.ok("add", queue, "2", "--lifo")
    assert [job.payload for job in client.admin.jobs(queue)] == [2, 1]


def test_bytes_come_from_standard_input_and_from_a_file(program, client, queue, tmp_path):
    (tmp_path / "blob").write_bytes(b"\x00\xff")
    program.ok("add", queue, "-", "--raw", "--id", "stdin", stdin=b"\xfe\n")
    program.ok("add", queue, "--file", str(tmp_path / "blob"), "--raw", "--id", "file")
    program.ok("add", queue, "not json", "--raw", "--content-type", "text/plain", "--id", "text")
    jobs = [client.get(queue, job_id) for job_id in ("stdin", "file", "text")]
    assert [(job.raw_payload, job.content_type) for job in jobs] == [
        (b"\xfe\n", "application/octet-stream"),
        (b"\x00\xff", "application/octet-stream"),
        (b"not json", "text/plain"),
    ]


def test_json_lines_add_a_job_each_in_order(program, client, queue):
    count = 2_500
    lines = "\n".join(json.dumps({"n": n}) for n in range(count))
    assert (
        program.ok("add", queue, "--jsonl", "-", "--name", "many", stdin=lines.encode()).out == f"added {count} jobs to {queue}\n"
    )
    jobs = list(client.admin.jobs(queue))
    assert [job.payload["n"] for job in jobs] == list(range(count))
    assert {job.name for job in jobs} == {"many"}


def test_specs_say_for_each_line_what_options_say_for_all(cli, client, queue, tmp_path):
    specs = [
        {"payload": 1, "id": "a", "name": "x", "priority": 2},
        {"payload": None, "id": "b", "delay": "1h"},
        {"payload": 3, "id": "a"},
    ]
    (tmp_path / "jobs.jsonl").write_text("\n\n".join(map(json.dumps, specs)) + "\n")
    results = cli.ok("add", queue, "--jsonl", str(tmp_path / "jobs.jsonl"), "--spec", "--json").json_lines
    assert [(result["id"], result["created"]) for result in results] == [("a", True), ("b", True), ("a", False)]
    a, b = client.get(queue, "a"), client.get(queue, "b")
    assert (a.payload, a.name, a.priority, b.state) == (1, "x", 2, JobState.DELAYED)


def test_a_spec_with_a_field_that_there_is_not_names_it(program, queue):
    said = program.fails(2, "add", queue, "--jsonl", "-", "--spec", stdin=b'{"payload": 1}\n{"payload": 2, "dely": "1h"}\n')
    assert said.startswith("leasemq: line 2 of standard input has 'dely', which is none of payload, name, id, delay, ")
    said = program.fails(2, "add", queue, "--jsonl", "-", "--spec", stdin=b"[1]\n")
    assert said.startswith("leasemq: line 1 of standard input is not an object of payload, name, id, ")


def test_while_a_file_is_checked_a_terminal_sees_how_far_it_is(program, queue, tmp_path):
    source = tmp_path / "jobs.jsonl"
    source.write_text("1\n" * 300_000)
    ours, its = pty.openpty()
    command = [LEASEMQ, "add", queue, "--jsonl", str(source)]
    with subprocess.Popen(command, stdout=its, stderr=its, env=program.environment(TERM="xterm", COLUMNS="200")) as adding:
        os.close(its)
        seen = b""
        while not re.search(rb"checking \S+jobs.jsonl: line \d+,000", seen):
            seen += os.read(ours, 4096)  # an error when the program has ended without it
        adding.send_signal(signal.SIGINT)
        os.close(ours)


def test_a_file_with_one_bad_line_adds_nothing(cli, client, queue, tmp_path):
    (tmp_path / "jobs.jsonl").write_text("1\n" * 1_500 + "{bad\n")
    said = cli.fails(2, "add", queue, "--jsonl", str(tmp_path / "jobs.jsonl"))
    assert "line 1501 of" in said
    assert client.admin.stats(queue).added_total == 0


def test_lines_that_can_not_be_added_are_said_to_follow_those_that_were(program, client, queue, tmp_path):
    source = tmp_path / "jobs.jsonl"
    source.write_text("1\n" * 1_500 + json.dumps("x" * 2_000_000) + "\n")
    said = program.fails(1, "add", queue, "--jsonl", str(source))
    assert said.startswith("leasemq: line 1501: payload")
    assert "PAYLOAD_TOO_LARGE" in said
    rest = f"tail -n +1001 -- {source} | leasemq add … --jsonl -"
    assert said.endswith(f"added 1000 jobs to {queue}, up to line 1000 of {source}; for the rest: {rest}\n")
    assert client.admin.stats(queue).added_total == 1_000


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"payload": NaN}', "not JSON"),
        ('{"payload": 1, "priority": -1}', "priority is -1"),
        ('{"payload": 1, "name": "\\ud800"}', "surrogates not allowed"),
        ('{"payload": ["\\udc00"]}', "surrogates not allowed"),
        ('{"payload": 1, "delay": "soon"}', "not a duration"),
    ],
)
def test_a_line_that_can_not_be_sent_is_named_before_anything_is_added(cli, client, queue, tmp_path, line, why):
    source = tmp_path / "jobs.jsonl"
    source.write_text('{"payload": 1}\n' * 1_200 + line + "\n")
    said = cli.fails(2, "add", queue, "--jsonl", str(source), "--spec")
    assert f"line 1201 of {source}" in said
    assert why in said
    assert client.admin.stats(queue).added_total == 0


def test_a_line_that_the_broker_refuses_is_named_by_its_number(program, client, queue):
    lines = b"\n".join(b'{"payload": 1, "priority": %d}' % priority for priority in (1, 2_097_152, 3))
    said = program.fails(1, "add", queue, "--jsonl", "-", "--spec", stdin=b"\n" + lines)
    assert said == (f"leasemq: line 3: priority: must be 0 to 2097151; got 2097152 (INVALID_FIELD) — added 0 jobs to {queue}\n")


@pytest.mark.parametrize("payload", ["[NaN]", "1e999", '{"a": -Infinity}', '"\\ud800"'])
def test_what_only_python_takes_for_json_is_no_payload(cli, queue, payload):
    assert "not JSON" in cli.fails(2, "add", queue, payload)


def test_a_job_that_another_client_gave_such_a_payload_can_be_listed(cli, client, queue):
    for payload in (b"NaN", b"1e999", b'"\\ud800"'):
        client.add(queue, payload, content_type="application/json")
    listed = cli.ok("jobs", "list", queue, "--payload", "--json").json_lines
    assert [job["payload"] for job in listed] == ["NaN", "1e999", '"\\ud800"']
    assert "1e999" in cli.ok("jobs", "list", queue, "--payload").out


def test_a_closed_standard_input_is_one_line(program, queue):
    ended = subprocess.run(
        ["bash", "-c", f"{LEASEMQ} add {queue} --jsonl - <&-"],
        env=program.environment(),
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (1, b"leasemq: standard input is closed\n")


def has_added(client, queue, count):
    deadline = time.monotonic() + TIMEOUT_S
    while client.admin.stats(queue).added_total < count:
        assert time.monotonic() < deadline


@pytest.mark.parametrize("kind", ["a pipe", "a terminal"])
def test_lines_from_a_slow_writer_are_added_as_they_come_until_ctrl_c(program, client, queue, kind):
    ours, its = pty.openpty() if kind == "a terminal" else os.pipe()[::-1]
    adding = program.start("add", queue, "--jsonl", "-", stdin=its)
    os.write(ours, b"1\n\n2")
    has_added(client, queue, 1)
    os.write(ours, b"2\n")
    has_added(client, queue, 2)
    ended = end(adding, signal.SIGINT)
    assert (ended.code, ended.out) == (130, "")
    assert ended.err == f"stopped: added 2 jobs to {queue}, up to line 3 of standard input\n"
    assert [job.payload for job in client.admin.jobs(queue)] == [1, 22]
    os.close(ours)
    os.close(its)


def test_after_ctrl_c_in_a_file_it_says_how_to_go_on_and_so_it_goes(program, client, queue, tmp_path):
    source, count = tmp_path / "many jobs.jsonl", 100_000
    source.write_text("".join(f"{n}\n" for n in range(count)))
    adding = program.start("add", queue, "--jsonl", str(source))
    has_added(client, queue, 1)
    ended = end(adding, signal.SIGINT)
    added = client.admin.stats(queue).added_total
    assert 0 < added < count
    assert (ended.code, ended.out) == (130, "")
    assert ended.err.startswith(f"stopped: added {added} jobs to {queue}, up to line {added} of {source}; for the rest: tail ")
    rest = ended.err.partition(": tail ")[2].replace("leasemq add …", f"{LEASEMQ} add {queue}")
    subprocess.run(["bash", "-c", f"tail {rest} >{tmp_path}/out"], env=program.environment(), timeout=TIMEOUT_S, check=True)
    assert client.admin.stats(queue).added_total == count
    assert [job.payload for job in islice(client.admin.jobs(queue), added - 5, added + 5)] == list(range(added - 5, added + 5))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{bad"], "not JSON"),
        (["1", "--delay", "5x"], "'5x' is not a duration"),
        (["1", "--delay=-5s"], "is not a duration"),
        (["1", "--run-time", "noon"], "is not a time"),
        (["1", "--delay", "1s", "--run-time", "2030-01-01T00:00:00Z"], "not both"),
        (["1", "--backoff", "linear:1s"], "--backoff"),
        (["1", "--header", "x"], "KEY=VALUE"),
        (["1", "--priority", "-1"], "--priority"),
        (["1", "--jsonl", "-"], "goes without PAYLOAD"),
        (["1", "--nonsense"], "No such option"),
    ],
)
def test_wrong_usage_is_exit_2_and_one_line(cli, queue, arguments, said):
    assert said in cli.refuses("add", queue, *arguments)


def test_what_the_broker_refuses_is_exit_1_and_names_the_field(cli):
    assert "queue" in cli.fails(1, "add", "bad{queue", "1")


def test_a_lone_job_has_no_number(cli, queue):
    assert "leasemq: job.priority: must be" in cli.fails(1, "add", queue, "1", "--priority", "2097152")


def test_a_file_that_is_not_there_is_one_line(cli, queue):
    assert "cannot read" in cli.fails(1, "add", queue, "--file", "/no/such/file")


def test_wait_gives_up_after_its_timeout(cli, queue):
    assert "not finished yet" in cli.fails(1, "add", queue, "1", "--wait", "--wait-timeout", "200ms")


@pytest.mark.parametrize("writer", ["echo '{\"x\": 7}' |", "{ sleep 0.3; echo '{\"x\": 7}'; } |"])
def test_what_is_piped_in_is_the_payload_however_late_it_comes(program, client, queue, writer):
    added = in_a_shell(program, f"{writer} {LEASEMQ} add {queue}")
    assert (added.returncode, [job.payload for job in client.admin.jobs(queue)]) == (0, [{"x": 7}]), added


def test_a_file_on_standard_input_is_the_payload(program, client, queue, tmp_path):
    (tmp_path / "bytes").write_bytes(b"\x00\xff")
    added = in_a_shell(program, f"{LEASEMQ} add {queue} --raw < {tmp_path / 'bytes'}")
    assert (added.returncode, [job.raw_payload for job in client.admin.jobs(queue)]) == (0, [b"\x00\xff"]), added


def test_what_is_piped_in_must_be_json_and_gives_way_to_an_argument(program, client, queue):
    assert "not JSON" in program.fails(2, "add", queue, stdin=b"{x: 7}")
    program.ok("add", queue, "1", stdin=b"2")
    assert [job.payload for job in client.admin.jobs(queue)] == [1]


@pytest.mark.parametrize("redirection", ["</dev/null", "<&-", "< <(true)"])
def test_with_nothing_on_standard_input_the_payload_is_null(program, client, queue, redirection):
    added = in_a_shell(program, f"{LEASEMQ} add {queue} {redirection}")
    assert (added.returncode, [job.payload for job in client.admin.jobs(queue)]) == (0, [None]), added


@pytest.mark.parametrize("kind", ["a socket", "a terminal"])
def test_standard_input_that_is_only_inherited_is_not_waited_for(program, client, queue, kind):
    ours, its = pty.openpty() if kind == "a terminal" else (it.detach() for it in socket.socketpair())
    adding = program.start("add", queue, stdin=its)
    _, errors = adding.communicate(timeout=TIMEOUT_S)
    assert (adding.returncode, [job.payload for job in client.admin.jobs(queue)]) == (0, [None]), errors
    os.close(ours)
    os.close(its)


def test_what_is_piped_in_is_a_schedule_s_payload_too(program, client, queue):
    program.ok("schedule", "add", queue, "nightly", "--every", "1h", stdin=b"[7]")
    assert program.ok("schedule", "show", queue, "nightly", "--json").json["job"]["payload"] == [7]


def test_one_job_is_said_to_be_one(program, cli, queue):
    adding = ("add", queue, "--jsonl", "-", "--spec")
    assert program.ok(*adding, stdin=b'{"id": "a"}').out == f"added 1 job to {queue}\n"
    assert program.ok(*adding, stdin=b'{"id": "a"}').out == f"added 0 jobs to {queue}; 1 was there already\n"
    assert cli.ok("jobs", "cancel", queue, "--all", "--state", "waiting").out == "cancelled 1 job\n"
    assert cli.ok("jobs", "retry", queue, "--all", "--state", "cancelled").out == "retried 1 job\n"


def in_a_shell(program, command):
    return subprocess.run(["bash", "-c", command], env=program.environment(), capture_output=True, timeout=TIMEOUT_S, check=False)
