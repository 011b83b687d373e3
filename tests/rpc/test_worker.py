"""WorkerService: each RPC's promise but the waiting ones (test_polls, test_control), over a real channel."""

from collections.abc import Callable

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct, Value
from leasemq.v1 import admin_pb2, job_pb2, producer_pb2, worker_pb2

from tests.support import Stubs, read_status, refusal, seconds

WAITING, DELAYED, ACTIVE = job_pb2.JOB_STATE_WAITING, job_pb2.JOB_STATE_DELAYED, job_pb2.JOB_STATE_ACTIVE
COMPLETED, FAILED = job_pb2.JOB_STATE_COMPLETED, job_pb2.JOB_STATE_FAILED


async def add_many(stubs: Stubs, queue: str, count: int) -> None:
    jobs = [job_pb2.JobSpec(name="work", id=f"job-{number}") for number in range(count)]
    await stubs.producer.BatchAddJobs(producer_pb2.BatchAddJobsRequest(queue=queue, jobs=jobs))


async def test_a_lease_carries_the_job_its_attempt_and_its_end(stubs: Stubs, queue: str):
    added = await stubs.add(queue, payload=b"{}", headers={"a": "b"})
    lease = await stubs.must_lease(queue, worker="w-1", lease_duration=seconds(12))
    assert (lease.attempt, lease.job.id, lease.job.queue) == (1, added.job_id, queue)
    assert (lease.job.spec.payload, dict(lease.job.spec.headers), lease.job.spec.id) == (b"{}", {"a": "b"}, added.job_id)
    assert (lease.job.state, lease.job.worker_id, lease.lease_duration) == (ACTIVE, "w-1", seconds(12))
    job = await stubs.job(queue, added.job_id)
    assert (job.state, job.worker_id, job.attempt) == (ACTIVE, "w-1", 1)
    assert job.lease_expire_time == lease.lease_expire_time
    assert job.lease_expire_time.ToMilliseconds() == job.start_time.ToMilliseconds() + 12_000


async def test_a_lease_call_without_a_job_is_an_empty_ok(stubs: Stubs, queue: str):
    assert await stubs.lease(queue) is None


async def test_a_batch_leases_up_to_max_jobs_in_order(stubs: Stubs, queue: str):
    await add_many(stubs, queue, 12)
    request = worker_pb2.BatchLeaseJobsRequest(queues=[queue], worker_id="w", max_jobs=10)
    first = await stubs.worker.BatchLeaseJobs(request)
    assert [lease.job.id for lease in first.leases] == [f"job-{number}" for number in range(10)]
    assert len({lease.lease_token for lease in first.leases}) == 10
    assert len((await stubs.worker.BatchLeaseJobs(request)).leases) == 2
    assert not (await stubs.worker.BatchLeaseJobs(request)).leases


async def test_max_jobs_is_one_unless_said(stubs: Stubs, queue: str):
    await add_many(stubs, queue, 3)
    assert len((await stubs.worker.BatchLeaseJobs(worker_pb2.BatchLeaseJobsRequest(queues=[queue], worker_id="w"))).leases) == 1


async def test_queues_are_served_in_the_order_of_preference(stubs: Stubs, new_queue: Callable[[], str]):
    low, high = new_queue(), new_queue()
    await add_many(stubs, low, 2)
    await add_many(stubs, high, 2)
    request = worker_pb2.BatchLeaseJobsRequest(queues=[high, low], worker_id="w", max_jobs=3)
    leases = (await stubs.worker.BatchLeaseJobs(request)).leases
    assert [lease.job.queue for lease in leases] == [high, high, low]


async def test_the_same_request_id_gets_the_same_leases_again(stubs: Stubs, new_queue: Callable[[], str]):
    preferred, other = new_queue(), new_queue()
    await add_many(stubs, other, 5)
    request = worker_pb2.BatchLeaseJobsRequest(queues=[preferred, other], worker_id="w", max_jobs=2, request_id="r-1")
    first = await stubs.worker.BatchLeaseJobs(request)
    await add_many(stubs, preferred, 5)  # a retry must not get others instead
    again = await stubs.worker.BatchLeaseJobs(request)
    assert [lease.lease_token for lease in again.leases] == [lease.lease_token for lease in first.leases]
    assert len(first.leases) == 2
    other_worker = worker_pb2.BatchLeaseJobsRequest(queues=[other], worker_id="w-2", max_jobs=2, request_id="r-1")
    theirs = await stubs.worker.BatchLeaseJobs(other_worker)
    assert {lease.lease_token for lease in theirs.leases}.isdisjoint(lease.lease_token for lease in first.leases)


async def test_a_retried_lease_call_does_not_get_back_what_it_settled(stubs: Stubs, queue: str):
    await add_many(stubs, queue, 2)
    request = worker_pb2.BatchLeaseJobsRequest(queues=[queue], worker_id="w", max_jobs=2, request_id="r-1")
    one, two = (await stubs.worker.BatchLeaseJobs(request)).leases
    await stubs.complete(one)
    assert [lease.lease_token for lease in (await stubs.worker.BatchLeaseJobs(request)).leases] == [two.lease_token]


async def test_completing_stores_the_result_and_the_same_token_gets_the_same_answer(stubs: Stubs, queue: str):
    added = await stubs.add(queue)
    lease = await stubs.must_lease(queue)
    request = worker_pb2.CompleteJobRequest(lease_token=lease.lease_token, result=b"\x00\xff", result_content_type="image/png")
    for _ in range(2):
        assert (await stubs.worker.CompleteJob(request)).state == COMPLETED
    job = await stubs.job(queue, added.job_id)
    assert (job.state, job.result, job.result_content_type, job.attempt) == (COMPLETED, b"\x00\xff", "image/png", 1)
    assert job.HasField("finish_time")
    assert (await stubs.stats(queue)).completed_total == 1


async def test_failing_follows_the_retry_policy_until_the_attempts_are_used_up(stubs: Stubs, queue: str):
    backoff = job_pb2.Backoff(fixed=job_pb2.FixedBackoff(delay=seconds(3600)))
    added = await stubs.add(queue, retry=job_pb2.RetryPolicy(max_attempts=2, backoff=backoff))
    lease = await stubs.must_lease(queue)
    failed = await stubs.fail(lease, "first")
    assert (failed.next_state, failed.attempts_remaining) == (DELAYED, 1)
    assert await stubs.fail(lease, "first") == failed
    job = await stubs.job(queue, added.job_id)
    assert job.run_time == failed.next_run_time
    assert (job.state, job.failure_count) == (DELAYED, 1)
    promote = admin_pb2.PromoteJobsRequest(queue=queue, job_ids=admin_pb2.JobIds(ids=[added.job_id]))
    await stubs.admin.PromoteJobs(promote)
    last = await stubs.fail(await stubs.must_lease(queue), "second")
    assert (last.next_state, last.attempts_remaining) == (FAILED, 0)
    failures = (await stubs.job(queue, added.job_id)).failures
    assert [(failure.kind, failure.type, failure.message, failure.attempt) for failure in failures] == [
        (job_pb2.FAILURE_KIND_ERROR, "Error", "first", 1),
        (job_pb2.FAILURE_KIND_ERROR, "Error", "second", 2),
    ]


async def test_a_failure_may_say_no_more_attempts_or_when_the_next_one_is(stubs: Stubs, queue: str):
    policy = job_pb2.RetryPolicy(max_attempts=10)
    await stubs.add(queue, retry=policy)
    await stubs.add(queue, retry=policy)
    assert (await stubs.fail(await stubs.must_lease(queue), non_retryable=True)).next_state == FAILED
    again = await stubs.fail(await stubs.must_lease(queue), retry_delay=seconds(1000))
    assert (again.next_state, again.attempts_remaining) == (DELAYED, 9)


async def test_releasing_uses_no_attempt_and_puts_the_job_at_the_head(stubs: Stubs, queue: str):
    await add_many(stubs, queue, 2)
    lease = await stubs.must_lease(queue)
    released = await stubs.worker.ReleaseJob(worker_pb2.ReleaseJobRequest(lease_token=lease.lease_token))
    assert released.next_state == WAITING
    again = await stubs.must_lease(queue)
    assert (again.job.id, again.attempt) == ("job-0", 1)
    later = worker_pb2.ReleaseJobRequest(lease_token=again.lease_token, delay=seconds(3600))
    assert (await stubs.worker.ReleaseJob(later)).next_state == DELAYED
    assert (await stubs.job(queue, "job-0")).attempt == 0


async def test_settling_many_mixes_outcomes_and_queues_and_each_stands_for_itself(stubs: Stubs, new_queue: Callable[[], str]):
    queues = [new_queue(), new_queue()]
    leases = []
    for queue in queues:
        await add_many(stubs, queue, 4)
        leases += (
            await stubs.worker.BatchLeaseJobs(worker_pb2.BatchLeaseJobsRequest(queues=[queue], worker_id="w", max_jobs=4))
        ).leases
    superseded = leases[3].lease_token
    await stubs.worker.ReleaseJob(worker_pb2.ReleaseJobRequest(lease_token=superseded))
    await stubs.must_lease(queues[0])
    outcomes = [
        {"complete": worker_pb2.CompleteOutcome(result=b"1")},
        {"fail": worker_pb2.FailOutcome(failure=job_pb2.Failure(message="m"))},
        {"release": worker_pb2.ReleaseOutcome(delay=seconds(100))},
        {"complete": worker_pb2.CompleteOutcome()},
    ] * 2
    request = worker_pb2.SettleJobsRequest(
        settlements=[
            worker_pb2.Settlement(lease_token=lease.lease_token, **outcome)
            for lease, outcome in zip(leases, outcomes, strict=True)
        ]
    )
    results = (await stubs.worker.SettleJobs(request)).results
    states = [result.settled.state if result.HasField("settled") else None for result in results]
    assert states == [COMPLETED, FAILED, DELAYED, None, COMPLETED, FAILED, DELAYED, COMPLETED]
    assert results[2].settled.HasField("next_run_time")
    lost = read_status(results[3].error)
    assert (lost.code, lost.reason, lost.domain) == (grpc.StatusCode.FAILED_PRECONDITION, "LEASE_LOST", "leasemq")
    stats = [await stubs.stats(queue) for queue in queues]
    assert [(it.completed, it.failed, it.delayed, it.active) for it in stats] == [(1, 1, 1, 1), (2, 1, 1, 0)]


async def test_completions_of_several_queues_in_one_call_stand_for_themselves(stubs: Stubs, new_queue: Callable[[], str]):
    queues = [new_queue(), new_queue()]
    leases = []
    for queue, jobs in zip(queues, (2, 1), strict=True):
        await add_many(stubs, queue, jobs)
        leases += [await stubs.must_lease(queue) for _ in range(jobs)]
    settlements = [
        worker_pb2.Settlement(lease_token=lease.lease_token, complete=worker_pb2.CompleteOutcome(result=str(n).encode()))
        for n, lease in enumerate(leases)
    ]
    for settled in (settlements[:2], settlements):
        results = (await stubs.worker.SettleJobs(worker_pb2.SettleJobsRequest(settlements=settled))).results
        assert [result.settled.state for result in results] == [COMPLETED] * len(settled)
    assert [(await stubs.job(lease.job.queue, lease.job.id)).result for lease in leases] == [b"0", b"1", b"2"]


async def test_an_id_that_looks_like_a_lease_of_the_first_queue_is_of_its_own(stubs: Stubs, new_queue: Callable[[], str]):
    first, second = new_queue(), new_queue()
    await stubs.add(first, id="1")
    await stubs.add(second, id=f"{first}/8")
    leases = [await stubs.must_lease(queue) for queue in (first, second)]
    settlements = [worker_pb2.Settlement(lease_token=it.lease_token, complete=worker_pb2.CompleteOutcome()) for it in leases]
    results = (await stubs.worker.SettleJobs(worker_pb2.SettleJobsRequest(settlements=settlements))).results
    assert [result.settled.state for result in results] == [COMPLETED, COMPLETED]
    assert (await stubs.job(second, f"{first}/8")).state == COMPLETED


async def test_a_request_id_is_of_its_worker_whatever_both_look_like(stubs: Stubs, queue: str):
    await stubs.add(queue)
    assert await stubs.lease(queue, worker="host", request_id="7:1") is not None
    assert await stubs.lease(queue, worker="host:7", request_id="1") is None
    assert await stubs.lease(queue, worker="host", request_id="7:1") is not None


@pytest.mark.parametrize("lost", [{0}, {1}, {2}, {0, 1, 2}])
async def test_a_completion_that_comes_too_late_is_told_apart_from_those_of_its_call(stubs: Stubs, queue: str, lost: set[int]):
    await add_many(stubs, queue, 3)
    leases = [await stubs.must_lease(queue) for _ in range(3)]
    for index in lost:
        await stubs.worker.ReleaseJob(worker_pb2.ReleaseJobRequest(lease_token=leases[index].lease_token))
        await stubs.must_lease(queue)
    settlements = [
        worker_pb2.Settlement(lease_token=lease.lease_token, complete=worker_pb2.CompleteOutcome()) for lease in leases
    ]
    results = (await stubs.worker.SettleJobs(worker_pb2.SettleJobsRequest(settlements=settlements))).results
    assert {index for index, result in enumerate(results) if result.HasField("error")} == lost
    assert [result.settled.state for index, result in enumerate(results) if index not in lost] == [COMPLETED] * (3 - len(lost))


async def test_a_heartbeat_extends_the_leases_and_makes_the_worker_known(stubs: Stubs, queue: str):
    await add_many(stubs, queue, 2)
    kept = await stubs.must_lease(queue, lease_duration=seconds(5))
    lost = await stubs.must_lease(queue, lease_duration=seconds(5))
    await stubs.complete(lost)
    info = worker_pb2.WorkerInfo(worker_id=f"w-{queue}", hostname="host", pid=7, queues=[queue], concurrency=2, running=1)
    tokens = [kept.lease_token, lost.lease_token, f"nonsense/{queue}/job-0"]
    request = worker_pb2.HeartbeatRequest(worker=info, lease_tokens=tokens, lease_duration=seconds(600))
    answer = await stubs.worker.Heartbeat(request)
    assert [lease.lease_token for lease in answer.leases] == tokens
    assert [worker_pb2.LeaseStatus.Name(lease.status) for lease in answer.leases] == [
        "LEASE_STATUS_EXTENDED",
        "LEASE_STATUS_LOST",
        "LEASE_STATUS_LOST",
    ]
    assert answer.directive == worker_pb2.WORKER_DIRECTIVE_RUN
    job = await stubs.job(queue, kept.job.id)
    assert job.lease_expire_time == answer.leases[0].lease_expire_time
    assert job.lease_expire_time.seconds > kept.lease_expire_time.seconds + 590
    (worker,) = (await stubs.admin.ListWorkers(admin_pb2.ListWorkersRequest(queue=queue))).workers
    assert worker.info == info
    assert worker.HasField("heartbeat_time")
    assert (await stubs.stats(queue)).workers == 1


async def test_a_heartbeat_does_not_extend_beyond_the_attempts_timeout(stubs: Stubs, queue: str):
    await stubs.add(queue, timeout=seconds(20))
    lease = await stubs.must_lease(queue, lease_duration=seconds(5))
    info = worker_pb2.WorkerInfo(worker_id="w")
    request = worker_pb2.HeartbeatRequest(worker=info, lease_tokens=[lease.lease_token], lease_duration=seconds(600))
    (extended,) = (await stubs.worker.Heartbeat(request)).leases
    assert extended.lease_expire_time.ToMilliseconds() == lease.job.start_time.ToMilliseconds() + 20_000


async def test_progress_of_any_json_kind_is_kept(stubs: Stubs, queue: str):
    added = await stubs.add(queue)
    lease = await stubs.must_lease(queue)
    details = Struct()
    details.update({"done": 3, "of": [1, None, True, "zwölf"]})
    for value in (Value(number_value=0.5), Value(null_value=0), Value(struct_value=details)):
        await stubs.worker.ReportProgress(worker_pb2.ReportProgressRequest(lease_token=lease.lease_token, progress=value))
        assert (await stubs.job(queue, added.job_id)).progress == value
    assert MessageToDict(details)["of"][3] == "zwölf"


async def test_log_lines_are_counted_and_the_newest_thousand_are_kept(stubs: Stubs, queue: str):
    added = await stubs.add(queue)
    token = (await stubs.must_lease(queue)).lease_token
    count = 0
    for part in range(3):
        lines = [f"line {part * 500 + number}" for number in range(500)]
        count = (await stubs.worker.AppendLogs(worker_pb2.AppendLogsRequest(lease_token=token, lines=lines))).line_count
    assert count == 1500
    request = admin_pb2.ListJobLogsRequest(queue=queue, job_id=added.job_id, page_size=600)
    first = await stubs.admin.ListJobLogs(request)
    assert (first.lines[0], len(first.lines), first.line_count) == ("line 500", 600, 1500)
    request.page_token = first.next_page_token
    second = await stubs.admin.ListJobLogs(request)
    assert (second.lines[0], second.lines[-1], second.next_page_token) == ("line 1100", "line 1499", "")


async def test_a_superseded_token_changes_nothing_whatever_is_done_with_it(stubs: Stubs, queue: str):
    added = await stubs.add(queue)
    old = (await stubs.must_lease(queue)).lease_token
    await stubs.worker.ReleaseJob(worker_pb2.ReleaseJobRequest(lease_token=old))
    current = await stubs.must_lease(queue)
    before = await stubs.job(queue, added.job_id)
    calls = [
        stubs.worker.CompleteJob(worker_pb2.CompleteJobRequest(lease_token=old)),
        stubs.worker.FailJob(worker_pb2.FailJobRequest(lease_token=old)),
        stubs.worker.ReleaseJob(worker_pb2.ReleaseJobRequest(lease_token=old)),
        stubs.worker.ReportProgress(worker_pb2.ReportProgressRequest(lease_token=old, progress=Value(number_value=1))),
        stubs.worker.AppendLogs(worker_pb2.AppendLogsRequest(lease_token=old, lines=["x"])),
    ]
    for call in calls:
        refused = await refusal(call)
        assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "LEASE_LOST")
    assert await stubs.job(queue, added.job_id) == before
    assert await stubs.complete(current) == COMPLETED


async def test_the_newest_job_of_a_lifo_queue_and_the_most_urgent_one_come_first(stubs: Stubs, queue: str):
    for job_id, more in (("late", {"priority": 9}), ("early", {"priority": 1}), ("default", {}), ("head", {"lifo": True})):
        await stubs.add(queue, id=job_id, **more)
    order = [(await stubs.must_lease(queue)).job.id for _ in range(4)]
    assert order == ["head", "default", "early", "late"]
