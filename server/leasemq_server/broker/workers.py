"""What the broker knows of the workers that talk to it.

Open polls, control streams, drains, and leases that they have not shown to have received.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from leasemq_server.broker.wakes import DRAINED, Sleeper

DRAIN_S = 20.0  # a poll that was on its way when its worker drained arrives within this
UNCONFIRMED_S = 1.0  # a control stream that breaks this soon after a delivery gives it back
POLL_NOTE_S = 5.0


class _Delivery(NamedTuple):
    at: float
    queues: tuple[str, ...]
    request_id: str


class Workers:
    """The workers that this broker hears of; all of it may be lost with the broker."""

    def __init__(self) -> None:
        self._drained: dict[str, float] = {}
        self._sleepers: dict[str, set[Sleeper]] = {}
        self._streams: dict[str, list[asyncio.Queue[dict[str, Any]]]] = {}
        self._deliveries: dict[str, _Delivery] = {}
        self._polls: dict[str, float] = {}
        self.closing = False

    # -- polls and drains ----------------------------------------------------------------------------------------

    def polled(self, worker_id: str) -> None:
        """The worker asks for jobs: it has received what it was sent before."""
        self._deliveries.pop(worker_id, None)
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
        self.closing = True
        for worker_id in list(self._sleepers):
            self.drain(worker_id)

    def drained(self, worker_id: str) -> bool:
        """Whether its polls are to end."""
        if self.closing:
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

    def delivered(self, worker_id: str, queues: Sequence[str], request_id: str) -> None:
        """Leases were written to the worker's connection, which is not to say that it has read them."""
        if worker_id in self._streams:
            self._deliveries[worker_id] = _Delivery(time.monotonic(), tuple(queues), request_id)

    def confirmed(self, worker_id: str) -> None:
        """The worker was heard of again."""
        self._deliveries.pop(worker_id, None)

    def undelivered(self, worker_id: str) -> tuple[tuple[str, ...], str] | None:
        """The control stream broke: what is to be given back, (queues, request id)."""
        delivery = self._deliveries.pop(worker_id, None)
        if delivery is None or time.monotonic() - delivery.at > UNCONFIRMED_S:
            return None
        return delivery.queues, delivery.request_id

    # -- control streams -----------------------------------------------------------------------------------------

    def watch(self, worker_id: str) -> asyncio.Queue[dict[str, Any]]:
        """Opens a control stream."""
        stream: asyncio.Queue[dict[str, Any]] = asyncio.Queue(maxsize=10_000)
        self._streams.setdefault(worker_id, []).append(stream)
        return stream

    def unwatch(self, worker_id: str, stream: asyncio.Queue[dict[str, Any]]) -> None:
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
            if not stream.full():  # a worker that reads nothing hears of it by its heartbeats
                stream.put_nowait(content)

    def close_streams(self) -> None:
        """The broker stops: all control streams end."""
        for streams in self._streams.values():
            for stream in streams:
                if not stream.full():
                    stream.put_nowait({"word": "CLOSE"})

    def forget_old(self) -> None:
        """Drops what is too old to matter."""
        long_ago = time.time() - 3600
        self._polls = {worker_id: at for worker_id, at in self._polls.items() if at > long_ago}
        now = time.monotonic()
        self._drained = {worker_id: until for worker_id, until in self._drained.items() if until > now}
        self._deliveries = {worker_id: it for worker_id, it in self._deliveries.items() if now - it.at <= UNCONFIRMED_S}
