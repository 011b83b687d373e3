"""checkpoint: what one attempt leaves for the next."""

from typing import Any

from leasemq_server.store.store import MOST_LEASES
from leasemq_server.store.types import LeasedJob

from tests.store.harness import LEASE_MS, SECOND, Desk


async def keep(desk: Desk, job: LeasedJob, checkpoint: bytes = b"page 7") -> bool:
    (kept,) = await desk.store.checkpoint(desk.queue, [(job.id, job.nonce, checkpoint)])
    return kept


async def test_the_next_attempt_gets_it_however_the_one_before_ended(desk: Desk):
    await desk.add("a", ma=3, rp=1)
    first = await desk.lease_one()
    assert first.checkpoint == b""
    assert await keep(desk, first)
    await desk.fail(first)
    second = await desk.lease_one()
    assert (second.checkpoint, second.attempt) == (b"page 7", 2)
    await keep(desk, second, b"\x00\xff\n")
    await desk.after(LEASE_MS + 1)
    third = await desk.lease_one()
    assert (third.checkpoint, third.lease_expirations) == (b"\x00\xff\n", 1)
    await desk.release(third, SECOND)
    await desk.after(SECOND)
    assert (await desk.lease_one()).checkpoint == b"\x00\xff\n"


async def test_a_lost_lease_stores_nothing(desk: Desk):
    await desk.add("a", ma=2, rp=1)
    lost = await desk.lease_one()
    await desk.after(LEASE_MS + 1)
    job = await desk.lease_one()
    before = await desk.dump()
    assert not await keep(desk, lost)
    assert not await keep(desk, lost._replace(id="nowhere"))
    assert await desk.dump() == before
    await desk.fail(job)
    assert (await desk.lease_one()).checkpoint == b""


async def test_a_completed_job_has_none_any_more_and_a_failed_one_goes_on_with_it(desk: Desk):
    await desk.add("a", "b")
    a, b = await desk.lease(2)
    await keep(desk, a)
    await keep(desk, b)
    await desk.complete(a)
    await desk.fail(b)
    assert (await desk.field("a", "cp"), await desk.field("b", "cp")) == (None, "page 7")
    await desk.store.retry(desk.queue, ["a", "b"])
    assert {job.id: job.checkpoint for job in await desk.lease(2)} == {"a": b"", "b": b"page 7"}


async def test_a_retried_lease_call_gets_it_too(desk: Desk):
    await desk.add("a", ma=2, rp=1)
    job = await desk.lease_one()
    await keep(desk, job)
    await desk.release(job)
    again: list[Any] = [await desk.lease_one(request_id="r") for _ in range(2)]
    assert [one.checkpoint for one in again] == [b"page 7"] * 2


async def test_large_ones_do_not_make_a_reply_too_large(desk: Desk):
    ids = [f"job-{n:03}" for n in range(MOST_LEASES)]
    await desk.add(*ids)
    jobs = await desk.lease(MOST_LEASES)
    assert await desk.store.checkpoint(desk.queue, [(job.id, job.nonce, b"x" * 16_384) for job in jobs]) == [True] * MOST_LEASES
    await desk.store.release(desk.queue, [(job.id, job.nonce, 0, 0) for job in jobs])
    sizes = []
    while leased := await desk.lease(MOST_LEASES):
        sizes.append(sum(len(job.checkpoint) for job in leased))
    assert sum(sizes) == MOST_LEASES * 16_384
    assert max(sizes) <= 3 * 1024 * 1024 + 16_384
