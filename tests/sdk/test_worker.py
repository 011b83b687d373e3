import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from leasemq import (
    BlockOn,
    Client,
    Dependency,
    Fatal,
    InvalidField,
    Job,
    JobState,
    LeaseMQError,
    NewJob,
    RateLimited,
    Release,
    Snooze,
    Worker,
    exponential,
)
from leasemq.lifeline import Lifeline
from leasemq.stream import WorkStream
from leasemq.v1 import worker_pb2

from tests.sdk.support import is_state, until, worker


async def test_an_async_handler_gets_the_job_and_its_return_value_is_the_result(client: Client, queue: str) -> None:
    async def handler(job: Job) -> Any:
        return {"got": job.payload, "attempt": job.attempt, "max": job.max_attempts, "name": job.name, "headers": job.headers}

    async with worker(client, queue, handler):
        added = await client.add(queue, [1, "å"], name="greet", attempts=2, headers={"a": "b"})
        job = await client.wait(queue, added.id, 30)
    assert job.state is JobState.COMPLETED
    assert job.result == {"got": [1, "å"], "attempt": 1, "max": 2, "name": "greet", "headers": {"a": "b"}}


async def test_a_plain_function_runs_in_a_thread_and_may_report_from_there(client: Client, queue: str) -> None:
    def handler(job: Job) -> bytes:
        job.progress_sync({"done": 1})
        job.log_sync("one", "two")
        return bytes(job.raw_payload) + b"!"

    async with worker(client, queue, handler):
        added = await client.add(queue, b"raw")
        job = await client.wait(queue, added.id, 30)
    assert (job.result, job.progress) == (b"raw!", {"done": 1})
    assert [line async for line in client.admin.logs(queue, added.id)] == ["one", "two"]


@pytest.mark.parametrize(
    ("report", "message"),
    [
        (lambda job: job.progress({1}), "progress must be a JSON value, not {1}"),
        (lambda job: job.log("one", 2), "lines must be a list of text, not ('one', 2)"),
    ],
)
async def test_a_report_that_can_not_be_sent_fails_its_job_and_is_named(
    client: Client, queue: str, report: Callable[[Job], Awaitable[None]], message: str
) -> None:
    async def handler(job: Job) -> None:
        await report(job)

    async with worker(client, queue, handler):
        job = await client.wait(queue, (await client.add(queue)).id, 30)
    assert (job.failures[0].type, job.failures[0].message) == ("TypeError", message)


async def test_nothing_returned_is_no_result(client: Client, queue: str) -> None:
    async def handler(job: Job) -> None:
        await job.progress(0.5)
        await job.log("line")

    async with worker(client, queue, handler):
        job = await client.wait(queue, (await client.add(queue)).id, 30)
    assert (job.result, job.raw_result, job.progress) == (None, b"", 0.5)


async def test_handlers_are_chosen_by_name_and_a_name_without_one_fails(client: Client, queue: str) -> None:
    async def one(_: Job) -> int:
        return 1

    def two(_: Job) -> int:
        return 2

    ids = [job.id for job in await client.add_many(queue, [NewJob(name=name) for name in ("one", "two", "three")])]
    async with worker(client, queue, {"one": one, "two": two}, on_failed=lambda *_: None):
        jobs = [await client.wait(queue, job_id, 30) for job_id in ids]
    assert [job.result for job in jobs] == [1, 2, None]
    assert (jobs[2].state, jobs[2].failures[0].type) == (JobState.FAILED, "NoHandler")


async def test_an_exception_fails_the_attempt_and_the_next_one_may_succeed(client: Client, queue: str) -> None:
    async def handler(job: Job) -> str:
        if job.attempt < 3:
            raise LookupError(f"not yet \ud800 {job.attempt}")
        return "at last"

    async with worker(client, queue, handler, on_failed=lambda *_: None):
        job = await client.wait(queue, (await client.add(queue, attempts=3, backoff=exponential(0.01))).id, 30)
    assert (job.state, job.result, job.attempt) == (JobState.COMPLETED, "at last", 3)
    assert [(failure.type, failure.message, failure.attempt) for failure in job.failures] == [
        ("LookupError", "not yet ? 1", 1),
        ("LookupError", "not yet ? 2", 2),
    ]
    assert "raise LookupError" in job.failures[0].stack_trace
    assert "executing.py" not in job.failures[0].stack_trace


@pytest.mark.parametrize("error", [SystemExit(3), StopIteration(), asyncio.CancelledError(), KeyError("x")])
@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_whatever_a_handler_raises_fails_the_job_and_not_the_worker(
    client: Client, queue: str, error: BaseException, kind: str
) -> None:
    async def handler(job: Job) -> None:
        if job.payload == "bad":
            raise error

    def plain_handler(job: Job) -> None:
        if job.payload == "bad":
            raise error

    async with worker(client, queue, handler if kind == "async" else plain_handler, on_failed=lambda *_: None):
        bad = await client.wait(queue, (await client.add(queue, "bad")).id, 30)
        good = await client.wait(queue, (await client.add(queue, "good")).id, 30)
    assert (bad.state, good.state) == (JobState.FAILED, JobState.COMPLETED)


async def test_fatal_means_no_further_attempt(client: Client, queue: str) -> None:
    async def handler(_: Job) -> None:
        raise Fatal("no use")

    async with worker(client, queue, handler, on_failed=lambda *_: None):
        job = await client.wait(queue, (await client.add(queue, attempts=10)).id, 30)
    assert (job.state, job.attempt, job.failures[0].message) == (JobState.FAILED, 1, "no use")


@pytest.mark.parametrize("verdict", [Snooze(0.05), Release()])
async def test_snooze_and_release_use_no_attempt(client: Client, queue: str, verdict: Exception) -> None:
    runs: list[int] = []

    async def handler(job: Job) -> None:
        runs.append(job.attempt)
        if len(runs) < 3:
            raise verdict

    async with worker(client, queue, handler):
        job = await client.wait(queue, (await client.add(queue)).id, 30)
    assert (job.state, runs, job.failure_count) == (JobState.COMPLETED, [1, 1, 1], 0)


async def test_a_result_that_is_no_json_fails_the_attempt(client: Client, queue: str) -> None:
    async def handler(_: Job) -> object:
        return object()

    async with worker(client, queue, handler, on_failed=lambda *_: None):
        job = await client.wait(queue, (await client.add(queue)).id, 30)
    assert (job.state, job.failures[0].type) == (JobState.FAILED, "TypeError")
    assert job.failures[0].message == "the handler's result: Object of type object is not JSON serializable"


async def test_a_result_that_is_too_large_fails_its_job_for_good_and_no_other(client: Client, queue: str) -> None:
    async def handler(job: Job) -> bytes:
        return bytes(2_000_000 if job.payload == 3 else 1)

    async with worker(client, queue, handler, on_failed=lambda *_: None):
        ids = [job.id for job in await client.add_many(queue, [NewJob(number, attempts=3) for number in range(8)])]
        jobs = [await client.wait(queue, job_id, 30) for job_id in ids]
    assert [job.state for job in jobs] == [JobState.FAILED if number == 3 else JobState.COMPLETED for number in range(8)]
    assert (jobs[3].failures[0].type, jobs[3].attempt) == ("PayloadTooLarge", 1)


async def test_no_more_jobs_run_at_a_time_than_concurrency_says(client: Client, queue: str) -> None:
    running = most = 0

    async def handler(_: Job) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1

    ids = [job.id for job in await client.add_many(queue, [NewJob() for _ in range(50)])]
    async with worker(client, queue, handler, concurrency=7):
        for job_id in ids:
            await client.wait(queue, job_id, 30)
    assert most == 7


async def test_queues_are_worked_in_the_order_of_preference(client: Client, queue: str) -> None:
    urgent, seen = f"{queue}-urgent", []

    async def handler(job: Job) -> None:
        seen.append(job.queue)

    await client.add_many(queue, [NewJob() for _ in range(3)])
    await client.add_many(urgent, [NewJob() for _ in range(3)])
    async with Worker(client, [urgent, queue], handler, concurrency=1):
        await until(lambda: len(seen) == 6)
    assert seen == [urgent] * 3 + [queue] * 3


async def test_hooks_hear_what_became_of_the_job_once_the_broker_has_it(client: Client, queue: str) -> None:
    heard: list[Any] = []

    async def completed(job: Job, result: Any) -> None:
        heard.append((job.payload, result, job.state, (await client.get(queue, job.id)).state))

    def failed(job: Job, error: BaseException) -> None:
        heard.append((job.payload, str(error), job.state, job.attempts_remaining, job.next_run_time is not None))

    async def handler(job: Job) -> str:
        if job.payload == "bad":
            raise ValueError("bad")
        return "fine"

    async with worker(client, queue, handler, on_completed=completed, on_failed=failed):
        await client.add(queue, "good")
        await until(lambda: len(heard) == 1)
        await client.add(queue, "bad", attempts=2, backoff=exponential(60))
        await until(lambda: len(heard) == 2)
    assert heard == [("good", "fine", JobState.COMPLETED, JobState.COMPLETED), ("bad", "bad", JobState.DELAYED, 1, True)]


async def test_what_a_hook_raises_goes_to_on_error_and_work_goes_on(client: Client, queue: str) -> None:
    errors: list[Exception] = []

    async def completed(_job: Job, _result: Any) -> None:
        raise RuntimeError("hook")

    async with worker(client, queue, lambda _: None, on_completed=completed, on_error=errors.append):
        for _ in range(2):
            await client.wait(queue, (await client.add(queue)).id, 30)
        await until(lambda: len(errors) == 2)
    assert [str(error) for error in errors] == ["hook", "hook"]


async def test_a_blocked_event_loop_keeps_its_leases(client: Client, queue: str) -> None:
    runs: list[int] = []

    async def handler(job: Job) -> str:
        runs.append(job.attempt)
        time.sleep(3)  # noqa: ASYNC251 - a careless handler, for twice the lease
        return "done"

    async with worker(client, queue, handler, lease=1):
        job = await client.wait(queue, (await client.add(queue)).id, 30)
    assert (job.state, job.lease_expirations, runs) == (JobState.COMPLETED, 0, [1])


async def test_a_worker_is_listed_with_what_it_is(client: Client, queue: str) -> None:
    async with worker(client, queue, lambda _: None, concurrency=3) as running:
        (status,) = await until(lambda: _workers(client, queue))
    assert (status.worker_id, status.language, status.queues, status.concurrency) == (running.worker_id, "python", [queue], 3)


async def _workers(client: Client, queue: str) -> list[Any]:
    return [each async for each in client.admin.workers(queue)]


async def test_worker_ids_are_unique(client: Client) -> None:
    assert Worker(client, "a", print).worker_id != Worker(client, "a", print).worker_id


async def test_a_worker_runs_once(client: Client, queue: str) -> None:
    running = worker(client, queue, lambda _: None)
    async with running:
        pass
    with pytest.raises(RuntimeError, match="runs once"):
        await running.start()


async def test_a_queue_that_the_broker_wont_have_ends_the_worker(client: Client) -> None:
    with pytest.raises(LeaseMQError, match="queue"):
        await asyncio.wait_for(worker(client, "no{good", lambda _: None).run(install_signal_handlers=False), 30)


@pytest.mark.parametrize(
    "options", [{"concurrency": 0}, {"lease": 0.5}, {"lease": 50_000}, {"drain_timeout": -1}, {"queues": []}, {"handler": {}}]
)
async def test_numbers_out_of_range_are_refused(client: Client, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"lease|concurrency|drain|queues|handler"):
        Worker(client, **{"queues": "a", "handler": print, **options})


async def test_settlements_and_adds_travel_in_batches(client: Client, queue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: Counter[str] = Counter()
    attempt, ask = client.connection.attempt, WorkStream._ask

    async def counted(method: Any, request: Any, seconds: float) -> Any:
        calls[type(request).__name__] += 1
        return await attempt(method, request, seconds)

    async def asked(self: WorkStream, kind: str, request: Any, seconds: float) -> Any:
        calls[type(request).__name__] += 1
        return await ask(self, kind, request, seconds)

    monkeypatch.setattr(client.connection, "attempt", counted)
    monkeypatch.setattr(WorkStream, "_ask", asked)
    done = 0

    async def handler(_: Job) -> None:
        nonlocal done
        done += 1

    await asyncio.gather(*(client.add(queue, number) for number in range(1_000)))
    async with worker(client, queue, handler, concurrency=100):
        await until(lambda: done == 1_000)
    assert (await client.admin.stats(queue)).completed == 1_000
    assert calls["BatchAddJobsRequest"] == 2
    assert 10 <= calls["SettleJobsRequest"] <= 20
    assert 10 <= calls["BatchLeaseJobsRequest"] <= 30


async def test_a_lost_poll_is_repeated_with_the_same_request_id(
    client: Client, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids: list[str] = []
    lease = WorkStream.lease

    async def losing(self: WorkStream, request: worker_pb2.BatchLeaseJobsRequest, seconds: float) -> Any:
        response = await lease(self, request, seconds)
        ids.append(request.request_id)
        if len(ids) == 1:
            raise LeaseMQError("the answer got lost")
        return response

    monkeypatch.setattr(WorkStream, "lease", losing)
    await client.add_many(queue, [NewJob() for _ in range(5)])
    async with worker(client, queue, lambda _: None, lease=30, on_error=lambda _: None):
        await until(lambda: _completed(client, queue, 5))
    assert ids[0] == ids[1]
    assert len(set(ids[1:])) == len(ids) - 1


async def _completed(client: Client, queue: str, count: int) -> bool:
    return (await client.admin.stats(queue)).completed == count


async def test_the_control_stream_is_open_before_the_first_poll(
    client: Client, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    opened, ask = Lifeline._opened_now, WorkStream._ask

    def noted(self: Lifeline) -> None:
        happened.append("opened")
        opened(self)

    async def asked(self: WorkStream, kind: str, request: Any, seconds: float) -> Any:
        happened.append(kind)
        return await ask(self, kind, request, seconds)

    monkeypatch.setattr(Lifeline, "_opened_now", noted)
    monkeypatch.setattr(WorkStream, "_ask", asked)
    async with worker(client, queue, lambda _: None):
        await until(lambda: len(happened) >= 2)
    assert happened[:2] == ["opened", "lease"]


async def test_a_running_job_is_active_until_it_is_done(client: Client, queue: str) -> None:
    gate = asyncio.Event()

    async def handler(_: Job) -> None:
        await gate.wait()

    async with worker(client, queue, handler) as running:
        added = await client.add(queue)
        job = await until(is_state(client, queue, added.id, JobState.ACTIVE))
        assert job.worker_id == running.worker_id
        await until(lambda: running.running == 1)  # the lease may still be on its way here
        gate.set()
        assert (await client.wait(queue, added.id, 30)).state is JobState.COMPLETED


async def test_what_the_broker_wont_have_is_raised_by_run_and_logged_where_nobody_would_hear_it(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InvalidField, match=r"queues\[0\]"):
        await worker(client, "a queue", lambda _: None).run(install_signal_handlers=False)
    assert not caplog.records
    with pytest.raises(InvalidField, match=r"queues\[0\]"):
        async with worker(client, "a queue", lambda _: None):
            await until(lambda: "ends: queues[0]" in caplog.text)
    with pytest.raises(TimeoutError):  # what went wrong in the block is told first
        async with worker(client, "a queue", lambda _: None), asyncio.timeout(0.5):
            await asyncio.Event().wait()
    assert caplog.text.count("ends: queues[0]") == 2


class Restless(Snooze):
    def __init__(self) -> None:
        pass  # and so has no delay


@pytest.mark.parametrize(
    ("say", "failure"),
    [
        (lambda: BlockOn(["an id"]), "TypeError"),
        (lambda: BlockOn([Dependency("q", 5)]), "TypeError"),
        (lambda: BlockOn([Dependency("q", "1", "fail")]), "TypeError"),
        (Restless, "AttributeError"),
        (lambda: Snooze(-1), "InvalidField"),
        (lambda: Snooze("5s"), "TypeError"),
        (lambda: RateLimited(1e9), "InvalidField"),
    ],
)
@pytest.mark.parametrize("batch", [None, 1])
async def test_a_handler_that_asks_for_what_there_is_not_fails_its_job_and_frees_its_slot(
    client: Client, queue: str, say: Callable[[], Exception], failure: str, batch: int | None
) -> None:
    async def handler(job: Job | list[Job]) -> None:
        (payload,) = [it.payload for it in (job if isinstance(job, list) else [job])]
        if payload == "wrong":
            raise say()

    wrong, right = await client.add(queue, "wrong"), await client.add(queue, "right")
    async with worker(client, queue, handler, concurrency=1, batch=batch):
        assert (await client.wait(queue, right.id, 10)).state is JobState.COMPLETED
        job = await client.wait(queue, wrong.id, 10)
    assert (job.state, job.failures[-1].type) == (JobState.FAILED, failure)
