"""The store's verbs for queues: a part of `Store`."""

from leasemq_server.store import keys
from leasemq_server.store.calls import MAX_ITEMS, MAX_MOVES, Calls
from leasemq_server.store.types import Counts, Sweep, Tick, as_ms, as_text


class QueueVerbs(Calls):
    """What `Store` has to say about queues."""

    async def pause(self, queue: str, *, paused: bool) -> None:
        """Stops or starts giving out leases."""
        await self._run("pause", queue, paused=int(paused))

    async def configure(self, queue: str, expected: bytes, config_proto: bytes, config: str) -> bool:
        """Stores a queue's configuration if it still is `expected`; False when it is not."""
        reply = await self._run("configure", queue, expected=expected, config_proto=config_proto, options=config)
        return as_text(reply) == "OK"

    async def stats(self, queue: str) -> Counts:
        """Counts a queue's jobs."""
        reply = await self._run("stats", queue)
        waiting, delayed, active, completed, failed, cancelled, paused, oldest_ms, added, completed_ever, failed_ever = map(
            int, reply[:11]
        )
        states = (waiting, delayed, active, completed, failed, cancelled)
        return Counts(
            *states,
            bool(paused),
            oldest_ms,
            added,
            completed_ever,
            failed_ever,
            reply[11],
            bool(reply[12]),
            int(reply[13]),
            as_ms(reply[14]),
        )

    async def tick(self, queue: str) -> Tick:
        """Does what time has brought about in a queue."""
        next_in_ms, outbox, moved, busy = await self._run("tick", queue, seed=self._seed(), max_moves=MAX_MOVES)
        if outbox:
            self.outbox_written(queue)
        return Tick(int(next_in_ms), int(moved), bool(busy))

    async def sweep(self, queue: str) -> Sweep:
        """Removes finished jobs that are kept no longer."""
        next_in_ms, swept, outbox = await self._run("sweep", queue, max_moves=MAX_MOVES)
        return Sweep(int(next_in_ms), int(swept), int(outbox))

    async def drain(self, queue: str, state: str) -> tuple[int, bool]:
        """Removes up to 1,000 waiting or delayed jobs: how many, and whether there are more."""
        removed, more, outbox = await self._run("drain", queue, state=state, max_jobs=MAX_ITEMS)
        if outbox:
            self.outbox_written(queue)
        return int(removed), bool(more)

    async def drop_queue(self, queue: str) -> bool:
        """Removes an empty queue; False when a job is in it."""
        if as_text(await self._run("drop_queue", queue)) != "OK":
            return False
        await self._command("ZREM", keys.QUEUES, queue)
        return True

    async def register_queue(self, queue: str) -> None:
        """Makes the queue known to all brokers. One that is known is no write, so that a full store can be leased from."""
        if not await self.queue_exists(queue):
            await self._command("ZADD", keys.QUEUES, 0, queue)

    async def queue_names(self, after: str = "", count: int = 1000) -> list[str]:
        """Known queues by name, from the one after `after`."""
        names = await self._command("ZRANGEBYLEX", keys.QUEUES, f"({after}" if after else "-", "+", "LIMIT", 0, count)
        return [as_text(name) for name in names]

    async def queue_exists(self, queue: str) -> bool:
        """Whether a job was ever added to the queue, or it was configured."""
        return await self._command("ZSCORE", keys.QUEUES, queue) is not None
