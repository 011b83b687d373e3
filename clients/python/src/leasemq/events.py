"""What happens in a queue, as it happens; reached as `client.events("email")`."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any, Self

import grpc

from leasemq import convert
from leasemq.checking import check_several, made
from leasemq.connection import Connection, first_wait, must_end, worth_repeating
from leasemq.errors import LeaseMQError, Unavailable, from_rpc_error
from leasemq.model import Event, EventKind
from leasemq.v1 import admin_pb2

SILENCE = 30.0
"""Seconds without a word on the stream (it has a keep-alive every 10) after which it is opened anew."""
LONGEST_PAUSE = 2.0


class EventStream:
    """An async iterator over events, for one task at a time, that goes on by itself after an outage, without a gap.

    Entering it (`async with`) fixes where it begins; without that, the first event asked for does. It holds a stream open until
    it is closed, so leave it by `async with` or `aclose`. A wait for an event may be cancelled; the next one goes on.
    """

    def __init__(
        self,
        connection: Connection,
        queue: str,
        kinds: Iterable[EventKind],
        resume_token: str | None,
        *,
        from_oldest: bool,
        until_now: bool,
    ) -> None:
        """Set up; nothing is sent yet."""
        check_several("EventKind", kinds=kinds)
        self._connection = connection
        self._request = made(
            admin_pb2.WatchEventsRequest,
            queue=queue,
            resume_token=resume_token or "",
            kinds=[convert.wire(kind) for kind in kinds],
            from_oldest=from_oldest,
            until_now=until_now,
        )
        self._call: Any = None
        self._heard: deque[Event] = deque()
        self._handed_out = resume_token or ""
        self._begun = self._ended = False

    @property
    def resume_token(self) -> str:
        """A position after all that was handed out so far: keep it to go on there later; empty before the stream has begun."""
        return self._handed_out if self._heard else self._request.resume_token

    async def __aenter__(self) -> Self:
        while not self._begun:
            await self._read()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """Wait for the next event. Errors: InvalidField. An outage is waited out."""
        while not self._heard:
            if self._ended:
                raise StopAsyncIteration
            await self._read()
        event = self._heard.popleft()
        self._handed_out = event.resume_token
        return event

    async def aclose(self) -> None:
        """Close the stream; what was not handed out comes again with the resume_token."""
        self._ended = True
        self._drop()

    def _drop(self) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None

    async def _read(self) -> None:
        """Take the next message in, over any outage, or find the end."""
        pause = 0.0
        while True:
            try:
                message = await self._attempt()
            except LeaseMQError as error:
                if not worth_repeating(error):
                    raise
                pause = min(max(2 * pause, first_wait(error)), LONGEST_PAUSE)
                await asyncio.sleep(pause)
                continue
            self._connection.outage.over()
            if message is not None:
                return self._take(message)
            if self._request.until_now:
                self._ended = True
                return None
            await asyncio.sleep(0.1)  # the broker stops; its successor or another one goes on

    def _take(self, message: admin_pb2.WatchEventsResponse) -> None:
        self._begun = True
        self._heard.extend(convert.event(self._request.queue, event) for event in message.events)
        if self._heard and not self._handed_out:
            self._handed_out = self._request.resume_token
        self._request.resume_token = message.resume_token
        self._request.from_oldest = False

    async def _attempt(self) -> admin_pb2.WatchEventsResponse | None:
        """Read one message; None at the end of the stream."""
        try:
            if self._call is None:
                self._call = self._connection.stubs.admin.WatchEvents(self._request)
            async with asyncio.timeout(SILENCE):
                message = await self._call.read()
        except grpc.aio.AioRpcError as rpc_error:
            self._drop()
            error = from_rpc_error(rpc_error)
            self._connection.outage.noticed(error)
            raise error from None
        except TimeoutError:
            self._drop()
            raise Unavailable(f"the stream was silent for {SILENCE:g} s", code=grpc.StatusCode.UNAVAILABLE) from None
        except asyncio.CancelledError:
            self._drop()  # a read that is cancelled takes its call along; the next one goes on from the token
            if must_end():
                raise
            raise RuntimeError("the client was closed while its events were being read") from None
        if isinstance(message, admin_pb2.WatchEventsResponse):
            return message
        self._call = None
        return None
