"""Which job comes first."""

import pytest
from leasemq_server.store.types import LeaseRequest

from tests.store.harness import LEASE_MS, Desk, ids_of, new_job

MOST_URGENT, LEAST_URGENT = 1, 2_097_151


async def test_jobs_leave_in_the_order_they_came(desk: Desk) -> None:
    await desk.add("a")
    await desk.add("b", "c")
    await desk.add("d")
    assert await desk.lease_ids() == ["a", "b", "c", "d"]


async def test_a_more_urgent_job_overtakes_and_no_priority_is_before_all(desk: Desk) -> None:
    await desk.add("least", p=LEAST_URGENT)
    await desk.add("second", p=2)
    await desk.add("first", p=MOST_URGENT)
    await desk.add("none")
    assert await desk.lease_ids() == ["none", "first", "second", "least"]


async def test_each_priority_is_first_in_first_out(desk: Desk) -> None:
    await desk.add(*(new_job(f"{priority}-{n}", p=priority) for n in range(3) for priority in (7, LEAST_URGENT, MOST_URGENT)))
    expected = [f"{priority}-{n}" for priority in (MOST_URGENT, 7, LEAST_URGENT) for n in range(3)]
    assert await desk.lease_ids() == expected


async def test_lifo_puts_a_job_at_the_head_of_its_priority(desk: Desk) -> None:
    await desk.add("a", new_job("x", p=5))
    await desk.add(new_job("b", l=1), new_job("y", p=5, l=1), new_job("c", l=1))
    assert await desk.lease_ids() == ["c", "b", "a", "y", "x"]


async def test_delayed_jobs_come_by_due_time_and_those_due_together_in_the_order_of_their_batch(desk: Desk) -> None:
    batch = [f"same-{n:04}" for n in reversed(range(200))]
    await desk.add("late", delay_ms=2000)
    await desk.add(*batch, delay_ms=1000)
    await desk.add("early", delay_ms=500)
    desk.clock.advance(2000)
    assert await desk.lease_ids(200) == ["early", *batch[:199]]
    assert await desk.lease_ids() == [batch[199], "late"]


async def test_a_due_job_queues_up_behind_those_that_wait_and_keeps_its_priority(desk: Desk) -> None:
    await desk.add("later", delay_ms=1000)
    await desk.add("urgent", delay_ms=1000, p=1)
    await desk.add("now", "now too")
    await desk.add("plain", p=2)
    desk.clock.advance(1000)
    assert await desk.lease_ids() == ["now", "now too", "later", "urgent", "plain"]


async def test_a_due_lifo_job_goes_to_the_head(desk: Desk) -> None:
    await desk.add("later", delay_ms=1000, l=1)
    await desk.add("now")
    desk.clock.advance(1000)
    assert await desk.lease_ids() == ["later", "now"]


async def test_jobs_that_become_due_together_go_each_to_its_own_place(desk: Desk) -> None:
    await desk.add("waits", new_job("waits, urgent", p=1))
    first, of_1 = {"l": 1}, {"p": 1}
    lifo = {"head 1": first, "head 2": first, "head of 1": first | of_1}
    others: dict[str, dict[str, int]] = {"tail 1": {}, "low": {"p": 9}, "tail 2": {}, "urgent 1": of_1, "urgent 2": of_1}
    await desk.add(*(new_job(job_id, delay_ms=1000, **options) for job_id, options in (others | lifo).items()))
    await desk.after(1000)
    urgent = ["head of 1", "waits, urgent", "urgent 1", "urgent 2"]
    assert await desk.lease_ids() == ["head 2", "head 1", "waits", "tail 1", "tail 2", *urgent, "low"]


@pytest.mark.parametrize("how", ["lease", "tick"])
async def test_a_delayed_job_waits_until_its_millisecond_and_not_longer(desk: Desk, how: str) -> None:
    await desk.add("a", delay_ms=1000)
    await desk.add("b", delay_ms=1001)

    async def look() -> list[str]:
        await (desk.lease_reply(0) if how == "lease" else desk.tick())
        return await desk.ids("waiting")

    desk.clock.advance(999)
    assert await look() == []
    desk.clock.advance(1)
    assert await look() == ["a"]
    desk.clock.advance(1)
    assert await look() == ["a", "b"]


async def test_a_run_time_in_the_past_means_now(desk: Desk) -> None:
    (added,) = await desk.add("a", run_ms=desk.clock.ms - 5000)
    assert added[:3] == (True, "waiting", 0)
    (added,) = await desk.add("b", run_ms=desk.clock.ms + 5000)
    assert added[:3] == (True, "delayed", desk.clock.ms + 5000)


async def test_a_lease_that_runs_out_puts_its_job_back_to_the_head(desk: Desk) -> None:
    await desk.add("a", "b", "c", "d")
    await desk.lease(2)
    desk.clock.advance(LEASE_MS)
    assert await desk.lease_ids() == ["a", "b", "c", "d"]


async def test_leases_that_run_out_together_keep_the_order_in_which_they_ended(desk: Desk) -> None:
    await desk.add("a", "b", "c")
    await desk.lease_one("a", lease_ms=3000)
    await desk.lease_one("b", lease_ms=1000)
    desk.clock.advance(5000)
    assert await desk.lease_ids() == ["b", "a", "c"]


async def test_leases_that_run_out_together_go_to_the_head_of_their_priority(desk: Desk) -> None:
    await desk.add(new_job("a"), new_job("b", l=1), new_job("c", p=1), new_job("d", p=1), new_job("e", p=2, l=1))
    assert await desk.lease_ids() == ["b", "a", "c", "d", "e"]
    await desk.add("late", new_job("late, urgent", p=1), new_job("late, low", p=2))
    await desk.after(LEASE_MS)
    assert await desk.lease_ids() == ["a", "b", "late", "c", "d", "late, urgent", "e", "late, low"]


async def test_a_release_puts_jobs_back_to_the_head_in_the_order_of_the_batch(desk: Desk) -> None:
    await desk.add("a", "b", "c")
    jobs = await desk.lease(2)
    await desk.store.release(desk.queue, [(job.id, job.nonce, 0, 0) for job in jobs])
    assert await desk.lease_ids() == ["a", "b", "c"]


async def test_the_head_of_a_priority_is_not_the_head_of_the_queue(desk: Desk) -> None:
    await desk.add("low", p=9)
    await desk.add(new_job("low too", p=9))
    await desk.release(await desk.lease_one("low"))
    await desk.add("none")
    assert await desk.lease_ids() == ["none", "low", "low too"]


async def test_a_retried_job_queues_up_at_the_tail(desk: Desk) -> None:
    await desk.add("a", rp=1, ma=2)
    await desk.add("b")
    assert (await desk.fail(await desk.lease_one("a"))).state == "waiting"
    assert await desk.lease_ids() == ["b", "a"]


async def test_jobs_that_time_out_together_queue_up_in_the_order_in_which_they_did(desk: Desk) -> None:
    await desk.add(new_job("first", rp=1, ma=2, to=1000), new_job("second", rp=1, ma=2, to=2000), "other")
    await desk.lease(2)
    desk.clock.advance(5000)
    assert await desk.lease_ids() == ["other", "first", "second"]


async def test_requests_are_served_in_the_order_they_came(desk: Desk) -> None:
    await desk.add(*"abcde")
    requests = [
        LeaseRequest("r1", "w1", 2, LEASE_MS),
        LeaseRequest("r2", "w1", 2, LEASE_MS),
        LeaseRequest("r3", "w1", 2, LEASE_MS),
    ]
    reply = await desk.store.lease(desk.queue, requests)
    assert [ids_of(answer) for answer in reply.answers] == [["a", "b"], ["c", "d"], ["e"]]
    assert not reply.more
