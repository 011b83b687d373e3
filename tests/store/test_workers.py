"""Who was heard of."""

from tests.store.harness import HOUR, SECOND, Desk


async def test_a_worker_is_listed_for_a_minute_after_its_heartbeat(desk: Desk) -> None:
    now = desk.clock.ms
    await desk.store.heard_of("w2", b"two", now, 0)
    await desk.store.heard_of("w1", b"one", now - 59 * SECOND, now - 70 * SECOND)
    await desk.store.heard_of("w0", b"old", now - 60 * SECOND, 0)
    assert await desk.store.workers(now) == [("w1", b"one", now - 59 * SECOND, now - 70 * SECOND), ("w2", b"two", now, 0)]


async def test_a_heartbeat_replaces_the_one_before_and_keeps_the_last_poll(desk: Desk) -> None:
    now = desk.clock.ms
    await desk.store.heard_of("w1", b"one", now, 123)
    await desk.store.heard_of("w1", b"two", now + 1, 0)
    assert await desk.store.workers(now + 1) == [("w1", b"two", now + 1, 123)]


async def test_workers_of_long_ago_are_forgotten(desk: Desk) -> None:
    now = desk.clock.ms
    await desk.store.heard_of("old", b"", now - HOUR, 5)
    await desk.store.heard_of("new", b"", now - HOUR + 1, 5)
    await desk.store.forget_workers(now)
    dump = await desk.dump()
    assert dump[b"lmq:{workers}:infos"].keys() == dump[b"lmq:{workers}:polls"].keys() == {b"new"}
    await desk.store.forget_workers(now + 1)
    assert await desk.dump() == {}
    await desk.store.forget_workers(now)


async def test_no_workers_are_no_workers(desk: Desk) -> None:
    assert await desk.store.workers(desk.clock.ms) == []
