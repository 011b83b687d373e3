import asyncio
import signal
from typing import Any

import leasemq.sync
import pytest
from leasemq import Client, Event, EventKind, InvalidField, Job, JobState, NewJob

from tests.sdk.support import Broker, worker

SOON = 5.0
OUTAGE = 30.0


async def soon(awaitable: Any, within: float = SOON) -> Event:
    return await asyncio.wait_for(awaitable, within)


async def test_a_stream_tells_what_happens_from_when_it_is_entered(client: Client, queue: str) -> None:
    await client.add(queue, id="before")
    async with client.events(queue) as events:
        await client.add(queue, id="a", delay=60)
        event = await soon(anext(events))
        assert (event.queue, event.kind, event.job_id, event.state) == (queue, EventKind.ADDED, "a", JobState.DELAYED)
        job = await client.get(queue, "a")
        assert event.time == job.create_time
        await client.cancel(queue, "a", "changed my mind")
        event = await soon(anext(events))
        assert (event.kind, event.state, event.reason) == (EventKind.CANCELLED, JobState.CANCELLED, "changed my mind")


async def test_a_stream_of_what_was_ends_by_itself(client: Client, queue: str) -> None:
    await client.add_many(queue, [NewJob(id=str(number)) for number in range(1500)])
    told = [event async for event in client.events(queue, from_oldest=True, until_now=True)]
    assert [event.job_id for event in told] == [str(number) for number in range(1500)]
    rest = client.events(queue, resume_token=told[1233].resume_token, until_now=True)
    assert [event.job_id async for event in rest] == [str(number) for number in range(1234, 1500)]
    assert [event async for event in client.events(queue, until_now=True)] == []


async def test_what_a_worker_does_is_told(client: Client, queue: str) -> None:
    async def handler(job: Job) -> None:
        if job.payload == "bad":
            raise ValueError("no such address")

    kinds = [EventKind.COMPLETED, EventKind.FAILED]
    async with client.events(queue, kinds=kinds) as events, worker(client, queue, handler):
        await client.add(queue, "good", id="good")
        completed = await soon(anext(events))
        assert (completed.kind, completed.job_id) == (EventKind.COMPLETED, "good")
        await client.add(queue, "bad", id="bad")
        failed = await soon(anext(events))
        assert (failed.kind, failed.job_id, failed.reason) == (EventKind.FAILED, "bad", "ValueError: no such address")


async def test_the_position_of_a_stream_is_after_what_it_handed_out(client: Client, queue: str) -> None:
    async with client.events(queue, from_oldest=True) as events:
        assert events.resume_token
        await client.add_many(queue, [NewJob(id=name) for name in "abc"])
        await soon(anext(events))
        token = events.resume_token
    async with client.events(queue, resume_token=token) as events:
        assert [(await soon(anext(events))).job_id for _ in range(2)] == ["b", "c"]
        token = events.resume_token
    assert [event async for event in client.events(queue, resume_token=token, until_now=True)] == []


async def test_a_wait_that_is_given_up_loses_nothing(client: Client, queue: str) -> None:
    async with client.events(queue) as events:
        for name in "ab":
            with pytest.raises(TimeoutError):
                await soon(anext(events), 0.05)
            await client.add(queue, id=name)
            assert (await soon(anext(events))).job_id == name


async def test_a_stream_goes_on_over_the_death_of_the_broker_without_a_gap(lasting_broker: Broker, queue: str) -> None:
    async with Client(lasting_broker.address) as client, client.events(queue) as events:
        for number in range(3):
            await client.add(queue, id=f"before-{number}")
            assert (await soon(anext(events))).job_id == f"before-{number}"
            waiting = asyncio.create_task(anext(events))
            await lasting_broker.end(signal.SIGKILL if number % 2 == 0 else signal.SIGTERM)
            await lasting_broker.start()
            await client.add(queue, id=f"after-{number}")
            assert (await soon(waiting, OUTAGE)).job_id == f"after-{number}"


async def test_a_token_of_another_queue_is_refused_at_once(client: Client, queue: str) -> None:
    with pytest.raises(InvalidField) as caught:
        await client.events(queue, resume_token="7.another").__aenter__()
    assert [violation.field for violation in caught.value.field_violations] == ["resume_token"]


async def test_a_queue_may_keep_fewer_events_or_none(client: Client, queue: str) -> None:
    assert (await client.admin.update_queue(queue, max_events=0)).config.max_events == 0
    await client.add(queue)
    assert [event async for event in client.events(queue, from_oldest=True, until_now=True)] == []
    assert (await client.admin.update_queue(queue, max_events=None)).config.max_events is None


def test_the_blocking_twin(broker: Broker, queue: str) -> None:
    with leasemq.sync.Client(broker.address) as client, client.events(queue) as events:
        client.add(queue, id="a")
        event = next(events)
        assert (event.kind, event.job_id) == (EventKind.ADDED, "a")
        client.add(queue, id="b")
        assert [it.job_id for it in client.events(queue, resume_token=events.resume_token, until_now=True)] == ["b"]
