import asyncio
import os
import re
import signal
import socket
import subprocess
import time
from contextlib import contextmanager

import pytest
from leasemq import Client, JobState, NewJob
from leasemq.sync import Client as SyncClient
from leasemq_server.cli.add import _add_one
from leasemq_server.jobs.limits import MAX_LOG_LINE

from tests.cli.harness import TIMEOUT_S, Command, end


@contextmanager
def working(program, queue, command, *options):
    worker = program.start("work", queue, "--exec", command, *options)
    try:
        yield worker
    finally:
        if worker.poll() is None:
            end(worker)


def wait_for(fact, *, timeout_s=TIMEOUT_S):
    """The first true value of the function."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if found := fact():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come true in time")


def test_exit_0_completes_with_standard_output_as_the_result(program, client, queue):
    with working(program, queue, "cat", "-c", "4"):
        ids = [client.add(queue, payload).id for payload in ({"n": 1}, "text", b"\x00bytes")]
        assert [client.wait(queue, job_id, timeout=TIMEOUT_S).result for job_id in ids] == [{"n": 1}, "text", b"\x00bytes"]


@pytest.mark.parametrize("output", [b"NaN\n", b"[1e999]", b'"\\ud800"', b"[" * 100_000, b"9" * 5_000])
def test_output_that_is_json_to_nobody_else_is_a_result_of_bytes(program, client, queue, output):
    with working(program, queue, "cat"):
        job = client.wait(queue, client.add(queue, output).id, timeout=TIMEOUT_S)
    assert (job.state, job.raw_result, job.failures) == (JobState.COMPLETED, output, [])
    assert job.result == output


def test_a_line_of_standard_error_that_does_not_end_is_handed_on_in_parts(program, client, queue, tmp_path):
    go = tmp_path / "go"
    command = f"printf %09000d 7 >&2; while [ ! -e {go} ]; do sleep 0.05; done; printf 'é\\nend' >&2"
    with working(program, queue, command):
        job_id = client.add(queue, 1).id
        wait_for(lambda: list(client.admin.logs(queue, job_id)) == ["0" * MAX_LOG_LINE] * 2)
        go.touch()
        assert client.wait(queue, job_id, timeout=TIMEOUT_S).state is JobState.COMPLETED
    assert list(client.admin.logs(queue, job_id))[2:] == [f"{7:0{9_000 - 2 * MAX_LOG_LINE}}é", "end"]


def test_the_program_learns_from_its_environment_what_it_works_on(program, client, queue):
    with working(program, queue, 'echo "$LEASEMQ_JOB_ID $LEASEMQ_JOB_NAME $LEASEMQ_QUEUE $LEASEMQ_ATTEMPT"'):
        client.add(queue, None, id="one", name="welcome")
        assert client.wait(queue, "one", timeout=TIMEOUT_S).result == f"one welcome {queue} 1\n".encode()


def test_another_exit_status_fails_with_the_end_of_standard_error(program, client, queue):
    with working(program, queue, "echo first >&2; echo 'no route' >&2; exit 3") as worker:
        job = client.wait(queue, client.add(queue, 1, attempts=2).id, timeout=TIMEOUT_S)
        assert (job.state, job.attempt, job.failures[-1].message) == (JobState.FAILED, 2, "exit status 3: first\nno route")
        assert program.ok("jobs", "logs", queue, job.id).out.splitlines() == ["first", "no route"] * 2
        assert "no route" in program.ok("jobs", "list", queue, "--state", "failed", "--json").out
        said = end(worker)
    assert (said.code, said.err.count("again"), said.err.count("failed")) == (0, 1, 1)


def test_exit_75_puts_the_job_off_without_using_an_attempt(program, client, queue):
    with working(program, queue, "exit 75", "--snooze", "1h") as worker:
        job_id = client.add(queue, 1, attempts=1).id
        job = wait_for(lambda: (job := client.get(queue, job_id)).state is JobState.DELAYED and job)
        assert f"put off   {queue} {job_id}" in end(worker).err
    assert (job.attempt, job.failures) == (0, [])


def test_a_program_that_prints_more_than_a_result_may_be_fails(program, client, queue):
    with working(program, queue, "yes"):
        job = client.wait(queue, client.add(queue, 1).id, timeout=TIMEOUT_S)
    failure = job.failures[-1]
    assert re.fullmatch(r"printed more than \d+ bytes, the most that a result may have", failure.message)
    assert (failure.stack_trace.count("\n"), "File " in failure.stack_trace) == (1, False), failure.stack_trace


def test_a_payload_that_the_program_does_not_read_is_no_failure(program, client, queue):
    with working(program, queue, "true"):
        job = client.wait(queue, client.add(queue, "x" * 500_000).id, timeout=TIMEOUT_S)
    assert (job.state, job.result) == (JobState.COMPLETED, None)


def test_a_cancelled_job_ends_the_program_and_its_children(program, client, queue, tmp_path):
    pids = tmp_path / "pids"
    with working(program, queue, f"sleep 600 & echo $$ $! > {pids}.new; mv {pids}.new {pids}; wait"):
        job_id = client.add(queue, 1).id
        wait_for(pids.exists)
        program.ok("jobs", "cancel", queue, job_id)
        job = client.wait(queue, job_id, timeout=TIMEOUT_S)
        assert job.state is JobState.CANCELLED
        for pid in map(int, pids.read_text().split()):
            wait_for(lambda pid=pid: not _runs(pid))


def _runs(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_ctrl_c_lets_the_running_job_finish(program, client, queue, tmp_path):
    started, go = tmp_path / "started", tmp_path / "go"
    with working(program, queue, f"touch {started}; while [ ! -e {go} ]; do sleep 0.05; done; echo 1") as worker:
        job_id = client.add(queue, 1).id
        wait_for(started.exists)
        worker.send_signal(signal.SIGINT)
        waiting = client.add(queue, 2).id
        go.touch()
        _, said = worker.communicate(timeout=TIMEOUT_S)
        assert worker.returncode == 0
        assert said.count(b"stopping: 1 running job may finish; Ctrl-C again gives back what still runs") == 1
    assert client.get(queue, job_id).state is JobState.COMPLETED
    assert client.get(queue, waiting).state is JobState.WAITING


def test_a_second_ctrl_c_gives_the_running_job_back(program, client, queue, tmp_path):
    started = tmp_path / "started"
    with working(program, queue, f"touch {started}; exec sleep 600") as worker:
        job_id = client.add(queue, 1).id
        wait_for(started.exists)
        worker.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            worker.wait(0.5)
        worker.send_signal(signal.SIGINT)
        worker.wait(TIMEOUT_S)
    job = client.get(queue, job_id)
    assert (job.state, job.attempt) == (JobState.WAITING, 0)


def test_add_wait_prints_the_result_or_says_why_there_is_none(program, client, queue):
    with working(program, queue, 'read n; [ "$n" -gt 1 ] && echo $((n * 2)) || { echo too small >&2; exit 1; }'):
        assert program.ok("add", queue, "21", "--wait").out == "42\n"
        assert program.ok("add", queue, "21", "--wait", "--json").json["result"] == 42
        assert "failed after 1 attempt: exit status 1: too small" in program.fails(1, "add", queue, "1", "--wait")


async def test_add_wait_that_is_interrupted_says_which_job_it_was(program, queue, monkeypatch, capfd):
    waits, wait = asyncio.Event(), Client.wait

    async def noted(self, *arguments, **options):
        waits.set()
        return await wait(self, *arguments, **options)

    monkeypatch.setattr(Client, "wait", noted)
    async with Client(program.environment()["LEASEMQ_ADDRESS"]) as client:
        adding = asyncio.create_task(_add_one(client, queue, NewJob(1, id="one"), wait=True, wait_timeout=None, as_json=False))
        await waits.wait()
        adding.cancel()  # as Ctrl-C does
        with pytest.raises(asyncio.CancelledError):
            await adding
    assert f"job one is not finished yet — look at it with: leasemq jobs show {queue} one" in capfd.readouterr().err


@pytest.fixture
def early(queue):
    """A worker that was started before its broker, once it has said so; and where the broker is to be."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"
    with working(Command(address), queue, "cat") as worker:
        assert worker.stderr.readline().decode() == f"no broker at {address} yet: waiting for one; Ctrl-C stops\n"
        yield worker, address


def test_a_worker_waits_for_its_broker(early, queue):
    worker, address = early
    broker = Command("").start("serve", "--listen", address, "--store", "memory://")
    try:
        assert worker.stderr.readline().decode().startswith(f"working {queue} at {address}")
        with SyncClient(address) as client:
            assert client.wait(queue, client.add(queue, [1]).id, TIMEOUT_S).result == [1]
    finally:
        end(worker)
        end(broker)


def test_ctrl_c_ends_the_wait_for_a_broker(early):
    worker, _ = early
    ended = end(worker, signal.SIGINT)
    assert (ended.code, ended.out, ended.err) == (130, "", "")


def test_a_worker_is_listed_while_it_works(program, queue):
    with working(program, queue, "true", "-c", "3"):
        (worker,) = wait_for(lambda: program.ok("workers", queue, "--json").json_lines)
        assert (worker["queues"], worker["concurrency"], worker["language"]) == ([queue], 3, "python")
        assert queue in program.ok("workers").out
