"""lease: WAITING to ACTIVE; extend; what happens when a lease runs out, and to answers that never arrived."""

import pytest
from leasemq_server.store.calls import MAX_REPLY_BYTES
from leasemq_server.store.store import NONCE_BYTES
from leasemq_server.store.types import LOST, LeaseRequest

from tests.store.harness import HOUR, LEASE_MS, SECOND, Desk, ids_of, new_job


async def test_a_lease_says_all_that_a_worker_needs(desk: Desk) -> None:
    await desk.add("a")
    created = desk.clock.ms
    desk.clock.advance(5)
    job = await desk.lease_one("a", worker="w7")
    assert (job.attempt, job.expire_ms, job.start_ms) == (1, desk.clock.ms + LEASE_MS, desk.clock.ms)
    assert (job.lease_expirations, job.failure_count) == (0, 0)
    assert job.blob == b"%d\nspec" % created
    stored = await desk.job("a")
    assert (stored.state, stored.lease_ms, stored.fields[b"w"]) == ("active", job.expire_ms, b"w7")


async def test_every_lease_has_a_token_of_its_own(desk: Desk) -> None:
    await desk.add(*(f"job-{n}" for n in range(50)))
    jobs = await desk.lease(50)
    for job in jobs:
        await desk.release(job)
    nonces = {job.nonce for job in jobs} | {job.nonce for job in await desk.lease(50)}
    assert len(nonces) == 100
    assert {len(nonce) for nonce in nonces} == {NONCE_BYTES * 4 // 3}


async def test_nothing_to_lease_is_an_empty_answer_that_says_when_to_look_again(desk: Desk) -> None:
    assert (await desk.lease_reply()).next_in_ms == -1
    await desk.add("a", delay_ms=1500)
    reply = await desk.lease_reply()
    assert (reply.next_in_ms, reply.more, reply.answers) == (1500, False, [[]])


async def test_the_time_to_look_again_is_the_earliest_of_due_jobs_leases_and_ttls(desk: Desk) -> None:
    await desk.add("leased")
    await desk.lease_one("leased", lease_ms=5000)
    assert (await desk.lease_reply(0)).next_in_ms == 5000
    await desk.add(*(new_job(f"due-{n}", delay_ms=4000) for n in range(3)))
    assert (await desk.lease_reply(0)).next_in_ms == 4000
    await desk.add("expiring", tl=3000)
    assert (await desk.lease_reply(0)).next_in_ms == 3000
    desk.clock.advance(2999)
    assert (await desk.lease_reply(0)).next_in_ms == 1
    await desk.after(1)
    assert (await desk.lease_reply(0)).next_in_ms == 1000


async def test_the_time_to_look_again_is_exact_for_each_job_of_a_batch(desk: Desk) -> None:
    await desk.add("first", "second", delay_ms=1000)
    await desk.store.cancel(desk.queue, [("first", "")])
    reply = await desk.lease_reply()
    assert reply.next_in_ms == 1000
    desk.clock.advance(1000)
    assert await desk.lease_ids() == ["second"]


async def test_a_reply_says_whether_more_is_left(desk: Desk) -> None:
    await desk.add("a", "b")
    assert (await desk.lease_reply()).more
    assert not (await desk.lease_reply()).more


async def test_a_reply_stays_below_the_size_limit_and_leaves_the_rest_where_it_was(desk: Desk) -> None:
    big = b"x" * 1024 * 1024
    await desk.add(*(new_job(f"job-{n}", spec=big) for n in range(5)))
    requests = [LeaseRequest("r1", "w", 2, LEASE_MS), LeaseRequest("r2", "w", 2, LEASE_MS)]
    reply = await desk.store.lease(desk.queue, requests)
    assert [ids_of(answer) for answer in reply.answers] == [["job-0", "job-1"], []]
    assert reply.more
    assert await desk.ids("waiting") == ["job-2", "job-3", "job-4"]
    assert (await desk.lease_ids(3)) == ["job-2", "job-3"]


async def test_a_single_job_over_the_size_limit_is_leased_alone(desk: Desk) -> None:
    await desk.add(new_job("small"), new_job("huge", spec=b"x" * 5 * 1024 * 1024), new_job("last"))
    assert await desk.lease_ids() == ["small"]
    assert await desk.lease_ids() == ["huge"]
    assert await desk.lease_ids() == ["last"]


# -- a retry of the same request ---------------------------------------------------------------------------------


async def test_a_retried_request_gets_the_same_leases(desk: Desk) -> None:
    await desk.add("a", "b", "c")
    first = await desk.lease(2, request_id="r")
    desk.clock.advance(100)
    assert await desk.lease(2, request_id="r") == first
    assert await desk.ids("waiting") == ["c"]


async def test_a_request_that_is_twice_in_one_call_is_answered_once(desk: Desk) -> None:
    await desk.add("a", "b", "c")
    request = LeaseRequest("r", "w1", 1, LEASE_MS)
    reply = await desk.store.lease(desk.queue, [request, request, LeaseRequest("other", "w1", 1, LEASE_MS)])
    first, second, other = reply.answers
    assert ids_of(first) == ["a"]
    assert second == first
    assert ids_of(other) == ["b"]
    assert await desk.ids("waiting") == ["c"]
    assert await desk.store.give_back(desk.queue, [("r", False)]) == 0


async def test_a_retried_request_gets_those_leases_that_are_still_its_own(desk: Desk) -> None:
    await desk.add("a", "b", "c", "d")
    settled, kept, superseded = await desk.lease(3, request_id="r")
    await desk.complete(settled)
    await desk.release(superseded)
    await desk.lease_one("c")
    assert await desk.lease(3, request_id="r") == [kept]


async def test_a_request_is_remembered_no_longer_than_its_lease(desk: Desk) -> None:
    await desk.add("a", "b")
    await desk.lease(request_id="short", lease_ms=1000)
    await desk.lease(request_id="long", lease_ms=HOUR)
    key = "lmq:q:{email}:request:"
    assert 0 < await desk.client.pttl(key + "short") <= 1000
    assert 1000 < await desk.client.pttl(key + "long") <= 60_000
    assert await desk.store.has_answered(desk.queue, "long")
    assert not await desk.store.has_answered(desk.queue, "other")


async def test_a_request_without_an_answer_is_not_remembered(desk: Desk) -> None:
    await desk.lease(request_id="r")
    await desk.add("a")
    assert ids_of(await desk.lease(request_id="r")) == ["a"]


# -- give_back ---------------------------------------------------------------------------------------------------


async def test_what_never_arrived_is_given_back_to_the_head_without_using_an_attempt(desk: Desk) -> None:
    await desk.add("a", "b", "c")
    lost = await desk.lease(2, request_id="r")
    assert await desk.store.give_back(desk.queue, [("r", False)]) == 2
    again = await desk.lease(3)
    assert [(job.id, job.attempt) for job in again] == [("a", 1), ("b", 1), ("c", 1)]
    assert await desk.complete(lost[0]) == LOST


async def test_what_the_worker_may_have_read_counts_a_lease_expiration_but_no_attempt(desk: Desk) -> None:
    await desk.add("a", "b")
    await desk.lease(2, request_id="r")
    assert await desk.store.give_back(desk.queue, [("r", True)]) == 2
    again = await desk.lease(2)
    assert [(job.id, job.attempt, job.lease_expirations) for job in again] == [("a", 1, 1), ("b", 1, 1)]


async def test_a_job_whose_workers_die_of_it_is_not_given_out_for_ever(desk: Desk) -> None:
    await desk.add(new_job("poison", me=2))
    for turn in range(3):
        await desk.lease(request_id=f"r{turn}")
        assert await desk.store.give_back(desk.queue, [(f"r{turn}", True)]) == 1
    assert await desk.ids("failed") == ["poison"]
    assert await desk.ids("waiting") == []


@pytest.mark.parametrize("perhaps", [False, True])
async def test_a_worker_whose_lease_was_given_back_has_lost_it(desk: Desk, perhaps: bool) -> None:
    await desk.add("a")
    job = await desk.lease_one("a", request_id="r")
    await desk.store.give_back(desk.queue, [("r", perhaps)])
    assert await desk.complete(job) == LOST
    assert await desk.extend(job) == ("LOST", 0)
    assert await desk.state("a") == "waiting"


async def test_a_replayed_request_is_not_given_back(desk: Desk) -> None:
    await desk.add("a")
    await desk.lease(request_id="r")
    (job,) = await desk.lease(request_id="r")
    assert await desk.store.give_back(desk.queue, [("r", False)]) == 0
    assert (await desk.complete(job)).state == "completed"


async def test_giving_back_leaves_settled_and_superseded_leases_alone(desk: Desk) -> None:
    await desk.add("a", "b", "c")
    settled, superseded, _ = await desk.lease(3, request_id="r")
    await desk.complete(settled)
    await desk.release(superseded)
    taken = await desk.lease_one("b")
    assert await desk.store.give_back(desk.queue, [("r", False), ("unknown", False)]) == 1
    assert (await desk.state("a"), await desk.state("b"), await desk.state("c")) == ("completed", "active", "waiting")
    assert (await desk.complete(taken)).state == "completed"


async def test_giving_back_one_call_leaves_what_another_call_leased(desk: Desk) -> None:
    await desk.add("a")
    request = LeaseRequest("r", "w1", 1, LEASE_MS)
    (job,) = (await desk.store.lease(desk.queue, [request], "second call")).answers[0]
    assert await desk.store.give_back(desk.queue, [("r", False)], "first call") == 0
    assert (await desk.extend(job))[0] == "EXTENDED"
    assert await desk.store.give_back(desk.queue, [("r", False)], "second call") == 1
    assert await desk.state("a") == "waiting"


async def test_giving_back_twice_does_it_once(desk: Desk) -> None:
    await desk.add("a")
    await desk.lease(request_id="r")
    assert await desk.store.give_back(desk.queue, [("r", False)]) == 1
    await desk.lease_one("a")
    assert await desk.store.give_back(desk.queue, [("r", False)]) == 0


async def test_giving_back_what_was_to_be_cancelled_cancels_it(desk: Desk) -> None:
    await desk.add("a")
    await desk.lease(request_id="r")
    await desk.cancel("a")
    assert await desk.store.give_back(desk.queue, [("r", False)]) == 1
    assert await desk.state("a") == "cancelled"


# -- extend and expiry -------------------------------------------------------------------------------------------


async def test_an_extended_lease_lasts_from_now_on(desk: Desk) -> None:
    await desk.add("a")
    job = await desk.lease_one("a")
    desk.clock.advance(LEASE_MS - 1)
    assert await desk.extend(job, 60_000) == ("EXTENDED", desk.clock.ms + 60_000)
    await desk.after(59_999)
    assert await desk.state("a") == "active"
    await desk.after(1)
    assert await desk.state("a") == "waiting"


async def test_a_lease_is_never_extended_beyond_the_timeout(desk: Desk) -> None:
    await desk.add("a", to=40_000)
    job = await desk.lease_one("a")
    deadline = desk.clock.ms + 40_000
    desk.clock.advance(20_000)
    assert await desk.extend(job) == ("EXTENDED", deadline)
    desk.clock.advance(20_000)
    assert await desk.extend(job) == ("LOST", 0)


async def test_a_lease_is_never_longer_than_the_timeout(desk: Desk) -> None:
    await desk.add("a", to=5000)
    assert (await desk.lease_one("a")).expire_ms == desk.clock.ms + 5000


async def test_extending_what_is_lost_settled_or_garbage_says_lost(desk: Desk) -> None:
    await desk.add("a", "b")
    lost, settled = await desk.lease(2)
    await desk.complete(settled)
    await desk.release(lost)
    current = await desk.lease_one("a")
    before = await desk.dump()
    for job in (lost, settled, current._replace(nonce="garbage"), current._replace(id="nobody")):
        assert await desk.extend(job) == ("LOST", 0)
    assert await desk.dump() == before


async def test_extending_a_lease_whose_job_is_to_be_cancelled_says_so(desk: Desk) -> None:
    await desk.add("a")
    job = await desk.lease_one("a")
    await desk.cancel("a")
    assert await desk.extend(job, 1000) == ("CANCEL_REQUESTED", desk.clock.ms + 1000)


async def test_a_lease_that_ran_out_counts_as_an_expiry_and_not_as_an_attempt(desk: Desk) -> None:
    await desk.add("a", rp=1, ma=1)
    lost = await desk.lease_one("a", worker="w1")
    await desk.after(LEASE_MS)
    assert (await desk.state("a"), await desk.attempt("a")) == ("waiting", 0)
    again = await desk.lease_one("a")
    assert (again.attempt, again.lease_expirations, again.failure_count) == (1, 1, 1)
    assert await desk.complete(lost) == LOST
    (failure,) = await desk.failures("a")
    assert (failure["kind"], failure["attempt"], failure["worker"]) == ("LEASE_EXPIRED", 1, "w1")


async def test_until_a_lease_is_taken_away_its_late_worker_may_still_settle(desk: Desk) -> None:
    await desk.add("a")
    job = await desk.lease_one("a")
    desk.clock.advance(LEASE_MS + SECOND)
    assert (await desk.complete(job)).state == "completed"


async def test_a_job_whose_leases_run_out_too_often_fails(desk: Desk) -> None:
    await desk.add("default")
    await desk.add("two", me=2, p=1)
    await desk.add("none", me=0, p=2)
    seen: dict[str, int] = {}
    while jobs := await desk.lease(3):
        seen |= {job.id: seen.get(job.id, 0) + 1 for job in jobs}
        desk.clock.advance(LEASE_MS)
    assert seen == {"default": 4, "two": 3, "none": 1}
    assert await desk.ids("failed") == ["none", "two", "default"]
    assert await desk.field("two", "n") == "3"
    assert await desk.attempt("two") == 0
    assert [failure["kind"] for failure in await desk.failures("two")] == ["LEASE_EXPIRED"] * 3
    assert (await desk.store.stats(desk.queue)).failed_total == 3


async def test_a_queue_may_set_how_many_leases_may_run_out(desk: Desk) -> None:
    await desk.configure(me=0)
    await desk.add("a")
    await desk.lease_one("a")
    await desk.after(LEASE_MS)
    assert await desk.state("a") == "failed"


# -- pause -------------------------------------------------------------------------------------------------------


async def test_a_paused_queue_gives_out_nothing_but_takes_and_settles(desk: Desk) -> None:
    await desk.add("running")
    job = await desk.lease_one("running")
    await desk.store.pause(desk.queue, paused=True)
    await desk.add("a")
    reply = await desk.lease_reply()
    assert (reply.answers, reply.more) == ([[]], False)
    assert (await desk.store.stats(desk.queue)).paused
    assert (await desk.complete(job)).state == "completed"
    await desk.store.pause(desk.queue, paused=False)
    assert await desk.lease_ids() == ["a"]


async def test_in_a_paused_queue_time_goes_on(desk: Desk) -> None:
    await desk.add("leased", "expiring")
    await desk.add("later", delay_ms=1000)
    await desk.lease_one("leased")
    await desk.store.pause(desk.queue, paused=True)
    desk.clock.advance(LEASE_MS)
    assert await desk.lease_ids() == []
    assert await desk.ids("waiting") == ["leased", "expiring", "later"]


async def test_a_paused_queue_still_answers_a_retried_request(desk: Desk) -> None:
    await desk.add("a")
    first = await desk.lease(request_id="r")
    await desk.store.pause(desk.queue, paused=True)
    assert await desk.lease(request_id="r") == first


async def test_a_call_gives_out_a_bounded_number_of_leases_that_are_dear_and_keeps_the_order(desk: Desk) -> None:
    ids = [f"job-{number:03}" for number in range(600)]
    await desk.add(*ids, to=60_000)
    first = await desk.lease_reply(600)
    assert (ids_of(first.answers[0]), first.more) == (ids[:250], True)
    assert await desk.lease_ids(600) == ids[250:500]
    assert await desk.lease_ids(600) == ids[500:]


@pytest.mark.parametrize("group", ["", "g"])
async def test_of_large_jobs_hardly_more_are_read_than_the_answer_has_room_for(valkey_desk: Desk, group: str) -> None:
    count, size = 100, 1_000_000
    for number in range(count):
        await valkey_desk.add(new_job(f"{number:03}", spec=b"x" * size, group=group))
    before = (await valkey_desk.store.info("memory"))["used_memory"]
    leased = await valkey_desk.lease_ids(count)
    read = (await valkey_desk.store.info("memory"))["used_memory_peak"] - before
    room = MAX_REPLY_BYTES // size
    assert (leased, read < 3 * MAX_REPLY_BYTES + 9 * size) == ([f"{number:03}" for number in range(len(leased))], True)
    assert room <= len(leased) <= room + 1
    assert await valkey_desk.ids("waiting") == [f"{number:03}" for number in range(len(leased), count)]
