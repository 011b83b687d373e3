"""What a broker refuses to start with, in one line that says what to change; and how it stops."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest
import redis
from leasemq.v1 import job_pb2, producer_pb2, worker_pb2
from leasemq_server.config import load_settings
from leasemq_server.errors import StartError

from tests.support import (
    BrokerProcess,
    Ended,
    StoreProcess,
    Stubs,
    eventually,
    free_port,
    polling,
    seconds,
    serve_until_exit,
)

ANY_PORT = ("--listen", "127.0.0.1:0")


def the_line(ended: Ended) -> str:
    """The one line on standard error of a start that was refused."""
    assert ended.code != 0
    assert ended.out == ""
    (line,) = ended.errors
    return line


def test_a_port_in_use_is_one_line(directory: Path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        line = the_line(serve_until_exit("--listen", address, "--data-dir", str(directory / "data")))
    assert address in line
    assert "--listen" in line


def test_a_data_directory_in_use_is_one_line(directory: Path):
    with BrokerProcess(directory) as first:
        line = the_line(serve_until_exit(*ANY_PORT, "--data-dir", str(directory / "data")))
        assert first.alive
    assert str(directory / "data") in line
    assert "--data-dir" in line


def test_a_data_directory_that_cannot_be_made_is_one_line(directory: Path):
    (directory / "file").touch()
    line = the_line(serve_until_exit(*ANY_PORT, "--data-dir", str(directory / "file" / "data")))
    assert "--data-dir" in line


@pytest.mark.parametrize("url", ["redis://:secret@127.0.0.1:{port}", "unix:///nowhere/at/all.sock"])
def test_a_store_that_cannot_be_reached_is_one_line_without_its_password(url: str):
    line = the_line(serve_until_exit(*ANY_PORT, "--store", url.format(port=free_port())))
    assert "does not answer" in line
    assert "secret" not in line


def test_a_store_of_an_unknown_kind_is_one_line():
    assert "--store" in the_line(serve_until_exit(*ANY_PORT, "--store", "mysql://127.0.0.1"))


@pytest.mark.parametrize("url", ["redis://:hun/ter2@127.0.0.1:1", "redis://127.0.0.1:1/hunter"])
def test_a_store_url_that_cannot_be_read_is_one_line_without_it_and_exit_2(url: str):
    ended = serve_until_exit(*ANY_PORT, "--store", url)
    assert ended.code == 2
    assert "--store" in the_line(ended)
    assert "hun" not in the_line(ended)


def test_a_password_in_the_query_of_a_store_url_is_not_logged(directory: Path):
    with StoreProcess(directory / "store") as store:
        with store.client() as client:
            client.config_set("requirepass", "hunter2")
        with BrokerProcess(directory, store=f"{store.url}?password=hunter2") as broker:
            pass
        assert "store.sock?password=***" in broker.log.read_text()
        assert "hunter2" not in broker.log.read_text()


@pytest.mark.parametrize(
    ("rule", "said"),
    [("~* +@all resetchannels", "channels"), ("~* &* +@all -info", "info"), ("~* &* +@all -subscribe", "subscribe")],
)
def test_a_store_whose_user_may_not_do_what_a_broker_does_is_one_line_with_what_to_change(directory: Path, rule: str, said: str):
    with StoreProcess(directory / "store") as store, store.client() as client:
        client.execute_command("ACL", "SETUSER", "lesser", "on", ">hunter2", *rule.split())
        url = f"{store.url}?username=lesser&password=hunter2"
        line = the_line(serve_until_exit(*ANY_PORT, "--store", url, "--log-level", "error"))
        assert said in line
        assert "ACL SETUSER" in line
        assert "hunter2" not in line
        client.execute_command("ACL", "SETUSER", "lesser", "reset", "on", ">hunter2", "~lmq:*", "&lmq:*", "+@all")
        with BrokerProcess(directory, store=url) as broker:  # what the line says helps
            assert broker.alive


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_broker_is_stopped_while_it_still_starts(directory: Path, number: signal.Signals):
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(directory / "silent.sock"))
        silent.listen()
        silent.settimeout(20)
        command = [sys.executable, "-m", "leasemq_server", "serve", *ANY_PORT, "--store", f"unix://{directory}/silent.sock"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            connection, _ = silent.accept()
            with connection:
                process.send_signal(number)
                try:
                    out, errors = process.communicate(timeout=5)
                finally:
                    process.kill()
    assert (process.returncode, out, errors) == (0, "", "")


def test_an_evicting_store_is_refused_with_what_to_change(directory: Path):
    with StoreProcess(directory / "store", maxmemory="100mb", maxmemory_policy="allkeys-lru") as store:
        line = the_line(serve_until_exit(*ANY_PORT, "--store", store.url))
        assert "allkeys-lru" in line
        assert "maxmemory-policy noeviction" in line
        with store.client() as client:
            client.config_set("maxmemory-policy", "noeviction")
        with BrokerProcess(directory, store=store.url) as broker:  # what the line says helps
            assert broker.alive


def test_listening_beyond_this_machine_is_refused_unless_it_is_said_to_be_meant(directory: Path):
    line = the_line(serve_until_exit("--listen", "0.0.0.0:0", "--data-dir", str(directory)))
    assert "0.0.0.0:0" in line
    assert "--insecure" in line
    with BrokerProcess(directory, "--insecure", store="memory://", listen="0.0.0.0:0") as broker:
        assert broker.alive


@pytest.mark.parametrize(
    "address", ["nonsense", "127.0.0.1", "127.0.0.1:99999", ":7878", "[::]:0", "192.0.2.1:0", "example.org:1"]
)
def test_an_address_that_is_none_or_is_not_this_machines_alone_is_refused_by_name(address: str):
    with pytest.raises(StartError) as refused:
        load_settings(listen=address)
    assert address in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("address", ["localhost:0", "127.0.0.1:7878", "127.3.2.1:7878", "[::1]:7878"])
def test_a_loopback_address_needs_no_more(address: str):
    assert load_settings(listen=address).listen == address


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_ends_parked_polls_with_an_empty_ok_and_the_process_with_0(directory: Path, number: signal.Signals):
    with BrokerProcess(directory) as broker:
        async with Stubs(broker.address) as stubs:
            added = await stubs.add("other")
            await stubs.must_lease("other")
            workers = [f"w-{number}" for number in range(20)]
            polls = [asyncio.ensure_future(stubs.lease("q", worker=worker, wait=19)) for worker in workers]
            request = producer_pb2.AwaitJobRequest(queue="other", job_id=added.job_id, wait_duration=seconds(19))
            awaiting = asyncio.ensure_future(stubs.producer.AwaitJob(request))
            stream = stubs.worker.WatchWorker(worker_pb2.WatchWorkerRequest(worker_id="w-0"))
            await stream.read()
            await polling(stubs, workers)
            with redis.Redis(unix_socket_path=str(broker.embedded_socket)) as store:
                await eventually(lambda: store.hget(f"lmq:q:{{other}}:job:{added.job_id}", "aw"))
            started = time.monotonic()
            code = await asyncio.to_thread(broker.terminate) if number is signal.SIGTERM else await interrupted(broker)
            assert await asyncio.gather(*polls) == [None] * 20
            assert not (await awaiting).finished
            assert await stream.read() is grpc.aio.EOF
        assert code == 0
        assert time.monotonic() - started < 5.0


async def interrupted(broker: BrokerProcess) -> int:
    os.kill(broker.pid, signal.SIGINT)
    return await asyncio.to_thread(broker.wait)


async def test_a_stop_in_the_midst_of_adds_answers_or_refuses_each_and_loses_none(directory: Path):
    broker = BrokerProcess(directory).start()
    acknowledged: set[str] = set()
    stopping = asyncio.Event()
    async with Stubs(broker.address) as stubs:

        async def add_on_and_on() -> None:
            while not stopping.is_set():
                try:
                    acknowledged.add((await stubs.add("q")).job_id)
                except grpc.aio.AioRpcError as error:
                    if error.code() is not grpc.StatusCode.UNAVAILABLE:  # no client may try any other again
                        raise
                    await asyncio.sleep(0.005)

        adds = [asyncio.ensure_future(add_on_and_on()) for _ in range(30)]
        await eventually(lambda: len(acknowledged) > 100)
        since = time.monotonic()
        assert await asyncio.to_thread(broker.terminate) == 0
        assert time.monotonic() - since < 5.0
        stopping.set()
        await asyncio.gather(*adds)
    with broker:
        async with Stubs(broker.address) as stubs:
            for job_id in acknowledged:
                assert (await stubs.job("q", job_id)).state == job_pb2.JOB_STATE_WAITING


async def test_a_broker_that_was_killed_comes_back_with_all_that_it_acknowledged(directory: Path):
    broker = BrokerProcess(directory).start()
    async with Stubs(broker.address) as stubs:
        for number in range(50):
            await stubs.add("q", id=f"job-{number}")
        lease = await stubs.must_lease("q")
        broker.kill()
        with broker:
            await eventually(lambda: stats_answer(stubs))
            assert await stubs.complete(lease) == job_pb2.JOB_STATE_COMPLETED
            assert (await stubs.stats("q")).waiting == 49


async def stats_answer(stubs: Stubs) -> bool:
    try:
        await stubs.stats("q")
    except grpc.aio.AioRpcError:
        return False
    return True
