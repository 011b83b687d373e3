"""Jobs cross languages: the example programs of examples/polyglot against a real broker, and plain Python on the other side."""

import json
from contextlib import ExitStack
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from leasemq.v1 import job_pb2, producer_pb2
from leasemq.v1.admin_pb2 import GetStatsRequest, ListWorkersRequest

from tests.polyglot.conftest import StartWorker
from tests.polyglot.support import Broker, Programs, PythonWorker, process, run, serve, terminate, wait_until

COMPLETED, FAILED, CANCELLED = job_pb2.JOB_STATE_COMPLETED, job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED


def stats(broker: Broker, queue: str) -> job_pb2.QueueStats:
    return broker.admin.GetStats(GetStatsRequest(queue=queue)).stats


def produce(programs: Programs, broker: Broker, queue: str, count: int) -> list[dict[str, object]]:
    command = [*programs.producer, "--queue", queue, "--jobs", str(count)]
    printed = run(*command, env={"LEASEMQ_ADDRESS": broker.address})
    return [json.loads(line.split(" ", 1)[1]) for line in printed.splitlines()]


def test_jobs_added_in_python_are_worked_in_go_and_typescript(
    broker: Broker, queue: str, programs: Programs, start_worker: StartWorker
) -> None:
    start_worker(programs)
    ids = broker.add(queue, {"numbers": [1, 2, 3.5]}, count=50)
    for job_id in ids:
        job = broker.finished(queue, job_id)
        assert job.state == COMPLETED
        assert json.loads(job.result) == {"sum": 6.5, "language": programs.language}
    assert stats(broker, queue).completed_total == len(ids)


def test_jobs_added_in_go_and_typescript_are_worked_in_python(broker: Broker, queue: str, programs: Programs) -> None:
    with PythonWorker(broker, queue):
        results = produce(programs, broker, queue, count=20)
    assert results == [{"sum": 2 * i + 1, "language": "python"} for i in range(20)]


@pytest.mark.parametrize(("adds", "works"), [("go", "typescript"), ("typescript", "go")])
def test_one_language_adds_and_the_other_works(
    broker: Broker, queue: str, adds: str, works: str, start_worker: StartWorker, request: pytest.FixtureRequest
) -> None:
    start_worker(request.getfixturevalue(f"{works}_programs"))
    results = produce(request.getfixturevalue(f"{adds}_programs"), broker, queue, count=20)
    assert results == [{"sum": 2 * i + 1, "language": works} for i in range(20)]


def test_a_producer_adds_more_jobs_than_a_batch_takes(broker: Broker, queue: str, programs: Programs, tmp_path: Path) -> None:
    command = [*programs.producer, "--queue", queue, "--jobs", "1001"]
    with process(command, tmp_path / "log", {"LEASEMQ_ADDRESS": broker.address}):
        wait_until(lambda: stats(broker, queue).waiting == 1_001, "all jobs are added")


def test_a_job_that_fails_is_tried_again_and_reported_by_the_producer(
    broker: Broker, queue: str, programs: Programs, start_worker: StartWorker
) -> None:
    start_worker(programs)
    command = [*programs.producer, "--queue", queue, "--jobs", "1", "--name", "fail"]
    printed = run(*command, env={"LEASEMQ_ADDRESS": broker.address}, status=1)
    job_id, said = printed.strip().split(" ", 1)
    assert said == "FAILED after 2 attempts: asked to fail"
    job = broker.finished(queue, job_id)
    assert [failure.attempt for failure in job.failures] == [1, 2]


def test_a_payload_that_can_never_be_read_fails_without_another_attempt(
    broker: Broker, queue: str, programs: Programs, start_worker: StartWorker
) -> None:
    start_worker(programs)
    [job_id] = broker.add(queue, b"{not JSON", retry=job_pb2.RetryPolicy(max_attempts=5))
    job = broker.finished(queue, job_id)
    assert (job.state, job.attempt) == (FAILED, 1)


def test_heartbeats_keep_a_job_that_takes_longer_than_its_lease(
    broker: Broker, queue: str, programs: Programs, start_worker: StartWorker
) -> None:
    start_worker(programs, "--lease-seconds", "1")
    [job_id] = broker.add(queue, {"numbers": [4], "seconds": 3})
    job = broker.finished(queue, job_id)
    assert (job.state, job.attempt, job.lease_expirations) == (COMPLETED, 1, 0)


def test_a_worker_without_a_job_is_listed(broker: Broker, queue: str, programs: Programs, start_worker: StartWorker) -> None:
    worker = start_worker(programs, "--concurrency", "3")

    def listed() -> bool:
        workers = broker.admin.ListWorkers(ListWorkersRequest(queue=queue)).workers
        return [(w.info.language, w.info.pid, w.info.concurrency) for w in workers] == [(programs.language, worker.pid, 3)]

    wait_until(listed, "the worker is listed")


def test_a_running_job_hears_at_once_that_it_is_cancelled(
    broker: Broker, queue: str, programs: Programs, start_worker: StartWorker
) -> None:
    start_worker(programs)
    [job_id] = broker.add(queue, {"seconds": 600})
    wait_until(lambda: stats(broker, queue).active == 1, "the job runs")
    broker.producer.CancelJob(producer_pb2.CancelJobRequest(queue=queue, job_id=job_id, reason="not needed"))
    before_the_next_heartbeat = Duration(seconds=5)
    request = producer_pb2.AwaitJobRequest(queue=queue, job_id=job_id, wait_duration=before_the_next_heartbeat)
    assert broker.producer.AwaitJob(request).job.state == CANCELLED


def test_sigterm_lets_running_jobs_finish_and_loses_none(
    broker: Broker, queue: str, programs: Programs, start_worker: StartWorker
) -> None:
    ids = broker.add(queue, {"numbers": [1], "seconds": 0.7}, count=12)
    worker = start_worker(programs, "--concurrency", "2")
    wait_until(lambda: stats(broker, queue).active == 2, "two jobs run")
    assert terminate(worker) == 0

    left = stats(broker, queue)
    assert left.active == 0
    assert left.completed >= 2
    assert left.waiting == len(ids) - left.completed > 0
    start_worker(programs, "--concurrency", "12")
    for job_id in ids:
        job = broker.finished(queue, job_id)
        assert (job.state, job.attempt, job.lease_expirations) == (COMPLETED, 1, 0)


def test_sigterm_ends_an_idle_worker_long_before_its_poll_would(
    broker: Broker, queue: str, programs: Programs, start_worker: StartWorker
) -> None:
    worker = start_worker(programs)
    [job_id] = broker.add(queue, {"numbers": [1]})
    broker.finished(queue, job_id)
    worker.terminate()
    assert worker.wait(timeout=5) == 0
    assert stats(broker, queue).active == 0


def test_a_worker_outlives_a_restart_of_the_broker(programs: Programs, queue: str, tmp_path: Path) -> None:
    with ExitStack() as outliving:
        with serve(tmp_path) as broker:
            outliving.enter_context(programs.work(broker, queue, tmp_path))
            [running] = broker.add(queue, {"numbers": [1], "seconds": 1})  # it ends while the broker is away
            wait_until(lambda: stats(broker, queue).active == 1, "the job runs")
        with serve(tmp_path, listen=broker.address) as again:
            [added] = again.add(queue, {"numbers": [2]})
            for job_id in (running, added):
                job = again.finished(queue, job_id)
                assert (job.state, job.attempt, job.lease_expirations) == (COMPLETED, 1, 0)
