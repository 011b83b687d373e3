"""Groups from the SDK: who is next, what a group's own limits hold back, and what can be seen and changed of it."""

import asyncio
from datetime import timedelta

import leasemq.sync
import pytest
from leasemq import (
    Client,
    EventKind,
    FlowNode,
    Group,
    GroupConfig,
    GroupDefaults,
    GroupFull,
    InvalidField,
    Job,
    JobState,
    NewJob,
    QueueNotFound,
    RateLimit,
)

from tests.sdk.support import Broker, is_state, until, worker


async def groups_of(client: Client, queue: str, group: str | None = None) -> dict[str, Group]:
    return {found.name: found async for found in client.admin.groups(queue, group)}


async def run_all(client: Client, queue: str) -> list[str]:
    """Work the queue, a job at a time, until nothing waits; the ids of the jobs in the order that they were leased in."""
    order = []

    async def handler(job: Job) -> None:
        order.append(job.id)

    async def is_done() -> bool:
        counts = await client.admin.stats(queue)
        return counts.waiting == counts.active == 0

    async with worker(client, queue, handler, concurrency=1):
        await until(is_done)
    return order


# -- adding ---------------------------------------------------------------------------------------------------------


async def test_every_way_to_add_a_job_takes_a_group(client: Client, queue: str) -> None:
    await client.add(queue, id="add", group="a")
    await client.add_many(queue, [NewJob(id="many", group="a"), NewJob(id="none")])
    await client.add_flow([FlowNode(queue, NewJob(id="flow", group="a"))])
    schedule = await client.schedules.upsert(queue, "s", NewJob(group="a"), every=3600)
    assert schedule.job.group == "a"
    assert (await client.schedules.get(queue, "s")).job.group == "a"
    run = (await client.schedules.trigger(queue, "s")).id
    assert {job.id: job.group async for job in client.admin.jobs(queue)} == {
        "add": "a", "many": "a", "flow": "a", run: "a", "none": ""
    }  # fmt: skip
    assert (await client.get(queue, "none")).group == ""
    await client.schedules.delete(queue, "s")


def test_the_blocking_client_adds_to_groups_and_sees_and_sets_them(broker: Broker, queue: str) -> None:
    with leasemq.sync.Client(broker.address) as client:
        client.add(queue, id="one", group="a")
        assert client.get(queue, "one").group == "a"
        assert client.admin.update_group(queue, "a", max_active=1).config.max_active == 1
        assert list(client.admin.groups(queue)) == [Group("a", GroupConfig(max_active=1), waiting=1, active=0)]


async def test_a_handler_sees_its_jobs_group(client: Client, queue: str) -> None:
    seen = {}

    async def handler(job: Job) -> None:
        seen[job.id] = job.group

    await client.add_many(queue, [NewJob(id="in", group="tenant 7 / ü"), NewJob(id="out")])
    async with worker(client, queue, handler):
        await client.wait(queue, "in", 30)
        await client.wait(queue, "out", 30)
    assert seen == {"in": "tenant 7 / ü", "out": ""}


@pytest.mark.parametrize("group", ["x" * 129, "a\nb"])
async def test_a_name_that_breaks_the_rule_is_refused_with_its_field(client: Client, queue: str, group: str) -> None:
    with pytest.raises(InvalidField) as refused:
        await client.add(queue, group=group)
    assert [violation.field for violation in refused.value.field_violations] == ["job.group"]


# -- order ----------------------------------------------------------------------------------------------------------


async def test_groups_take_turns_after_all_jobs_without_one(client: Client, queue: str) -> None:
    await client.add_many(queue, [NewJob(id=f"noisy-{n}", group="noisy") for n in range(5)])
    await client.add_many(queue, [NewJob(id=f"calm-{n}", group="calm") for n in range(2)])
    await client.add(queue, id="alone", priority=9)
    assert await run_all(client, queue) == ["alone", "noisy-0", "calm-0", "noisy-1", "calm-1", "noisy-2", "noisy-3", "noisy-4"]


async def test_a_weight_is_how_many_jobs_a_turn_has(client: Client, queue: str) -> None:
    await client.admin.update_queue(queue)
    assert (await client.admin.update_group(queue, "big", weight=2)).config == GroupConfig(weight=2)
    await client.add_many(queue, [NewJob(id=f"big-{n}", group="big") for n in range(4)])
    await client.add_many(queue, [NewJob(id=f"small-{n}", group="small") for n in range(2)])
    assert await run_all(client, queue) == ["big-0", "big-1", "small-0", "big-2", "big-3", "small-1"]


# -- limits ---------------------------------------------------------------------------------------------------------


async def test_an_ordering_key_runs_its_jobs_one_after_the_other_and_different_keys_side_by_side(
    client: Client, queue: str
) -> None:
    running, beside, order = set[str](), 0, list[int]()

    async def handler(job: Job) -> None:
        nonlocal beside
        assert job.group not in running
        running.add(job.group)
        beside = max(beside, len(running))
        if job.group == "k0":
            order.append(job.payload)
        await asyncio.sleep(0.01)
        running.discard(job.group)

    await client.admin.update_queue(queue, group_defaults=GroupDefaults(max_active=1))
    added = await client.add_many(queue, [NewJob(n, group=f"k{n % 3}") for n in range(30)])
    async with worker(client, queue, handler), worker(client, queue, handler):
        ended = [await client.wait(queue, job.id, 30) for job in added]
    assert {job.state for job in ended} == {JobState.COMPLETED}, [failure for job in ended for failure in job.failures]
    assert order == list(range(0, 30, 3))
    assert beside == 3


async def test_a_rate_limit_of_a_group_holds_back_this_group_alone(client: Client, queue: str) -> None:
    await client.admin.update_queue(queue)
    set_for = await client.admin.update_group(queue, "slow", rate_limit=RateLimit(2, 3600))
    assert set_for.config.rate_limit == RateLimit(2, timedelta(hours=1))
    await client.add_many(queue, [NewJob(id=f"{group}-{n}", group=group) for n in range(4) for group in ("slow", "fast")])

    async def handler(_: Job) -> None: ...

    async with worker(client, queue, handler):
        for job in ("slow-0", "slow-1", "fast-0", "fast-1", "fast-2", "fast-3"):
            await client.wait(queue, job, 30)
        assert (await groups_of(client, queue))["slow"].waiting == 2
        await client.admin.update_group(queue, "slow", rate_limit=None)  # what that lets through is leased at once
        await client.wait(queue, "slow-3", 30)


async def test_a_full_group_refuses_its_own_jobs_and_no_others(broker: Broker, queue: str) -> None:
    async with Client(broker.address, retry_timeout=1) as client:
        await client.admin.update_queue(queue, group_defaults=GroupDefaults(max_waiting=5))
        adds = [client.add(queue, n, group=("noisy", "calm")[n % 4 == 0]) for n in range(20)]
        answers = await asyncio.gather(*adds, client.add(queue, "delayed", group="noisy", delay=60), return_exceptions=True)
        refused = [number for number, answer in enumerate(answers) if isinstance(answer, Exception)]
        assert refused == [n for n in range(20) if n % 4][5:]
        assert {type(answers[number]) for number in refused} == {GroupFull}
        assert {name: found.waiting for name, found in (await groups_of(client, queue)).items()} == {"noisy": 5, "calm": 5}
        with pytest.raises(GroupFull):
            await client.add_many(queue, [NewJob(group="other"), NewJob(group="noisy")])
        assert "other" not in await groups_of(client, queue)


async def test_an_add_to_a_full_group_goes_through_when_there_is_room(client: Client, queue: str) -> None:
    await client.admin.update_queue(queue, group_defaults=GroupDefaults(max_waiting=1))
    await client.add(queue, 1, group="a")
    late = asyncio.create_task(client.add(queue, 2, group="a"))

    async def handler(_: Job) -> None: ...

    async with worker(client, queue, handler):
        await client.wait(queue, (await late).id, 30)


async def test_a_paused_group_waits_and_the_others_go_on(client: Client, queue: str) -> None:
    await client.add_many(queue, [NewJob(id=group, group=group) for group in ("a", "b")])
    assert (await client.admin.update_group(queue, "a", paused=True)).config.paused

    async def handler(_: Job) -> None: ...

    async with worker(client, queue, handler):
        await client.wait(queue, "b", 30)
        assert (await client.get(queue, "a")).state is JobState.WAITING
        assert not (await client.admin.update_group(queue, "a", paused=False)).config.paused
        await client.wait(queue, "a", 30)


# -- settings -------------------------------------------------------------------------------------------------------


async def test_group_defaults_are_set_as_a_whole_and_taken_off(client: Client, queue: str) -> None:
    defaults = GroupDefaults(max_active=2, rate_limit=RateLimit(5, timedelta(seconds=1)), max_waiting=9)
    assert (await client.admin.update_queue(queue, group_defaults=defaults)).config.group_defaults == defaults
    assert (await client.admin.update_queue(queue, max_active=7)).config.group_defaults == defaults
    left = await client.admin.update_queue(queue, group_defaults=GroupDefaults(max_active=3))
    assert left.config.group_defaults == GroupDefaults(max_active=3)
    assert (await client.admin.update_queue(queue, group_defaults=None)).config.group_defaults is None
    assert (await client.admin.queue(queue)).config.max_active == 7


async def test_settings_of_a_group_are_set_one_by_one_and_taken_back(client: Client, queue: str) -> None:
    await client.admin.update_queue(queue)
    rate = RateLimit(10, timedelta(seconds=0.5))
    found = await client.admin.update_group(queue, "a", max_active=3, rate_limit=rate, max_waiting=0, weight=4, paused=True)
    assert found == Group("a", GroupConfig(3, rate, 0, 4, paused=True), waiting=0, active=0)
    left = await client.admin.update_group(queue, "a", rate_limit=None, max_active=None, paused=False)
    assert left.config == GroupConfig(max_waiting=0, weight=4)
    assert (await groups_of(client, queue))["a"] == left
    await client.admin.update_group(queue, "a", max_waiting=None, weight=None)
    assert await groups_of(client, queue) == {}


async def test_a_group_overrides_the_default_and_0_is_no_limit(client: Client, queue: str) -> None:
    await client.admin.update_queue(queue, group_defaults=GroupDefaults(max_active=1))
    assert (await client.admin.update_group(queue, "free", max_active=0)).config.max_active == 0
    gate = asyncio.Event()

    async def handler(_: Job) -> None:
        await gate.wait()

    await client.add_many(queue, [NewJob(id=f"{group}-{n}", group=group) for n in range(3) for group in ("free", "bound")])
    async with worker(client, queue, handler):
        await until(is_state(client, queue, "free-2", JobState.ACTIVE))
        found = await groups_of(client, queue)
        assert {name: (it.active, it.waiting) for name, it in found.items()} == {"free": (3, 0), "bound": (1, 2)}
        gate.set()
        await client.wait(queue, "bound-2", 30)


async def test_a_setting_that_breaks_its_rule_is_refused(client: Client, queue: str) -> None:
    await client.admin.update_queue(queue)
    for wrong in ({"weight": 1001}, {"max_active": 1_000_001}, {"rate_limit": RateLimit(1, 0.001)}):
        with pytest.raises(InvalidField):
            await client.admin.update_group(queue, "a", **wrong)
    assert await groups_of(client, queue) == {}


async def test_a_group_of_a_queue_that_is_not_there_is_not_found(client: Client, queue: str) -> None:
    with pytest.raises(QueueNotFound):
        await client.admin.update_group(queue, "a", weight=2)
    assert await groups_of(client, queue) == {}


# -- looking --------------------------------------------------------------------------------------------------------


async def test_all_groups_are_listed_once_over_pages_and_one_alone(
    client: Client, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leasemq.admin.PAGE_SIZE", 7)
    await client.add_many(queue, [NewJob(group=f"g{n % 50}") for n in range(100)])
    await client.admin.update_group(queue, "g7", weight=2)
    listed = [found async for found in client.admin.groups(queue)]
    assert sorted(found.name for found in listed) == sorted(f"g{n}" for n in range(50))
    assert {found.waiting for found in listed} == {2}
    assert list(await groups_of(client, queue, "g7")) == ["g7"]
    assert await groups_of(client, queue, "nobody") == {}


async def test_jobs_are_listed_found_and_changed_by_group(client: Client, queue: str) -> None:
    admin = client.admin
    await client.add_many(queue, [NewJob(id=f"{group}-{n}", group=group, delay=3600) for n in range(3) for group in ("a", "b")])
    assert [job.id async for job in admin.jobs(queue, group="a")] == ["a-0", "a-1", "a-2"]
    assert [job.id async for job in admin.search(queue, group="b")] == ["b-0", "b-1", "b-2"]
    assert [job.id async for job in admin.search(queue, group="b", id_prefix="b-1")] == ["b-1"]
    assert (await admin.promote(queue, group="a", limit=2)).done == 2
    assert (await admin.promote(queue, group="a")).done == 1
    assert (await admin.cancel(queue, state=JobState.WAITING, group="a", limit=2)).done == 2
    assert (await admin.cancel(queue, state=JobState.DELAYED, group="nobody")).done == 0
    assert (await admin.retry(queue, state=JobState.CANCELLED, group="b")).done == 0
    assert (await admin.retry(queue, state=JobState.CANCELLED, group="a")).done == 2
    assert (await admin.delete(queue, state=JobState.DELAYED, group="b")).done == 3
    assert (await groups_of(client, queue))["a"].waiting == (await admin.stats(queue)).waiting == 3
    with pytest.raises(ValueError, match="not by both"):
        await admin.retry(queue, ids=["a-0"], group="a")


async def test_what_happens_to_groups_is_told(client: Client, queue: str) -> None:
    kinds = [EventKind.GROUP_CONFIGURED, EventKind.GROUP_PAUSED, EventKind.GROUP_RESUMED]
    await client.admin.update_queue(queue)
    await client.admin.update_group(queue, "a b", weight=2)
    await client.admin.update_group(queue, "a b", paused=True)
    await client.admin.update_group(queue, "a b", paused=False)
    async with client.events(queue, kinds=kinds, from_oldest=True, until_now=True) as events:
        told = [(event.kind, event.reason, event.job_id, event.state) async for event in events]
    assert told == [(kind, "a b", "", None) for kind in kinds]
