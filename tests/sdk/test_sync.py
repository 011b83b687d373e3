import inspect
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait

import leasemq
import leasemq.sync
import pytest
from leasemq import JobNotFound, JobState, NewJob

from tests.sdk.support import Broker


@pytest.fixture
def blocking(broker: Broker):
    with leasemq.sync.Client(broker.address) as client:
        yield client


def test_it_has_every_method_of_the_async_client_with_the_same_signature() -> None:
    for name_of_both in ("Client", "Admin", "Schedules"):
        blocking_class, async_class = getattr(leasemq.sync, name_of_both), getattr(leasemq, name_of_both)
        for name, method in inspect.getmembers(async_class, inspect.isfunction):
            if not name.startswith("_"):
                assert inspect.signature(getattr(blocking_class, name)) == inspect.signature(method) or name == "close"
                assert getattr(blocking_class, name).__doc__


def test_it_adds_reads_lists_and_cancels(blocking: leasemq.sync.Client, queue: str) -> None:
    added = blocking.add(queue, {"a": 1}, delay=60)
    assert blocking.get(queue, added.id).payload == {"a": 1}
    assert len(blocking.add_many(queue, [NewJob(number) for number in range(250)])) == 250
    assert [job.payload for job in blocking.admin.jobs(queue, states=[JobState.WAITING])] == list(range(250))
    assert blocking.cancel(queue, added.id) is JobState.CANCELLED
    assert blocking.wait(queue, added.id, 5).state is JobState.CANCELLED
    assert blocking.admin.stats(queue).waiting == 250
    with pytest.raises(TimeoutError):
        blocking.wait(queue, next(blocking.admin.jobs(queue)).id, 0.1)
    with pytest.raises(JobNotFound):
        blocking.get(queue, "nowhere")


def test_threads_share_it(blocking: leasemq.sync.Client, queue: str) -> None:
    with ThreadPoolExecutor(16) as pool:
        ids = {job.id for job in pool.map(lambda number: blocking.add(queue, number), range(400))}
    assert len(ids) == 400
    assert blocking.admin.stats(queue).waiting == 400


def test_closing_ends_its_thread_and_later_calls(broker: Broker, queue: str) -> None:
    threads = set(threading.enumerate())
    client = leasemq.sync.Client(broker.address)
    client.add(queue)
    client.close()
    client.close()
    assert not [new for new in set(threading.enumerate()) - threads if new.name == "leasemq-client"]
    with pytest.raises(RuntimeError, match="closed"):
        client.add(queue)


def test_closing_ends_the_calls_of_other_threads(broker: Broker, queue: str) -> None:
    away = leasemq.sync.Client("127.0.0.1:1", retry_timeout=60)
    here = leasemq.sync.Client(broker.address)
    job = here.add(queue, delay=60)
    calls = [lambda: away.get("email", "1")] * 10 + [lambda: here.wait(queue, job.id), lambda: next(here.events(queue))]
    pool = ThreadPoolExecutor(len(calls))
    ended = [pool.submit(call) for call in calls]
    until = time.monotonic() + 10
    while not away.inner.connection.outage.is_on:
        assert time.monotonic() < until
        time.sleep(0.01)
    away.close()
    here.close()
    assert not wait(ended, timeout=10).not_done
    pool.shutdown()
    for error in [future.exception() for future in ended]:
        assert isinstance(error, leasemq.Unavailable) or (isinstance(error, RuntimeError) and "closed" in str(error)), error


def test_a_client_from_before_a_fork_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    client = leasemq.sync.Client("127.0.0.1:1")
    pid = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)
    with pytest.raises(RuntimeError, match="fork"):
        client.get("email", "1")


async def test_it_works_beside_an_async_client(
    broker: Broker, client: leasemq.Client, blocking: leasemq.sync.Client, queue: str
) -> None:
    for number in range(20):
        await client.add(queue, number)
        blocking.add(queue, number)
    assert (await client.admin.stats(queue)).waiting == 40
