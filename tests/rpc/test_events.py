"""WatchEvents over real channels: from any position, across brokers, over an outage of the store, and at the watcher's pace."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any, NamedTuple

import grpc
import pytest
from leasemq.v1 import admin_pb2, job_pb2, producer_pb2

from tests.support import BrokerProcess, StoreProcess, Stubs, refusal_of, short_directory

SOON_S = 1.0
OUTAGE_S = 20.0


class Watch:
    """An open watch; `resume_token` is the newest."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._heard: list[admin_pb2.Event] = []
        self.resume_token = ""

    async def read(self, within: float = SOON_S) -> admin_pb2.WatchEventsResponse:
        message = await asyncio.wait_for(self._call.read(), within)
        assert message is not grpc.aio.EOF
        self.resume_token = message.resume_token
        return message

    async def next(self, within: float = SOON_S) -> admin_pb2.Event:
        while not self._heard:
            self._heard += (await self.read(within)).events
        return self._heard.pop(0)

    async def told(self, count: int) -> list[tuple[str, str]]:
        """The next events, in short."""
        events = [await self.next() for _ in range(count)]
        return [(admin_pb2.EventKind.Name(event.kind).removeprefix("EVENT_KIND_"), event.job_id) for event in events]


@asynccontextmanager
async def watching(stubs: Stubs, queue: str, **how: Any) -> AsyncIterator[Watch]:
    """A watch whose beginning is fixed."""
    call = stubs.admin.WatchEvents(admin_pb2.WatchEventsRequest(queue=queue, **how))
    try:
        watch = Watch(call)
        await watch.read(OUTAGE_S)
        yield watch
    finally:
        call.cancel()


async def test_a_life_is_told_as_it_happens(stubs: Stubs, queue: str):
    async with watching(stubs, queue) as watch:
        added = await stubs.add(queue)
        assert await watch.told(1) == [("ADDED", added.job_id)]
        lease = await stubs.must_lease(queue, worker="w1")
        leased = await watch.next()
        assert (leased.kind, leased.worker_id, leased.state) == (admin_pb2.EVENT_KIND_LEASED, "w1", job_pb2.JOB_STATE_ACTIVE)
        assert await watch.told(1) == [("DRAINED", "")]
        await stubs.fail(lease, "no such address")
        failed = await watch.next()
        assert (failed.kind, failed.state) == (admin_pb2.EVENT_KIND_FAILED, job_pb2.JOB_STATE_FAILED)
        assert failed.reason == "Error: no such address"
        assert failed.time.ToMilliseconds() == (await stubs.job(queue, added.job_id)).finish_time.ToMilliseconds()


async def test_a_watch_begins_now_or_with_the_oldest_or_after_any_event(stubs: Stubs, queue: str):
    for job_id in "abc":
        await stubs.add(queue, id=job_id)
    async with watching(stubs, queue, from_oldest=True) as watch:
        events = [await watch.next() for _ in range(3)]
    assert [event.job_id for event in events] == ["a", "b", "c"]
    async with watching(stubs, queue) as now, watching(stubs, queue, resume_token=events[0].resume_token) as after:
        await stubs.add(queue, id="d")
        assert [job_id for _, job_id in await after.told(3)] == ["b", "c", "d"]
        assert [job_id for _, job_id in await now.told(1)] == ["d"]


async def test_the_first_message_is_a_position_too(stubs: Stubs, queue: str):
    async with watching(stubs, queue) as watch:
        token = watch.resume_token
    await stubs.add(queue, id="a")
    async with watching(stubs, queue, resume_token=token) as watch:
        assert await watch.told(1) == [("ADDED", "a")]


async def test_only_the_kinds_asked_for_are_sent(stubs: Stubs, queue: str):
    async with watching(stubs, queue, kinds=[admin_pb2.EVENT_KIND_COMPLETED, admin_pb2.EVENT_KIND_PAUSED]) as watch:
        await stubs.add(queue, id="a")
        await stubs.complete(await stubs.must_lease(queue))
        await stubs.admin.PauseQueue(admin_pb2.PauseQueueRequest(queue=queue))
        assert await watch.told(2) == [("COMPLETED", "a"), ("PAUSED", "")]


async def test_a_batch_is_told_whole_and_each_event_can_be_gone_on_from(stubs: Stubs, queue: str):
    jobs = [job_pb2.JobSpec(name="n", id=str(number)) for number in range(1000)]
    async with watching(stubs, queue) as watch:
        await stubs.producer.BatchAddJobs(producer_pb2.BatchAddJobsRequest(queue=queue, jobs=jobs))
        events = [await watch.next() for _ in range(1000)]
    assert [event.job_id for event in events] == [job.id for job in jobs]
    async with watching(stubs, queue, resume_token=events[700].resume_token) as watch:
        assert (await watch.next()).job_id == "701"


async def test_whoever_was_away_for_too_long_is_told_that_events_are_lost(stubs: Stubs, queue: str):
    config = admin_pb2.QueueConfig(max_events=100)
    await stubs.admin.UpdateQueue(admin_pb2.UpdateQueueRequest(queue=queue, config=config))
    async with watching(stubs, queue) as watch:
        token = watch.resume_token
    for start in range(0, 5000, 500):
        jobs = [job_pb2.JobSpec(name="n", id=f"{start}-{number}") for number in range(500)]
        await stubs.producer.BatchAddJobs(producer_pb2.BatchAddJobsRequest(queue=queue, jobs=jobs))
    async with watching(stubs, queue, resume_token=token, kinds=[admin_pb2.EVENT_KIND_COMPLETED]) as watch:
        lost = await watch.next()
        assert lost.kind == admin_pb2.EVENT_KIND_EVENTS_LOST
    async with watching(stubs, queue, resume_token=lost.resume_token) as watch:
        assert (await watch.next()).kind == admin_pb2.EVENT_KIND_ADDED


async def test_a_deleted_queue_that_is_used_again_says_that_events_are_lost(stubs: Stubs, queue: str):
    await stubs.add(queue)
    async with watching(stubs, queue, from_oldest=True) as watch:
        token = (await watch.next()).resume_token
        await stubs.admin.DeleteQueue(admin_pb2.DeleteQueueRequest(queue=queue, force=True))
        await stubs.add(queue, id="new")
        heard = await watch.told(1)
        while heard[-1][0] != "ADDED":
            heard += await watch.told(1)
        assert heard[-2:] == [("EVENTS_LOST", ""), ("ADDED", "new")]
    async with watching(stubs, queue, resume_token=token) as watch:
        assert await watch.told(2) == [("EVENTS_LOST", ""), ("ADDED", "new")]


async def test_many_watchers_hear_the_same_and_a_slow_one_slows_nobody(stubs: Stubs, queue: str):
    slow = stubs.admin.WatchEvents(admin_pb2.WatchEventsRequest(queue=queue))
    async with watching(stubs, queue) as one, watching(stubs, queue) as two:
        jobs = [job_pb2.JobSpec(name="n", id=f"{number:0100}") for number in range(1000)]
        for start in range(10):
            batch = [job_pb2.JobSpec(name="n", id=f"{start}{job.id}") for job in jobs]
            await stubs.producer.BatchAddJobs(producer_pb2.BatchAddJobsRequest(queue=queue, jobs=batch))
        assert await one.told(10_000) == await two.told(10_000)
    slow.cancel()


# -- several brokers, outages ---------------------------------------------------------------------------------------


class Place(NamedTuple):
    """A store with two brokers."""

    store: StoreProcess
    a: BrokerProcess
    b: BrokerProcess


@pytest.fixture
def place() -> Iterator[Place]:
    with ExitStack() as stack:
        directory = stack.enter_context(short_directory())
        store = stack.enter_context(StoreProcess(directory / "store", appendonly="yes", appendfsync="always"))
        brokers = [stack.enter_context(BrokerProcess(directory, store=store.url)) for _ in range(2)]
        yield Place(store, *brokers)


async def test_what_one_broker_does_is_told_by_another_and_positions_hold_at_both(place: Place):
    async with Stubs(place.a.address) as a, Stubs(place.b.address) as b:
        async with watching(a, "q") as watch:
            await b.add("q", id="one")
            event = await watch.next()
            assert event.job_id == "one"
            await a.add("q", id="two")
        async with watching(b, "q", resume_token=event.resume_token) as watch:
            assert await watch.told(1) == [("ADDED", "two")]


async def test_an_outage_ends_the_stream_as_unavailable_and_the_newest_token_goes_on_without_a_gap(place: Place):
    async with Stubs(place.a.address) as a, Stubs(place.b.address) as b:
        async with watching(a, "q") as watch:
            await b.add("q", id="before")
            event = await watch.next()
            place.store.kill()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await watch.next(OUTAGE_S)
            assert refusal_of(caught.value).reason == "STORE_UNAVAILABLE"
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        place.store.start()
        await b.add("q", id="after")
        async with watching(a, "q", resume_token=event.resume_token) as watch:
            assert await watch.told(1) == [("ADDED", "after")]


async def test_a_broker_that_stops_ends_its_watches_with_ok(place: Place):
    async with Stubs(place.a.address) as a:
        call = a.admin.WatchEvents(admin_pb2.WatchEventsRequest(queue="q"))
        await call.read()
        assert place.a.terminate() == 0
        assert await asyncio.wait_for(call.read(), SOON_S) is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK
