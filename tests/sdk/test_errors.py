import asyncio
import itertools
import pickle
import time
from datetime import timedelta

import grpc
import leasemq
import pytest
from leasemq import (
    Client,
    Dependency,
    FieldViolation,
    FlowNode,
    GroupDefaults,
    InvalidField,
    Job,
    JobState,
    LeaseMQError,
    NewJob,
    PayloadTooLarge,
    RateLimit,
    Retention,
)
from leasemq.errors import BY_REASON, reason_names

from tests.sdk.scripted import Producer, serving, status
from tests.sdk.support import Broker, until, worker


def test_every_reason_of_the_contract_has_its_exception_in_the_public_api() -> None:
    assert set(BY_REASON) == set(reason_names())
    assert len(set(BY_REASON.values())) == len(BY_REASON) == 18
    for cls in BY_REASON.values():
        assert getattr(leasemq, cls.__name__) is cls
        assert issubclass(cls, LeaseMQError)


@pytest.mark.parametrize("reason", reason_names())
async def test_a_reason_becomes_its_exception(reason: str) -> None:
    producer = Producer()
    producer.verdict = lambda _jobs: status(grpc.StatusCode.FAILED_PRECONDITION, reason, "that failed", limit="7")
    async with serving(producer) as address, Client(address) as client:
        with pytest.raises(BY_REASON[reason], match="that failed") as caught:
            await client.add("email")
    assert type(caught.value) is BY_REASON[reason]
    assert (caught.value.reason, caught.value.metadata, caught.value.code) == (
        reason, {"limit": "7"}, grpc.StatusCode.FAILED_PRECONDITION
    )  # fmt: skip


async def test_an_invalid_field_is_named() -> None:
    producer = Producer()
    producer.verdict = lambda _jobs: status(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    async with serving(producer) as address, Client(address) as client:
        with pytest.raises(leasemq.InvalidField) as caught:
            await client.add("email")
    assert caught.value.field_violations == [FieldViolation("queue", "must be better")]
    assert pickle.loads(pickle.dumps(caught.value)).field_violations == caught.value.field_violations


async def test_a_reason_of_a_newer_server_is_still_a_leasemq_error() -> None:
    producer = Producer()
    producer.verdict = lambda _jobs: status(grpc.StatusCode.ABORTED, "SOMETHING_NEW")
    async with serving(producer) as address, Client(address) as client:
        with pytest.raises(LeaseMQError) as caught:
            await client.add("email")
    assert type(caught.value) is LeaseMQError
    assert caught.value.reason == "SOMETHING_NEW"


async def test_no_broker_is_unavailable_once_retry_timeout_is_over() -> None:
    async with Client("127.0.0.1:1", retry_timeout=0.5) as client:
        with pytest.raises(leasemq.Unavailable) as caught:
            await client.get("email", "1")
    assert caught.value.reason == ""


@pytest.mark.parametrize(
    "trouble",
    [
        grpc.StatusCode.UNAVAILABLE,
        status(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE"),
        status(grpc.StatusCode.UNAVAILABLE, "DURABILITY_NOT_REACHED"),
        status(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL"),
    ],
)
async def test_what_may_pass_is_retried_with_the_same_id(trouble: object) -> None:
    producer, seen = Producer(), []

    def verdict(jobs: list) -> object:
        seen.append(jobs[0].id)
        return trouble if len(seen) < 4 else None

    producer.verdict = verdict
    async with serving(producer) as address, Client(address) as client:
        added = await client.add("email")
    assert seen == [added.id] * 4


@pytest.mark.parametrize(
    "verdict",
    [
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        status(grpc.StatusCode.FAILED_PRECONDITION, "LEASE_LOST"),
        status(grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND"),
        status(grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED"),
    ],
)
async def test_what_will_not_pass_is_not_retried(verdict: object) -> None:
    producer = Producer()
    producer.verdict = lambda _jobs: verdict
    async with serving(producer) as address, Client(address) as client:
        with pytest.raises(LeaseMQError):
            await client.add("email")
    assert len(producer.calls) == 1


async def test_the_wait_that_the_server_asks_for_is_kept() -> None:
    producer, times = Producer(), []

    def verdict(_jobs: list) -> object:
        times.append(time.monotonic())
        return status(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", retry_after=0.4) if len(times) < 3 else None

    producer.verdict = verdict
    async with serving(producer) as address, Client(address) as client:
        await client.add("email")
    assert all(later - sooner >= 0.4 for sooner, later in itertools.pairwise(times))


async def test_a_wait_longer_than_retry_timeout_is_not_begun() -> None:
    producer = Producer()
    producer.verdict = lambda _jobs: status(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", retry_after=60)
    async with serving(producer) as address, Client(address, retry_timeout=2) as client:
        with pytest.raises(leasemq.StoreUnavailable) as caught:
            await client.add("email")
    assert caught.value.retry_delay == timedelta(seconds=60)
    assert len(producer.calls) == 1


async def test_every_call_has_a_deadline() -> None:
    producer = Producer()
    async with serving(producer) as address, Client(address, retry_timeout=3) as client:
        await client.add("email", depends_on=[Dependency("email", "first")])
        assert 0 < producer.deadlines[0] <= 3.1


async def test_an_add_that_is_not_answered_in_time_ends_the_stream_and_the_others_are_tried_on_another() -> None:
    producer = Producer()
    producer.gate = asyncio.Event().wait
    async with serving(producer) as address, Client(address, retry_timeout=1) as client:
        late = asyncio.ensure_future(client.add("late", 1))
        await until(lambda: len(producer.calls) == 1)
        await asyncio.sleep(0.4)  # the other's time is not over when this one's is
        other = asyncio.ensure_future(client.add("other", 2))
        await until(lambda: len(producer.calls) == 2)
        producer.gate = None
        assert (await other).created
        assert producer.calls == [["1"], ["2"], ["2"]]
        with pytest.raises(leasemq.DeadlineExceeded):
            await late


async def test_a_broker_that_never_answers_is_left_when_retry_timeout_is_over() -> None:
    producer = Producer()
    producer.gate = asyncio.Event().wait
    async with serving(producer) as address, Client(address, retry_timeout=1) as client:
        with pytest.raises(leasemq.DeadlineExceeded):
            await client.add("email")


NEGATIVE = {
    "priority": lambda client, queue: client.add(queue, priority=-1),
    "attempts": lambda client, queue: client.add(queue, attempts=-1),
    "jobs' limit": lambda client, queue: anext(client.admin.jobs(queue, limit=-1)),
    "max_lease_expirations": lambda client, queue: client.add(queue, max_lease_expirations=-1),
    "max_count": lambda client, queue: client.add(queue, completed_retention=Retention(max_count=-1)),
    "max_active": lambda client, queue: client.admin.update_queue(queue, max_active=-1),
    "max_jobs": lambda client, queue: client.admin.update_queue(queue, rate_limit=RateLimit(-1, 1)),
    "max_waiting": lambda client, queue: client.admin.update_queue(queue, group_defaults=GroupDefaults(max_waiting=-1)),
    "weight": lambda client, queue: client.admin.update_group(queue, "g", weight=-1),
    "max_runs": lambda client, queue: client.schedules.upsert(queue, "s", cron="@daily", max_runs=-1),
    "limit": lambda client, queue: client.admin.delete(queue, state=JobState.FAILED, limit=-1),
}


@pytest.mark.parametrize("field", NEGATIVE)
async def test_a_number_that_can_not_be_sent_names_its_field_as_one_that_the_broker_refuses(
    client: Client, queue: str, field: str
) -> None:
    with pytest.raises(InvalidField) as caught:
        await NEGATIVE[field](client, queue)
    assert [it.field for it in caught.value.field_violations] == [field.rsplit(maxsplit=1)[-1]]
    assert "-1" in str(caught.value)
    assert (caught.value.reason, caught.value.code) == ("INVALID_FIELD", grpc.StatusCode.INVALID_ARGUMENT)


async def test_a_new_priority_that_can_not_be_sent_names_its_field(client: Client, queue: str) -> None:
    added = await client.add(queue, priority=7)
    with pytest.raises(InvalidField, match="priority: is too large: 4294967296"):
        await client.admin.update_job(queue, added.id, priority=2**32)
    assert (await client.get(queue, added.id)).priority == 7


async def test_no_jobs_at_all_are_not_all_jobs(client: Client, queue: str) -> None:
    await client.add(queue)
    with pytest.raises(InvalidField, match="limit"):
        await client.admin.delete(queue, state=JobState.WAITING, limit=0)
    with pytest.raises(ValueError, match="group"):
        await client.admin.delete(queue, state=JobState.WAITING, group="")
    assert (await client.admin.stats(queue)).waiting == 1


HUGE = b"x" * (64 * 1024 * 1024)


async def test_a_payload_that_grpc_itself_will_not_send_is_too_large_and_not_tried_again(broker: Broker, queue: str) -> None:
    since = time.monotonic()
    async with Client(broker.address) as client:
        for add in (
            client.add(queue, HUGE),
            client.add_many(queue, [NewJob("fits"), NewJob(HUGE)]),
            client.add_flow([FlowNode(queue, NewJob(HUGE))]),
        ):
            with pytest.raises(PayloadTooLarge, match="larger than max") as caught:
                await add
            assert (caught.value.reason, caught.value.metadata["limit_bytes"]) == ("PAYLOAD_TOO_LARGE", str(len(HUGE)))
        assert (await client.add(queue, "fits")).created
    assert time.monotonic() - since < 20


async def test_a_message_that_the_other_side_will_not_take_is_too_large_and_not_tried_again() -> None:
    """A server, or a proxy before it, whose limit is lower than the client's: it knows nothing of reasons."""
    producer = Producer()
    async with serving(producer, [("grpc.max_receive_message_length", 2_000_000)]) as address, Client(address) as client:
        with pytest.raises(PayloadTooLarge, match="larger than max") as caught:
            await asyncio.wait_for(client.add("email", b"x" * 3_000_000), 10)
        assert caught.value.metadata["limit_bytes"] == "2000000"
        adds = await asyncio.gather(*(client.add("email", b"x" * size) for size in (900_000, 900_000, 900_000, 10)))
        assert all(added.created for added in adds)


async def test_a_result_that_grpc_itself_will_not_send_fails_its_job_and_no_other(broker: Broker, queue: str) -> None:
    async with Client(broker.address) as client:

        async def handler(job: Job) -> bytes:
            return HUGE if job.payload == "large" else b"small"

        large, small = await client.add(queue, "large"), await client.add(queue, "small")
        async with worker(client, queue, handler):
            assert (await client.wait(queue, small.id, 20)).state is JobState.COMPLETED
            assert (await client.wait(queue, large.id, 20)).state is JobState.FAILED
            (failure,) = (await client.get(queue, large.id)).failures
            assert failure.type == "PayloadTooLarge"
            assert "larger than max" in failure.message
            again = await client.add(queue, "small")
            assert (await client.wait(queue, again.id, 20)).state is JobState.COMPLETED
