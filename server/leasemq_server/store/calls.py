"""Calls on the store: scripts, commands, and what its errors mean. All verbs are built on them."""

import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from redis.exceptions import (
    ClusterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from leasemq_server.errors import StoreFullError, StoreUnavailableError
from leasemq_server.store.connect import Client
from leasemq_server.store.pipe import Pipe
from leasemq_server.store.scripts import Script, load
from leasemq_server.store.types import Durability

PART = 50  # items of one script call where each stands for itself and costs some 20 to 60 µs: none holds the store for 10 ms
MAX_ITEMS = 1000  # jobs that one script call drains or looks at
MAX_MOVES = 500  # jobs that one script call lets wait, or sweeps, on behalf of time; it ends an eighth (tick.lua)
MAX_REPLY_BYTES = 3 * 1024 * 1024  # a reply must fit gRPC's default message size of 4 MiB

# what a store says that can't do now what it could before, and may again; the library takes the word off where it has a class
PASSING = (ReadOnlyError, ClusterDownError, TryAgainError)  # MASTERDOWN is a CLUSTERDOWN
PASSING_WORDS = ("MISCONF", "LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS", "BUSY", "UNKILLABLE")


class StoreRefusedError(StoreUnavailableError):
    """The store answers, and refuses what a broker can't do without: only somebody who changes its settings helps."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.message = f"the store refuses: {detail}"


class Calls:
    """Calls over one client. `now_ms` lets tests own time: None is the store's own clock."""

    def __init__(self, client: Client, *, real: bool, now_ms: Callable[[], int | None] | None = None) -> None:
        self._client = client
        self._pipe = Pipe(client.connection_pool) if real else None
        self._call = client.execute_command if self._pipe is None else self._pipe.call
        self._real = real
        self._now_ms = now_ms or (lambda: None)
        self.outbox_written: Callable[[str], None] = lambda _: None  # hears of queues that have something for others
        self.replicas = 1
        self.implied_durability = Durability.MEMORY  # what every acknowledged write reaches anyway

    async def close(self) -> None:
        """Closes the connections."""
        if self._pipe is not None:
            await self._pipe.close()
        await self._client.aclose()

    async def _run(self, name: str, queue: str, items: Iterable[Sequence[Any]] = (), /, **args: Any) -> Any:
        script = load(name)
        call = script.call_args(queue, {"now_ms": self._now(), **args}, items)
        try:
            return await self._evalsha(self._call, script, call)
        except RedisError as error:
            raise domain_error(error) from error
        except OSError as error:
            raise StoreUnavailableError(str(error)) from error

    async def _run_in_parts(self, name: str, queue: str, items: Sequence[Sequence[Any]], **args: Any) -> list[Any]:
        """A verb whose items stand each for themselves, in several script calls."""
        replies: list[Any] = []
        for first in range(0, len(items), PART):
            part = items[first : first + PART]
            replies += self._strip(queue, await self._run(name, queue, part, **args))
        return replies

    async def _evalsha(self, execute: Callable[..., Awaitable[Any]], script: Script, call: list[Any]) -> Any:
        try:
            return await execute("EVALSHA", script.sha(with_flags=self._real), *call)
        except NoScriptError:
            return await execute("EVAL", script.text(with_flags=self._real), *call)

    async def _command(self, *command: Any) -> Any:
        try:
            return await self._client.execute_command(*command)
        except RedisError as error:
            raise domain_error(error) from error
        except OSError as error:
            raise StoreUnavailableError(str(error)) from error

    async def _pipeline(self, *commands: tuple[Any, ...]) -> list[Any]:
        pipe = self._client.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)
        try:
            result: list[Any] = await pipe.execute(raise_on_error=False)  # it would put words of its own before the store's
        except RedisError as error:
            raise domain_error(error) from error
        except OSError as error:
            raise StoreUnavailableError(str(error)) from error
        for reply in result:
            if isinstance(reply, RedisError):
                raise domain_error(reply) from reply
        return result

    def _now(self) -> int | str:
        now = self._now_ms()
        return "" if now is None else now

    def _seed(self) -> int:
        return secrets.randbits(31)

    def _strip(self, queue: str, replies: list[Any]) -> list[Any]:
        """Takes off the word at the end that says that the outbox was written."""
        if replies[-1:] == [b"OUTBOX"]:
            replies.pop()
            self.outbox_written(queue)
        return replies


def domain_error(error: RedisError) -> Exception:
    """What an error of the store is to those who wanted something done."""
    if isinstance(error, OutOfMemoryError) or "OOM command not allowed" in str(error):
        return StoreFullError()
    if isinstance(error, RedisConnectionError | RedisTimeoutError):
        return StoreUnavailableError(str(error))
    if isinstance(error, PASSING) or (isinstance(error, ResponseError) and str(error).startswith(PASSING_WORDS)):
        return StoreUnavailableError(str(error))
    if isinstance(error, NoPermissionError):
        return StoreRefusedError(str(error))
    other: Exception = error
    return other
