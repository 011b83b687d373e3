"""What lets calls in, and at the end of a broker's life no more.

gRPC's own stop cuts off, as CANCELLED, every call that arrives while it goes on, and no client may retry that. So the gate
closes instead: each call is then refused as UNAVAILABLE, those in flight finish, and the connections end with the process.
"""

import asyncio

from leasemq_server.errors import StoppingError

LAST_REPLIES_S = 0.05  # from a handler's return to its reply being on the wire


class Gate:
    """Entered by each call; refuses them once it is closed."""

    def __init__(self) -> None:
        self._inside = 0
        self._closed = False
        self._empty = asyncio.Event()

    def __enter__(self) -> None:
        """A call comes in.

        Raises:
            StoppingError: the gate is closed.
        """
        if self._closed:
            raise StoppingError
        self._inside += 1

    def __exit__(self, *_: object) -> None:
        self._inside -= 1
        if self._inside == 0:
            self._empty.set()

    async def close(self, timeout_s: float) -> bool:
        """Refuses all calls from now on, and waits for those inside; says whether they finished in time."""
        self._closed = True
        self._empty.clear()
        try:
            if self._inside:
                async with asyncio.timeout(timeout_s):
                    await self._empty.wait()
        except TimeoutError:
            return False
        await asyncio.sleep(LAST_REPLIES_S)
        return True
