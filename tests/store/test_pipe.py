"""One connection for all script calls: each gets its own reply, whatever becomes of the others."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest
from leasemq_server.store import pipe as pipes
from leasemq_server.store.connect import connect
from leasemq_server.store.pipe import Pipe
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError

from tests.support import StoreProcess, eventually, short_directory

PATIENCE_S = 10


@pytest.fixture
async def pipe(valkey_url: str) -> AsyncIterator[Pipe]:
    client, _ = connect(valkey_url)
    pipe = Pipe(client.connection_pool)
    yield pipe
    await pipe.close()
    await client.aclose()


async def test_calls_at_the_same_time_get_their_own_replies(pipe: Pipe) -> None:
    replies = await asyncio.gather(*(pipe.call("ECHO", str(number)) for number in range(500)))
    assert replies == [str(number).encode() for number in range(500)]


async def test_an_error_is_its_own_calls_alone(pipe: Pipe) -> None:
    replies = await asyncio.gather(
        pipe.call("ECHO", "a"),
        pipe.call("EVALSHA", "0" * 40, 0),
        pipe.call("NOSUCH"),
        pipe.call("ECHO", "b"),
        return_exceptions=True,
    )
    assert [type(reply) for reply in replies] == [bytes, NoScriptError, ResponseError, bytes]
    assert (replies[0], replies[3]) == (b"a", b"b")


async def test_a_cancelled_call_takes_no_others_reply(pipe: Pipe) -> None:
    calls = [asyncio.create_task(pipe.call("ECHO", str(number))) for number in range(10)]
    await asyncio.sleep(0)
    for gone in calls[::2]:
        gone.cancel()
    assert await asyncio.gather(*calls[1::2]) == [b"1", b"3", b"5", b"7", b"9"]
    assert await pipe.call("ECHO", "after") == b"after"


async def test_a_broken_connection_fails_what_is_in_flight_and_the_next_call_opens_another(pipe: Pipe) -> None:
    number = await pipe.call("CLIENT", "ID")
    blocked = asyncio.create_task(pipe.call("BLPOP", "nothing", 0))
    await asyncio.sleep(0)
    client, _ = connect(f"unix://{pipe._pool.connection_kwargs['path']}")

    async def is_blocked() -> bool:
        return any(entry["cmd"] == "blpop" for entry in await client.client_list())

    await eventually(is_blocked)
    await client.client_kill_filter(_id=number)
    with pytest.raises(RedisConnectionError):
        await asyncio.wait_for(blocked, PATIENCE_S)
    assert await pipe.call("CLIENT", "ID") != number
    await client.aclose()


async def test_a_silent_store_fails_the_calls_and_is_used_again_when_it_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipes, "SILENCE_S", 0.2)
    monkeypatch.setattr(pipes, "LOOK_S", 0.05)
    with short_directory() as directory, StoreProcess(directory) as store:
        client, _ = connect(store.url)
        pipe = Pipe(client.connection_pool)
        assert await pipe.call("PING") == b"PONG"
        os.kill(store._process.pid, signal.SIGSTOP)
        try:
            with pytest.raises(RedisConnectionError, match=r"silent for 0\.2 s"):
                await asyncio.wait_for(pipe.call("PING"), PATIENCE_S)
        finally:
            os.kill(store._process.pid, signal.SIGCONT)
        assert await asyncio.wait_for(pipe.call("PING"), PATIENCE_S) == b"PONG"
        await pipe.close()
        with pytest.raises(RedisConnectionError, match="closed"):
            await pipe._line.call(("PING",))
        await client.aclose()
