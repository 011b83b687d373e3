"""Produce: adds on one stream, each answered as the unary call that it stands for."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from leasemq.v1 import admin_pb2, job_pb2, producer_pb2

from tests.support import (
    BrokerProcess,
    StoreProcess,
    Stubs,
    eventually,
    read_status,
    short_directory,
)

SOON_S = 5.0


class Produce:
    """An open stream."""

    def __init__(self, stubs: Stubs) -> None:
        self.call: Any = stubs.producer.Produce()  # type: ignore[call-arg] # the stubs know no calls that are written to
        self._numbers = itertools.count(1)

    async def ask(self, queue: str, *, add: str | None = None, add_batch: list[str] | None = None) -> int:
        """Adds jobs with these ids."""
        request = producer_pb2.ProduceRequest(request_number=next(self._numbers))
        if add is not None:
            request.add.CopyFrom(producer_pb2.AddJobRequest(queue=queue, job=job_pb2.JobSpec(name="work", id=add)))
        if add_batch is not None:
            jobs = [job_pb2.JobSpec(name="work", id=job_id) for job_id in add_batch]
            request.add_batch.CopyFrom(producer_pb2.BatchAddJobsRequest(queue=queue, jobs=jobs))
        await self.call.write(request)
        return request.request_number

    async def answer(self) -> producer_pb2.ProduceResponse:
        response = await asyncio.wait_for(self.call.read(), SOON_S)
        assert isinstance(response, producer_pb2.ProduceResponse), f"no answer but {response!r}"
        return response

    async def answers(self, count: int) -> dict[str | None, producer_pb2.ProduceResponse]:
        """So many answers, by their kind."""
        found = [await self.answer() for _ in range(count)]
        return {answer.WhichOneof("answer"): answer for answer in found}


@asynccontextmanager
async def producing(stubs: Stubs) -> AsyncIterator[Produce]:
    produce = Produce(stubs)
    try:
        yield produce
    finally:
        produce.call.cancel()


async def test_the_broker_says_that_it_has_such_streams(stubs: Stubs):
    assert "produce-stream" in (await stubs.admin.GetServerInfo(admin_pb2.GetServerInfoRequest())).capabilities


async def test_one_job_and_a_batch_share_a_message_and_are_answered_one_by_one(stubs: Stubs, queue: str):
    async with producing(stubs) as produce:
        number = await produce.ask(queue, add="a", add_batch=["b", "c"])
        answers = await produce.answers(2)
        assert {answer.request_number for answer in answers.values()} == {number}
        added = answers["added"].added
        assert (added.job_id, added.created, added.state) == ("a", True, job_pb2.JOB_STATE_WAITING)
        assert [result.job_id for result in answers["batch_added"].batch_added.results] == ["b", "c"]
    assert (await stubs.stats(queue)).waiting == 3


async def test_many_requests_are_answered_each_by_its_number(stubs: Stubs, queue: str):
    async with producing(stubs) as produce:
        asked = {await produce.ask(queue, add=f"job-{n}"): f"job-{n}" for n in range(200)}
        found = [await produce.answer() for _ in asked]
        assert {answer.request_number: answer.added.job_id for answer in found} == asked


async def test_a_part_that_is_refused_says_why_and_the_stream_goes_on(stubs: Stubs, queue: str):
    async with producing(stubs) as produce:
        await produce.ask(queue, add="x" * 200, add_batch=[])
        answers = await produce.answers(2)
        alone, batch = read_status(answers["add_error"].add_error), read_status(answers["add_batch_error"].add_batch_error)
        assert (alone.reason, alone.fields) == ("INVALID_FIELD", ["job.id"])
        assert (batch.reason, batch.fields) == ("INVALID_FIELD", ["jobs"])
        await produce.ask(queue, add="good")
        assert (await produce.answer()).added.created
    assert (await stubs.stats(queue)).waiting == 1


async def test_a_full_queue_refuses_as_the_call_does(stubs: Stubs, queue: str):
    config, mask = admin_pb2.QueueConfig(max_waiting=1), FieldMask(paths=["max_waiting"])
    await stubs.admin.UpdateQueue(admin_pb2.UpdateQueueRequest(queue=queue, config=config, update_mask=mask))
    async with producing(stubs) as produce:
        await produce.ask(queue, add="a")
        assert (await produce.answer()).added.created
        await produce.ask(queue, add_batch=["b"])
        refused = read_status((await produce.answer()).add_batch_error)
        assert (refused.reason, refused.code, refused.retry_after) == (
            "QUEUE_FULL",
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            1.0,
        )


async def test_a_retry_on_another_stream_adds_nothing_twice(stubs: Stubs, queue: str):
    async with producing(stubs) as lost:
        await lost.ask(queue, add_batch=["a", "b"])
        await lost.answer()
    async with producing(stubs) as produce:
        await produce.ask(queue, add_batch=["a", "b", "c"])
        assert [result.created for result in (await produce.answer()).batch_added.results] == [False, False, True]


async def test_a_client_that_sends_no_more_hears_the_answers_that_are_left(stubs: Stubs, queue: str):
    async with producing(stubs) as produce:
        await produce.ask(queue, add="a")
        await produce.call.done_writing()
        assert (await produce.answer()).added.created
        assert await asyncio.wait_for(produce.call.read(), SOON_S) is grpc.aio.EOF
        assert await produce.call.code() is grpc.StatusCode.OK


async def test_a_broker_that_stops_ends_an_idle_stream_with_ok():
    with short_directory() as directory, BrokerProcess(directory) as broker:
        async with Stubs(broker.address) as stubs, producing(stubs) as produce:
            await produce.ask("q", add="a")
            await produce.answer()
            stopping = asyncio.ensure_future(asyncio.to_thread(broker.terminate))
            assert await asyncio.wait_for(produce.call.read(), SOON_S) is grpc.aio.EOF
            assert await produce.call.code() is grpc.StatusCode.OK
            assert await stopping == 0


async def test_a_killed_broker_ends_the_stream_as_unavailable():
    with short_directory() as directory, BrokerProcess(directory) as broker:
        async with Stubs(broker.address) as stubs, producing(stubs) as produce:
            await produce.ask("q", add="a")
            await produce.answer()
            broker.kill()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await produce.answer()
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_store_that_is_down_is_told_of_each_part_and_the_stream_outlives_it():
    with (
        short_directory() as directory,
        StoreProcess(directory / "store") as store,
        BrokerProcess(directory, store=store.url) as broker,
    ):
        async with Stubs(broker.address) as stubs, producing(stubs) as produce:
            await produce.ask("q", add="a")
            await produce.answer()
            store.kill()
            await produce.ask("q", add="b")
            response = await asyncio.wait_for(produce.call.read(), 10)
            refused = read_status(response.add_error)
            assert (refused.reason, refused.code) == ("STORE_UNAVAILABLE", grpc.StatusCode.UNAVAILABLE)
            store.start()

            async def added() -> bool:
                await produce.ask("q", add="b")
                response = await asyncio.wait_for(produce.call.read(), 10)
                return response.WhichOneof("answer") == "added"

            await eventually(added)
