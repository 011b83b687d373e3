"""add: nothing to WAITING or DELAYED."""

from leasemq_server.store.reading import parse_blob
from leasemq_server.store.types import Added, Durability

from tests.store.harness import Desk, new_job


async def test_an_added_job_waits_and_is_stored_as_it_was_said(desk: Desk) -> None:
    assert await desk.add(new_job("a", spec=b"\x00\n{} binary", p=3)) == [Added(True, "waiting", 0)]
    job = await desk.job("a")
    assert (job.create_ms, job.options, job.spec) == (desk.clock.ms, b'{"p":3}', b"\x00\n{} binary")
    assert (job.state, job.fields) == ("waiting", {})


async def test_an_id_that_exists_changes_nothing_whatever_its_state(desk: Desk) -> None:
    await desk.add("active", "done", "waiting")
    await desk.add("delayed", delay_ms=5000)
    _, done = await desk.lease(2)
    await desk.complete(done)
    before = await desk.dump(with_events=False)
    again = await desk.add(*(new_job(job_id, spec=b"other", p=1) for job_id in ("waiting", "active", "done", "delayed")))
    assert again == [
        Added(False, "waiting", 0),
        Added(False, "active", 0),
        Added(False, "completed", 0),
        Added(False, "delayed", desk.clock.ms + 5000),
    ]
    assert await desk.dump(with_events=False) == before


async def test_an_id_that_is_twice_in_a_batch_is_added_once(desk: Desk) -> None:
    added = await desk.add(new_job("a"), new_job("b", delay_ms=1000), new_job("a", delay_ms=1000), new_job("b"))
    due = desk.clock.ms + 1000
    assert added == [
        Added(True, "waiting", 0),
        Added(True, "delayed", due),
        Added(False, "waiting", 0),
        Added(False, "delayed", due),
    ]
    assert (await desk.ids("waiting"), await desk.ids("delayed")) == (["a"], ["b"])
    assert (await desk.store.stats(desk.queue)).added_total == 2


async def test_a_batch_mixes_waiting_delayed_urgent_and_known_jobs(desk: Desk) -> None:
    await desk.add("known")
    jobs = [
        new_job("x"),
        new_job("late", delay_ms=10),
        new_job("known"),
        new_job("urgent", p=1),
        new_job("head", l=1),
        new_job("y"),
    ]
    assert [one.created for one in await desk.add(*jobs)] == [True, True, False, True, True, True]
    assert await desk.ids("waiting") == ["head", "known", "x", "y", "urgent"]
    assert await desk.ids("delayed") == ["late"]


async def test_ids_and_payloads_are_any_text_and_bytes(desk: Desk) -> None:
    odd = 'a b/{c}:"d"\u00e9\U0001f600'
    await desk.add(new_job(odd, spec=bytes(range(256))))
    job = await desk.lease_one(odd)
    assert parse_blob(job.blob) == (desk.clock.ms, b"", bytes(range(256)))
    assert (await desk.complete(job, bytes(range(256)))).state == "completed"
    assert (await desk.job(odd)).fields[b"r"] == bytes(range(256))


async def test_queues_do_not_mix(desk: Desk) -> None:
    other = desk.other("email.2")
    await desk.add("a")
    await other.add("a", "b")
    assert await desk.lease_ids() == ["a"]
    assert await other.ids("waiting") == ["a", "b"]


async def test_an_add_says_which_durability_it_reached(desk: Desk) -> None:
    _, reached = await desk.store.add(desk.queue, [new_job("a")], Durability.MEMORY)
    assert reached is Durability.MEMORY
    desk.store.implied_durability = Durability.FSYNC
    _, reached = await desk.store.add(desk.queue, [new_job("b")], Durability.MEMORY)
    assert reached is Durability.FSYNC
