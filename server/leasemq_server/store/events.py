"""The store's verbs for events: a part of `Store`. Scripts write them (lua/lib/publish_events.lua); here they are read."""

import redis.asyncio as redis
from redis.exceptions import RedisError

from leasemq_server.errors import StoreUnavailableError
from leasemq_server.jobs.events import Entry
from leasemq_server.store import keys
from leasemq_server.store.calls import Calls
from leasemq_server.store.connect import Client

ENTRIES_A_READ = 16  # an entry has up to some thousand ids of up to 128 bytes
MAX_NUMBER = 2**53
LAST_TIME = 2**64 - 1  # no entry's id comes after it with the same number
BLOCK_MS = 5_000  # less than the client's patience with a silent store
MAX_WATCHED_QUEUES = 1_000


class EventVerbs(Calls):
    """What `Store` has to say about events."""

    _client: Client
    _real: bool
    _watching: Client | None = None

    async def last_event(self, queue: str) -> int:
        """The number of the newest event; 0 when there was none."""
        return int((await self._run("read_events", queue, after=MAX_NUMBER, max_entries=1))[0])

    async def read_events(self, queue: str, after: int) -> list[Entry]:
        """The next entries that hold events after that number, a few at a time."""
        _, found = await self._run("read_events", queue, after=after, max_entries=ENTRIES_A_READ)
        return [_entry(entry_id, flat) for entry_id, flat in found]

    async def wait_for_event(self, queue: str, after: int) -> None:
        """Returns when there is an event after that number, or after a few seconds; the store tells, nobody polls."""
        key = keys.queue_keys(queue)["events"]
        try:
            await self._watcher().xread({key: f"{after}-{LAST_TIME}"}, count=1, block=BLOCK_MS)
        except (RedisError, OSError) as error:
            raise StoreUnavailableError(str(error)) from error

    def _watcher(self) -> Client:
        """A client of its own, since a connection that waits is of no use to anybody else."""
        if self._watching is None:
            self._watching = self._client
            if self._real:
                pool = self._client.connection_pool
                own = redis.ConnectionPool(pool.connection_class, MAX_WATCHED_QUEUES, **pool.connection_kwargs)
                self._watching = redis.Redis(connection_pool=own)
        return self._watching

    async def _close_watcher(self) -> None:
        if self._watching is not None and self._watching is not self._client:
            await self._watching.aclose()


def _entry(entry_id: bytes, flat: list[bytes]) -> Entry:
    """Not as a dict: an entry may have the same head twice."""
    parts = [(head.decode(errors="replace"), ids.decode()) for head, ids in zip(flat[::2], flat[1::2], strict=True)]
    number, _, ms = entry_id.partition(b"-")
    return Entry(int(number), int(ms), parts)
