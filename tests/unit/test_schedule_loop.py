"""The loop that fires, alone: it looks when something is due or has moved, and at no other time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace

import pytest
from leasemq_server.errors import StoreFullError
from leasemq_server.loops import loop as loops
from leasemq_server.loops.listen import ListenLoop
from leasemq_server.loops.schedule import ScheduleLoop
from leasemq_server.store.keys import SCHEDULE_CHANNEL

from tests.support import eventually

LONG_MS = 3_600_000


class Scheduler:
    """Stands for the broker's schedules: notes each look, and answers as it was told."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[str | None, int], None]] = []
        self.looks: list[str] = []
        self.answers: list[int | Exception] = []
        self.during: Callable[[], None] = lambda: None
        self.queues: list[str] = []
        self.refreshes = 0

    async def fire_due(self, queue: str) -> int:
        self.looks.append(queue)
        await asyncio.sleep(0)
        self.during()
        answer = self.answers.pop(0) if self.answers else LONG_MS
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def schedule_queues(self) -> list[str]:
        self.refreshes += 1
        return self.queues

    def hear(self, queue: str | None, in_ms: int) -> None:
        for listener in self.listeners:
            listener(queue, in_ms)


@pytest.fixture
async def scheduler() -> AsyncIterator[Scheduler]:
    scheduler = Scheduler()
    loop = ScheduleLoop(SimpleNamespace(schedules=scheduler, store=scheduler))  # type: ignore[arg-type] # all of the broker that it uses
    await loop.start()
    await eventually(lambda: scheduler.refreshes)
    yield scheduler
    await loop.stop()


async def turns() -> None:
    """Lets everything go on that can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_without_schedules_nothing_is_looked_at(scheduler: Scheduler):
    await turns()
    assert (scheduler.looks, scheduler.refreshes) == ([], 1)


async def test_it_looks_at_once_at_a_queue_that_is_due_and_then_not_before_the_time_it_was_told(scheduler: Scheduler):
    scheduler.hear("q", 0)
    await turns()
    assert scheduler.looks == ["q"]
    scheduler.hear("r", LONG_MS)  # which wakes the loop
    await turns()
    assert scheduler.looks == ["q"]


async def test_it_looks_again_when_the_time_has_come(scheduler: Scheduler):
    scheduler.answers = [30, 30]
    scheduler.hear("q", 0)
    since = asyncio.get_running_loop().time()
    await eventually(lambda: len(scheduler.looks) == 3)
    assert asyncio.get_running_loop().time() - since >= 0.06


async def test_a_message_that_the_next_run_is_sooner_or_later_is_followed(scheduler: Scheduler):
    scheduler.hear("q", 40)
    scheduler.hear("q", LONG_MS)
    scheduler.hear("r", 60)
    await eventually(lambda: scheduler.looks)
    assert scheduler.looks == ["r"]
    scheduler.hear("q", 0)
    await eventually(lambda: len(scheduler.looks) == 2)


async def test_a_message_that_no_run_is_to_come_ends_the_looking(scheduler: Scheduler):
    scheduler.hear("q", 40)
    scheduler.hear("q", -1)
    scheduler.hear("r", 60)
    await eventually(lambda: scheduler.looks)
    assert scheduler.looks == ["r"]


async def test_a_message_that_comes_during_a_look_is_the_newer_truth(scheduler: Scheduler):
    """Else a schedule that is made while a broker looks would be fired by it an hour later."""

    def made_meanwhile() -> None:
        scheduler.during = lambda: None
        scheduler.hear("q", 0)

    scheduler.during = made_meanwhile
    scheduler.hear("q", 0)
    await eventually(lambda: len(scheduler.looks) == 2)


async def test_after_an_outage_of_the_subscription_it_looks_at_all_queues(scheduler: Scheduler):
    scheduler.queues = ["q", "r"]
    scheduler.hear(None, 0)
    await eventually(lambda: scheduler.looks == ["q", "r"])


async def test_it_tries_again_when_the_store_refuses(scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loops, "RETRY_S", 0.01)
    scheduler.answers = [StoreFullError(), StoreFullError()]
    scheduler.hear("q", 0)
    await eventually(lambda: len(scheduler.looks) == 3)
    await turns()
    assert len(scheduler.looks) == 3


@pytest.mark.parametrize("error", [StoreFullError(), KeyError("nobody thought of it")])
async def test_a_queue_that_always_fails_keeps_no_other_from_its_turn(
    scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    monkeypatch.setattr(loops, "RETRY_S", 0.01)
    scheduler.answers = [error, LONG_MS, LONG_MS]
    scheduler.hear("bad", 0)
    scheduler.hear("other", 0)
    await eventually(lambda: len(scheduler.looks) == 3)
    assert scheduler.looks == ["bad", "other", "bad"]


async def test_the_subscription_passes_messages_on_and_lets_all_be_looked_at_when_it_begins_anew():
    heard: list[str] = []

    async def messages(channels: list[str], ready: Callable[[], None]) -> AsyncIterator[tuple[str, str]]:
        assert SCHEDULE_CHANNEL in channels
        ready()
        yield SCHEDULE_CHANNEL, "q 5"

    schedules = SimpleNamespace(message=heard.append, look_all=lambda: heard.append("all"))
    nothing = SimpleNamespace(wake_all=lambda: None, look_all=lambda: None, settle_unreceived=lambda: None, spawn=lambda _: None)
    broker = SimpleNamespace(
        store=SimpleNamespace(messages=messages),
        schedules=schedules,
        wakes=nothing,
        awaiting=nothing,
        dispatcher=nothing,
        tasks=nothing,
    )
    await ListenLoop(broker).step()  # type: ignore[arg-type] # all of the broker that it uses
    assert heard == ["all", "q 5"]
