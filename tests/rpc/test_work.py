"""Work: lease and settle calls on one stream, each answered as the unary call that it stands for."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from google.rpc import status_pb2
from leasemq.v1 import admin_pb2, job_pb2, worker_pb2

from tests.support import (
    BrokerProcess,
    StoreProcess,
    Stubs,
    calls_in_flight,
    eventually,
    polling,
    read_status,
    refusal_of,
    seconds,
    short_directory,
)

SOON_S = 2.0


class Work:
    """An open stream."""

    def __init__(self, stubs: Stubs, worker: str = "w") -> None:
        self.worker = worker
        self.call: Any = stubs.worker.Work()  # type: ignore[call-arg] # the stubs know no calls that are written to
        self._numbers = itertools.count(1)

    async def ask(self, *, lease: dict[str, Any] | None = None, settle: list[worker_pb2.Settlement] | None = None) -> int:
        request = worker_pb2.WorkRequest(request_number=next(self._numbers))
        if lease is not None:
            asked = {"worker_id": self.worker, "max_jobs": 10, **lease}
            request.lease.CopyFrom(worker_pb2.BatchLeaseJobsRequest(**asked))
        if settle is not None:
            request.settle.CopyFrom(worker_pb2.SettleJobsRequest(settlements=settle))
        await self.call.write(request)
        return request.request_number

    async def answer(self) -> worker_pb2.WorkResponse:
        response = await asyncio.wait_for(self.call.read(), SOON_S)
        assert isinstance(response, worker_pb2.WorkResponse), f"no answer but {response!r}"
        return response

    async def leased(self, **asked: Any) -> list[worker_pb2.Lease]:
        number = await self.ask(lease=asked)
        answer = await self.answer()
        assert (answer.request_number, answer.WhichOneof("answer")) == (number, "leased")
        return list(answer.leased.leases)


@asynccontextmanager
async def working(stubs: Stubs, worker: str = "w") -> AsyncIterator[Work]:
    work = Work(stubs, worker)
    try:
        yield work
    finally:
        work.call.cancel()


def completed(lease: worker_pb2.Lease) -> worker_pb2.Settlement:
    return worker_pb2.Settlement(lease_token=lease.lease_token, complete=worker_pb2.CompleteOutcome(result=b"1"))


async def test_the_broker_says_that_it_has_such_streams(stubs: Stubs):
    assert "work-stream" in (await stubs.admin.GetServerInfo(admin_pb2.GetServerInfoRequest())).capabilities


async def test_leases_and_settlements_share_a_stream(stubs: Stubs, queue: str):
    for job_id in ("a", "b", "c"):
        await stubs.add(queue, id=job_id)
    async with working(stubs) as work:
        first = await work.leased(queues=[queue], max_jobs=2)
        assert [lease.job.id for lease in first] == ["a", "b"]
        number = await work.ask(lease={"queues": [queue]}, settle=[completed(lease) for lease in first])
        answers = [await work.answer(), await work.answer()]
        assert [answer.request_number for answer in answers] == [number, number]
        by_kind = {answer.WhichOneof("answer"): answer for answer in answers}
        assert [lease.job.id for lease in by_kind["leased"].leased.leases] == ["c"]
        states = [result.settled.state for result in by_kind["settled"].settled.results]
        assert states == [job_pb2.JOB_STATE_COMPLETED] * 2
    assert (await stubs.job(queue, "a")).result == b"1"


async def test_a_lease_that_waits_does_not_hold_up_a_settlement(stubs: Stubs, queue: str):
    await stubs.add(queue, id="a")
    async with working(stubs) as work:
        (lease,) = await work.leased(queues=[queue])
        waiting = await work.ask(lease={"queues": [queue], "wait_duration": seconds(15)})
        settling = await work.ask(settle=[completed(lease)])
        assert (await work.answer()).request_number == settling
        await stubs.add(queue, id="b")
        answer = await work.answer()
        assert (answer.request_number, [lease.job.id for lease in answer.leased.leases]) == (waiting, ["b"])


def why(status: status_pb2.Status) -> tuple[str, list[str]]:
    refused = read_status(status)
    return refused.reason, refused.fields


async def test_a_part_that_is_refused_says_why_and_the_stream_goes_on(stubs: Stubs, queue: str):
    await stubs.add(queue, id="a")
    async with working(stubs) as work:
        number = await work.ask(lease={"queues": [queue], "max_jobs": 1001}, settle=[])
        answers = {answer.WhichOneof("answer"): answer for answer in [await work.answer(), await work.answer()]}
        assert {answer.request_number for answer in answers.values()} == {number}
        assert why(answers["lease_error"].lease_error) == ("INVALID_FIELD", ["max_jobs"])
        assert why(answers["settle_error"].settle_error) == ("INVALID_FIELD", ["settlements"])
        assert [lease.job.id for lease in await work.leased(queues=[queue])] == ["a"]


async def test_a_settlement_that_is_lost_says_so_beside_those_that_stand(stubs: Stubs, queue: str):
    await stubs.add(queue, id="a")
    async with working(stubs) as work:
        (lease,) = await work.leased(queues=[queue])
        gone = worker_pb2.Settlement(lease_token=f"{'A' * 24}/{queue}/a", complete=worker_pb2.CompleteOutcome())
        await work.ask(settle=[gone, completed(lease)])
        lost, stands = (await work.answer()).settled.results
        assert read_status(lost.error).reason == "LEASE_LOST"
        assert stands.settled.state == job_pb2.JOB_STATE_COMPLETED


async def test_a_retry_on_another_stream_gets_the_same_leases(stubs: Stubs, queue: str):
    await stubs.add(queue)
    async with working(stubs) as lost:
        (lease,) = await lost.leased(queues=[queue], request_id="r-1")
    async with working(stubs) as work:
        assert [again.lease_token for again in await work.leased(queues=[queue], request_id="r-1")] == [lease.lease_token]


async def test_what_a_stream_waited_for_is_given_back_when_it_breaks(stubs: Stubs, broker: BrokerProcess, queue: str):
    """Of two that wait, whichever gets the job when one of them breaks: the other has it soon, its attempts unused."""
    for number in range(10):
        async with Stubs(broker.address) as fickle, working(stubs, f"steady-{queue}") as steady:
            going = Work(fickle, f"fickle-{queue}")
            await going.ask(lease={"queues": [queue], "wait_duration": seconds(15)})
            await steady.ask(lease={"queues": [queue], "wait_duration": seconds(15)})
            await polling(stubs, [f"steady-{queue}", f"fickle-{queue}"])
            adding = asyncio.ensure_future(stubs.add(queue, id=str(number)))
            going.call.cancel()
            await adding
            (lease,) = (await steady.answer()).leased.leases
            assert (lease.job.id, lease.attempt) == (str(number), 1)
            await stubs.complete(lease)


async def test_a_broken_stream_takes_no_more_jobs(stubs: Stubs, broker: BrokerProcess, queue: str):
    async with Stubs(broker.address) as gone:
        work = Work(gone, f"w-{queue}")
        await work.ask(lease={"queues": [queue], "wait_duration": seconds(15)})
        await polling(stubs, [f"w-{queue}"])
        work.call.cancel()

        async def noticed() -> bool:
            return await calls_in_flight(stubs) == 0

        await eventually(noticed)
    await stubs.add(queue)
    await stubs.stats(queue)  # as long as a look takes
    call = stubs.admin.WatchEvents(admin_pb2.WatchEventsRequest(queue=queue, from_oldest=True, until_now=True))
    assert [event.kind for said in [said async for said in call] for event in said.events] == [admin_pb2.EVENT_KIND_ADDED]


async def test_a_worker_that_sends_no_more_hears_the_answers_that_are_left(stubs: Stubs, queue: str):
    async with working(stubs, f"w-{queue}") as work:
        await work.ask(lease={"queues": [queue], "wait_duration": seconds(15)})
        await work.call.done_writing()
        await polling(stubs, [f"w-{queue}"])
        await stubs.add(queue, id="a")
        assert [lease.job.id for lease in (await work.answer()).leased.leases] == ["a"]
        assert await asyncio.wait_for(work.call.read(), SOON_S) is grpc.aio.EOF
        assert await work.call.code() is grpc.StatusCode.OK


async def test_draining_a_worker_ends_what_its_stream_waits_for(stubs: Stubs, queue: str):
    async with working(stubs, f"w-{queue}") as work:
        number = await work.ask(lease={"queues": [queue], "wait_duration": seconds(15)})
        await polling(stubs, [f"w-{queue}"])
        await stubs.worker.DrainWorker(worker_pb2.DrainWorkerRequest(worker_id=f"w-{queue}"))
        answer = await work.answer()
        assert (answer.request_number, len(answer.leased.leases)) == (number, 0)


async def test_a_broker_that_stops_ends_its_streams_with_ok_when_all_is_answered():
    with short_directory() as directory, BrokerProcess(directory) as broker:
        async with Stubs(broker.address) as stubs, working(stubs) as work:
            await work.ask(lease={"queues": ["q"], "wait_duration": seconds(15)})
            await polling(stubs, ["w"])
            stopping = asyncio.ensure_future(asyncio.to_thread(broker.terminate))
            assert not (await work.answer()).leased.leases
            assert await asyncio.wait_for(work.call.read(), SOON_S) is grpc.aio.EOF
            assert await work.call.code() is grpc.StatusCode.OK
            assert await stopping == 0


async def test_a_killed_broker_ends_the_stream_as_unavailable():
    with short_directory() as directory, BrokerProcess(directory) as broker:
        async with Stubs(broker.address) as stubs, working(stubs) as work:
            await work.ask(lease={"queues": ["q"], "wait_duration": seconds(15)})
            await polling(stubs, ["w"])
            broker.kill()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await work.answer()
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_store_that_is_down_is_told_of_each_part_and_the_stream_outlives_it():
    with (
        short_directory() as directory,
        StoreProcess(directory / "store") as store,
        BrokerProcess(directory, store=store.url) as broker,
    ):
        async with Stubs(broker.address) as stubs, working(stubs) as work:
            await stubs.add("q")
            store.kill()
            await work.ask(lease={"queues": ["q"]})
            response = await asyncio.wait_for(work.call.read(), 10)
            refused = read_status(response.lease_error)
            assert (refused.reason, refused.code, refused.retry_after) == (
                "STORE_UNAVAILABLE",
                grpc.StatusCode.UNAVAILABLE,
                1.0,
            )
            store.start()

            async def leased() -> bool:
                await work.ask(lease={"queues": ["q"]})
                response = await asyncio.wait_for(work.call.read(), 10)
                return response.WhichOneof("answer") == "leased"

            await eventually(leased)


async def test_a_stream_with_too_much_open_is_read_on_as_parts_are_answered(stubs: Stubs, queue: str):
    most = 1000
    async with working(stubs, f"w-{queue}") as work:
        for _ in range(most):
            await work.ask(lease={"queues": [queue], "max_jobs": 1, "wait_duration": seconds(20)})
        unread = await work.ask(settle=[])
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(reading := asyncio.ensure_future(work.call.read())), 0.5)
        await stubs.add(queue, id="a")
        answers = [await asyncio.wait_for(reading, SOON_S), await work.answer()]
        assert {answer.WhichOneof("answer") for answer in answers} == {"leased", "settle_error"}
        assert unread in {answer.request_number for answer in answers}


async def test_a_request_without_a_number_ends_the_stream_with_its_field(stubs: Stubs, queue: str):
    async with working(stubs) as work:
        await work.call.write(worker_pb2.WorkRequest(lease=worker_pb2.BatchLeaseJobsRequest(queues=[queue], worker_id="w")))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await work.call.read()
        assert refusal_of(caught.value).fields == ["request_number"]
