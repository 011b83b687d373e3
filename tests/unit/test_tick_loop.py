"""The loop that does what time brings about, alone: how soon it comes back to a queue."""

from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace

import pytest
from leasemq_server.errors import StoreFullError
from leasemq_server.loops.tick import BUSY_S, MAX_TICKS, TickLoop
from leasemq_server.store.types import Sweep, Tick

from tests.support import eventually

NOTHING_MORE = Tick(next_in_ms=60_000, moved=125, busy=True)
MORE = NOTHING_MORE._replace(next_in_ms=0)
DUE_BUT_STUCK = MORE._replace(moved=0)
EMPTY = Tick(next_in_ms=-1, moved=0, busy=False)
NOTHING_TO_SWEEP = Sweep(next_in_ms=-1, swept=0, outbox=0)


class Broker:
    """All of the broker that the loop uses: notes each tick, and answers as it was told."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[str, int], None]] = []
        self.ticks: list[str] = []
        self.sweeps: list[str] = []
        self.relayed: list[str] = []
        self.sweep_answers: list[Sweep] = []
        self.answers: dict[str, list[Tick | Exception]] = {}
        self.store = self.relay = self.queues = self.wakes = self.workers = self.dispatcher = self
        self.known: set[str] = set()

    async def tick(self, queue: str) -> Tick:
        self.ticks.append(queue)
        answers = self.answers.get(queue, [])
        answer = answers.pop(0) if answers else NOTHING_MORE
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def sweep(self, queue: str) -> Sweep:
        self.sweeps.append(queue)
        return self.sweep_answers.pop(0) if self.sweep_answers else NOTHING_TO_SWEEP

    async def register(self, queue: str) -> None:
        self.known.add(queue)

    async def refresh(self) -> None: ...

    async def settle_unreceived(self) -> None: ...

    async def time_ms(self) -> int:
        return 0

    async def forget_workers(self, now_ms: int) -> None: ...

    def forget_idle(self) -> None: ...

    def forget_old(self) -> None: ...

    def soon(self, queue: str) -> None:
        self.relayed.append(queue)


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


async def test_a_sweep_comes_when_the_last_one_has_said_and_while_more_is_due_again_at_once(broker: Broker):
    broker.sweep_answers = [Sweep(next_in_ms=0, swept=500, outbox=0), Sweep(next_in_ms=1, swept=3, outbox=0)]
    broker.listeners[0]("email", 1)
    await eventually(lambda: len(broker.sweeps) == 3, BUSY_S / 2)
    assert len(broker.ticks) == 2


async def test_a_tick_before_the_time_of_the_sweep_goes_without_it(broker: Broker):
    broker.answers = {"email": [NOTHING_MORE._replace(next_in_ms=1)] * 3}
    broker.listeners[0]("email", 1)
    await eventually(lambda: len(broker.ticks) == 4)
    assert len(broker.sweeps) == 1


async def test_what_a_sweep_finds_in_the_outbox_is_relayed(broker: Broker):
    broker.sweep_answers = [NOTHING_TO_SWEEP._replace(outbox=2)]
    broker.listeners[0]("email", 1)
    broker.listeners[0]("other", 1)
    await eventually(lambda: "other" in broker.sweeps)
    assert broker.relayed == ["email"]


async def test_a_queue_without_jobs_is_not_left_before_its_outbox_was_looked_at(broker: Broker):
    broker.answers = {"email": [NOTHING_MORE._replace(next_in_ms=1), EMPTY]}
    broker.sweep_answers = [NOTHING_TO_SWEEP, NOTHING_TO_SWEEP._replace(outbox=1)]
    broker.listeners[0]("email", 1)
    await eventually(lambda: broker.relayed == ["email"], BUSY_S / 2)
    assert len(broker.ticks) == 2


async def test_nor_one_that_is_forgotten_for_having_none(broker: Broker):
    broker.answers = {"gone": [EMPTY]}
    broker.sweep_answers = [NOTHING_TO_SWEEP._replace(outbox=1)]
    broker.listeners[0]("gone", 1)
    await eventually(lambda: broker.relayed == ["gone"], BUSY_S / 2)


async def test_what_can_not_be_relayed_is_looked_at_again_as_soon_as_in_a_queue_with_jobs(broker: Broker):
    broker.answers = {"gone": [EMPTY] * 2}
    broker.sweep_answers = [NOTHING_TO_SWEEP._replace(outbox=1)] * 2
    broker.listeners[0]("gone", 1)
    await eventually(lambda: broker.relayed == ["gone"] * 2, BUSY_S + 2)


@pytest.mark.parametrize("error", [StoreFullError(), KeyError("nobody thought of it")])
async def test_a_queue_that_always_fails_keeps_no_other_from_its_turn(broker: Broker, error: Exception):
    broker.answers = {"bad": [error] * 1000}
    broker.listeners[0]("bad", 1)
    broker.listeners[0]("other", 1)
    await eventually(lambda: "other" in broker.ticks)
    await eventually(lambda: broker.ticks.count("bad") == 2)
