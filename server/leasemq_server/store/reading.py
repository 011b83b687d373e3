"""The store's verbs for reading jobs: a part of `Store`."""

from collections.abc import Sequence
from typing import Any

from leasemq_server.store import keys
from leasemq_server.store.calls import MAX_ITEMS, MAX_REPLY_BYTES, PART, Calls
from leasemq_server.store.types import BEHIND, Position, StoredJob, as_ms, as_text

STATE_SETS = {
    "waiting": ("wait", "behind"),
    "delayed": ("delayed",),
    "blocked": ("blocked",),
    "active": ("leases",),
    "completed": ("completed",),
    "failed": ("failed",),
    "cancelled": ("cancelled",),
}


def parse_blob(blob: bytes) -> tuple[int, bytes, bytes]:
    """A stored spec's creation time in ms, its options (as in jobs/options.py, may be empty) and its JobSpec bytes."""
    header, _, spec = blob.partition(b"\n")
    create_ms, _, options = header.partition(b" ")
    return int(create_ms), options, spec


def parse_plain(record: bytes) -> dict[bytes, bytes]:
    """The record of a plain life (lua/lib/plain.lua) as the fields of the hash that it would unfold into."""
    head, _, end = record.partition(b"\n")
    start, _, worker = head[25:].partition(b"\t")[0].partition(b" ")
    state = b"active" if head[:1] == b"a" else b"completed"
    fields = {b"s": state, b"t": head[1:25], b"a": b"1", b"w": worker, b"ls": start}
    if end:
        finish, _, rest = end.partition(b"\n")
        fields[b"ft"] = finish
        if rest:
            fields[b"rt"], _, fields[b"r"] = rest.partition(b"\n")
    return fields


class ReadVerbs(Calls):
    """What `Store` has to say about jobs as they are."""

    async def read(self, queue: str, ids: Sequence[str], *, with_spec: bool = True) -> list[StoredJob | None]:
        """Reads jobs, as many as fit one reply (at least one); None where there is none."""
        found: list[StoredJob | None] = []
        room = MAX_REPLY_BYTES
        for first in range(0, len(ids), PART):
            part = [(job_id,) for job_id in ids[first : first + PART]]
            replies = await self._run("read", queue, part, with_spec=int(with_spec), max_bytes=room)
            found += [_stored(job_id, reply) if reply else None for (job_id,), reply in zip(part, replies, strict=False)]
            room -= sum(len(reply[0]) for reply in replies if reply)
            if len(replies) < len(part) or room <= 0:
                break
        return found

    async def page(
        self, queue: str, state: str, after: Position | None, count: int, *, descending: bool, removing: bool = False
    ) -> list[Position]:
        """Up to `count` jobs of a state in index order, from the place after `after`.

        One who removes jobs sees heads of groups last: each that goes is followed by another one, which had been passed.
        """
        sets = STATE_SETS[state][::-1] if descending or removing else STATE_SETS[state]
        found: list[Position] = []
        for name in sets[sets.index(STATE_SETS[state][-after.is_behind]) if after else 0 :]:
            found += await self._page_of(queue, name, after, count - len(found), descending)
            if len(found) == count:
                break
            after = None
        return found

    async def _page_of(self, queue: str, name: str, after: Position | None, count: int, descending: bool) -> list[Position]:
        key = keys.queue_keys(queue)[name]
        ties_done = 0
        bounds = ("+inf", "-inf") if descending else ("-inf", "+inf")
        if after is not None:
            after = after._replace(score=after.score.removeprefix(BEHIND))
            ties_done = await self._ties_until(key, after, descending)
            bounds = (after.score, bounds[1])
        found = await self._range(key, bounds, ties_done, count, descending)
        return [Position(BEHIND + it.score, it.id) for it in found] if name == "behind" else found

    async def _range(self, key: str, bounds: tuple[str, str], offset: int, count: int, descending: bool) -> list[Position]:
        command = "ZREVRANGEBYSCORE" if descending else "ZRANGEBYSCORE"
        flat = await self._command(command, key, *bounds, "WITHSCORES", "LIMIT", offset, count)
        if flat and isinstance(flat[0], list | tuple):
            return [Position(_score(score), as_text(job_id)) for job_id, score in flat]
        return [Position(_score(flat[n + 1]), as_text(flat[n])) for n in range(0, len(flat), 2)]

    async def _ties_until(self, key: str, after: Position, descending: bool) -> int:
        """How many of the jobs with this very score come up to and including the one seen last."""
        offset = 0
        while True:
            ties = await self._range(key, (after.score, after.score), offset, MAX_ITEMS, descending)
            seen = sum(1 for tie in ties if (tie.id >= after.id if descending else tie.id <= after.id))
            offset += seen
            if seen < MAX_ITEMS:
                return offset

    async def log_lines(self, queue: str, job_id: str, start: int, count: int) -> tuple[list[str], int, int]:
        """Kept log lines from number `start` on, the number of the line after them, and how many were ever appended."""
        names = keys.queue_keys(queue)
        kept, total = await self._pipeline(("LLEN", names["logs*"] + job_id), ("HGET", names["job*"] + job_id, "lc"))
        dropped = int(total or 0) - int(kept)
        start = max(start, dropped)
        lines = await self._command("LRANGE", names["logs*"] + job_id, start - dropped, start - dropped + count - 1)
        return [line.decode(errors="replace") for line in lines], start + len(lines), int(total or 0)


def _score(value: Any) -> str:
    if isinstance(value, float):
        return repr(value)
    return as_text(value)


def _stored(job_id: str, reply: Sequence[Any]) -> StoredJob:
    blob, delayed, leased, flat, plain = reply
    create_ms, options, spec = parse_blob(blob)
    fields = flat if isinstance(flat, dict) else dict(zip(flat[::2], flat[1::2], strict=True))
    if plain:
        fields = parse_plain(plain)
    return StoredJob(job_id, create_ms, options, spec, as_ms(delayed), as_ms(leased), fields)
