"""The broker's own parts, alone: wakes, coalescing, dead letters' ids."""

import asyncio

from leasemq_server.broker.coalesce import Coalescer
from leasemq_server.broker.relay import dead_letter_id
from leasemq_server.broker.wakes import WOKEN, QueueWakes, Wakes


def sleepers(wakes: QueueWakes, count: int) -> list[asyncio.Future[str]]:
    found = [asyncio.get_running_loop().create_future() for _ in range(count)]
    for sleeper in found:
        wakes.sleep(sleeper)
    return found


def woken(all_of: list[asyncio.Future[str]]) -> int:
    return sum(1 for sleeper in all_of if sleeper.done() and sleeper.result() == WOKEN)


async def test_a_wake_rouses_the_poll_that_waited_longest_and_moves_the_generation():
    wakes = QueueWakes()
    polls = sleepers(wakes, 3)
    before = wakes.generation
    wakes.wake()
    assert [poll.done() for poll in polls] == [True, False, False]
    assert wakes.generation != before


async def test_while_there_is_more_twice_as_many_are_roused_each_time():
    wakes = QueueWakes()
    polls = sleepers(wakes, 20)
    wakes.wake()
    counts = []
    for _ in range(3):
        wakes.more()
        counts.append(woken(polls))
    assert counts == [3, 7, 15]


async def test_a_poll_that_ended_takes_no_wake_from_the_others():
    wakes = QueueWakes()
    gone, waiting = sleepers(wakes, 2)
    gone.set_result("time is up")
    wakes.wake()
    assert waiting.result() == WOKEN


async def test_the_timer_rings_at_the_earliest_time_that_it_was_told():
    wakes = QueueWakes()
    (poll,) = sleepers(wakes, 1)
    wakes.look_again_in(60_000)
    wakes.look_again_in(10)
    wakes.look_again_in(60_000)
    assert await asyncio.wait_for(poll, 5) == WOKEN
    wakes.close()


async def test_a_message_reaches_the_queue_that_it_names_and_every_listener():
    wakes, heard = Wakes(), []
    wakes.listeners.append(lambda queue, in_ms: heard.append((queue, in_ms)))
    mine, other = sleepers(wakes.of("mine"), 1) + sleepers(wakes.of("other"), 1)
    wakes.message("mine", 0)
    wakes.message("nobody", 5)
    assert (mine.done(), other.done()) == (True, False)
    assert heard == [("mine", 0), ("nobody", 5)]


async def test_what_arrives_while_a_call_is_in_flight_goes_together():
    calls: list[list[int]] = []
    called, gate = asyncio.Event(), asyncio.Event()

    async def run(_: str, items: list[int]) -> list[int]:
        calls.append(items)
        called.set()
        await gate.wait()
        return [item * 10 for item in items]

    coalescer: Coalescer[str, int, int] = Coalescer(run)
    first = asyncio.create_task(coalescer.submit("q", [1]))
    await called.wait()
    rest = [asyncio.create_task(coalescer.submit("q", [n, n])) for n in (2, 3)]
    await asyncio.sleep(0)
    gate.set()
    assert [await first, *[await task for task in rest]] == [[10], [20, 20], [30, 30]]
    assert calls == [[1], [2, 2, 3, 3]]


async def test_a_call_takes_no_more_than_a_thousand_items_and_splits_no_part():
    sizes: list[int] = []

    async def run(_: str, items: list[int]) -> list[int]:
        sizes.append(len(items))
        return items

    coalescer: Coalescer[str, int, int] = Coalescer(run)
    await asyncio.gather(*(coalescer.submit("q", [0] * 600) for _ in range(3)))
    assert sizes == [600, 600, 600]


async def test_the_results_of_a_caller_that_is_gone_are_told_as_orphaned():
    orphans = []
    gate = asyncio.Event()

    async def run(_: str, items: list[str]) -> list[str]:
        await gate.wait()
        return items

    coalescer: Coalescer[str, str, str] = Coalescer(run, lambda key, items, results: orphans.append((key, items, results)))
    gone, stays = (asyncio.create_task(coalescer.submit("q", [name])) for name in ("gone", "stays"))
    await asyncio.sleep(0.01)
    gone.cancel()
    await asyncio.sleep(0)
    gate.set()
    assert await stays == ["stays"]
    assert orphans == [("q", ["gone"], ["gone"])]


async def test_an_error_is_every_callers_and_the_next_call_goes_on():
    async def run(_: str, items: list[int]) -> list[int]:
        if 0 in items:
            raise ValueError("no")
        return items

    coalescer: Coalescer[str, int, int] = Coalescer(run)
    failed = await asyncio.gather(coalescer.submit("q", [0]), coalescer.submit("q", [1]), return_exceptions=True)
    assert [type(error) for error in failed] == [ValueError, ValueError]
    assert await coalescer.submit("q", [1]) == [1]


def test_a_dead_letters_id_is_the_same_each_time_and_never_too_long():
    assert dead_letter_id("email", "job", 7) == "email:job:7"
    long = dead_letter_id("q" * 128, "j" * 128, 7)
    assert long == dead_letter_id("q" * 128, "j" * 128, 7)
    assert len(long) <= 128
    assert long != dead_letter_id("q" * 128, "j" * 128, 8)
