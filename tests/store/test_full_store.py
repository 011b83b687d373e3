"""A store at its maxmemory: adding is refused, everything that works it off goes on."""

from collections.abc import AsyncIterator

import pytest
from leasemq_server.errors import StoreFullError

from tests.store.harness import HOUR, LEASE_MS, Desk, new_job


@pytest.fixture
async def full(valkey_desk: Desk) -> AsyncIterator[Desk]:
    """Ten waiting jobs, one delayed, one failed, and no memory left."""
    desk = valkey_desk
    await desk.fail_for_good("dead")
    await desk.add(
        *(new_job(f"job-{n}", rp=1, ma=3) for n in range(10)), new_job("later", delay_ms=HOUR), new_job("lost", tl=HOUR)
    )
    await desk.store.register_queue(desk.queue)
    used = (await desk.client.info("memory"))["used_memory"]
    await desk.client.execute_command("CONFIG", "SET", "maxmemory", used // 2)
    yield desk
    await desk.client.execute_command("CONFIG", "SET", "maxmemory", 0)


@pytest.mark.parametrize("job", [new_job("new"), new_job("new", delay_ms=5), new_job("new", tl=5), new_job("new", p=1)])
async def test_adding_to_a_full_store_is_refused_and_changes_nothing(full: Desk, job) -> None:
    before = await full.dump()
    with pytest.raises(StoreFullError):
        await full.add(job, "another")
    assert await full.dump() == before


async def test_a_full_store_is_worked_off(full: Desk) -> None:
    desk = full
    completed, failed, released, extended, back = await desk.lease(5, request_id="r")
    assert (await desk.complete(completed, b"result")).state == "completed"
    assert (await desk.fail(failed, failure='{"message":"no"}')).state == "waiting"
    assert (await desk.release(released, 5000)).state == "delayed"
    assert (await desk.extend(extended))[0] == "EXTENDED"
    assert await desk.store.progress(desk.queue, [(extended.id, extended.nonce, "0.5")]) == [True]
    assert await desk.store.log(desk.queue, extended.id, extended.nonce, ["line"]) == 1
    assert await desk.lease(5, request_id="r") == [extended, back]
    assert await desk.store.give_back(desk.queue, [("r", False)]) == 0


async def test_time_goes_on_in_a_full_store(full: Desk) -> None:
    desk = full
    await desk.lease(3)
    await desk.after(LEASE_MS)
    assert (await desk.store.stats(desk.queue)).active == 0
    await desk.after(HOUR)
    assert (await desk.state("later"), await desk.state("lost")) == ("waiting", "failed")


async def test_a_full_store_can_be_steered(full: Desk) -> None:
    desk = full
    assert await desk.store.retry(desk.queue, ["dead"]) == ["OK"]
    assert await desk.store.promote(desk.queue, ["later"]) == ["OK"]
    assert await desk.cancel("job-0") == ("OK", "cancelled")
    assert await desk.store.await_mark(desk.queue, "job-1") == "waiting"
    await desk.store.pause(desk.queue, paused=True)
    await desk.configure(cr={"a": 0})
    assert await desk.store.delete(desk.queue, ["job-2"]) == ["OK"]
    assert (await desk.store.drain(desk.queue, "waiting"))[0] > 0
    assert len(await desk.store.read(desk.queue, ["job-0"])) == 1


async def test_a_full_store_costs_no_worker_its_leases(full: Desk) -> None:
    await full.store.register_queue(full.queue)
    await full.store.heard_of("w1", b"info", full.clock.ms, 0)


async def test_adding_goes_on_once_there_is_room(full: Desk) -> None:
    with pytest.raises(StoreFullError):
        await full.add("new")
    await full.client.execute_command("CONFIG", "SET", "maxmemory", 0)
    assert (await full.add("new"))[0].created
