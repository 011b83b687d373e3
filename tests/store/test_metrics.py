"""What is counted of a queue's jobs, and when it goes."""

import pytest
from leasemq_server.broker.changes import update_job
from leasemq_server.broker.metrics import read_points
from leasemq_server.jobs.changes import Change
from leasemq_server.jobs.metrics import HOUR_MS, MINUTE_MS, Point, bucket_ms

from tests.store.harness import LEASE_MS, START_MS, Desk, new_job

FIRST = START_MS - START_MS % MINUTE_MS


async def points(desk: Desk, minutes: int = 1) -> list[Point]:
    return await read_points(desk.store, desk.queue, FIRST, FIRST + minutes * MINUTE_MS, MINUTE_MS)


def near(ms: int, wanted: int) -> bool:
    return abs(ms - wanted) <= wanted / 10


async def test_waits_and_runs_are_counted_in_the_minute_in_which_they_end(desk: Desk) -> None:
    await desk.add("a", "b", "c")
    desk.clock.advance(1000)
    jobs = await desk.lease(2)
    desk.clock.advance(MINUTE_MS)
    for job in jobs:
        await desk.complete(job)
    first, second = await points(desk, 2)
    assert (first.completed, first.wait.jobs, first.run.jobs) == (0, 2, 0)
    assert near(first.wait.p99, 1000)
    assert (second.completed, second.wait.jobs, second.run.jobs) == (2, 0, 2)
    assert near(second.run.p50, MINUTE_MS)


async def test_a_delayed_job_waits_from_when_it_is_due(desk: Desk) -> None:
    await desk.add(new_job("delayed", delay_ms=9000), new_job("timed", run_ms=START_MS + 9000))
    desk.clock.advance(10_000)
    await desk.lease(2)
    (found,) = await points(desk)
    assert (found.wait.jobs, near(found.wait.p50, 1000), near(found.wait.p99, 1000)) == (2, True, True)


@pytest.mark.parametrize("delay_ms", [0, 500, 20_000])
async def test_a_job_with_another_run_time_waits_from_then(desk: Desk, delay_ms: int) -> None:
    await desk.add(new_job("a", spec=b"", delay_ms=delay_ms))
    await update_job(desk.store, desk.queue, "a", Change(None, None, START_MS + 8000))
    desk.clock.advance(9000)
    await desk.lease_one("a")
    (found,) = await points(desk)
    assert (found.wait.jobs, near(found.wait.p99, 1000)) == (1, True)


@pytest.mark.parametrize("how", ["promoted", "updated"])
@pytest.mark.parametrize("later_ms", [1000, 11_000])
async def test_a_job_that_is_to_run_at_once_waits_from_then(desk: Desk, how: str, later_ms: int) -> None:
    await desk.add(new_job("a", spec=b"", delay_ms=9000))
    desk.clock.advance(2000)
    if how == "promoted":
        await desk.store.promote(desk.queue, ["a"])
    else:
        await update_job(desk.store, desk.queue, "a", Change(None, None, 0))
    desk.clock.advance(later_ms)
    await desk.lease_one("a")
    (found,) = await points(desk)
    assert (found.wait.jobs, near(found.wait.p99, later_ms)) == (1, True)


async def test_only_the_first_lease_of_a_job_counts_as_a_wait_and_its_last_as_a_run(desk: Desk) -> None:
    await desk.add("a", rp=1, ma=2)
    await desk.fail(await desk.lease_one("a"))
    desk.clock.advance(5000)
    job = await desk.lease_one("a")
    desk.clock.advance(100)
    await desk.complete(job)
    (found,) = await points(desk)
    assert (found.wait.jobs, found.wait.p99, found.completed, found.failed) == (1, 0, 1, 0)
    assert near(found.run.p99, 100)


async def test_all_ways_to_fail_are_counted_and_nothing_twice(desk: Desk) -> None:
    await desk.add("error", "lost", me=0)
    await desk.add("unstarted", tl=LEASE_MS)
    job = (await desk.lease(2))[0]
    await desk.fail(job)
    await desk.fail(job)
    await desk.after(LEASE_MS)
    (found,) = await points(desk)
    assert (found.failed, found.completed) == (3, 0)


async def test_a_completion_that_is_sent_twice_counts_once(desk: Desk) -> None:
    await desk.add("a", "b", ma=2, rp=1)
    for job in await desk.lease(2):
        await desk.complete(job)
        await desk.complete(job)
    assert (await points(desk))[0].completed == 2


async def test_points_are_summed_over_their_minutes_and_the_future_is_empty(desk: Desk) -> None:
    for _ in range(3):
        await desk.finish(f"job-{desk.clock.ms}")
        desk.clock.advance(MINUTE_MS)
    start = FIRST - FIRST % (5 * HOUR_MS)
    found = await read_points(desk.store, desk.queue, start, start + 5000 * HOUR_MS, 5 * HOUR_MS)
    assert [point.completed for point in found] == [3] + [0] * 999


async def test_what_was_counted_goes_by_itself_and_with_the_queue(desk: Desk) -> None:
    await desk.finish("a")
    keys = [key async for key in desk.client.scan_iter("*:metrics:*")]
    assert keys
    for key in keys:
        assert 24 * HOUR_MS < await desk.client.pttl(key) <= 25 * HOUR_MS
    await desk.store.delete(desk.queue, ["a"])
    assert await desk.store.drop_queue(desk.queue)
    assert (await points(desk))[0].completed == 0


async def test_the_buckets_are_as_long_as_the_store_counts_them(desk: Desk) -> None:
    for ms in (0, 1, 2, 3, 50, 1000, 29_000):
        await desk.add(f"{ms}")
        job = await desk.lease_one(f"{ms}")
        desk.clock.advance(ms)
        await desk.complete(job)
        hour = await desk.store.read_metrics(desk.queue, desk.clock.ms // HOUR_MS)
        counted = {int(what[1:]) for counts in hour.values() for what in counts if what[0] == "r"}
        assert any(abs(bucket_ms(bucket) - ms) <= max(ms / 10, 0.5) for bucket in counted)
