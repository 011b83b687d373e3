"""What operators do: retry, promote, delete, drain, configure, drop a queue."""

from leasemq_server.store.types import Outcome

from tests.store.harness import HOUR, LEASE_MS, Desk, new_job

OK, NOT_FOUND, NOT_IN_STATE = "OK", "JOB_NOT_FOUND", "JOB_NOT_IN_STATE"


async def _one_of_each(desk: Desk) -> None:
    """Jobs named after their states."""
    await desk.finish("completed")
    await desk.fail_for_good("failed")
    await desk.add("cancelled")
    await desk.cancel("cancelled")
    await desk.add("active")
    await desk.lease_one("active")
    await desk.add("waiting")
    await desk.add("delayed", delay_ms=HOUR)


ALL = ["completed", "failed", "cancelled", "active", "waiting", "delayed", "nobody"]


# -- retry (redrive) ---------------------------------------------------------------------------------------------


async def test_redrive_brings_back_what_is_over_and_nothing_else(desk: Desk) -> None:
    await _one_of_each(desk)
    assert await desk.store.retry(desk.queue, ALL) == [OK, OK, OK, NOT_IN_STATE, NOT_IN_STATE, NOT_IN_STATE, NOT_FOUND]
    assert await desk.ids("waiting") == ["waiting", "completed", "failed", "cancelled"]
    for state in ("completed", "failed", "cancelled"):
        assert await desk.ids(state) == []


async def test_a_redriven_job_starts_afresh(desk: Desk) -> None:
    await desk.add("a", rp=1, ma=2, me=0)
    await desk.fail(await desk.lease_one("a"), failure='{"message":"first"}')
    job = await desk.lease_one("a")
    await desk.store.progress(desk.queue, [(job.id, job.nonce, "0.5")])
    await desk.after(LEASE_MS)
    assert await desk.state("a") == "failed"
    await desk.store.retry(desk.queue, ["a"])
    stored = await desk.job("a")
    assert not {b"ft", b"p", b"c", b"r", b"so"} & stored.fields.keys()
    again = await desk.lease_one("a")
    assert (again.attempt, again.lease_expirations) == (1, 0)
    assert len(await desk.failures("a")) == 2
    assert await desk.fail(again) == Outcome("waiting", 0, 1)


async def test_a_redrive_may_keep_the_attempts(desk: Desk) -> None:
    await desk.add("a", rp=1, ma=2)
    await desk.fail(await desk.lease_one("a"))
    await desk.fail(await desk.lease_one("a"))
    await desk.store.retry(desk.queue, ["a"], keep_attempts=True)
    again = await desk.lease_one("a")
    assert again.attempt == 3
    assert (await desk.fail(again)).state == "failed"


async def test_a_redriven_cancelled_job_is_not_cancelled_again(desk: Desk) -> None:
    await desk.add("a")
    await desk.lease_one("a")
    await desk.cancel("a")
    await desk.after(LEASE_MS)
    await desk.store.retry(desk.queue, ["a"])
    assert (await desk.release(await desk.lease_one("a"))).state == "waiting"


async def test_a_redriven_job_keeps_its_priority(desk: Desk) -> None:
    await desk.fail_for_good("a", p=5)
    await desk.add("b", p=6)
    await desk.add("c")
    await desk.store.retry(desk.queue, ["a"])
    assert await desk.lease_ids() == ["c", "a", "b"]


# -- promote -----------------------------------------------------------------------------------------------------


async def test_promote_makes_a_delayed_job_wait_at_the_tail_of_its_priority(desk: Desk) -> None:
    await _one_of_each(desk)
    await desk.add("urgent", delay_ms=HOUR, p=3)
    await desk.add("low", p=4)
    expected = [NOT_IN_STATE] * 5 + [OK, NOT_FOUND]
    assert await desk.store.promote(desk.queue, ALL) == expected
    assert await desk.store.promote(desk.queue, ["urgent", "urgent"]) == [OK, NOT_IN_STATE]
    assert await desk.lease_ids() == ["waiting", "delayed", "urgent", "low"]


async def test_a_promoted_retry_goes_on_with_its_attempts(desk: Desk) -> None:
    await desk.add("a", rp=1, ma=3, bo={"k": "fixed", "d": HOUR})
    await desk.fail(await desk.lease_one("a"))
    assert await desk.store.promote(desk.queue, ["a"]) == [OK]
    assert await desk.state("a") == "waiting"
    assert (await desk.lease_one("a")).attempt == 2


# -- delete and drain --------------------------------------------------------------------------------------------


async def test_delete_removes_all_but_running_jobs(desk: Desk) -> None:
    await _one_of_each(desk)
    assert await desk.store.delete(desk.queue, ALL) == [OK, OK, OK, NOT_IN_STATE, OK, OK, NOT_FOUND]
    assert [await desk.state(job_id) for job_id in ALL] == [None, None, None, "active", None, None, None]


async def test_delete_by_force_takes_running_jobs_too_and_leaves_nothing(desk: Desk) -> None:
    await _one_of_each(desk)
    await desk.add("expiring", tl=HOUR)
    job = await desk.store.delete(desk.queue, [*ALL[:-1], "expiring"], force=True)
    assert job == [OK] * 7
    keys = {key.decode() for key in await desk.dump(with_events=False)}
    assert {key for key in keys if ":request:" not in key} == {"lmq:q:{email}:meta"}


async def test_a_deleted_id_may_be_added_again(desk: Desk) -> None:
    await desk.fail_for_good("a")
    await desk.store.delete(desk.queue, ["a"])
    assert (await desk.add("a"))[0].created
    job = await desk.lease_one("a")
    assert (job.attempt, job.failure_count) == (1, 0)


async def test_drain_removes_the_jobs_of_one_state(desk: Desk) -> None:
    await _one_of_each(desk)
    await desk.add("expiring", tl=HOUR)
    assert await desk.store.drain(desk.queue, "waiting") == (2, False)
    assert await desk.store.drain(desk.queue, "waiting") == (0, False)
    assert [await desk.state(job_id) for job_id in ("waiting", "expiring", "active", "delayed")] == [
        None,
        None,
        "active",
        "delayed",
    ]
    assert await desk.store.drain(desk.queue, "delayed") == (1, False)
    assert await desk.state("delayed") is None
    await desk.after(2 * HOUR)


async def test_drain_goes_in_bounded_steps(desk: Desk) -> None:
    for batch in range(2):
        await desk.add(*(f"{batch}-{n}" for n in range(600)))
    assert await desk.store.drain(desk.queue, "waiting") == (1000, True)
    assert await desk.store.drain(desk.queue, "waiting") == (200, False)


# -- the queue itself --------------------------------------------------------------------------------------------


async def test_configure_is_refused_when_the_configuration_changed_meanwhile(desk: Desk) -> None:
    store, queue = desk.store, desk.queue
    assert await store.configure(queue, b"", b"one", "{}")
    assert not await store.configure(queue, b"", b"two", "{}")
    assert (await store.stats(queue)).config == b"one"
    assert await store.configure(queue, b"one", b"two", '{"ma":2}')
    assert (await store.stats(queue)).config == b"two"


async def test_a_configuration_may_be_empty_again(desk: Desk) -> None:
    await desk.configure(ma=2)
    assert await desk.store.configure(desk.queue, b'{"ma": 2}', b"", "")
    await desk.fail_for_good("a")
    assert await desk.store.configure(desk.queue, b"", b"x", "")


async def test_a_queue_is_dropped_once_it_is_empty(desk: Desk) -> None:
    store, queue = desk.store, desk.queue
    await store.register_queue(queue)
    await desk.configure(ma=2)
    await _one_of_each(desk)
    assert not await store.drop_queue(queue)
    for state in ("waiting", "delayed"):
        await store.drain(queue, state)
    assert not await store.drop_queue(queue)
    await store.delete(queue, ["active", "completed", "failed"], force=True)
    assert not await store.drop_queue(queue)
    assert await store.queue_exists(queue)
    await store.delete(queue, ["cancelled"])
    assert await store.drop_queue(queue)
    assert not await store.queue_exists(queue)
    assert not (await store.stats(queue)).known


async def test_a_queue_with_dead_letters_to_relay_is_not_dropped(desk: Desk) -> None:
    await desk.add(new_job("a", dl="dead", fr={"c": 0}))
    await desk.fail(await desk.lease_one("a"))
    assert not await desk.store.drop_queue(desk.queue)
    (entry,) = await desk.store.outbox(desk.queue)
    await desk.store.outbox_done(desk.queue, [entry.entry_id])
    assert await desk.store.drop_queue(desk.queue)
    assert {key for key in await desk.dump() if b":request:" not in key} == set()


async def test_queues_are_listed_by_name_in_parts(desk: Desk) -> None:
    names = ["a", "a.b", "b-1", "b_2", "Z"]
    for name in names:
        await desk.store.register_queue(name)
        await desk.store.register_queue(name)
    first = await desk.store.queue_names(count=2)
    assert first + await desk.store.queue_names(first[-1]) == sorted(names)
    assert await desk.store.queue_exists("Z")
    assert not await desk.store.queue_exists("z")
