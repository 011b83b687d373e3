"""What the broker knows of the workers that talk to it.

Open polls, control streams, drains, and leases that they have not shown to have received.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from leasemq_server.broker.wakes import DRAINED, Sleeper
from leasemq_server.store.types import Lot, Source

DRAIN_S = 20.0  # a poll that was on its way when its worker drained arrives within this
CROSSING_S = 0.05  # a lease call that arrives this soon after a reply may have been sent before it was read
UNCONFIRMED_S = 1.0  # a control stream that breaks this soon after a delivery gives it back


class Reply(NamedTuple):
    """What a lease call was answered with: where its leases came from, and their nonces; none for an empty answer."""

    at: float
    came_from: tuple[Source, ...]
    nonces: frozenset[str]
    request_id: str


class ControlStream:
    """A worker's open control stream: what it is to hear, and the replies of its lease calls that it may not have read yet."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue(maxsize=10_000)
        self.replies: deque[Reply] = deque(maxlen=1000)

    def put(self, message: dict[str, Any]) -> None:
        """A worker that reads nothing hears of it by its heartbeats."""
        if not self.messages.full():
            self.messages.put_nowait(message)


class Workers:
    """The workers that this broker hears of; all of it may be lost with the broker."""

    def __init__(self) -> None:
        self._drained: dict[str, float] = {}
        self._sleepers: dict[str, set[Sleeper]] = {}
        self._streams: dict[str, list[ControlStream]] = {}
        self._polls: dict[str, float] = {}
        self.stopping = asyncio.Event()

    # -- polls and drains ----------------------------------------------------------------------------------------

    def polled(self, worker_id: str) -> None:
        """The worker asks for jobs again, so it has read a reply: the oldest, as it may have several calls open."""
        before = time.monotonic() - CROSSING_S
        for stream in self._streams.get(worker_id, ()):
            if stream.replies and stream.replies[0].at < before:
                stream.replies.popleft()
                break
        self._polls[worker_id] = time.time()

    def poll_ms(self, worker_id: str) -> int:
        """When it last asked for jobs; 0 if not here."""
        return int(self._polls.get(worker_id, 0) * 1000)

    def drain(self, worker_id: str) -> None:
        """Ends its parked polls, and those that arrive soon."""
        self._drained[worker_id] = time.monotonic() + DRAIN_S
        for sleeper in self._sleepers.get(worker_id, ()):
            if not sleeper.done():
                sleeper.set_result(DRAINED)

    def drain_all(self) -> None:
        """The broker stops: all polls end with an empty OK."""
        self.stopping.set()
        for worker_id in list(self._sleepers):
            self.drain(worker_id)

    def drained(self, worker_id: str) -> bool:
        """Whether its polls are to end."""
        if self.stopping.is_set():
            return True
        until = self._drained.get(worker_id)
        if until is None:
            return False
        if until > time.monotonic():
            return True
        del self._drained[worker_id]
        return False

    def parked(self, worker_id: str, sleeper: Sleeper) -> None:
        """A poll of the worker sleeps."""
        self._sleepers.setdefault(worker_id, set()).add(sleeper)

    def unparked(self, worker_id: str, sleeper: Sleeper) -> None:
        """It woke."""
        sleepers = self._sleepers.get(worker_id)
        if sleepers is not None:
            sleepers.discard(sleeper)
            if not sleepers:
                del self._sleepers[worker_id]

    # -- deliveries ----------------------------------------------------------------------------------------------

    def replied(self, worker_id: str, lots: Sequence[Lot], request_id: str) -> None:
        """A reply was written to the worker's connection, which is not to say that it has read it."""
        streams = self._streams.get(worker_id)
        if streams:
            nonces = frozenset(job.nonce for lot in lots for job in lot.jobs)
            streams[-1].replies.append(Reply(time.monotonic(), tuple(lot.source for lot in lots), nonces, request_id))

    def confirmed(self, worker_id: str, tokens: Collection[str]) -> None:
        """The worker named leases: it has read the replies that they came with."""
        named = [token.partition("/")[0] for token in tokens]
        for stream in self._streams.get(worker_id, ()):
            for reply in [reply for reply in stream.replies if not reply.nonces.isdisjoint(named)]:
                stream.replies.remove(reply)

    @staticmethod
    def undelivered(stream: ControlStream) -> list[Reply]:
        """The control stream broke: the replies whose leases are to be given back."""
        since = time.monotonic() - UNCONFIRMED_S
        return [reply for reply in stream.replies if reply.at > since and reply.came_from]

    # -- control streams -----------------------------------------------------------------------------------------

    def watch(self, worker_id: str) -> ControlStream:
        """Opens a control stream."""
        stream = ControlStream()
        self._streams.setdefault(worker_id, []).append(stream)
        return stream

    def unwatch(self, worker_id: str, stream: ControlStream) -> None:
        """Closes it."""
        streams = self._streams.get(worker_id, [])
        if stream in streams:
            streams.remove(stream)
        if not streams:
            self._streams.pop(worker_id, None)

    def control(self, message: str) -> None:
        """A control message from the store: for one worker, who may be connected here."""
        content = json.loads(message)
        if content["word"] == "DRAIN":
            self.drain(content["worker"])
            return
        for stream in self._streams.get(content["worker"], ()):
            stream.put(content)

    def close_streams(self) -> None:
        """The broker stops: all control streams end."""
        for streams in self._streams.values():
            for stream in streams:
                stream.put({"word": "CLOSE"})

    def forget_old(self) -> None:
        """Drops what is too old to matter."""
        long_ago = time.time() - 3600
        self._polls = {worker_id: at for worker_id, at in self._polls.items() if at > long_ago}
        now = time.monotonic()
        self._drained = {worker_id: until for worker_id, until in self._drained.items() if until > now}
