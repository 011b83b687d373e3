"""From a store URL to a client: redis://, rediss://, unix:// and memory:// (fakeredis, for users' own tests)."""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import hiredis
import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

SCHEMES = ("redis", "rediss", "unix", "memory")
TIMEOUT_S = 10.0  # a script takes milliseconds; a store that is silent for this long is as good as gone
MAX_CONNECTIONS = 64

Client = Any  # redis.asyncio.Redis or FakeRedis; both are only partly typed


def connect(url: str) -> tuple[Client, bool]:
    """A client for the store, and whether it is a real one (memory:// is not).

    No call is retried by the client: a lease whose reply got lost must be given back, not made again.

    Raises:
        ValueError: the URL's scheme is not one of SCHEMES.
    """
    scheme = urlsplit(url).scheme
    if scheme not in SCHEMES:
        raise ValueError(f"store URL {redact(url)!r}: the scheme must be one of {', '.join(SCHEMES)}")
    if scheme == "memory":
        return _memory(url), False
    pool = redis.BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=TIMEOUT_S,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=2.0,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )
    pool.connection_class = _connection_class(pool.connection_class)
    return redis.Redis(connection_pool=pool), True


def _connection_class(connection_class: Any) -> Any:
    """The connection class, with commands packed by hiredis and sent without asyncio.wait_for.

    A batch has thousands of arguments, and the library's own loop over them is 15 % of the broker. And what it sends with
    wait_for may on Python 3.11 swallow the cancellation of whoever sends: a loop of the broker then never stops.
    """

    class Connection(connection_class):  # type: ignore[misc] # the class is known at run time only
        socket_timeout: float | None

        def pack_command(self, *args: Any) -> list[bytes]:
            return [hiredis.pack_command((*str(args[0]).split(), *args[1:]))]  # "CONFIG SET" is two words

        async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
            timeout, self.socket_timeout = self.socket_timeout, None  # with one, the library sends by wait_for
            try:
                async with asyncio.timeout(timeout):
                    await super().send_packed_command(command, check_health)
            except TimeoutError as error:
                raise redis.TimeoutError(f"the store took no command for {timeout} s") from error
            finally:
                self.socket_timeout = timeout

    return Connection


_memory_servers: dict[str, Any] = {}


def _memory(url: str) -> Client:
    import fakeredis  # noqa: PLC0415 - it takes 0.3 s to import, and only tests want it

    make: Callable[..., Any] = fakeredis.FakeAsyncRedis
    server = _memory_servers.setdefault(url, fakeredis.FakeServer(server_type="valkey"))
    return make(server=server)


def redact(url: str) -> str:
    """The URL without its password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return url.replace(f":{parts.password}@", ":***@", 1)
