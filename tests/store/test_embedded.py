"""The embedded store: a private valkey-server, and a data directory that outlives it."""

import ctypes.util
import os
import signal
import sys
from pathlib import Path

import pytest
from leasemq_server.errors import DurabilityNotReachedError, StartError, StoreUnavailableError
from leasemq_server.store.check import inspect
from leasemq_server.store.connect import connect
from leasemq_server.store.embedded import EmbeddedStore, environment
from leasemq_server.store.types import Durability

from tests.store.harness import Desk, new_job


async def _started(data_dir: Path, fsync: str = "always") -> tuple[EmbeddedStore, Desk]:
    embedded = EmbeddedStore(data_dir, fsync)
    embedded.lock()
    await embedded.start()
    client, real = connect(embedded.url)
    return embedded, Desk(client, real=real)


async def test_what_was_added_is_there_after_a_stop_and_a_kill(tmp_path: Path) -> None:
    embedded, desk = await _started(tmp_path / "data")
    await desk.add("a")
    await desk.store.close()
    await embedded.stop()
    embedded, desk = await _started(tmp_path / "data")
    await desk.add("b")
    assert embedded.process is not None
    embedded.process.send_signal(signal.SIGKILL)
    await embedded.process.wait()
    with pytest.raises(StoreUnavailableError):
        await desk.add("c")
    await embedded.start()
    assert await desk.lease_ids() == ["a", "b"]
    await desk.store.close()
    await embedded.stop()


async def test_a_server_that_a_killed_broker_left_behind_is_replaced(tmp_path: Path) -> None:
    left, desk = await _started(tmp_path)
    await desk.add("a")
    await desk.store.close()
    left.unlock()
    embedded, desk = await _started(tmp_path)
    assert left.process is not None
    assert await left.process.wait() == 0
    assert await desk.lease_ids() == ["a"]
    await desk.store.close()
    await embedded.stop()


async def test_it_reaches_fsync_and_no_replica(tmp_path: Path) -> None:
    embedded, desk = await _started(tmp_path)
    state = await inspect(desk.store, real=True)
    assert (state.kind, state.implied_durability, state.max_durability) == ("valkey", Durability.FSYNC, Durability.FSYNC)
    assert (state.errors, state.warnings) == ([], [])
    assert (await desk.store.add(desk.queue, [new_job("a")], Durability.FSYNC))[1] is Durability.FSYNC
    await desk.client.execute_command("CONFIG", "SET", "appendfsync", "everysec")
    assert (await inspect(desk.store, real=True)).implied_durability is Durability.MEMORY
    desk.store.implied_durability = Durability.MEMORY
    assert (await desk.store.add(desk.queue, [new_job("b")], Durability.FSYNC))[1] is Durability.FSYNC
    await desk.store.close()
    await embedded.stop()


def test_a_data_directory_in_use_is_refused_with_what_to_do(tmp_path: Path) -> None:
    first, second = EmbeddedStore(tmp_path, "always"), EmbeddedStore(tmp_path, "always")
    first.lock()
    with pytest.raises(StartError, match="is in use by another broker; stop it, choose another with --data-dir, or let both"):
        second.lock()
    first.unlock()
    second.lock()
    second.unlock()


def test_a_data_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match=r"can't be used: .*; choose another with --data-dir"):
        EmbeddedStore(tmp_path / "file", "always").lock()


def _mapped(pid: int) -> str:
    return Path(f"/proc/{pid}/maps").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="preloading is the Linux loader's")
@pytest.mark.parametrize("preloaded_already", [None, "libutil.so.1"])
async def test_jemalloc_is_preloaded_where_the_machine_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preloaded_already: str | None
) -> None:
    """Another library stands for it here: not every machine has jemalloc, and the server must have what was found."""
    found = ctypes.util.find_library("resolv")
    monkeypatch.setattr(ctypes.util, "find_library", {"jemalloc": found}.get)
    if preloaded_already is not None:
        monkeypatch.setenv("LD_PRELOAD", preloaded_already)
    embedded, desk = await _started(tmp_path)
    assert found is not None
    assert embedded.process is not None
    mapped = _mapped(embedded.process.pid)
    assert all(name in mapped for name in (found, preloaded_already) if name)
    await desk.store.close()
    await embedded.stop()


def test_without_jemalloc_the_environment_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes.util, "find_library", lambda _: None)
    assert environment() == dict(os.environ)


async def test_a_server_that_can_not_start_says_where_its_log_is(tmp_path: Path) -> None:
    (tmp_path / "appendonlydir").write_text("in the way")
    with pytest.raises(StartError, match=r"the embedded store exited with 1; its log is .*valkey\.log"):
        await EmbeddedStore(tmp_path, "always").start()


def test_a_deep_data_directory_has_its_socket_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 90) / ("e" * 90)
    embedded = EmbeddedStore(deep, "always")
    assert len(embedded.url.removeprefix("unix://")) < 100
    assert embedded.url == EmbeddedStore(deep, "always").url
    assert embedded.url != EmbeddedStore(deep / "other", "always").url
    assert EmbeddedStore(Path("/tmp/x"), "always").url == "unix:///tmp/x/valkey.sock"


# -- a store without persistence or replicas ---------------------------------------------------------------------


async def test_a_durability_that_the_store_can_not_reach_is_said_and_not_pretended(valkey_desk: Desk) -> None:
    desk = valkey_desk
    with pytest.raises(DurabilityNotReachedError, match=r"the store refused WAITAOF: .*; the job may have been added"):
        await desk.store.add(desk.queue, [new_job("a")], Durability.FSYNC)
    assert await desk.state("a") == "waiting"
    state = await inspect(desk.store, real=True)
    assert (state.implied_durability, state.max_durability) == (Durability.MEMORY, Durability.MEMORY)


async def test_too_few_replicas_are_said(valkey_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leasemq_server.store.store.DURABLE_WAIT_MS", 20)
    with pytest.raises(DurabilityNotReachedError, match="0 of 1 replicas acknowledged within 20 ms"):
        await valkey_desk.store.add(valkey_desk.queue, [new_job("a")], Durability.REPLICATED)
