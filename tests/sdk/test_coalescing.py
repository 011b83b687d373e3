import asyncio

import grpc
import pytest
from leasemq import Client, Durability, GroupFull, InvalidField, NewJob, Unavailable
from leasemq.coalescing import IN_FLIGHT

from tests.sdk.scripted import Producer, serving, status
from tests.sdk.support import until


def refuse_bad(jobs: list) -> object:
    bad = any(job.payload == b'"bad"' for job in jobs)
    return status(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", "one is bad") if bad else None


async def test_a_lone_add_leaves_at_once_and_alone() -> None:
    producer = Producer()
    async with serving(producer) as address, Client(address) as client:
        await client.add("email", 1)
        await client.add("email", 2)
    assert producer.calls == [["1"], ["2"]]
    assert producer.methods == ["AddJob", "AddJob"]


@pytest.mark.parametrize(("jobs", "batches"), [(2, 1), (63, 1), (64, 2), (500, 2)])
async def test_adds_that_come_together_travel_together_in_their_order(jobs: int, batches: int) -> None:
    """Many of them in as many batches as may be in flight, so that one is worked on while another is made."""
    producer = Producer()
    async with serving(producer) as address, Client(address) as client:
        added = await asyncio.gather(*(client.add("email", number, id=str(number)) for number in range(jobs)))
    assert [job.id for job in added] == [str(number) for number in range(jobs)]
    assert sorted(map(len, producer.calls)) == [jobs // batches] * batches
    assert sorted(producer.calls, key=lambda call: int(call[0])) == [
        [str(number) for number in range(start, start + jobs // batches)] for start in range(0, jobs, jobs // batches)
    ]


async def test_adds_that_come_while_a_batch_is_on_its_way_go_with_the_next_one() -> None:
    producer, gate = Producer(), asyncio.Event()
    producer.gate = gate.wait
    async with serving(producer) as address, Client(address) as client:
        adds = []
        for number in range(100):
            adds.append(asyncio.create_task(client.add("email", number)))
            await asyncio.sleep(0.001)
        gate.set()
        await asyncio.gather(*adds)
    assert len(producer.calls) == 2 * IN_FLIGHT
    assert sorted(int(payload) for call in producer.calls for payload in call) == list(range(100))


async def test_a_batch_has_at_most_a_thousand_jobs() -> None:
    producer = Producer()
    async with serving(producer) as address, Client(address) as client:
        await asyncio.gather(*(client.add("email", number) for number in range(2_500)))
    assert sorted(map(len, producer.calls)) == [500, 1_000, 1_000]


async def test_a_batch_has_at_most_four_mebibytes() -> None:
    producer = Producer()
    async with serving(producer) as address, Client(address) as client:
        await asyncio.gather(*(client.add("email", "x" * 1_000_000) for _ in range(9)))
    assert sorted(map(len, producer.calls)) == [1, 4, 4]


async def test_queues_and_durabilities_do_not_mix() -> None:
    producer = Producer()
    async with serving(producer) as address, Client(address) as client:
        await asyncio.gather(
            *(client.add("a", "a") for _ in range(3)),
            *(client.add("b", "b") for _ in range(3)),
            *(client.add("a", "fast", durability=Durability.MEMORY) for _ in range(3)),
        )
    assert sorted(producer.calls) == [['"a"'] * 3, ['"b"'] * 3, ['"fast"'] * 3]


async def test_a_bad_job_fails_alone() -> None:
    producer = Producer()
    producer.verdict = refuse_bad
    async with serving(producer) as address, Client(address) as client:
        payloads = ["bad" if number in (17, 60) else number for number in range(100)]
        results = await asyncio.gather(*(client.add("email", payload) for payload in payloads), return_exceptions=True)
    failed = [number for number, result in enumerate(results) if isinstance(result, InvalidField)]
    assert failed == [17, 60]
    assert sum(not isinstance(result, Exception) for result in results) == 98


async def test_an_add_that_nobody_waits_for_any_more_is_not_sent() -> None:
    producer, gate = Producer(), asyncio.Event()
    producer.gate = gate.wait
    async with serving(producer) as address, Client(address) as client:
        first = [asyncio.create_task(client.add("email", number)) for number in range(IN_FLIGHT)]
        await asyncio.sleep(0.05)
        given_up = asyncio.create_task(client.add("email", "given up"))
        kept = asyncio.create_task(client.add("email", "kept"))
        await asyncio.sleep(0)
        given_up.cancel()
        gate.set()
        await asyncio.gather(*first, kept)
    assert ['"given up"'] not in producer.calls
    assert producer.calls[-1] == ['"kept"']


async def test_each_add_of_a_batch_that_never_gets_through_fails_with_the_reason() -> None:
    async with Client("127.0.0.1:1", retry_timeout=0.5) as client:
        results = await asyncio.gather(*(client.add("email", number) for number in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable] * 5


async def test_closing_waits_for_adds_under_way() -> None:
    producer, gate = Producer(), asyncio.Event()
    producer.gate = gate.wait
    async with serving(producer) as address:
        client = Client(address)
        add = asyncio.create_task(client.add("email", 1))
        await asyncio.sleep(0.05)
        closing = asyncio.create_task(client.close())
        await asyncio.sleep(0.05)
        assert not closing.done()
        gate.set()
        await closing
        assert (await add).created


async def test_closing_waits_for_no_add_whose_caller_has_gone() -> None:
    """As after Ctrl-C, where the broker takes what it is sent and says nothing."""
    producer, gate = Producer(), asyncio.Event()
    producer.gate = gate.wait
    async with serving(producer) as address:
        client = Client(address)
        adds = [asyncio.create_task(client.add("email", number)) for number in range(5)]
        await until(lambda: producer.calls)
        for add in adds:
            add.cancel()
        await asyncio.wait_for(client.close(), 5)
        assert not client._coalescer._tasks
        assert not client._coalescer._lanes
        gate.set()


async def test_closing_waits_for_the_one_whose_caller_is_there() -> None:
    producer, gate = Producer(), asyncio.Event()
    producer.gate = gate.wait
    async with serving(producer) as address:
        client = Client(address)
        gone, there = (asyncio.create_task(client.add("email", number)) for number in range(2))
        await until(lambda: producer.calls)
        gone.cancel()
        closing = asyncio.create_task(client.close())
        later = asyncio.create_task(asyncio.sleep(0.05))
        await asyncio.wait((closing, later), return_when=asyncio.FIRST_COMPLETED)
        assert not closing.done()
        gate.set()
        await closing
        assert (await there).created


async def test_many_jobs_go_in_batches_of_a_thousand() -> None:
    producer = Producer()
    async with serving(producer) as address, Client(address) as client:
        added = await client.add_many("email", [NewJob(number, id=str(number)) for number in range(2_001)])
    assert [len(call) for call in producer.calls] == [1_000, 1_000, 1]
    assert [job.id for job in added] == [str(number) for number in range(2_001)]


async def test_adding_no_jobs_is_no_call() -> None:
    async with Client("127.0.0.1:1") as client:
        assert await client.add_many("email", []) == []


def test_a_client_works_in_one_event_loop_after_another() -> None:
    async def add_twice() -> None:
        producer = Producer()
        async with serving(producer) as address:
            client.connection.address = address
            await client.add("email", 1)
            assert producer.calls == [["1"]]

    client = Client("127.0.0.1:1")
    asyncio.run(add_twice())
    asyncio.run(add_twice())


async def test_a_client_refuses_a_second_loop_while_the_first_one_lives() -> None:
    async with serving(Producer()) as address, Client(address) as client:
        await client.add("email", 1)
        with pytest.raises(RuntimeError, match="another event loop"):
            await asyncio.to_thread(lambda: asyncio.run(client.get("email", "1")))


async def test_an_add_that_is_refused_in_a_second_loop_disturbs_no_adds_of_the_first() -> None:
    producer, gate = Producer(), asyncio.Event()
    producer.gate = gate.wait
    async with serving(producer) as address:
        client = Client(address)
        add = asyncio.create_task(client.add("email", 1))
        await until(lambda: client._coalescer._tasks)
        with pytest.raises(RuntimeError, match="another event loop"):
            await asyncio.to_thread(lambda: asyncio.run(client.add("email", 2)))
        closing = asyncio.create_task(client.close())
        later = asyncio.create_task(asyncio.sleep(0.05))
        await asyncio.wait((closing, later), return_when=asyncio.FIRST_COMPLETED)
        assert not closing.done()  # it knows of the add under way
        gate.set()
        await closing
        assert (await add).created
    assert producer.calls == [["1"]]


class FullGroups:
    """Refuses all of a call when one of its jobs is of a group that is full, as the server does."""

    def __init__(self, *names: str) -> None:
        self.names = set(names)

    def __call__(self, jobs: list) -> object:
        full = any(job.group in self.names and not job.HasField("delay") for job in jobs)
        return status(grpc.StatusCode.RESOURCE_EXHAUSTED, "GROUP_FULL", retry_after=0.1) if full else None


async def test_a_full_group_holds_up_nobody_elses_adds() -> None:
    producer = Producer()
    producer.verdict = full = FullGroups("noisy", "loud")
    async with serving(producer) as address, Client(address) as client:
        groups = ["noisy", "calm", None, "loud", "calm", "noisy", None]
        adds = [asyncio.create_task(client.add("email", n, group=groups[n % 7], id=str(n))) for n in range(200)]
        free = {number for number in range(200) if groups[number % 7] not in full.names}
        await asyncio.wait_for(asyncio.gather(*(adds[number] for number in free)), 5)
        late = await asyncio.wait_for(client.add("email", "late", group="calm"), 5)
        assert late.created
        assert {number for number, add in enumerate(adds) if add.done()} == free
        full.names.clear()
        assert all(job.created for job in await asyncio.gather(*adds))


async def test_adds_to_a_full_group_keep_their_order_and_those_that_come_later_queue_up_behind_them() -> None:
    producer = Producer()
    producer.verdict = full = FullGroups("noisy")
    async with serving(producer) as address, Client(address) as client:
        adds = [asyncio.create_task(client.add("email", number, group="noisy")) for number in range(20)]
        await until(lambda: len(producer.calls) >= 10)
        adds += [asyncio.create_task(client.add("email", number, group="noisy")) for number in range(20, 40)]
        await asyncio.sleep(0)
        full.names.clear()
        producer.calls.clear()
        await asyncio.gather(*adds)
    assert [int(payload) for call in producer.calls for payload in call] == list(range(40))


async def test_adds_to_a_group_that_stays_full_end_with_the_reason() -> None:
    producer = Producer()
    producer.verdict = FullGroups("noisy")
    async with serving(producer) as address:
        client = Client(address, retry_timeout=0.5)
        adds = [asyncio.create_task(client.add("email", number, group="noisy")) for number in range(5)]
        await asyncio.sleep(0)
        await client.close()  # it waits for those that will wait apart, too
        assert all(add.done() for add in adds)
        results = await asyncio.gather(*adds, return_exceptions=True)
    assert [type(result) for result in results] == [GroupFull] * 5


async def test_a_full_group_takes_delayed_jobs_beside_and_behind_those_that_wait_for_room() -> None:
    producer = Producer()
    producer.verdict = full = FullGroups("noisy")
    async with serving(producer) as address, Client(address) as client:
        kept = [asyncio.create_task(client.add("email", number, group="noisy")) for number in range(5)]
        beside = asyncio.create_task(client.add("email", "beside", group="noisy", delay=60))
        assert (await asyncio.wait_for(beside, 5)).created
        assert (await asyncio.wait_for(client.add("email", "behind", group="noisy", delay=60), 5)).created
        assert not any(add.done() for add in kept)
        full.names.clear()
        await asyncio.gather(*kept)
