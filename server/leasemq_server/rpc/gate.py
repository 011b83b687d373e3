"""What lets calls in, and at the end of a broker's life no more.

A gRPC server that stops cuts off the calls that have arrived but that it has not accepted yet, as CANCELLED: no client may
retry that. So the gate closes first: all calls are then accepted and refused at once as UNAVAILABLE, until none is left
that the stop could cut off.
"""

import asyncio

from leasemq_server.errors import StoppingError

QUIET_S = 0.01
MOST_S = 1.0


class Gate:
    """Counts the calls that come in; refuses them once it is closed."""

    def __init__(self) -> None:
        self._calls = 0
        self._closed = False

    def enter(self) -> None:
        """A call comes in.

        Raises:
            StoppingError: the gate is closed.
        """
        self._calls += 1
        if self._closed:
            raise StoppingError

    async def close(self) -> None:
        """Refuses all calls from now on; returns when no more come in, or after a second."""
        self._closed = True
        loop = asyncio.get_running_loop()
        until = loop.time() + MOST_S
        before = -1
        while before != self._calls and loop.time() < until:
            before = self._calls
            await asyncio.sleep(QUIET_S)
