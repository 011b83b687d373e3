"""Groups over real channels: fairness, settings, and what a limit of a group means to those who wait and those who add."""

import asyncio
import time
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from leasemq.v1 import admin_pb2, job_pb2, producer_pb2, worker_pb2

from tests.rpc.test_admin import update
from tests.rpc.test_limits import rate
from tests.rpc.test_polls import woken
from tests.support import Stubs, parked, refusal, running, seconds


async def add(stubs: Stubs, queue: str, group: str, *ids: str, **spec: Any) -> None:
    specs = [job_pb2.JobSpec(name="n", id=job_id, group=group, **spec) for job_id in ids]
    await stubs.producer.BatchAddJobs(producer_pb2.BatchAddJobsRequest(queue=queue, jobs=specs))


async def set_group(stubs: Stubs, queue: str, group: str, *mask: str, **config: Any) -> admin_pb2.Group:
    request = admin_pb2.UpdateGroupRequest(
        queue=queue, group=group, config=admin_pb2.GroupConfig(**config), update_mask=FieldMask(paths=mask) if mask else None
    )
    return (await stubs.admin.UpdateGroup(request)).group


async def groups(stubs: Stubs, queue: str, size: int = 100, group: str = "") -> list[admin_pb2.Group]:
    """All pages, each group once."""
    request = admin_pb2.ListGroupsRequest(queue=queue, page_size=size, group=group)
    found: dict[str, admin_pb2.Group] = {}
    while True:
        page = await stubs.admin.ListGroups(request)
        assert len(page.groups) <= size
        found.update({it.name: it for it in page.groups})
        if not page.next_page_token:
            return [found[name] for name in sorted(found)]
        request.page_token = page.next_page_token


async def lease_all(stubs: Stubs, queue: str, most: int = 100) -> list[worker_pb2.Lease]:
    request = worker_pb2.BatchLeaseJobsRequest(queues=[queue], worker_id="w", max_jobs=most)
    return list((await stubs.worker.BatchLeaseJobs(request)).leases)


async def test_a_tenant_with_many_jobs_does_not_keep_the_others_waiting(stubs: Stubs, queue: str):
    await add(stubs, queue, "large", *[f"l{n}" for n in range(100)])
    await add(stubs, queue, "small", "s1", "s2")
    await stubs.add(queue, id="plain")
    leases = await lease_all(stubs, queue, 6)
    assert [it.job.id for it in leases] == ["plain", "l0", "s1", "l1", "s2", "l2"]
    assert leases[1].job.spec.group == "large"
    stats = await stubs.stats(queue)
    assert (stats.waiting, stats.active) == (97, 6)


async def test_settings_are_set_read_and_taken_off(stubs: Stubs, queue: str):
    defaults = admin_pb2.GroupDefaults(max_active=1, rate_limit=rate(5, 1), max_waiting=10)
    assert (await update(stubs, queue, group_defaults=defaults)).group_defaults == defaults
    changed = await set_group(stubs, queue, "a", max_active=0, weight=3)
    assert changed == admin_pb2.Group(name="a", config=admin_pb2.GroupConfig(max_active=0, weight=3))
    assert (await set_group(stubs, queue, "a", paused=True, rate_limit=rate(1, 2))).config == admin_pb2.GroupConfig(
        max_active=0, weight=3, paused=True, rate_limit=rate(1, 2)
    )
    assert (await set_group(stubs, queue, "a", "max_active", "paused", "rate_limit")).config == admin_pb2.GroupConfig(weight=3)
    assert [it.name for it in await groups(stubs, queue)] == ["a"]
    assert (await set_group(stubs, queue, "a", "weight")).config == admin_pb2.GroupConfig()
    assert await groups(stubs, queue) == []
    assert await update(stubs, queue, "group_defaults") == admin_pb2.QueueConfig()


@pytest.mark.parametrize("size", [1, 3, 100])
async def test_every_group_is_listed_with_its_jobs_however_short_the_pages(stubs: Stubs, queue: str, size: int):
    await update(stubs, queue, group_defaults=admin_pb2.GroupDefaults(max_active=1))
    await add(stubs, queue, "gone", "0")
    await stubs.complete(await stubs.must_lease(queue))
    for n in range(5):
        await add(stubs, queue, f"active {n}", f"a{n}")
        await stubs.must_lease(queue)
        await add(stubs, queue, f"shut {n}", f"s{n}", f"t{n}")
        await stubs.must_lease(queue)
    for n in range(5):
        await add(stubs, queue, f"waiting {n}", f"w{n}", f"x{n}", f"y{n}")
        await set_group(stubs, queue, f"set {n}", weight=2)
    expected = {f"active {n}": (0, 1) for n in range(5)} | {f"shut {n}": (1, 1) for n in range(5)}
    expected |= {f"waiting {n}": (3, 0) for n in range(5)} | {f"set {n}": (0, 0) for n in range(5)}
    assert {it.name: (it.waiting, it.active) for it in await groups(stubs, queue, size)} == expected
    (one,) = await groups(stubs, queue, group="shut 3")
    assert (one.name, one.waiting, one.active) == ("shut 3", 1, 1)
    assert await groups(stubs, queue, group="gone") == []


async def test_a_parked_poll_gets_the_next_job_of_an_ordering_key_at_once(stubs: Stubs, queue: str):
    await update(stubs, queue, group_defaults=admin_pb2.GroupDefaults(max_active=1))
    await add(stubs, queue, "key", "1", "2")
    lease = await stubs.must_lease(queue)
    async with running(stubs.lease(queue, wait=15)) as waiting:
        await parked(stubs)
        since = time.monotonic()
        await stubs.complete(lease)
        assert (await woken(waiting, since)).job.id == "2"


async def test_a_parked_poll_gets_its_job_when_the_groups_window_is_over_or_it_is_resumed(stubs: Stubs, queue: str):
    await set_group_of_new_queue(stubs, queue)
    await add(stubs, queue, "limited", "1", "2")
    await stubs.must_lease(queue)
    since = time.monotonic()
    lease = await stubs.lease(queue, wait=15)
    assert lease is not None
    assert 0.4 <= time.monotonic() - since < 3
    await set_group(stubs, queue, "paused", paused=True)
    await add(stubs, queue, "paused", "3")
    async with running(stubs.lease(queue, wait=15)) as waiting:
        await parked(stubs)
        since = time.monotonic()
        await set_group(stubs, queue, "paused", "paused")
        assert (await woken(waiting, since)).job.id == "3"


async def set_group_of_new_queue(stubs: Stubs, queue: str) -> None:
    await stubs.admin.PauseQueue(admin_pb2.PauseQueueRequest(queue=queue))
    await stubs.admin.ResumeQueue(admin_pb2.ResumeQueueRequest(queue=queue))
    await set_group(stubs, queue, "limited", rate_limit=rate(1, 0.5))


async def test_two_callers_that_change_different_fields_both_stand(stubs: Stubs, queue: str):
    await stubs.add(queue)
    await asyncio.gather(
        *(set_group(stubs, queue, "a", weight=n + 2) for n in range(5)),
        set_group(stubs, queue, "a", max_active=7),
        set_group(stubs, queue, "a", max_waiting=9),
    )
    (found,) = await groups(stubs, queue, group="a")
    assert (found.config.max_active, found.config.max_waiting) == (7, 9)


async def test_a_full_group_is_refused_and_says_which(stubs: Stubs, queue: str):
    await update(stubs, queue, group_defaults=admin_pb2.GroupDefaults(max_waiting=1))
    await add(stubs, queue, "a", "1")
    refused = await refusal(stubs.add(queue, id="2", group="a"))
    assert refused.reason == "GROUP_FULL"
    assert refused.metadata == {"queue": queue, "group": "a", "limit": "1"}
    assert refused.retry_after == 1
    await stubs.add(queue, id="3", group="b")


async def test_jobs_are_listed_found_and_changed_by_their_group(stubs: Stubs, queue: str):
    await add(stubs, queue, "a", "a1", "a2", "a3")
    await add(stubs, queue, "b", "b1", "b2")
    listed = await stubs.admin.ListJobs(admin_pb2.ListJobsRequest(queue=queue, group="b"))
    assert [it.id for it in listed.jobs] == ["b1", "b2"]
    query = admin_pb2.JobQuery(group="a")
    found = await stubs.admin.SearchJobs(admin_pb2.SearchJobsRequest(queue=queue, query=query))
    assert sorted(it.id for it in found.jobs) == ["a1", "a2", "a3"]
    which = admin_pb2.JobFilter(state=job_pb2.JOB_STATE_WAITING, group="a")
    assert (await stubs.admin.CancelJobs(admin_pb2.CancelJobsRequest(queue=queue, filter=which))).cancelled_count == 3
    assert [it.job.id for it in await lease_all(stubs, queue)] == ["b1", "b2"]


async def test_all_waiting_jobs_are_cancelled_though_heads_follow_heads(stubs: Stubs, queue: str):
    for group in "abc":
        for first in (0, 1000):
            await add(stubs, queue, group, *[f"{group}{n}" for n in range(first, first + 700)])
    request = admin_pb2.CancelJobsRequest(queue=queue, filter=admin_pb2.JobFilter(state=job_pb2.JOB_STATE_WAITING))
    cancelled = 0
    while True:
        step = await stubs.admin.CancelJobs(request)
        cancelled += step.cancelled_count
        if not step.next_page_token:
            break
        request.page_token = step.next_page_token
    assert cancelled == 4200
    assert (await stubs.stats(queue)).waiting == 0
    assert await groups(stubs, queue) == []


async def test_what_happens_to_a_group_is_told(stubs: Stubs, queue: str):
    await add(stubs, queue, "a", "1")
    await set_group(stubs, queue, "a", weight=2)
    await set_group(stubs, queue, "a", paused=True)
    await set_group(stubs, queue, "a", "paused")
    request = admin_pb2.WatchEventsRequest(queue=queue, from_oldest=True, until_now=True)
    told = [
        (admin_pb2.EventKind.Name(it.kind), it.reason) async for page in stubs.admin.WatchEvents(request) for it in page.events
    ]
    assert told[1:] == [
        ("EVENT_KIND_GROUP_CONFIGURED", "a"),
        ("EVENT_KIND_GROUP_PAUSED", "a"),
        ("EVENT_KIND_GROUP_RESUMED", "a"),
    ]


async def test_a_queue_that_is_deleted_takes_its_groups_along(stubs: Stubs, queue: str):
    await update(stubs, queue, group_defaults=admin_pb2.GroupDefaults(max_active=1))
    await add(stubs, queue, "a", "1", "2", "3")
    await set_group(stubs, queue, "b", weight=2)
    await stubs.must_lease(queue)
    more = True
    while more:
        more = (await stubs.admin.DeleteQueue(admin_pb2.DeleteQueueRequest(queue=queue, force=True))).more
    assert await groups(stubs, queue) == []
    await add(stubs, queue, "a", "4", "5")
    assert [it.job.id for it in await lease_all(stubs, queue)] == ["4", "5"]


async def test_a_scheduled_job_and_a_job_that_depends_on_another_join_their_group(stubs: Stubs, queue: str):
    await add(stubs, queue, "a", "first", "second")
    depends = job_pb2.Dependency(queue=queue, job_id="first")
    await stubs.add(queue, id="after", group="b", dependencies=[depends])
    (first, second) = await lease_all(stubs, queue)
    await stubs.complete(first)
    lease = await stubs.lease(queue, wait=10)
    assert lease is not None
    assert (lease.job.id, lease.job.spec.group) == ("after", "b")
    assert [(it.name, it.active) for it in await groups(stubs, queue)] == [("a", 1), ("b", 1)]
    await stubs.add(queue, id="later", group="b", delay=seconds(0.2))
    lease = await stubs.lease(queue, wait=10)
    assert lease is not None
    assert lease.job.id == "later"
    await stubs.complete(second)
