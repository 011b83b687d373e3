"""What is published, and when: a queue that goes from nothing to something, and not more than that."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest
from leasemq.v1.job_pb2 import JobSpec
from leasemq_server.broker.changes import update_job
from leasemq_server.errors import StoreUnavailableError
from leasemq_server.jobs.changes import Change
from leasemq_server.store import store as store_module
from leasemq_server.store.connect import connect
from leasemq_server.store.keys import CONTROL_CHANNEL, DONE_CHANNEL, WAKE_CHANNEL

from tests.store.harness import DAY, LEASE_MS, Desk, new_job
from tests.support import short_directory

MARK = "mark"


class Ear:
    """Hears what is published on the channels."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._heard: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    async def listen(self, ready: asyncio.Event) -> None:
        channels = [WAKE_CHANNEL, CONTROL_CHANNEL, DONE_CHANNEL]
        async with aclosing(self._desk.store.messages(channels, ready.set)) as messages:
            async for message in messages:
                self._heard.put_nowait(message)

    async def heard(self) -> list[tuple[str, str]]:
        """Everything since the last time."""
        await self._desk.store.publish(DONE_CHANNEL, MARK)
        found = []
        while (message := await asyncio.wait_for(self._heard.get(), 10)) != (DONE_CHANNEL, MARK):
            found.append(message)
        return found

    async def wakes(self) -> list[str]:
        return [text for channel, text in await self.heard() if channel == WAKE_CHANNEL]

    async def controls(self) -> list[dict[str, str]]:
        return [json.loads(text) for channel, text in await self.heard() if channel == CONTROL_CHANNEL]

    async def ends(self) -> list[str]:
        return [text for channel, text in await self.heard() if channel == DONE_CHANNEL]


@asynccontextmanager
async def listening(desk: Desk) -> AsyncIterator[Ear]:
    ear, ready = Ear(desk), asyncio.Event()
    task = asyncio.create_task(ear.listen(ready))
    try:
        await asyncio.wait_for(ready.wait(), 10)
        yield ear
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def ear(desk: Desk) -> AsyncIterator[Ear]:
    async with listening(desk) as ear:
        yield ear


# -- wake --------------------------------------------------------------------------------------------------------


async def test_the_first_waiting_job_wakes_and_the_others_are_silent(desk: Desk, ear: Ear) -> None:
    await desk.add("a", "b")
    assert await ear.wakes() == ["email 0"]
    await desk.add("c", "d")
    await desk.add(new_job("e", p=1), new_job("f", l=1))
    await desk.add("a")
    assert await ear.wakes() == []
    await desk.lease(100)
    await desk.add("g")
    assert await ear.wakes() == ["email 0"]


async def test_a_delayed_job_wakes_for_its_due_time_if_it_is_the_earliest(desk: Desk, ear: Ear) -> None:
    await desk.add("a", delay_ms=5000)
    assert await ear.wakes() == ["email 5000"]
    await desk.add("later", delay_ms=6000)
    await desk.add("same", "time", delay_ms=5000)
    assert await ear.wakes() == []
    await desk.add(new_job("x", delay_ms=4000), new_job("y", delay_ms=3000))
    assert await ear.wakes() == ["email 3000"]


async def test_a_ttl_wakes_for_its_end_if_it_is_the_earliest(desk: Desk, ear: Ear) -> None:
    await desk.add("a", tl=5000)
    assert await ear.wakes() == ["email 5000", "email 0"]
    await desk.add("b", "c", tl=5000)
    await desk.add("d", tl=6000)
    assert await ear.wakes() == []
    await desk.add("e", tl=4000)
    assert await ear.wakes() == ["email 4000"]


async def test_due_jobs_and_ended_leases_wake_once(desk: Desk, ear: Ear) -> None:
    await desk.add("a", "b", "c")
    await desk.lease(3)
    await desk.add("d", "e", delay_ms=LEASE_MS)
    await ear.wakes()
    await desk.after(LEASE_MS)
    assert await desk.ids("waiting") == ["a", "b", "c", "d", "e"]
    assert await ear.wakes() == ["email 0"]


async def test_whatever_makes_a_job_wait_again_wakes(desk: Desk, ear: Ear) -> None:
    await desk.add("a", rp=1, ma=9)
    assert await ear.wakes() == ["email 0"]
    await desk.release(await desk.lease_one("a"))
    assert await ear.wakes() == ["email 0"]
    await desk.fail(await desk.lease_one("a"))
    assert await ear.wakes() == ["email 0"]
    await desk.lease_one("a", request_id="lost")
    await desk.store.give_back(desk.queue, [("lost", False)])
    assert await ear.wakes() == ["email 0"]
    await desk.fail(await desk.lease_one("a"), retry_delay_ms=700)
    assert await ear.wakes() == ["email 700"]
    await desk.store.promote(desk.queue, ["a"])
    assert await ear.wakes() == ["email 0"]
    await desk.release(await desk.lease_one("a"), 800)
    assert await ear.wakes() == ["email 800"]
    await desk.cancel("a")
    await desk.store.retry(desk.queue, ["a"])
    assert await ear.wakes() == ["email 0"]


async def test_resuming_wakes_and_pausing_does_not(desk: Desk, ear: Ear) -> None:
    await desk.add("a")
    await ear.wakes()
    await desk.store.pause(desk.queue, paused=True)
    assert await ear.wakes() == []
    await desk.store.pause(desk.queue, paused=False)
    assert await ear.wakes() == ["email 0"]


async def test_looking_and_settling_and_reading_are_silent(desk: Desk, ear: Ear) -> None:
    await desk.add("a", "b", "c", "d")
    await ear.heard()
    a, b = await desk.lease(2)
    await desk.complete(a)
    await desk.fail(b)
    await desk.lease_reply(0)
    await desk.tick()
    await desk.cancel("c")
    await desk.store.delete(desk.queue, ["d"])
    await desk.lease()
    await desk.after(DAY)
    await desk.tick()
    assert await ear.heard() == []


# -- control -----------------------------------------------------------------------------------------------------


async def test_an_update_wakes_only_for_what_is_new(desk: Desk, ear: Ear) -> None:
    spec = JobSpec(priority=1).SerializeToString()
    await desk.add(new_job("a", spec=spec, p=1))
    await desk.add(new_job("d", spec=spec, delay_ms=1000, p=1))
    await ear.wakes()
    await update_job(desk.store, desk.queue, "a", Change(None, 2, None))
    await update_job(desk.store, desk.queue, "d", Change(None, None, desk.clock.ms + 2000))
    assert await ear.wakes() == []
    await update_job(desk.store, desk.queue, "d", Change(None, None, desk.clock.ms + 500))
    assert await ear.wakes() == ["email 500"]


async def test_the_worker_of_a_cancelled_job_hears_of_it(desk: Desk, ear: Ear) -> None:
    await desk.add("a", "waiting")
    job = await desk.lease_one("a", worker="w7")
    await desk.store.cancel(desk.queue, [("a", 'why "not"'), ("waiting", "")])
    assert await ear.controls() == [
        {"worker": "w7", "word": "CANCEL_REQUESTED", "token": f"{job.nonce}/email/a", "reason": 'why "not"'}
    ]


async def test_a_worker_that_loses_a_lease_hears_of_it(desk: Desk, ear: Ear) -> None:
    await desk.add("slow")
    await desk.add("long", to=2 * LEASE_MS)
    await desk.add("deleted")
    jobs = {job.id: job.nonce for job in await desk.lease(3)}
    await desk.extend((await desk.lease(3, request_id="own-1"))[1], 2 * LEASE_MS)
    await desk.store.delete(desk.queue, ["deleted"], force=True)
    await desk.after(LEASE_MS)
    await desk.after(LEASE_MS)
    assert [(one["word"], one["token"], one["reason"]) for one in await ear.controls()] == [
        ("LOST", f"{jobs['deleted']}/email/deleted", "deleted"),
        ("LOST", f"{jobs['slow']}/email/slow", "lease expired"),
        ("LOST", f"{jobs['long']}/email/long", "timeout"),
    ]


# -- done --------------------------------------------------------------------------------------------------------


async def test_the_end_of_an_awaited_job_is_published_however_it_comes(desk: Desk, ear: Ear) -> None:
    await desk.configure(me=0)
    names = ["completed", "failed", "expired lease", "cancelled", "drained", "deleted", "nobody waits"]
    await desk.add(*names)
    await desk.add("unstarted", tl=LEASE_MS, delay_ms=DAY)
    for name in [*names[:-1], "unstarted"]:
        await desk.store.await_mark(desk.queue, name)
    assert await ear.ends() == []
    completed, failed, _ = await desk.lease(3)
    await desk.complete(completed)
    await desk.fail(failed)
    await desk.cancel("cancelled")
    await desk.store.delete(desk.queue, ["deleted"])
    assert await ear.ends() == [f"email {name}" for name in ("completed", "failed", "cancelled", "deleted")]
    await desk.store.drain(desk.queue, "waiting")
    assert await ear.ends() == ["email drained"]
    await desk.after(LEASE_MS)
    assert await ear.ends() == ["email unstarted", "email expired lease"]


async def test_a_subscription_on_which_nothing_comes_stands(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "PING_S", 0.02)
    async with listening(desk) as ear:
        await asyncio.sleep(0.3)  # many pings
        assert await ear.heard() == []
        assert await ear.heard() == []


async def test_a_subscription_that_has_fallen_silent_is_a_lost_one(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "PING_S", 0.2)
    async with muting_proxy(valkey_url.removeprefix("unix://")) as (url, mute):
        client, real = connect(url)
        desk, ready = Desk(client, real=real), asyncio.Event()
        subscription = asyncio.create_task(Ear(desk).listen(ready))
        await asyncio.wait_for(ready.wait(), 10)
        mute.set()
        with pytest.raises(StoreUnavailableError, match="the subscription was silent for"):
            await asyncio.wait_for(subscription, 10)
        async with listening(desk) as ear:  # a new one is heard
            assert await ear.heard() == []
        await desk.store.close()


@asynccontextmanager
async def muting_proxy(socket: str) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A way to the store, and what makes its first subscription fall silent in both directions, as if a cable was pulled."""
    mute = asyncio.Event()
    subscribed: list[object] = []

    async def carry(name: object, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            if b"SUBSCRIBE" in data:
                subscribed.append(name)
            if not (mute.is_set() and name is subscribed[0]):
                writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = object()
        from_store, to_store = await asyncio.open_unix_connection(socket)
        await asyncio.gather(carry(name, reader, to_store), carry(name, from_store, writer), return_exceptions=True)

    with short_directory() as directory:
        server = await asyncio.start_unix_server(serve, directory / "proxy.sock")
        yield f"unix://{directory}/proxy.sock", mute
        server.close()
