"""client.add with a deduplication key, and freeing the key."""

from datetime import timedelta

import leasemq.sync
from leasemq import Client, Deduplication, DeduplicationMode, JobState, NewJob

from tests.sdk.support import Broker


async def test_a_job_with_a_key_that_is_held_is_not_added_and_the_result_names_the_other(client: Client, queue: str) -> None:
    same = Deduplication("k")
    first = await client.add(queue, 1, deduplication=same)
    second = await client.add(queue, 2, deduplication=same)
    assert (first.created, first.deduplicated) == (True, False)
    assert (second.id, second.created, second.deduplicated, second.state) == (first.id, False, True, JobState.WAITING)
    assert (await client.get(queue, first.id)).payload == 1


async def test_a_debounced_job_takes_the_place_of_the_delayed_one(client: Client, queue: str) -> None:
    how = Deduplication("k", DeduplicationMode.DEBOUNCE, timedelta(minutes=1))
    jobs = [NewJob(number, delay=30, deduplication=how) for number in range(3)]
    added = await client.add_many(queue, jobs)
    assert [(it.created, it.deduplicated) for it in added] == [(True, False), (True, True), (True, True)]
    assert [job.payload async for job in client.admin.jobs(queue)] == [2]


async def test_a_key_that_is_removed_lets_the_next_one_in(broker: Broker, queue: str) -> None:
    with leasemq.sync.Client(broker.address) as client:
        how = Deduplication("k", DeduplicationMode.THROTTLE, 60)
        first = client.add(queue, deduplication=how)
        assert client.remove_deduplication_key(queue, "k") == first.id
        assert client.remove_deduplication_key(queue, "k") is None
        assert client.add(queue, deduplication=how).created
