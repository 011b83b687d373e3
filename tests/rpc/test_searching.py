"""SearchJobs, and CancelJobs by filter, over a real channel."""

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from leasemq.v1 import admin_pb2, job_pb2, producer_pb2

from tests.support import Stubs, eventually, seconds

WAITING, DELAYED, ACTIVE = job_pb2.JOB_STATE_WAITING, job_pb2.JOB_STATE_DELAYED, job_pb2.JOB_STATE_ACTIVE
FAILED, CANCELLED, BLOCKED = job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED, job_pb2.JOB_STATE_BLOCKED


async def add_many(stubs: Stubs, queue: str, prefix: str, count: int, **spec: Any) -> list[str]:
    ids = [f"{prefix}-{number:04}" for number in range(count)]
    jobs = [job_pb2.JobSpec(**{"name": "work", "id": job_id, **spec}) for job_id in ids]
    for first in range(0, count, 1000):
        request = producer_pb2.BatchAddJobsRequest(queue=queue, jobs=jobs[first : first + 1000])
        await stubs.producer.BatchAddJobs(request)
    return ids


async def search(stubs: Stubs, queue: str, *, size: int = 100, states: Any = (), **query: str) -> tuple[list[str], list[int]]:
    """All that is found, and how many jobs each call looked at."""
    request = admin_pb2.SearchJobsRequest(queue=queue, query=admin_pb2.JobQuery(**query), page_size=size, states=states)
    found, examined = [], []
    while True:
        page = await stubs.admin.SearchJobs(request)
        assert len(page.jobs) <= size
        found += [job.id for job in page.jobs]
        examined.append(page.examined_count)
        if not page.next_page_token:
            return found, examined
        request.page_token = page.next_page_token


@pytest.fixture
async def mixed(stubs: Stubs, queue: str) -> str:
    """A queue with jobs of three states that differ in all that can be asked for."""
    await stubs.add(queue, id="mail-1", name="welcome", payload='{"to": "ädä"}'.encode(), priority=0)
    await stubs.fail(await stubs.must_lease(queue), message="mailbox full\nfor good")
    await stubs.add(queue, id="mail-2", name="welcome", payload=b'{"to": "bob"}')
    await stubs.add(queue, id="sms-1", name="reminder", payload=b'{"text": "welcome"}', delay=seconds(100))
    return queue


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"id_prefix": "mail"}, ["mail-2", "mail-1"]),
        ({"id_prefix": "mail-2"}, ["mail-2"]),
        ({"id_prefix": "ail"}, []),
        ({"name": "welcome"}, ["mail-2", "mail-1"]),
        ({"name": "welc"}, []),
        ({"payload_text": "welcome"}, ["sms-1"]),
        ({"payload_text": "äd"}, ["mail-1"]),
        ({"payload_text": "BOB"}, []),
        ({"failure_text": "full\nfor"}, ["mail-1"]),
        ({"failure_text": "Error"}, ["mail-1"]),
        ({"name": "welcome", "payload_text": "bob"}, ["mail-2"]),
        ({"name": "reminder", "payload_text": "bob"}, []),
    ],
)
async def test_what_is_asked_for_is_found_and_nothing_else(stubs: Stubs, mixed: str, query: dict[str, str], found: list[str]):
    assert await search(stubs, mixed, **query) == (found, [3])
    assert (await search(stubs, mixed, size=1, **query))[0] == found


async def test_only_the_states_that_are_named_are_searched(stubs: Stubs, mixed: str):
    assert await search(stubs, mixed, states=[FAILED, DELAYED], id_prefix="mail") == (["mail-1"], [2])


async def test_a_call_looks_at_some_thousand_jobs_and_the_next_ones_go_on(stubs: Stubs, queue: str):
    await add_many(stubs, queue, "a", 6000)
    await add_many(stubs, queue, "z", 3, payload=b"needle")
    await add_many(stubs, queue, "d", 300, delay=seconds(100))
    for query in ({"payload_text": "needle"}, {"id_prefix": "z-"}):
        found, examined = await search(stubs, queue, **query)
        assert found == ["z-0000", "z-0001", "z-0002"]
        assert sum(examined) == 6303
        assert 2 <= len(examined) <= 3
        assert max(examined) <= 5000


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_each_is_found_once_whatever_the_page_size(stubs: Stubs, queue: str, size: int):
    waiting, delayed = await add_many(stubs, queue, "w", 20), await add_many(stubs, queue, "d", 20, delay=seconds(100))
    await add_many(stubs, queue, "x", 5, name="other")
    found, examined = await search(stubs, queue, size=size, name="work")
    assert (found, sum(examined)) == (waiting + delayed, 45)


async def test_large_payloads_make_shorter_pages(stubs: Stubs, queue: str):
    await add_many(stubs, queue, "big", 4, payload=b"x" * 1024 * 1024)
    await add_many(stubs, queue, "big2", 4, payload=b"x" * 1024 * 1024)
    found, _ = await search(stubs, queue, payload_text="xxx")
    assert len(found) == 8


async def test_a_mask_leaves_payloads_out(stubs: Stubs, mixed: str):
    request = admin_pb2.SearchJobsRequest(queue=mixed, query=admin_pb2.JobQuery(payload_text="bob"))
    request.read_mask.CopyFrom(FieldMask(paths=["id"]))
    (job,) = (await stubs.admin.SearchJobs(request)).jobs
    assert job == job_pb2.Job(id="mail-2")


# -- cancelling many ---------------------------------------------------------------------------------------------


async def cancel_all(stubs: Stubs, queue: str, **which: Any) -> list[int]:
    request = admin_pb2.CancelJobsRequest(queue=queue, reason="no more", filter=admin_pb2.JobFilter(**which))
    counts = []
    while True:
        page = await stubs.admin.CancelJobs(request)
        counts.append(page.cancelled_count)
        if not page.next_page_token:
            return counts
        request.page_token = page.next_page_token


async def test_all_that_match_are_cancelled_in_steps(stubs: Stubs, queue: str):
    await add_many(stubs, queue, "a", 2500)
    await add_many(stubs, queue, "b", 3, name="other")
    counts = await cancel_all(stubs, queue, state=WAITING, name="work")
    assert (sum(counts), len(counts)) == (2500, 3)
    stats = await stubs.stats(queue)
    assert (stats.waiting, stats.cancelled) == (3, 2500)


async def test_blocked_jobs_are_cancelled_too_and_what_they_waited_for_goes_on(stubs: Stubs, queue: str):
    await stubs.add(queue, id="first")
    await add_many(stubs, queue, "b", 1200, dependencies=[job_pb2.Dependency(queue=queue, job_id="first")])
    await stubs.add(queue, id="kept", name="other", dependencies=[job_pb2.Dependency(queue=queue, job_id="first")])
    counts = await cancel_all(stubs, queue, state=BLOCKED, name="work")
    assert (sum(counts), len(counts)) == (1200, 2)
    await stubs.complete(await stubs.must_lease(queue))

    async def is_let_go() -> bool:
        return (await stubs.job(queue, "kept")).state == WAITING

    await eventually(is_let_go)
    stats = await stubs.stats(queue)
    assert (stats.waiting, stats.blocked, stats.cancelled) == (1, 0, 1200)


async def test_a_limit_holds_over_all_calls(stubs: Stubs, queue: str):
    await add_many(stubs, queue, "a", 1500)
    assert sum(await cancel_all(stubs, queue, state=WAITING, limit=1100)) == 1100
    assert (await stubs.stats(queue)).waiting == 400


async def test_workers_of_active_jobs_are_told(stubs: Stubs, queue: str):
    await add_many(stubs, queue, "a", 2)
    lease = await stubs.must_lease(queue)
    assert await cancel_all(stubs, queue, state=ACTIVE) == [1]
    assert (await stubs.job(queue, lease.job.id)).cancel_requested

    async def is_cancelled() -> bool:
        return (await stubs.job(queue, lease.job.id)).state == CANCELLED

    await stubs.fail(lease)
    await eventually(is_cancelled)


async def test_those_named_by_id(stubs: Stubs, queue: str):
    await stubs.add(queue, id="a")
    await stubs.add(queue, id="done")
    await stubs.complete(await stubs.must_lease(queue))
    ids = admin_pb2.JobIds(ids=["a", "done", "unknown"])
    reply = await stubs.admin.CancelJobs(admin_pb2.CancelJobsRequest(queue=queue, job_ids=ids, reason="no more"))
    assert (reply.cancelled_count, reply.skipped_count, reply.not_found_count) == (1, 1, 1)
