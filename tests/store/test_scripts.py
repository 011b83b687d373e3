"""The script loader: a header is the contract of its script, and what does not match it is refused."""

import re

import pytest
from leasemq_server.store import keys
from leasemq_server.store.calls import MAX_MOVES
from leasemq_server.store.keys import queue_keys
from leasemq_server.store.scripts import LUA, ScriptCallError, all_names, load
from leasemq_server.store.store import MOST_LEASES
from leasemq_server.store.types import Durability, LeasedJob, LeaseRequest

from tests.store.declared import DECLARED
from tests.store.harness import HOUR, LEASE_MS, Desk, new_job

BATCH = 1000
READ_ONLY = {"read", "stats", "schedule_due", "schedule_read", "dependencies", "read_events", "read_metrics", "read_groups"}
REFUSED_WHEN_FULL = {"add", "update", "schedule_put", "schedule_fire", "schedule_trigger", "register"}


@pytest.mark.parametrize("name", all_names())
def test_a_script_says_what_it_is(name: str) -> None:
    text = (LUA / f"{name}.lua").read_text()
    assert re.match(rf"-- (\w+, )?{name}\b.*: ", text) or re.match(rf"-- {name}, \w+: ", text)
    assert "-- RETURNS: " in text
    script = load(name)
    assert script.name == name
    assert script.argv[0] == "now_ms"
    assert set(script.keys) <= queue_keys("q").keys()


@pytest.mark.parametrize("name", all_names())
@pytest.mark.parametrize("collected", ["happened", "counted", "outbox_written"])
def test_what_a_script_collects_is_in_one_place(name: str, collected: str) -> None:
    """Not in one of a lib that is inlined, besides: what is put there would be lost."""
    assert load(name).body.count(f"local {collected} = ") <= 1


@pytest.mark.parametrize("name", all_names())
def test_only_adding_is_refused_when_the_store_is_full(name: str) -> None:
    expected: tuple[str, ...] = ("allow-oom",)
    if name in READ_ONLY:
        expected = ("no-writes",)
    if name in REFUSED_WHEN_FULL:
        expected = ()
    assert load(name).flags == expected


def test_a_real_store_gets_the_flags_and_the_digest_of_the_very_text() -> None:
    script = load("lease")
    assert script.text(with_flags=True).startswith("#!lua flags=allow-oom\n")
    assert script.text(with_flags=False) == script.text(with_flags=True).partition("\n")[2]
    assert script.sha(with_flags=True) != script.sha(with_flags=False)
    assert load("add").text(with_flags=True) == load("add").text(with_flags=False)


def test_the_call_is_in_the_order_of_the_header() -> None:
    script = load("configure")
    call = script.call_args("q", {"options": "{}", "expected": "", "now_ms": 7, "config_proto": b"c"}, [])
    assert call == [len(script.keys), *(queue_keys("q")[name] for name in script.keys), 7, "", b"c", "{}"]
    script = load("promote")
    call = script.call_args("q", {"now_ms": 7}, [("a",), ("b",)])
    assert call == [len(script.keys), *(queue_keys("q")[name] for name in script.keys), 7, "a", "b"]


@pytest.mark.parametrize("args", [{}, {"now_ms": 1}, {"now_ms": 1, "lease_ms": 1, "more": 1}, {"now_ms": 1, "leases_ms": 1}])
def test_wrong_arguments_are_refused(args: dict[str, int]) -> None:
    with pytest.raises(ScriptCallError, match="extend takes"):
        load("extend").call_args("q", args, [])


@pytest.mark.parametrize("item", [(), ("a",), ("a", "n", "more")])
def test_wrong_items_are_refused(item: tuple[str, ...]) -> None:
    with pytest.raises(ScriptCallError, match="an item of extend is"):
        load("extend").call_args("q", {"now_ms": 1, "lease_ms": 1}, [("a", "n"), item])


def test_items_are_refused_by_a_script_without_any() -> None:
    with pytest.raises(ScriptCallError):
        load("stats").call_args("q", {"now_ms": 1}, [("a",)])


def test_a_script_that_does_not_exist_is_no_script() -> None:
    with pytest.raises(FileNotFoundError):
        load("nothing")


# -- KEYS.md -----------------------------------------------------------------------------------------------------


def test_keys_md_and_keys_py_name_the_same_keys() -> None:
    documented = {one.name: one.key.replace("QUEUE", "q").removesuffix("ID") for one in DECLARED}
    constants = {name: getattr(keys, name) for name in ("QUEUES", "WORKERS", "WORKER_INFOS", "WORKER_POLLS", "SCHEDULE_QUEUES")}
    assert documented == queue_keys("q") | constants


def test_keys_md_names_writers_that_bind_the_key() -> None:
    for declared in DECLARED:
        for writer in declared.writers:
            if not writer.startswith("Store."):
                script = load(writer)
                assert declared.name in script.keys + script.derived, f"{writer} does not bind {declared.name}"
                assert writer not in READ_ONLY


def test_keys_md_names_every_script_that_writes() -> None:
    writers = {writer for declared in DECLARED for writer in declared.writers}
    assert set(all_names()) - READ_ONLY <= writers


# -- large batches -----------------------------------------------------------------------------------------------


def _ids(count: int = BATCH) -> list[str]:
    return [f"job-{n:04}" for n in range(count)]


RICH = {"p": 1, "rp": 1, "ma": 3, "tl": 2 * HOUR, "to": HOUR}


@pytest.fixture
async def thousand(desk: Desk) -> Desk:
    """1,000 waiting jobs with options."""
    await desk.add(*_ids(), **RICH)
    return desk


REQUESTS = [f"r-{n}" for n in range(4)]


async def _lease_all(desk: Desk) -> list[LeasedJob]:
    """All of the thousand: a call gives out 250 leases of such jobs."""
    return [job for request_id in REQUESTS for job in await desk.lease(BATCH, request_id=request_id)]


async def _moved_after(desk: Desk, ms: int) -> int:
    """How many jobs are moved then, by as many ticks as are needed; each does no more than the store has time for."""
    ticks = [await desk.after(ms)]
    while ticks[-1].more_is_due:
        ticks.append(await desk.tick())
    assert max(tick.moved for tick in ticks) <= MAX_MOVES
    return sum(tick.moved for tick in ticks)


async def test_a_thousand_jobs_are_added_delayed_promoted_and_deleted_at_once(desk: Desk) -> None:
    await desk.add(*_ids(), delay_ms=HOUR, **RICH)
    assert await desk.store.promote(desk.queue, _ids()) == ["OK"] * BATCH
    assert len(await desk.store.read(desk.queue, _ids())) == BATCH
    assert await desk.store.delete(desk.queue, _ids()) == ["OK"] * BATCH
    assert (await desk.store.stats(desk.queue))[:6] == (0, 0, 0, 0, 0, 0)


async def test_a_thousand_jobs_come_due_and_expire_and_are_drained_at_once(thousand: Desk) -> None:
    desk = thousand
    await desk.add(*(f"late-{n}" for n in range(BATCH)), delay_ms=1000)
    assert await _moved_after(desk, 1000) == BATCH
    assert await _moved_after(desk, 2 * HOUR) == BATCH
    assert await desk.store.drain(desk.queue, "waiting") == (BATCH, False)
    assert len(await desk.ids("failed")) == BATCH


async def test_a_thousand_leases_are_given_replayed_extended_and_completed_at_once(thousand: Desk) -> None:
    desk = thousand
    jobs = await _lease_all(desk)
    assert [job.id for job in jobs] == _ids()
    assert await _lease_all(desk) == jobs
    extensions = await desk.store.extend(desk.queue, [(job.id, job.nonce) for job in jobs], LEASE_MS)
    assert {extension.word for extension in extensions} == {"EXTENDED"}
    assert await desk.store.progress(desk.queue, [(job.id, job.nonce, "1") for job in jobs]) == [True] * BATCH
    outcomes = await desk.store.complete(desk.queue, [(job.id, job.nonce, b"result", "text/plain") for job in jobs])
    assert {outcome.state for outcome in outcomes} == {"completed"}
    assert await desk.store.retry(desk.queue, _ids()) == ["OK"] * BATCH


async def test_a_thousand_leases_are_released_given_back_and_failed_at_once(thousand: Desk) -> None:
    desk = thousand
    jobs = await _lease_all(desk)
    assert await desk.store.give_back(desk.queue, [(request_id, False) for request_id in reversed(REQUESTS)]) == BATCH
    jobs = await _lease_all(desk)
    await desk.store.release(desk.queue, [(job.id, job.nonce, 0, 0) for job in jobs])
    jobs = [job for _ in REQUESTS for job in await desk.lease(BATCH)]
    assert [job.id for job in jobs] == _ids()
    outcomes = await desk.store.fail(desk.queue, [(job.id, job.nonce, "", 0, "") for job in jobs])
    assert {outcome.state for outcome in outcomes} == {"waiting"}


async def test_a_thousand_leases_run_out_at_once(thousand: Desk) -> None:
    desk = thousand
    await _lease_all(desk)
    assert await _moved_after(desk, LEASE_MS) == BATCH
    assert [job.id for _ in REQUESTS for job in await desk.lease(BATCH)] == _ids()
    await desk.store.cancel(desk.queue, [(job_id, "why") for job_id in _ids()])
    assert await _moved_after(desk, LEASE_MS) == BATCH
    assert await desk.ids("cancelled") == _ids()


async def test_a_lease_call_goes_on_at_once_until_all_leases_that_ran_out_are_leased_again(thousand: Desk) -> None:
    desk = thousand
    await _lease_all(desk)
    desk.clock.advance(LEASE_MS)
    leased: set[str] = set()
    while (reply := await desk.lease_reply(BATCH)).answers[0]:
        leased.update(job.id for job in reply.answers[0])
        assert reply.next_in_ms == (0 if len(leased) < BATCH else LEASE_MS)
    assert leased == set(_ids())


async def test_a_thousand_requests_are_answered_by_three_calls(desk: Desk) -> None:
    await desk.add(*_ids())
    requests = [LeaseRequest(f"r{n}", "w", 1, LEASE_MS) for n in range(BATCH)]
    for first in range(0, BATCH, MOST_LEASES):
        reply = await desk.store.lease(desk.queue, requests[first:])
        served = min(MOST_LEASES, BATCH - first)
        assert [len(answer) for answer in reply.answers] == [1] * served + [0] * (BATCH - first - served)
        assert reply.more == (served == MOST_LEASES)
    assert await desk.store.give_back(desk.queue, [(f"r{n}", False) for n in range(BATCH)]) == BATCH


async def test_a_thousand_log_lines_are_kept_at_once(desk: Desk) -> None:
    await desk.add("a")
    job = await desk.lease_one("a")
    assert await desk.store.log(desk.queue, "a", job.nonce, [str(n) for n in range(BATCH)]) == BATCH


async def test_jobs_that_are_due_together_wait_in_order_whatever_number_a_call_moves(desk: Desk) -> None:
    for start in range(3):
        await desk.add(*(f"{start}-{n}" for n in range(500)), delay_ms=1000)
    assert await _moved_after(desk, 1000) == 1500
    assert await desk.ids("waiting") == [f"{start}-{n}" for n in range(500) for start in range(3)]


async def test_a_script_that_the_store_forgot_is_sent_again(desk: Desk) -> None:
    await desk.add("a")
    await desk.client.execute_command("SCRIPT", "FLUSH")
    await desk.store.add(desk.queue, [new_job("b")], Durability.MEMORY)
    assert await desk.ids("waiting") == ["a", "b"]
