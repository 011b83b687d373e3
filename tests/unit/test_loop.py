"""What all loops of the broker have in common, alone."""

import asyncio

import pytest
from leasemq_server.loops import loop as loops
from leasemq_server.loops.loop import Loop
from structlog.testing import capture_logs

from tests.support import eventually


class Rounds(Loop):
    """Counts its rounds; fails in the first `failures` of them, and ignores the first `deaf` cancellations."""

    def __init__(self, failures: int = 0, deaf: int = 0) -> None:
        super().__init__()
        self.rounds = 0
        self._failures = failures
        self._deaf = deaf

    async def _run(self) -> None:
        self.rounds += 1
        if self.rounds <= self._failures:
            raise KeyError("nobody thought of it")
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if self._deaf == 0:
                    raise
                self._deaf -= 1


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "RETRY_S", 0.01)
    monkeypatch.setattr(loops, "CANCEL_AGAIN_S", 0.01)


async def test_a_loop_stops_though_cancellations_got_lost():
    loop = Rounds(deaf=2)
    await loop.start()
    await eventually(lambda: loop.rounds)
    async with asyncio.timeout(5):
        await loop.stop()
    assert len(asyncio.all_tasks()) == 1


async def test_an_error_that_nobody_thought_of_is_logged_and_does_not_end_the_loop():
    loop = Rounds(failures=2)
    with capture_logs() as logged:
        await loop.start()
        await eventually(lambda: loop.rounds == 3)
    await loop.stop()
    assert [(it["event"], it["loop"], it["log_level"]) for it in logged] == [("loop failed, going on", "Rounds", "error")] * 2


async def test_a_loop_that_never_started_stops():
    loop = Rounds()
    await loop.stop()
    assert loop.rounds == 0
