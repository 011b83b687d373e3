"""Progress, logs, counts, and listings."""

import pytest
from leasemq_server.store.store import MAX_LOG_LINES
from leasemq_server.store.types import Position

from tests.store.harness import HOUR, Desk, new_job

STATES = ["waiting", "delayed", "active", "completed", "failed", "cancelled"]


async def test_progress_is_kept_until_the_next_one(desk: Desk) -> None:
    await desk.add("a", "b")
    a, b = await desk.lease(2)
    assert await desk.store.progress(desk.queue, [(a.id, a.nonce, "0.5"), (b.id, a.nonce, "1")]) == [True, False]
    assert (await desk.field("a", "p"), await desk.field("b", "p")) == ("0.5", None)
    await desk.store.progress(desk.queue, [(a.id, a.nonce, '{"done":7}')])
    assert await desk.field("a", "p") == '{"done":7}'
    await desk.complete(a)
    assert await desk.field("a", "p") == '{"done":7}'
    assert b.attempt == 1


async def test_log_lines_are_read_in_order_and_in_parts(desk: Desk) -> None:
    await desk.add("a")
    job = await desk.lease_one("a")
    assert await desk.store.log(desk.queue, "a", job.nonce, ["one", "two"]) == 2
    assert await desk.store.log(desk.queue, "a", job.nonce, ["thr\u00e9e"]) == 3
    assert await desk.store.log_lines(desk.queue, "a", 0, 2) == (["one", "two"], 2, 3)
    assert await desk.store.log_lines(desk.queue, "a", 2, 2) == (["thr\u00e9e"], 3, 3)
    assert await desk.store.log_lines(desk.queue, "a", 3, 2) == ([], 3, 3)
    assert await desk.store.log_lines(desk.queue, "nobody", 0, 2) == ([], 0, 0)


async def test_logs_keep_the_newest_lines_and_their_numbers(desk: Desk) -> None:
    await desk.add("a")
    job = await desk.lease_one("a")
    for start in range(0, MAX_LOG_LINES + 500, 500):
        await desk.store.log(desk.queue, "a", job.nonce, [str(start + n) for n in range(500)])
    total = MAX_LOG_LINES + 500
    lines, after, count = await desk.store.log_lines(desk.queue, "a", 0, 3)
    assert (lines, after, count) == (["500", "501", "502"], 503, total)
    assert await desk.store.log_lines(desk.queue, "a", total - 1, 10) == ([str(total - 1)], total, total)


async def test_logs_outlive_an_attempt(desk: Desk) -> None:
    await desk.add("a", rp=1, ma=2)
    first = await desk.lease_one("a")
    await desk.store.log(desk.queue, "a", first.nonce, ["first"])
    await desk.fail(first)
    second = await desk.lease_one("a")
    assert await desk.store.log(desk.queue, "a", first.nonce, ["late"]) is None
    await desk.store.log(desk.queue, "a", second.nonce, ["second"])
    assert (await desk.store.log_lines(desk.queue, "a", 0, 10))[0] == ["first", "second"]


# -- stats -------------------------------------------------------------------------------------------------------


async def test_an_unknown_queue_has_nothing(desk: Desk) -> None:
    counts = await desk.store.stats(desk.queue)
    assert counts[:6] == (0, 0, 0, 0, 0, 0)
    assert (counts.paused, counts.oldest_waiting_ms, counts.known, counts.config) == (False, -1, False, b"")


async def test_stats_count_jobs_by_state_and_for_ever(desk: Desk) -> None:
    await desk.finish("c1", "c2")
    await desk.fail_for_good("f1")
    await desk.add("x")
    await desk.cancel("x")
    await desk.add("d1", delay_ms=HOUR)
    await desk.add("a1", "w1", "w2")
    await desk.lease_one("a1")
    desk.clock.advance(1500)
    counts = await desk.store.stats(desk.queue)
    assert counts[:6] == (2, 1, 1, 2, 1, 1)
    assert (counts.added_total, counts.completed_total, counts.failed_total) == (8, 2, 1)
    assert (counts.oldest_waiting_ms, counts.known) == (1500, True)
    await desk.store.delete(desk.queue, ["c1", "c2", "f1"])
    counts = await desk.store.stats(desk.queue)
    assert (counts.completed, counts.completed_total, counts.failed_total) == (0, 2, 1)


async def test_a_tick_says_whether_a_queue_has_any_job(desk: Desk) -> None:
    assert not (await desk.tick()).busy
    await desk.finish("a")
    assert (await desk.tick()).busy
    await desk.store.delete(desk.queue, ["a"])
    assert not (await desk.tick()).busy
    await desk.add("b", delay_ms=HOUR)
    assert (await desk.tick()).busy


async def test_a_tick_counts_what_it_moved(desk: Desk) -> None:
    await desk.add("due-1", "due-2", delay_ms=10)
    await desk.add("leased", "expiring")
    await desk.add("unstarted", tl=20)
    await desk.lease_one("leased", lease_ms=30)
    assert (await desk.tick()).moved == 0
    assert (await desk.after(30)).moved == 4


# -- listings ----------------------------------------------------------------------------------------------------


async def _pages(desk: Desk, state: str, size: int, *, descending: bool) -> list[str]:
    found: list[str] = []
    after: Position | None = None
    while page := await desk.store.page(desk.queue, state, after, size, descending=descending):
        assert len(page) <= size
        found += [position.id for position in page]
        assert len(found) == len(set(found)), "a page shows a job again"
        after = page[-1]
    return found


async def _eleven_of(desk: Desk, state: str) -> list[str]:
    """Jobs whose finish times, due times or lease times are the same."""
    ids = [f"job-{n:02}" for n in range(11)]
    if state == "delayed":
        for job_id in ids:
            await desk.add(job_id, delay_ms=HOUR)
        return ids
    await desk.add(*ids)
    if state == "waiting":
        return ids
    if state == "cancelled":
        await desk.store.cancel(desk.queue, [(job_id, "") for job_id in ids])
        return ids
    jobs = await desk.lease(11)
    if state == "completed":
        await desk.store.complete(desk.queue, [(job.id, job.nonce, b"", "") for job in jobs])
    elif state == "failed":
        await desk.store.fail(desk.queue, [(job.id, job.nonce, "", 0, "") for job in jobs])
    return ids


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("state", STATES)
async def test_pages_show_each_job_once_in_both_directions_however_many_ties(desk: Desk, state: str, size: int) -> None:
    ids = await _eleven_of(desk, state)
    assert await _pages(desk, state, size, descending=False) == ids
    assert await _pages(desk, state, size, descending=True) == ids[::-1]


async def test_a_page_goes_on_where_it_was_although_jobs_before_it_went(desk: Desk) -> None:
    await _eleven_of(desk, "cancelled")
    page = await desk.store.page(desk.queue, "cancelled", None, 4, descending=False)
    await desk.store.delete(desk.queue, ["job-00", "job-02", "job-03", "job-05"])
    rest = await desk.store.page(desk.queue, "cancelled", page[-1], 100, descending=False)
    assert [position.id for position in rest] == ["job-04", *(f"job-{n:02}" for n in range(6, 11))]


async def test_pages_go_over_more_ties_than_one_look_takes(valkey_desk: Desk) -> None:
    desk = valkey_desk
    ids = [f"job-{n:04}" for n in range(2200)]
    for start in (0, 1000, 2000):
        await desk.add(*ids[start : start + 1000])
        await desk.store.cancel(desk.queue, [(job_id, "") for job_id in ids[start : start + 1000]])
    assert await _pages(desk, "cancelled", 900, descending=False) == ids
    assert await _pages(desk, "cancelled", 900, descending=True) == ids[::-1]


async def test_a_read_says_which_jobs_there_are(desk: Desk) -> None:
    await desk.add(new_job("a", spec=b"payload", p=1))
    found = await desk.store.read(desk.queue, ["a", "nobody"])
    assert [job and (job.id, job.spec, job.options) for job in found] == [("a", b"payload", b'{"p":1}'), None]
    (without,) = await desk.store.read(desk.queue, ["a"], with_spec=False)
    assert without is not None
    assert (without.create_ms, without.spec, without.options) == (desk.clock.ms, b"", b'{"p":1}')


async def test_a_read_stops_before_its_reply_gets_too_big(desk: Desk) -> None:
    ids = [f"job-{n}" for n in range(5)]
    await desk.add(*(new_job(job_id, spec=b"x" * 1024 * 1024) for job_id in ids))
    assert [job and job.id for job in await desk.store.read(desk.queue, ids)] == ids[:2]
    assert len(await desk.store.read(desk.queue, ids, with_spec=False)) == 5
