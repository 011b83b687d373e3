"""Script calls on one connection, without waiting for each other's replies.

A client library takes a connection from a pool for each call, and that costs more than all else that the broker does
for it (docs/decisions/0004). Here a call costs its packing and a future. The library still connects, authenticates and reads.

A call that is cancelled leaves its reply unread by anyone, and nothing else. A connection that breaks, or that is silent
for too long, fails every call on it, and the next call opens another.
"""

import asyncio
import math
import time
from collections import deque
from contextlib import suppress
from typing import Any, NamedTuple

import hiredis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

SILENCE_S = 10.0  # a script takes milliseconds; a store that is silent for this long is as good as gone
LOOK_S = 1.0


class _Call(NamedTuple):
    reply: asyncio.Future[Any]
    at: float


class Pipe:
    """Calls to the store, over a connection that opens with the first one."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._line: _Line | None = None
        self._opening = asyncio.Lock()

    async def call(self, *command: Any) -> Any:
        """Sends a command and returns its reply.

        Raises:
            RedisError: the store said so, or can't be reached, or did not answer.
        """
        line = self._line
        if line is None or line.broken is not None:
            line = await self._open()
        return await line.call(command)

    async def close(self) -> None:
        """Closes the connection; calls in flight fail."""
        if self._line is not None:
            await self._line.close()

    async def _open(self) -> "_Line":
        async with self._opening:
            if self._line is None or self._line.broken is not None:
                if self._line is not None:
                    await self._line.close()
                connection = self._pool.make_connection()
                await connection.connect()
                connection.socket_timeout = None  # silence is noticed here
                self._line = _Line(connection)
            return self._line


class _Line:
    """An open connection, the calls that wait for their replies in order, and the tasks that write, read and watch."""

    def __init__(self, connection: Any) -> None:
        self.broken: RedisError | OSError | None = None
        self._connection = connection
        self._calls: deque[_Call] = deque()
        self._packed: list[bytes] = []
        self._wanted = asyncio.Event()
        self._tasks = [asyncio.create_task(duty()) for duty in (self._write, self._read, self._watch)]

    async def call(self, command: tuple[Any, ...]) -> Any:
        """Sends a command; the replies come in the order of the calls."""
        if self.broken is not None:
            raise self.broken
        reply = asyncio.get_running_loop().create_future()
        self._packed.append(hiredis.pack_command(command))
        self._calls.append(_Call(reply, time.monotonic()))
        self._wanted.set()
        return await reply

    async def close(self) -> None:
        """Ends the tasks and the connection."""
        self._break(RedisConnectionError("the connection was closed"))
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(RedisError, OSError):
            await self._connection.disconnect(nowait=True)

    async def _write(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            packed, self._packed = self._packed, []
            try:
                await self._connection.send_packed_command(packed, check_health=False)
            except (RedisError, OSError) as error:
                return self._break(error)

    async def _read(self) -> None:
        while True:
            try:
                self._answer(await self._connection.read_response(timeout=math.inf))
            except ResponseError as error:
                self._answer(error)
            except (RedisError, OSError) as error:
                return self._break(error)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            if self._calls and self._calls[0].at < time.monotonic() - SILENCE_S:
                return self._break(RedisConnectionError(f"the store was silent for {SILENCE_S:g} s"))

    def _answer(self, reply: Any) -> None:
        call = self._calls.popleft()
        if call.reply.done():
            return
        if isinstance(reply, ResponseError):
            call.reply.set_exception(reply)
        else:
            call.reply.set_result(reply)

    def _break(self, error: RedisError | OSError) -> None:
        """Fails all that waits; the tasks end."""
        if self.broken is None:
            self.broken = error
            for call in self._calls:
                if not call.reply.done():
                    call.reply.set_exception(RedisConnectionError(str(error)))
            self._calls.clear()
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
