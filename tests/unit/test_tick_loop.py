"""The loop that does what time brings about, alone: how soon it comes back to a queue."""

from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace

import pytest
from leasemq_server.loops.tick import MAX_TICKS, TickLoop
from leasemq_server.store.types import Tick

from tests.support import eventually

NOTHING_MORE = Tick(next_in_ms=60_000, outbox=0, moved=125, swept=0, busy=True)
MORE = NOTHING_MORE._replace(next_in_ms=0)
DUE_BUT_STUCK = MORE._replace(moved=0)


class Broker:
    """All of the broker that the loop uses: notes each tick, and answers as it was told."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[str, int], None]] = []
        self.ticks: list[str] = []
        self.answers: dict[str, list[Tick]] = {}
        self.store = self.relay = self.queues = self.wakes = self.workers = self.dispatcher = self
        self.known: set[str] = set()

    async def tick(self, queue: str) -> Tick:
        self.ticks.append(queue)
        answers = self.answers.get(queue, [])
        return answers.pop(0) if answers else NOTHING_MORE

    async def register(self, queue: str) -> None:
        self.known.add(queue)

    async def refresh(self) -> None: ...

    async def settle_unreceived(self) -> None: ...

    async def time_ms(self) -> int:
        return 0

    async def forget_workers(self, now_ms: int) -> None: ...

    def forget_idle(self) -> None: ...

    def forget_old(self) -> None: ...

    def soon(self, queue: str) -> None: ...


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    broker = Broker()
    loop = TickLoop(SimpleNamespace(**vars(broker)))  # type: ignore[arg-type] # all of the broker that it uses
    await loop.start()
    yield broker
    await loop.stop()


async def test_while_more_is_due_it_ticks_again_at_once(broker: Broker):
    broker.answers = {"email": [MORE, MORE, NOTHING_MORE]}
    broker.listeners[0]("email", 1)
    broker.listeners[0]("other", 1)
    await eventually(lambda: "other" in broker.ticks)
    assert broker.ticks == ["email"] * 3 + ["other"]


@pytest.mark.parametrize(("answer", "ticks"), [(MORE, MAX_TICKS), (DUE_BUT_STUCK, 1)])
async def test_another_queue_has_its_turn_however_much_is_due_in_one(broker: Broker, answer: Tick, ticks: int):
    broker.answers = {"email": [answer] * 1000}
    broker.listeners[0]("email", 1)
    broker.listeners[0]("other", 1)
    await eventually(lambda: "other" in broker.ticks)
    assert broker.ticks.index("other") == ticks
