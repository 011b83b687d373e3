import os
import pty
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.cli.harness import LEASEMQ, TIMEOUT_S, Command, end


@pytest.fixture(scope="module")
def nowhere():
    """A port on which nothing listens, and nothing will while the test holds it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


@pytest.mark.parametrize("arguments", [["stats"], ["add", "q", "1"], ["doctor"], ["jobs", "list", "q"]])
def test_no_broker_is_exit_3_and_says_how_to_start_one(nowhere, arguments):
    assert Command(nowhere).fails(3, *arguments) == (
        f"leasemq: cannot reach a broker at {nowhere} — is it running? start one with: leasemq serve\n"
    )


def test_the_address_may_stand_before_or_after_the_command(program, nowhere):
    elsewhere = Command(nowhere)
    assert elsewhere("--address", program.address, "stats").code == 0
    assert elsewhere("stats", "--address", program.address).code == 0


def test_an_address_that_is_none_is_exit_2(program):
    assert "HOST:PORT" in program.refuses("stats", "--address", "somewhere")


def test_ctrl_c_is_exit_130_without_a_traceback(program, queue):
    waiting = program.start("add", queue, "1", "--wait")
    deadline = time.monotonic() + TIMEOUT_S
    while program.ok("stats", queue, "--json").json["waiting"] == 0:
        assert time.monotonic() < deadline
    ended = end(waiting, signal.SIGINT)
    assert (ended.code, ended.out) == (130, "")
    assert re.fullmatch(r"(job \S+ is not finished yet .*\n)?", ended.err)  # silent where the add was not answered yet


def test_a_reader_that_leaves_early_is_no_error(program, client, queue):
    client.add(queue, 1)
    command = f"{LEASEMQ} jobs list {queue} --json | true; echo ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, env=program.environment(), timeout=TIMEOUT_S, check=True)
    assert (ended.stdout, ended.stderr) == (b"141\n", b"")


@pytest.mark.parametrize("arguments", ["--version", "version", "stats", "stats --json"])
@pytest.mark.parametrize(("redirection", "why"), [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")])
def test_an_output_that_can_not_be_written_is_one_line(program, client, queue, arguments, redirection, why):
    client.add(queue, 1)
    ended = in_a_shell(program, f"{LEASEMQ} {arguments} {redirection}")
    assert (ended.returncode, ended.stderr.decode()) == (1, f"leasemq: cannot write to standard output: {why}\n")


def test_a_broker_serves_without_a_standard_output(program):
    serve = f"exec {LEASEMQ} serve --listen 127.0.0.1:0 --store memory:// >&-"
    broker = subprocess.Popen(
        ["bash", "-c", serve], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=program.environment(LEASEMQ_LOG_FORMAT="json")
    )
    assert broker.stderr is not None
    assert any(b"broker started" in line for line in broker.stderr)
    ended = end(broker)
    assert (ended.code, "broker stopped" in ended.err, "Traceback" in ended.err) == (0, True, False), ended


def in_a_shell(program, command):
    return subprocess.run(["bash", "-c", command], env=program.environment(), capture_output=True, timeout=TIMEOUT_S, check=False)


def test_output_into_a_pipe_has_no_colours(program, client, queue):
    client.add(queue, 1)
    assert "\x1b" not in program.ok("stats").out + program.ok("jobs", "list", queue).out


@pytest.mark.parametrize(("answer", "left"), [(b"n\n", 1), (b"y\n", 0)])
def test_on_a_terminal_a_drain_asks_first(program, client, queue, answer, left):
    client.add(queue, 1)
    shown, code = on_a_terminal(program, ["queues", "drain", queue], types=answer, after=b"[y/N]")
    assert (code, client.admin.stats(queue).waiting) == (1 if left else 0, left), shown


@pytest.mark.parametrize(("key", "code"), [(b"\x03", 130), (b"\x04", 1)])
def test_a_question_that_is_not_answered_changes_nothing(program, client, queue, key, code):
    client.add(queue, 1)
    shown, ended = on_a_terminal(program, ["queues", "drain", queue], types=key, after=b"[y/N]")
    assert (ended, client.admin.stats(queue).waiting) == (code, 1)
    assert shown.endswith(b"\r\nstopped: nothing was changed\r\n")


def test_top_shows_the_queues_until_q(program, client, queue):
    client.add(queue, 1)
    shown, code = on_a_terminal(program, ["top", "--interval", "100ms"], types=b"q", after=queue.encode())
    assert code == 0, shown


def test_top_leaves_out_what_does_not_fit_and_says_how_much(program, client, queue):
    for number in range(30):
        client.add(f"{queue}-{number}", 1)
    shown, code = on_a_terminal(program, ["top"], types=b"q", after=b"more queues", columns=80, lines=24)
    assert code == 0, shown
    table = [line for line in re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", shown).decode().split("\r\n") if line.strip()]
    (header,) = [line for line in table if "waiting" in line]
    assert (max(map(len, table)) <= 80, header.split()[:2], "cancelled" in header) == (True, ["queue", "waiting"], False)
    (more,) = [line for line in table if "more queues" in line]
    rows = table[table.index(header) + 1 : table.index(more)]
    assert len(table) + 2 <= 24
    assert len(rows) > 5
    assert len(rows) + int(more.split()[2]) == len(list(client.admin.queues()))


def test_top_needs_a_terminal(program):
    assert "leasemq stats --json" in program.fails(1, "top")


def test_top_needs_a_terminal_that_can_do_more_than_print(program):
    shown, code = on_a_terminal(program, ["top"], types=b"q", after=b"queue ", term="dumb")
    assert (code, b"leasemq stats --json" in shown) == (1, True), shown


def is_asleep(pid):
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state != "R"


def on_a_terminal(program, arguments, *, types, after, columns=150, lines=50, term="xterm"):
    """Runs the command on a terminal of its own and types once the text is there; what was shown, and the exit code."""
    terminal, its_end = pty.openpty()
    child = subprocess.Popen(  # not pty.fork: the threads of gRPC do not survive it
        ["setsid", "--ctty", LEASEMQ, *arguments],
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
        env=program.environment(COLUMNS=str(columns), LINES=str(lines), TERM=term),
    )
    os.close(its_end)
    watchdog = threading.Timer(TIMEOUT_S, child.kill)
    watchdog.start()
    shown, typed = b"", False
    try:
        while chunk := os.read(terminal, 65_536):
            shown += chunk
            if not typed and after in shown:
                while not is_asleep(child.pid):  # it reads: a key before that is lost to Python's readline, if it is Ctrl-C
                    time.sleep(0.01)
                os.write(terminal, types)
                typed = True
    except OSError:
        pass  # the terminal is gone with the program
    watchdog.cancel()
    os.close(terminal)
    return shown, child.wait()


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("jobs", "delete", "{queue}", "--all", "--state", "waiting", "--yes", "--group", ""), "--group"),
        (("jobs", "cancel", "{queue}", "--all", "--state", "waiting", "--yes", "--name", ""), "--name"),
        (("add", "{queue}", "1", "--id", ""), "--id"),
        (("queues", "update", "{queue}", "--dead-letter-queue", ""), "--dead-letter-queue"),
        (("work", "{queue}", "--exec", ""), "--exec"),
    ],
)
def test_an_empty_variable_of_the_shell_is_not_an_option_left_out(cli, client, queue, arguments, option):
    client.add(queue, 1)
    said = cli.refuses(*(it.format(queue=queue) for it in arguments))
    assert option in said
    assert "is empty" in said
    assert client.admin.stats(queue).waiting == 1


def test_an_empty_payload_of_bytes_is_one(cli, client, queue):
    cli.ok("add", queue, "", "--raw")
    assert [job.raw_payload for job in client.admin.jobs(queue)] == [b""]


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("work", "q", "--exec", "cat", "--lease", "1ms"), "--lease"),
        (("work", "q", "--exec", "cat", "--lease", "30d"), "--lease"),
        (("metrics", "q", "--last", "25h"), "--last"),
        (("add", "q", "1", "--wait-timeout", "5s"), "--wait-timeout"),
        (("add", "q", "1", "--spec"), "--spec"),
        (("stats", "--address", "127.0.0.1:99999"), "HOST:PORT"),
    ],
)
def test_what_can_not_be_meant_is_exit_2_and_named(program, arguments, option):
    assert option in program.refuses(*arguments)


def test_a_closed_standard_input_answers_no_question(program, client, queue):
    client.add(queue, 1)
    command = ["sh", "-c", f"exec {LEASEMQ} queues drain {queue} <&-"]
    ended = subprocess.run(command, env=program.environment(), capture_output=True, check=False, timeout=TIMEOUT_S)
    assert (ended.returncode, ended.stdout.decode(), ended.stderr) == (0, f"removed 1 job from {queue}\n", b"")
