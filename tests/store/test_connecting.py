"""Store URLs, what the start-up check finds, and a store that does not answer."""

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
from grpc_health.v1 import health as grpc_health
from leasemq_server.broker.broker import Broker
from leasemq_server.config import Settings
from leasemq_server.errors import StoreFullError, StoreUnavailableError
from leasemq_server.loops import health
from leasemq_server.store import connect as connecting
from leasemq_server.store.calls import domain_error
from leasemq_server.store.check import check_store, inspect
from leasemq_server.store.connect import connect, redact
from leasemq_server.store.store import Store
from leasemq_server.store.types import Durability
from redis._parsers.base import BaseParser
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from structlog.testing import capture_logs

from tests.store.harness import Desk, new_job
from tests.support import StoreProcess, short_directory


@pytest.fixture
async def settings(valkey_desk: Desk) -> AsyncIterator[Desk]:
    """A store whose settings a test may change."""
    yield valkey_desk
    for name, value in {"maxmemory-policy": "noeviction", "save": "", "appendonly": "no", "maxmemory": "0"}.items():
        await valkey_desk.client.execute_command("CONFIG", "SET", name, value)


async def _findings(desk: Desk) -> dict[str, str]:
    return {finding.message: finding.level for finding in (await inspect(desk.store, real=True)).findings}


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_an_evicting_store_is_an_error_that_says_what_to_change(settings: Desk, policy: str) -> None:
    await settings.client.execute_command("CONFIG", "SET", "maxmemory-policy", policy)
    (error,) = (await inspect(settings.store, real=True)).errors
    assert error.message == f"maxmemory-policy is {policy}: a full store would silently drop jobs"
    assert error.fix.startswith("run CONFIG SET maxmemory-policy noeviction")


async def test_a_store_without_persistence_is_a_warning(settings: Desk) -> None:
    state = await inspect(settings.store, real=True)
    assert (state.errors, len(state.warnings)) == ([], 1)
    assert "the store keeps nothing on disk: a restart loses all jobs" in state.warnings[0]
    await settings.client.execute_command("CONFIG", "SET", "save", "900 1")
    assert "snapshots only" in (await inspect(settings.store, real=True)).warnings[0]


async def test_a_persistent_store_is_fine(settings: Desk) -> None:
    await settings.client.execute_command("CONFIG", "SET", "appendonly", "yes")
    findings = await _findings(settings)
    assert set(findings.values()) == {"ok"}
    assert "appendonly yes, appendfsync everysec" in findings


@pytest.mark.parametrize(("used_of_limit", "said"), [(0.5, ""), (0.95, "uses 90% of its memory limit"), (1.5, "is at its")])
async def test_a_store_that_is_nearly_full_is_a_warning_and_keeps_no_broker_from_starting(
    settings: Desk, used_of_limit: float, said: str
) -> None:
    used = int((await settings.store.info("memory"))["used_memory"])
    await settings.client.execute_command("CONFIG", "SET", "maxmemory", int(used / used_of_limit), "appendonly", "yes")
    state = await inspect(settings.store, real=True)
    assert (state.errors, len(state.warnings)) == ([], 1 if said else 0)
    assert all(said in warning and "STORE_FULL" in warning and "raise maxmemory" in warning for warning in state.warnings)


async def test_settings_that_change_under_a_running_broker_are_spoken_of_once(
    settings: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "LOOK_S", 0.0)
    broker = Broker(Settings(), settings.store, await inspect(settings.store, real=True))
    loop = health.HealthLoop(broker, grpc_health.aio.HealthServicer(), [])
    await settings.client.execute_command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru", "appendonly", "yes")
    with capture_logs() as lines:
        await loop.step()
        await loop.step()
    (line,) = lines
    assert (line["event"], line["log_level"]) == ("store settings", "error")
    assert line["detail"].startswith("maxmemory-policy is allkeys-lru: ")
    assert broker.state.warnings == [line["detail"]]
    assert not broker.why_not(Durability.FSYNC)
    await settings.client.execute_command("CONFIG", "SET", "maxmemory-policy", "noeviction", "appendonly", "no")
    await loop.step()
    assert "the store keeps nothing on disk" in broker.state.warnings[0]
    assert not broker.why_not(Durability.FSYNC)  # an add that asks for it is told that it was not reached


async def test_the_check_of_a_url_closes_what_it_opened(valkey_url: str) -> None:
    assert {finding.level for finding in await check_store(valkey_url)} == {"ok", "warning"}


async def test_memory_is_for_tests_and_says_so() -> None:
    (finding,) = await check_store("memory://")
    assert (finding.level, finding.fix) == ("warning", "use it in tests only")
    client, real = connect("memory://")
    state = await inspect(Store(client, real=real), real=real)
    assert (state.kind, state.max_durability) == ("memory", Durability.MEMORY)


async def test_memory_is_shared_by_its_url() -> None:
    async def desk_at(url: str) -> Desk:
        client, real = connect(url)
        return Desk(client, real=real)

    await (await desk_at("memory://one")).add("a")
    assert await (await desk_at("memory://one")).lease_ids() == ["a"]
    assert await (await desk_at("memory://two")).lease_ids() == []


@pytest.mark.parametrize("url", ["", "localhost:6379", "http://x", "file:///tmp/x"])
def test_an_unknown_scheme_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="the scheme must be one of redis, rediss, unix, memory"):
        connect(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:secret@host:6379/0", "redis://***@host:6379/0"),
        ("rediss://:secret@host", "rediss://***@host"),
        ("redis://host", "redis://host"),
        ("redis://host:1/2?db=3&protocol=2", "redis://host:1/2?db=3&protocol=2"),
        ("unix:///x/valkey.sock?password=secret", "unix:///x/valkey.sock?password=***"),
        ("unix:///x/valkey.sock?db=1&password=sec=ret&ret", "unix:///x/valkey.sock?db=1&password=***&***"),
        ("redis://host?username=secret&ssl_keyfile=secret&db=0;secret", "redis://host?username=***&ssl_keyfile=***&db=***"),
        ("redis://host?secret", "redis://host?***"),
        ("unix:///x/valkey.sock?password=sec@ret", "unix://***"),
        ("redis://:sec/ret@host:1", "redis://***@host:1"),
        ("redis://:sec#ret@host:1", "redis://***@host:1"),
        ("redis://:sec?ret@host:1", "redis://***"),
        ("redis://:sec@ret@host:1", "redis://***@host:1"),
        ("redis://:secret@[::1", "redis://***@[::1"),
        ("redis:secret@host", "***@host"),
        ("", ""),
    ],
)
def test_a_password_is_never_shown(url: str, shown: str) -> None:
    assert redact(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        *(f"redis://{user}:sec{mark}ret@host:1" for user in ("", "user") for mark in "/#?[]"),
        *(f"redis://sec{mark}ret@host:1" for mark in "/#?[]"),
        "redis://:1/2@host",
        "redis://u:12?3@host:1",
        "redis://:secret@[::1",
        "redis://:secret",
        "redis://host:secret",
        "redis://host?secret=secret",
        "redis://host?max_connections=secret",
        "unix:///x/valkey.sock?password=sec#ret",
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_a_word_of_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"^the store URL can't be read: it is redis://.* and what is special") as refused:
        connect(url)
    assert str(refused.value) == connecting.NO_URL
    assert refused.value.__suppress_context__


@pytest.mark.parametrize(
    "url",
    ["redis://h:1/abc", "redis://h/1/2", "redis://h/-1", "redis://h?db=abc", "redis://h?db=", "unix:///x?db=-1", "rediss://h/x"],
)
def test_a_database_that_is_no_number_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"^the database of the store URL must be a number, as in redis://host:6379/0 or"):
        connect(url)


@pytest.mark.parametrize(
    ("url", "database", "password"),
    [
        ("redis://h:1", 0, None),
        ("redis://:a%2Fb%23c%3Fd%40e@h:1/3", 3, "a/b#c?d@e"),
        ("rediss://h/0/", 0, None),
        ("redis://h/1?db=2&password=a@b", 2, "a@b"),
        ("unix:///x@y/valkey.sock?db=4", 4, None),
    ],
)
def test_a_url_is_read_as_it_is_meant(url: str, database: int, password: str | None) -> None:
    client, real = connect(url)
    given = client.connection_pool.connection_kwargs
    assert (real, given.get("db", 0), given.get("password")) == (True, database, password)


@pytest.mark.parametrize("url", ["unix:///nowhere/valkey.sock", "redis://127.0.0.1:1"])
async def test_a_store_that_is_not_there_is_unavailable_for_every_kind_of_call(url: str) -> None:
    client, real = connect(url)
    desk = Desk(client, real=real)
    calls = [
        desk.add("a"),
        desk.store.add("email", [], Durability.FSYNC),
        desk.store.ping(),
        desk.store.log_lines("email", "a", 0, 1),
        desk.store.setting("save"),
        desk.store.info(),
        anext(desk.store.messages(["x"], lambda: None)),
        check_store(url),
    ]
    for call in calls:
        with pytest.raises(StoreUnavailableError):
            await call
    await desk.store.close()


@pytest.mark.parametrize(
    ("settings", "master"),
    [({"min-replicas-to-write": 1}, ()), ({}, ("127.0.0.1", 1)), ({"replica-serve-stale-data": "no"}, ("127.0.0.1", 1))],
    ids=["too few replicas", "a replica", "a replica without its master"],
)
async def test_a_store_that_takes_no_writes_for_now_is_unavailable(settings: dict[str, Any], master: tuple[Any, ...]) -> None:
    with short_directory() as directory, StoreProcess(directory) as process:
        client, real = connect(process.url)
        desk = Desk(client, real=real)
        await desk.add("a")
        for name, value in settings.items():
            await client.execute_command("CONFIG", "SET", name, value)
        if master:
            await client.execute_command("REPLICAOF", *master)
        calls = [
            desk.add("b"),
            desk.lease_ids(),
            desk.store.add("email", [new_job("c")], Durability.FSYNC),
            desk.store.heard_of("w1", b"info", 1, 0),
        ]
        for call in calls:
            with pytest.raises(StoreUnavailableError):
                await call
        await desk.store.close()


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("TRYAGAIN Multiple keys request during rehashing of slot", StoreUnavailableError),
        ("MASTERDOWN Link with MASTER is down", StoreUnavailableError),
        ("MISCONF Errors writing to the AOF file", StoreUnavailableError),
        ("LOADING loading the dataset in memory", StoreUnavailableError),
        ("BUSY a script is running", StoreUnavailableError),
        ("OOM command not allowed", StoreFullError),
        ("NOREPLICAS Not enough good replicas to write. script: 1, on @user_script:1.", StoreUnavailableError),
        ("ERR no such thing", ResponseError),
        ("WRONGTYPE no", ResponseError),
    ],
)
def test_what_a_store_says_has_a_meaning(said: str, means: type[Exception]) -> None:
    assert type(domain_error(BaseParser.parse_error(said))) is means


@pytest.mark.parametrize("turns", range(12))
async def test_whoever_is_cancelled_while_it_sends_a_command_ends(valkey_url: str, turns: int) -> None:
    client, _ = connect(valkey_url)
    await client.execute_command("PING")

    async def pings_and_stays() -> None:
        await client.execute_command("PING")
        await asyncio.Event().wait()

    for _ in range(20):
        caller = asyncio.create_task(pings_and_stays())
        for _ in range(turns):
            await asyncio.sleep(0)
        caller.cancel()
        ended, _ = await asyncio.wait([caller], timeout=5)
        assert ended
    await client.aclose()


async def test_a_store_that_takes_no_more_of_a_command_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "TIMEOUT_S", 0.3)
    with short_directory() as directory, StoreProcess(directory) as process:
        client, _ = connect(process.url)
        await client.execute_command("PING")
        process.signal(signal.SIGSTOP)
        with pytest.raises(RedisTimeoutError, match=r"^the store took no command for 0\.3 s$"):
            async with asyncio.timeout(5):
                await client.execute_command("ECHO", b"x" * 20_000_000)
        process.signal(signal.SIGCONT)
        assert await client.execute_command("ECHO", "again") == b"again"
        await client.aclose()
