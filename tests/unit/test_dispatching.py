"""Lease calls that wait, over a store in memory: no wake is lost, whoever comes or goes meanwhile."""

import asyncio
import inspect
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest
from leasemq.v1 import job_pb2
from leasemq_server.broker.coalesce import Coalescer
from leasemq_server.broker.dispatch import Dispatcher, Poll
from leasemq_server.broker.relay import dead_letter, dead_letter_id
from leasemq_server.broker.tasks import Tasks
from leasemq_server.broker.wakes import TIME_IS_UP, WOKEN, QueueWakes, Sleeper, Wakes
from leasemq_server.broker.workers import Workers
from leasemq_server.store.connect import connect
from leasemq_server.store.store import MOST_LEASES, Store
from leasemq_server.store.types import Durability, LeaseReply, LeaseRequest, NewJob, OutboxEntry

PATIENCE_S = 10
QUEUES = ("urgent", "email")


class StoreWithAMoment(Store):
    """A store that lets something happen between its answer to a lease call and the broker's receipt."""

    def __init__(self) -> None:
        client, real = connect("memory://dispatching")
        super().__init__(client, real=real)
        self.client = client
        self.moments: list[Callable[[], Awaitable[None]]] = []
        self.looks = 0

    async def lease(self, queue: str, requests: Sequence[LeaseRequest], call: str = "") -> LeaseReply:
        reply = await super().lease(queue, requests, call)
        self.looks += 1
        if self.moments:
            await self.moments.pop(0)()
        return reply


class WatchedWorkers(Workers):
    """Says when a poll has gone to sleep, or has woken."""

    def __init__(self) -> None:
        super().__init__()
        self.asleep = 0
        self.moved = asyncio.Event()

    def parked(self, worker_id: str, sleeper: Sleeper) -> None:
        super().parked(worker_id, sleeper)
        self.asleep += 1
        self.moved.set()

    def unparked(self, worker_id: str, sleeper: Sleeper) -> None:
        super().unparked(worker_id, sleeper)
        self.asleep -= 1
        self.moved.set()


class Desk:
    """A dispatcher, and what reaches it from outside."""

    def __init__(self) -> None:
        self.store = StoreWithAMoment()
        self.wakes = Wakes()
        self.workers = WatchedWorkers()
        self.tasks = Tasks()
        self.dispatcher = Dispatcher(self.store, self.wakes, self.workers, self.tasks)

    async def add(self, *job_ids: str, queue: str = "email") -> None:
        """Adds jobs, and brings the wake that the store publishes."""
        await self.store.add(queue, [NewJob(job_id, b"", "") for job_id in job_ids], Durability.MEMORY)
        self.wakes.message(queue, 0)

    async def lease(
        self, worker: str = "w1", *, wait_ms: int = 60_000, queues: Sequence[str] = QUEUES, max_jobs: int = 1, **more: Any
    ) -> list[str]:
        poll = Poll(queues, worker, more.pop("request_id", ""), max_jobs, 30_000, wait_ms, **more)
        leased = await self.dispatcher.lease(poll, self.dispatcher.request_id(poll))
        return [job.id for lot in leased for job in lot.jobs]

    async def parked(self, count: int = 1) -> None:
        """Returns when so many looks are over and their polls sleep."""
        async with asyncio.timeout(PATIENCE_S):
            while self.workers.asleep < count:
                self.workers.moved.clear()
                await self.workers.moved.wait()

    async def roused(self, *, but: int) -> None:
        """Returns when no more than so many polls sleep."""
        async with asyncio.timeout(PATIENCE_S):
            while self.workers.asleep > but:
                self.workers.moved.clear()
                await self.workers.moved.wait()


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    await desk.store.client.flushall()
    yield desk
    await desk.dispatcher.idle()
    await desk.tasks.finish()
    desk.wakes.close()


async def soon(result: Awaitable[list[str]]) -> list[str]:
    return await asyncio.wait_for(result, PATIENCE_S)


async def test_a_waiting_job_is_leased_at_once(desk: Desk) -> None:
    await desk.add("a")
    assert await soon(desk.lease()) == ["a"]


async def test_an_empty_queue_gives_an_empty_answer_when_time_is_up(desk: Desk) -> None:
    assert await soon(desk.lease(wait_ms=0)) == []
    assert await soon(desk.lease(wait_ms=1)) == []


async def test_a_parked_poll_gets_the_job_that_arrives(desk: Desk) -> None:
    poll = asyncio.create_task(desk.lease())
    await desk.parked()
    await desk.add("a")
    assert await soon(poll) == ["a"]


@pytest.mark.parametrize("look", [0, 1])
async def test_a_wake_between_the_look_and_the_sleep_is_not_lost(desk: Desk, look: int) -> None:
    async def arrives() -> None:
        await desk.add("a", queue=QUEUES[look])

    async def nothing() -> None:
        pass

    desk.store.moments = [nothing] * look + [arrives]
    assert await soon(desk.lease()) == ["a"]


async def test_a_wakes_object_that_was_dropped_during_the_look_loses_nothing(desk: Desk) -> None:
    async def dropped_and_arrives() -> None:
        desk.wakes.forget_idle()
        await desk.add("a", queue="urgent")

    desk.store.moments = [dropped_and_arrives]
    assert await soon(desk.lease()) == ["a"]


async def test_a_poll_that_is_gone_when_it_is_woken_passes_the_wake_on(desk: Desk) -> None:
    gone = asyncio.create_task(desk.lease("w1"))
    await desk.parked(1)
    stays = asyncio.create_task(desk.lease("w2"))
    await desk.parked(2)
    await desk.add("a")
    gone.cancel()
    assert await soon(stays) == ["a"]
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_a_poll_that_is_gone_when_its_answer_arrives_gives_the_jobs_back(desk: Desk) -> None:
    await desk.add("a", "b")
    taken = asyncio.Event()
    go_on = asyncio.Event()

    async def meanwhile() -> None:
        taken.set()
        await go_on.wait()

    desk.store.moments = [meanwhile]
    gone = asyncio.create_task(desk.lease(queues=["email"]))
    await taken.wait()
    assert (await desk.store.stats("email")).active == 1
    gone.cancel()
    go_on.set()
    await desk.dispatcher.idle()
    await desk.tasks.finish()
    assert (await desk.store.stats("email")).active == 0
    assert await soon(desk.lease(max_jobs=2)) == ["a", "b"]


async def test_one_job_does_not_wake_everybody(desk: Desk) -> None:
    polls = [asyncio.create_task(desk.lease(f"w{n}", queues=["email"])) for n in range(5)]
    await desk.parked(5)
    before = desk.store.looks
    await desk.add("a")
    done, waiting = await asyncio.wait(polls, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_S)
    assert (len(done), len(waiting), desk.store.looks - before) == (1, 4, 1)
    for poll in waiting:
        poll.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_burst_reaches_everybody(desk: Desk) -> None:
    polls = [asyncio.create_task(desk.lease(f"w{n}", queues=["email"])) for n in range(20)]
    await desk.parked(20)
    await desk.add(*(f"job-{n}" for n in range(20)))
    answers = await asyncio.wait_for(asyncio.gather(*polls), PATIENCE_S)
    assert sorted(job for answer in answers for job in answer) == sorted(f"job-{n}" for n in range(20))


async def test_a_delayed_job_wakes_a_parked_poll_when_it_is_due(desk: Desk) -> None:
    poll = asyncio.create_task(desk.lease())
    await desk.parked()
    await desk.store.add("email", [NewJob("a", b"", '{"de":30}')], Durability.MEMORY)
    desk.wakes.message("email", 30)
    assert await soon(poll) == ["a"]


async def test_queues_are_served_in_the_order_of_preference(desk: Desk) -> None:
    await desk.add("e1", "e2", queue="email")
    await desk.add("u1", queue="urgent")
    assert await soon(desk.lease(max_jobs=2)) == ["u1", "e1"]


async def test_a_drained_worker_gets_an_empty_answer_and_passes_its_wake_on(desk: Desk) -> None:
    drained = asyncio.create_task(desk.lease("w1"))
    await desk.parked(1)
    desk.workers.drain("w1")
    assert await soon(drained) == []
    assert await soon(desk.lease("w1")) == []
    stays = asyncio.create_task(desk.lease("w2"))
    await desk.parked()
    await desk.add("a")
    assert await soon(stays) == ["a"]


# -- wakes -------------------------------------------------------------------------------------------------------


def _sleeper() -> Sleeper:
    return asyncio.get_running_loop().create_future()


async def test_a_wake_moves_the_generation_whether_or_not_anybody_sleeps() -> None:
    wakes = QueueWakes()
    seen = wakes.generation
    wakes.wake()
    assert wakes.generation != seen
    assert wakes.idle


async def test_whoever_left_is_not_woken(desk: Desk) -> None:
    wakes = QueueWakes()
    left, stays, timed_out = _sleeper(), _sleeper(), _sleeper()
    timed_out.set_result(TIME_IS_UP)
    for sleeper in (timed_out, left, stays):
        wakes.sleep(sleeper)
    wakes.leave(left)
    wakes.leave(left)
    wakes.wake()
    assert (stays.result(), left.done(), timed_out.result()) == (WOKEN, False, TIME_IS_UP)


async def test_when_messages_may_have_been_missed_everyone_looks_again() -> None:
    wakes = Wakes()
    sleepers = [_sleeper() for _ in range(5)]
    for sleeper in sleepers:
        wakes.of("email").sleep(sleeper)
    wakes.wake_all()
    assert [sleeper.result() for sleeper in sleepers] == [WOKEN] * 5


async def test_what_holds_a_sleeper_or_a_timer_is_not_forgotten() -> None:
    wakes = Wakes()
    sleeping, timed, idle = wakes.of("sleeping"), wakes.of("timed"), wakes.of("idle")
    sleeping.sleep(_sleeper())
    timed.look_again_in(60_000)
    wakes.forget_idle()
    assert (wakes.of("sleeping"), wakes.of("timed")) == (sleeping, timed)
    assert wakes.of("idle") is not idle
    wakes.close()


# -- coalescing --------------------------------------------------------------------------------------------------


async def test_callers_that_are_gone_before_their_turn_hold_up_nobody() -> None:
    """More than one call's share waits, and all of the first share is cancelled."""
    gate = asyncio.Event()

    async def run(_: str, items: list[int]) -> list[int]:
        await gate.wait()
        return items

    coalescer: Coalescer[str, int, int] = Coalescer(run)
    first = asyncio.create_task(coalescer.submit("q", [1]))
    await asyncio.sleep(0)
    gone = asyncio.create_task(coalescer.submit("q", [2] * 1000))
    stays = asyncio.create_task(coalescer.submit("q", [3]))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    gate.set()
    assert await first == [1]
    assert await asyncio.wait_for(stays, PATIENCE_S) == [3]


async def test_each_key_has_a_call_of_its_own() -> None:
    calls: list[tuple[str, list[int]]] = []

    async def run(key: str, items: list[int]) -> list[int]:
        calls.append((key, items))
        return items

    coalescer: Coalescer[str, int, int] = Coalescer(run)
    await asyncio.gather(coalescer.submit("a", [1]), coalescer.submit("b", [2]), coalescer.submit("a", [3]))
    await coalescer.idle()
    assert sorted(calls) == [("a", [1, 3]), ("b", [2])]


# -- dead letters ------------------------------------------------------------------------------------------------


def _entry(failure: str) -> OutboxEntry:
    spec = job_pb2.JobSpec(name="welcome", payload=b"x", content_type="text/plain", headers={"traceparent": "00"}, priority=3)
    return OutboxEntry("1-0", "dead", "job", 7, failure, spec.SerializeToString())


def test_a_dead_letter_carries_the_payload_and_says_where_it_comes_from() -> None:
    letter = dead_letter("email", _entry('{"kind":"ERROR","type":"SMTPError","message":"no"}'))
    spec = job_pb2.JobSpec.FromString(letter.spec)
    assert (letter.id, letter.options) == (dead_letter_id("email", "job", 7), "")
    assert (spec.name, spec.payload, spec.content_type, spec.priority) == ("welcome", b"x", "text/plain", 0)
    assert dict(spec.headers) == {
        "traceparent": "00",
        "leasemq-dead-letter-queue": "email",
        "leasemq-dead-letter-job-id": "job",
        "leasemq-dead-letter-failure-kind": "ERROR",
        "leasemq-dead-letter-failure-type": "SMTPError",
        "leasemq-dead-letter-failure-message": "no",
    }


def test_a_dead_letter_without_a_failure_is_still_one() -> None:
    assert dead_letter("email", _entry("")).id == dead_letter("email", _entry("")).id


# -- waiting for more --------------------------------------------------------------------------------------------

BATCH = {"max_jobs": 10, "min_jobs": 3, "linger_ms": 60_000}


async def active(desk: Desk) -> int:
    return (await desk.store.stats("email")).active


async def test_a_call_that_waits_for_more_is_answered_when_there_are_enough(desk: Desk) -> None:
    call = asyncio.create_task(desk.lease(**BATCH))
    for job_id in ("a", "b"):
        await desk.parked()
        await desk.add(job_id)
    await desk.parked()
    await desk.add("c", "d", queue="urgent")
    assert await soon(call) == ["a", "b", "c", "d"]


async def test_what_is_there_at_once_is_not_waited_for_again(desk: Desk) -> None:
    await desk.add("a", "b", "c")
    assert await soon(desk.lease(**BATCH)) == ["a", "b", "c"]
    assert await soon(desk.lease(wait_ms=0, **BATCH)) == []


async def test_it_is_answered_when_the_linger_is_over_even_after_its_wait(desk: Desk) -> None:
    await desk.add("a")
    began = asyncio.get_running_loop().time()
    assert await soon(desk.lease(wait_ms=0, **{**BATCH, "linger_ms": 100})) == ["a"]
    assert asyncio.get_running_loop().time() - began >= 0.1


async def test_it_never_gets_more_than_it_asked_for(desk: Desk) -> None:
    call = asyncio.create_task(desk.lease(max_jobs=3, min_jobs=3, linger_ms=60_000))
    await desk.parked()
    await desk.add("a")
    await desk.parked()
    await desk.add("b", "c", "d")
    assert await soon(call) == ["a", "b", "c"]


async def test_a_call_that_goes_while_it_waits_for_more_loses_no_lease(desk: Desk) -> None:
    call = asyncio.create_task(desk.lease(**BATCH))
    for job_id in ("a", "b"):
        await desk.parked()
        await desk.add(job_id)
    await desk.parked()
    assert await active(desk) == 2
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    await desk.tasks.finish()
    assert await active(desk) == 0
    assert sorted(await soon(desk.lease(max_jobs=10))) == ["a", "b"]


async def test_a_worker_that_drains_gets_what_there_is(desk: Desk) -> None:
    await desk.add("a")
    call = asyncio.create_task(desk.lease(**BATCH))
    await desk.parked()
    desk.workers.drain("w1")
    assert await soon(call) == ["a"]


async def test_a_retry_gets_all_of_the_leases_again(desk: Desk) -> None:
    call = asyncio.create_task(desk.lease(request_id="r", **BATCH))
    for job_id in ("a", "b", "c"):
        await desk.parked()
        await desk.add(job_id)
    assert await soon(call) == ["a", "b", "c"]
    await desk.add("d")
    assert await soon(desk.lease(request_id="r", **BATCH)) == ["a", "b", "c"]
    assert await active(desk) == 3


async def test_calls_that_one_script_call_left_out_are_served_by_the_next(desk: Desk) -> None:
    """A call gives out 250 leases at most of jobs with a timeout; no caller is told that there is nothing."""
    ids = [f"job-{number}" for number in range(600)]
    await desk.store.add("email", [NewJob(job_id, b"", '{"to":60000}') for job_id in ids], Durability.MEMORY)
    leased = await asyncio.gather(*(desk.lease(f"w{number}", wait_ms=0, queues=["email"]) for number in range(600)))
    assert sorted(job_id for (job_id,) in leased) == sorted(ids)


async def test_a_wake_is_passed_on_by_a_poll_that_goes_while_it_waits_for_its_turn_to_look(desk: Desk) -> None:
    first, second, third = [asyncio.create_task(desk.lease(f"w{number}", queues=["email"])) for number in range(3)]
    await desk.parked(3)
    answered, go_on = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        answered.set()
        await go_on.wait()

    desk.store.moments.append(hold)
    await desk.add("a")
    await answered.wait()  # the first poll has its job, but does not know it yet
    await desk.add("b")
    await desk.roused(but=1)  # the second poll waits behind that call
    second.cancel()
    await asyncio.wait([second])
    go_on.set()
    assert await soon(first) == ["a"]
    assert await soon(third) == ["b"]


async def test_whom_a_call_could_not_serve_holds_up_nobody_whom_it_did(desk: Desk) -> None:
    await desk.add(*(f"{number:04}" for number in range(2 * MOST_LEASES)))
    held = asyncio.Event()

    async def nothing() -> None: ...

    desk.store.moments += [nothing, held.wait]  # the second call is answered late
    polls = [asyncio.create_task(desk.lease(f"w{number}", queues=["email"], max_jobs=MOST_LEASES)) for number in range(3)]
    async with asyncio.timeout(PATIENCE_S):
        assert len(await asyncio.shield(polls[0])) == MOST_LEASES
    assert not polls[1].done()
    held.set()
    assert len(await soon(polls[1])) == MOST_LEASES
    polls[2].cancel()


async def test_each_of_very_many_calls_gets_its_turn_though_a_script_call_serves_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr("leasemq_server.store.store.MOST_LEASES", 1)
    count = 150
    usual = sys.getrecursionlimit()
    request.addfinalizer(lambda: sys.setrecursionlimit(usual))
    sys.setrecursionlimit(len(inspect.stack(0)) + count)  # for calls within calls
    await desk.add(*(f"{number:04}" for number in range(count)))
    polls = [desk.lease(f"w{number}", queues=["email"]) for number in range(count)]
    served = await asyncio.wait_for(asyncio.gather(*polls), PATIENCE_S)
    assert sorted(job_id for ids in served for job_id in ids) == [f"{number:04}" for number in range(count)]
