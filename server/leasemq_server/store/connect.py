"""From a store URL to a client: redis://, rediss://, unix:// and memory:// (fakeredis, for users' own tests)."""

import asyncio
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import hiredis
import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

SCHEMES = ("redis", "rediss", "unix", "memory")
TIMEOUT_S = 10.0  # a script takes milliseconds; a store that is silent for this long is as good as gone
MAX_CONNECTIONS = 64
NO_URL = (
    "the store URL can't be read: it is redis://[[user]:password@]host[:port][/database] or unix:///path/to/socket[?db=database],"
    " and what is special in a URL is percent-encoded in a password (/ is %2F, # is %23, ? is %3F, @ is %40)"
)
NO_DATABASE = "the database of the store URL must be a number, as in redis://host:6379/0 or unix:///path/to/socket?db=0"

Client = Any  # redis.asyncio.Redis or FakeRedis; both are only partly typed


def connect(url: str) -> tuple[Client, bool]:
    """A client for the store, and whether it is a real one (memory:// is not).

    No call is retried by the client: a lease whose reply got lost must be given back, not made again.

    Raises:
        ValueError: the URL is not one of a store; the message has nothing of it that may be secret.
    """
    scheme = url.partition("://")[0]
    if scheme not in SCHEMES:
        raise ValueError(f"store URL {redact(url)!r}: the scheme must be one of {', '.join(SCHEMES)}")
    if scheme == "memory":
        return _memory(url), False
    return redis.Redis(connection_pool=_pool(url)), True


def _pool(url: str) -> redis.ConnectionPool:
    try:
        _check(url)
        pool = redis.BlockingConnectionPool.from_url(
            url,
            max_connections=MAX_CONNECTIONS,
            timeout=TIMEOUT_S,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=2.0,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        pool.make_connection()  # a parameter that it does not know fails here; nothing is connected yet
    except _NoDatabaseError:
        raise
    except (ValueError, TypeError):  # what they say has parts of the URL, and those may be of its password
        raise ValueError(NO_URL) from None
    pool.connection_class = _connection_class(pool.connection_class)
    return pool


class _NoDatabaseError(ValueError):
    """The library would take database 0 for one that is no number."""


def _check(url: str) -> None:
    """Refuses what the library reads in another way than was meant: it would connect to a part of the password.

    Raises:
        ValueError: the URL can't be split.
    """
    parts = urlsplit(url)
    astray = [parameter.partition("=")[0] for parameter in parts.query.split("&")]
    if parts.scheme != "unix":
        astray.append(parts.path)
    if parts.fragment or any("@" in text for text in astray):
        raise ValueError(NO_URL)
    asked = parse_qs(parts.query, keep_blank_values=True).get("db", [])
    if parts.scheme != "unix" and parts.path.strip("/"):
        asked.append(parts.path.strip("/"))
    if not all(database.isascii() and database.isdecimal() for database in asked):
        raise _NoDatabaseError(NO_DATABASE)


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


_HARMLESS = re.compile(r"(db|protocol|ssl_cert_reqs|socket_timeout|socket_connect_timeout|health_check_interval)=[A-Za-z0-9_.]*")
_NAMED = re.compile(r"(\w+)=.*", re.DOTALL)


def redact(url: str) -> str:
    """The URL without what may be secret: all before its last @, and values of its query. It need not be a proper URL."""
    scheme, separator, rest = url.partition("://") if "://" in url else ("", "", url)
    before, at, after = rest.rpartition("@")
    if "?" in before:  # of a password, or of a query with an @ in it
        return f"{scheme}{separator}***"
    place, mark, query = after.partition("?")
    shown = "&".join(_shown(parameter) for parameter in query.split("&"))
    return f"{scheme}{separator}{'***@' if at else ''}{place}{mark}{shown if mark else ''}"


def _shown(parameter: str) -> str:
    if not parameter or _HARMLESS.fullmatch(parameter):
        return parameter
    named = _NAMED.fullmatch(parameter)
    return f"{named[1]}=***" if named else "***"
