"""The SDK's end of its streams: calls that fail as unary ones do, and a stream that is opened anew after it broke."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import grpc
import pytest
from leasemq import AddedJob, Client, InvalidField, JobNotFound, LeaseLost, NewJob, PayloadTooLarge, Unavailable
from leasemq.codec import to_duration
from leasemq.connection import MAX_MESSAGE_BYTES
from leasemq.errors import from_status, is_retryable
from leasemq.stream import ProduceStream, WorkStream
from leasemq.v1 import job_pb2, producer_pb2, worker_pb2

from tests.sdk.support import Broker, until

PLENTY = 20.0


@asynccontextmanager
async def stream_of(client: Client, strays: list[worker_pb2.Lease] | None = None) -> AsyncIterator[WorkStream]:
    stream = WorkStream(client.connection, lambda leases, _: (strays if strays is not None else []).extend(leases))
    try:
        yield stream
    finally:
        await stream.close()


def asking(queue: str, wait: float = 0.0, max_jobs: int = 10) -> worker_pb2.BatchLeaseJobsRequest:
    return worker_pb2.BatchLeaseJobsRequest(
        queues=[queue], worker_id=f"w-{queue}", max_jobs=max_jobs, wait_duration=to_duration(wait)
    )


def calls_of(client: Client) -> list[str]:
    """The names of the adds that are made as calls from now on, as they are made."""
    made: list[str] = []
    stubs = client.connection.stubs.producer

    def noted(name: str) -> Callable[..., Any]:
        call = getattr(stubs, name)

        def make(request: Any, **how: Any) -> Any:
            made.append(name)
            return call(request, **how)

        return make

    for name in ("AddJob", "BatchAddJobs"):
        setattr(stubs, name, noted(name))
    return made


def completing(*tokens: str) -> worker_pb2.SettleJobsRequest:
    settlements = [worker_pb2.Settlement(lease_token=token, complete=worker_pb2.CompleteOutcome()) for token in tokens]
    return worker_pb2.SettleJobsRequest(settlements=settlements)


async def polls_of(client: Client, queue: str) -> bool:
    """Whether the broker has heard a lease call of the queue's worker, as soon as a heartbeat has made it known."""
    info = worker_pb2.WorkerInfo(worker_id=f"w-{queue}")
    await client.connection.stubs.worker.Heartbeat(worker_pb2.HeartbeatRequest(worker=info))
    async for worker in client.admin.workers():
        if worker.worker_id == f"w-{queue}" and worker.poll_time is not None:
            return True
    return False


async def test_each_call_gets_its_own_answer(client: Client, queue: str) -> None:
    await client.add_many(queue, [NewJob() for _ in range(20)])
    async with stream_of(client) as stream:
        parts = await asyncio.gather(*(stream.lease(asking(queue, max_jobs=4), PLENTY) for _ in range(5)))
        tokens = [[lease.lease_token for lease in part.leases] for part in parts]
        assert len({token for part in tokens for token in part}) == 20
        garbage = asyncio.ensure_future(stream.settle(completing("garbage"), PLENTY))
        settled = await asyncio.gather(*(stream.settle(completing(*part), PLENTY) for part in tokens))
        assert [len(answer.results) for answer in settled] == [4] * 5
        assert all(result.HasField("settled") for answer in settled for result in answer.results)
        assert isinstance(from_status((await garbage).results[0].error), LeaseLost)


async def test_what_is_refused_is_the_error_of_the_unary_call_and_the_stream_goes_on(client: Client, queue: str) -> None:
    async with stream_of(client) as stream:
        waiting = asyncio.ensure_future(stream.lease(asking(queue, wait=15), PLENTY))
        with pytest.raises(InvalidField) as caught:
            await stream.settle(worker_pb2.SettleJobsRequest(), PLENTY)
        assert "settlements" in str(caught.value)
        await client.add(queue)
        assert len((await waiting).leases) == 1


async def test_leases_for_a_caller_that_has_gone_are_strays(client: Client, queue: str) -> None:
    strays: list[worker_pb2.Lease] = []
    async with stream_of(client, strays) as stream:
        waiting = asyncio.ensure_future(stream.lease(asking(queue, wait=15), PLENTY))
        await until(lambda: polls_of(client, queue))
        waiting.cancel()
        added = await client.add(queue)
        await until(lambda: strays)
        assert [lease.job.id for lease in strays] == [added.id]


async def test_who_goes_before_its_request_is_sent_breaks_nothing(client: Client, queue: str) -> None:
    async with stream_of(client) as stream:
        waiting = asyncio.ensure_future(stream.lease(asking(queue, wait=15), PLENTY))
        await until(lambda: polls_of(client, queue))
        gone = asyncio.ensure_future(stream.settle(completing("garbage"), PLENTY))
        await asyncio.sleep(0)  # it has asked, and nothing is written yet
        gone.cancel()
        await client.add(queue)
        assert len((await waiting).leases) == 1


async def test_a_stream_in_another_event_loop_says_so_at_once(client: Client, queue: str) -> None:
    await client.add(queue)

    async def ask() -> None:
        async with stream_of(client) as stream:
            await stream.lease(asking(queue), PLENTY)

    with pytest.raises(RuntimeError, match="another event loop"):
        await asyncio.to_thread(asyncio.run, ask())


async def test_a_closed_stream_leaves_nobody_waiting(client: Client, queue: str) -> None:
    async with stream_of(client) as stream:
        waiting = asyncio.ensure_future(stream.lease(asking(queue, wait=15), PLENTY))
        await until(lambda: polls_of(client, queue))
    with pytest.raises(Unavailable):
        await waiting


async def test_a_killed_broker_ends_all_calls_as_unavailable_and_the_next_opens_a_new_stream(lasting_broker: Broker) -> None:
    async with Client(lasting_broker.address) as client, stream_of(client) as stream:
        await client.add("q")
        waiting = [asyncio.ensure_future(stream.lease(asking("other", wait=15), PLENTY)) for _ in range(3)]
        await until(lambda: polls_of(client, "other"))
        await lasting_broker.end(signal.SIGKILL)
        for error in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(error, Unavailable)
            assert error.code is grpc.StatusCode.UNAVAILABLE
        assert client.connection.outage.is_on
        await lasting_broker.start()

        async def leased() -> int:
            try:
                return len((await stream.lease(asking("q"), PLENTY)).leases)
            except Unavailable:
                return 0

        assert await until(leased) == 1
        assert not client.connection.outage.is_on


async def is_there(client: Client, queue: str, job_id: str) -> bool:
    with suppress(JobNotFound):
        await client.get(queue, job_id)
        return True
    return False


class Deaf(ProduceStream):
    """Does not hear of the stream's end before somebody writes."""

    async def _read(self, _: Any) -> None:
        await asyncio.sleep(PLENTY)


async def test_who_writes_before_the_end_of_the_stream_was_heard_is_told_to_try_again(lasting_broker: Broker) -> None:
    async with Client(lasting_broker.address) as client:
        stream = Deaf(client.connection)
        adding = producer_pb2.AddJobRequest(queue="q", job=job_pb2.JobSpec(id="a", name="a"))
        first = asyncio.ensure_future(stream.add(adding, timeout=PLENTY))
        assert await until(lambda: is_there(client, "q", "a"))
        await lasting_broker.end(signal.SIGKILL)
        await until(stream._call.done)
        with pytest.raises(Unavailable, match="RPC already finished") as caught:
            await stream.add(adding, timeout=PLENTY)
        assert is_retryable(caught.value)
        (error,) = await asyncio.gather(first, return_exceptions=True)
        assert is_retryable(error)
        await stream.close()


class Torn(ProduceStream):
    """The first write fails as it does, now and then, on a connection that has just gone."""

    opened = 0

    def _begin(self) -> Any:
        call = super()._begin()
        self.opened += 1
        if self.opened == 1:
            call.write = self._fail
        return call

    @staticmethod
    async def _fail(_: Any) -> None:
        nothing = grpc.aio.Metadata()
        raise grpc.aio.AioRpcError(grpc.StatusCode.INTERNAL, nothing, nothing, "Internal error from Core")


async def test_a_write_that_fails_is_worth_another_try(client: Client, queue: str) -> None:
    stream = Torn(client.connection)
    request = producer_pb2.AddJobRequest(queue=queue, job=job_pb2.JobSpec(id="a", name="a"))
    assert (await client.connection.call(stream.add, request)).created
    assert stream.opened == 2
    await stream.close()


async def test_a_broker_that_says_nothing_in_time_ends_the_stream(lasting_broker: Broker) -> None:
    async with Client(lasting_broker.address) as client, stream_of(client) as stream:
        await client.add("q")
        assert lasting_broker._process is not None
        lasting_broker._process.send_signal(signal.SIGSTOP)
        others = asyncio.ensure_future(stream.lease(asking("other", wait=15), PLENTY))
        with pytest.raises(Unavailable) as caught:
            await stream.settle(completing("garbage"), 0.3)
        assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
        with pytest.raises(Unavailable):
            await others
        lasting_broker._process.send_signal(signal.SIGCONT)
        assert len((await stream.lease(asking("q"), PLENTY)).leases) == 1


async def test_a_client_that_is_closed_ends_the_calls_of_its_stream(client: Client, queue: str) -> None:
    other = Client(client.connection.address)
    async with stream_of(other) as stream:
        waiting = asyncio.ensure_future(stream.lease(asking(queue, wait=15), PLENTY))
        await until(lambda: polls_of(client, queue))
        await other.close()
        with pytest.raises(Unavailable):
            await asyncio.wait_for(waiting, 5)


async def test_an_add_that_is_too_large_for_any_message_fails_alone(client: Client, queue: str) -> None:
    def adds() -> list[asyncio.Future[AddedJob]]:
        return [asyncio.ensure_future(client.add(queue, number)) for number in range(50)]

    before, huge, after = adds(), asyncio.ensure_future(client.add(f"{queue}-huge", b"x" * MAX_MESSAGE_BYTES)), adds()
    assert all(added.created for added in await asyncio.gather(*before, *after))
    with pytest.raises(PayloadTooLarge):
        await huge


async def test_adds_go_by_stream_unless_they_are_large(client: Client, queue: str) -> None:
    await client.add(queue)
    made = calls_of(client)
    await client.add(queue)
    await client.add_many(queue, [NewJob(), NewJob()])
    assert made == []
    await client.add_many(queue, [NewJob(b"x" * 900_000) for _ in range(3)])
    assert made == ["BatchAddJobs"]
    assert (await client.admin.stats(queue)).waiting == 7
