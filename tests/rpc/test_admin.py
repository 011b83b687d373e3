"""AdminService: queues, configuration, workers; over a real channel."""

from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
from leasemq.v1 import admin_pb2, job_pb2, worker_pb2

from tests.support import Stubs, eventually, refusal, seconds

CANCELLED, COMPLETED = job_pb2.JOB_STATE_CANCELLED, job_pb2.JOB_STATE_COMPLETED


async def update(stubs: Stubs, queue: str, *mask: str, **config: Any) -> admin_pb2.QueueConfig:
    request = admin_pb2.UpdateQueueRequest(
        queue=queue, config=admin_pb2.QueueConfig(**config), update_mask=FieldMask(paths=mask) if mask else None
    )
    return (await stubs.admin.UpdateQueue(request)).queue.config


async def test_stats_of_a_queue_that_nobody_used_are_all_zero(stubs: Stubs, queue: str):
    assert await stubs.stats(queue) == job_pb2.QueueStats()


async def test_stats_count_the_jobs_of_each_state_and_the_totals(stubs: Stubs, queue: str):
    for _ in range(3):
        await stubs.add(queue)
    await stubs.add(queue, delay=seconds(100))
    await stubs.complete(await stubs.must_lease(queue))
    await stubs.fail(await stubs.must_lease(queue))
    stats = await stubs.stats(queue)
    assert (stats.waiting, stats.delayed, stats.active, stats.completed, stats.failed) == (1, 1, 0, 1, 1)
    assert (stats.added_total, stats.completed_total, stats.failed_total) == (4, 1, 1)
    assert stats.oldest_waiting_age.ToMilliseconds() < 10_000


async def test_a_queue_is_known_from_its_first_job_on(stubs: Stubs, queue: str):
    refused = await refusal(stubs.admin.GetQueue(admin_pb2.GetQueueRequest(queue=queue)))
    assert (refused.code, refused.reason, refused.metadata) == (grpc.StatusCode.NOT_FOUND, "QUEUE_NOT_FOUND", {"queue": queue})
    await stubs.add(queue)
    found = (await stubs.admin.GetQueue(admin_pb2.GetQueueRequest(queue=queue))).queue
    assert (found.name, found.stats.waiting, found.config) == (queue, 1, admin_pb2.QueueConfig())


async def test_an_update_changes_the_fields_that_are_set_and_leaves_the_others(stubs: Stubs, queue: str):
    retry = job_pb2.RetryPolicy(max_attempts=3)
    assert await update(stubs, queue, default_retry=retry) == admin_pb2.QueueConfig(default_retry=retry)
    both = admin_pb2.QueueConfig(default_retry=retry, max_lease_expirations=0)
    assert await update(stubs, queue, max_lease_expirations=0) == both
    assert (await stubs.admin.GetQueue(admin_pb2.GetQueueRequest(queue=queue))).queue.config == both


async def test_an_update_mask_names_what_changes_and_an_unset_field_goes_back_to_its_default(stubs: Stubs, queue: str):
    retry = job_pb2.RetryPolicy(max_attempts=3)
    await update(stubs, queue, default_retry=retry, dead_letter_queue="dead")
    left = await update(stubs, queue, "dead_letter_queue", default_retry=job_pb2.RetryPolicy(max_attempts=9))
    assert left == admin_pb2.QueueConfig(default_retry=retry)


async def test_a_mask_of_a_part_changes_that_part_alone(stubs: Stubs, queue: str):
    backoff = job_pb2.Backoff(fixed=job_pb2.FixedBackoff(delay=seconds(5)))
    await update(stubs, queue, default_retry=job_pb2.RetryPolicy(max_attempts=3, backoff=backoff))
    changed = await update(stubs, queue, "default_retry.max_attempts", default_retry=job_pb2.RetryPolicy(max_attempts=7))
    assert changed.default_retry == job_pb2.RetryPolicy(max_attempts=7, backoff=backoff)


async def test_a_part_that_does_not_go_with_what_is_there_is_refused(stubs: Stubs, queue: str):
    request = admin_pb2.UpdateQueueRequest(queue=queue, config=admin_pb2.QueueConfig())
    request.update_mask.paths.append("default_retry.backoff.jitter")
    request.config.default_retry.backoff.fixed.delay.CopyFrom(seconds(1))
    request.config.default_retry.backoff.jitter = 0.5
    refused = await refusal(stubs.admin.UpdateQueue(request))
    assert (refused.reason, refused.fields) == ("INVALID_FIELD", ["config.default_retry.backoff"])


async def test_what_a_queue_is_told_holds_for_the_jobs_that_are_in_it(stubs: Stubs, queue: str):
    await stubs.add(queue)
    await update(stubs, queue, default_retry=job_pb2.RetryPolicy(max_attempts=3))
    assert (await stubs.fail(await stubs.must_lease(queue))).attempts_remaining == 2


async def test_a_retention_of_none_removes_a_completed_job_at_once(stubs: Stubs, queue: str):
    await update(stubs, queue, completed_retention=job_pb2.Retention(max_count=0))
    added = await stubs.add(queue)
    await stubs.complete(await stubs.must_lease(queue))
    refused = await refusal(stubs.job(queue, added.job_id))
    assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND")
    assert (await stubs.stats(queue)).completed_total == 1


async def test_a_job_is_swept_when_its_retention_is_over(stubs: Stubs, queue: str):
    added = await stubs.add(queue, completed_retention=job_pb2.Retention(max_age=seconds(0.5)))
    await stubs.complete(await stubs.must_lease(queue))
    assert (await stubs.job(queue, added.job_id)).state == COMPLETED

    async def gone() -> bool:
        return (await stubs.stats(queue)).completed == 0

    await eventually(gone, patience=8)


async def test_a_paused_queue_gives_out_nothing_and_running_jobs_finish(stubs: Stubs, queue: str):
    for _ in range(2):
        await stubs.add(queue)
    lease = await stubs.must_lease(queue)
    for _ in range(2):
        await stubs.admin.PauseQueue(admin_pb2.PauseQueueRequest(queue=queue))
    assert (await stubs.stats(queue)).paused
    assert await stubs.lease(queue) is None
    assert await stubs.complete(lease) == COMPLETED
    await stubs.admin.ResumeQueue(admin_pb2.ResumeQueueRequest(queue=queue))
    assert await stubs.lease(queue) is not None


async def test_draining_removes_what_waits_and_the_delayed_jobs_only_if_asked(stubs: Stubs, queue: str):
    for _ in range(3):
        await stubs.add(queue)
    await stubs.add(queue, delay=seconds(100))
    lease = await stubs.must_lease(queue)
    drained = await stubs.admin.DrainQueue(admin_pb2.DrainQueueRequest(queue=queue))
    assert (drained.removed_count, drained.more) == (2, False)
    stats = await stubs.stats(queue)
    assert (stats.waiting, stats.delayed, stats.active) == (0, 1, 1)
    again = await stubs.admin.DrainQueue(admin_pb2.DrainQueueRequest(queue=queue, include_delayed=True))
    assert (again.removed_count, (await stubs.stats(queue)).delayed) == (1, 0)
    await stubs.complete(lease)


async def test_a_queue_with_unfinished_jobs_is_deleted_by_force_only(stubs: Stubs, queue: str):
    await stubs.add(queue)
    lease = await stubs.must_lease(queue)
    refused = await refusal(stubs.admin.DeleteQueue(admin_pb2.DeleteQueueRequest(queue=queue)))
    assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "QUEUE_NOT_EMPTY")
    deleted = await stubs.admin.DeleteQueue(admin_pb2.DeleteQueueRequest(queue=queue, force=True))
    assert (deleted.removed_count, deleted.more) == (1, False)
    assert (await refusal(stubs.admin.GetQueue(admin_pb2.GetQueueRequest(queue=queue)))).reason == "QUEUE_NOT_FOUND"
    assert (await refusal(stubs.complete(lease))).reason == "LEASE_LOST"
    assert await stubs.stats(queue) == job_pb2.QueueStats()
    await stubs.add(queue)
    assert (await stubs.stats(queue)).added_total == 1


async def test_a_queue_of_finished_jobs_is_deleted_without_force(stubs: Stubs, queue: str):
    await stubs.add(queue)
    await stubs.complete(await stubs.must_lease(queue))
    assert (await stubs.admin.DeleteQueue(admin_pb2.DeleteQueueRequest(queue=queue))).removed_count == 1
    assert (await refusal(stubs.admin.DeleteQueue(admin_pb2.DeleteQueueRequest(queue=queue)))).reason == "QUEUE_NOT_FOUND"


async def test_deleting_a_queue_does_not_lose_dead_letters_that_are_on_their_way(stubs: Stubs, new_queue: Callable[[], str]):
    queue, dead = new_queue(), new_queue()
    await stubs.add(queue, dead_letter_queue=dead)
    await stubs.fail(await stubs.must_lease(queue))
    await stubs.admin.DeleteQueue(admin_pb2.DeleteQueueRequest(queue=queue))
    assert await stubs.lease(dead, wait=5) is not None


async def test_workers_are_listed_by_queue_and_a_page_at_a_time(stubs: Stubs, queue: str):
    for number in range(5):
        info = worker_pb2.WorkerInfo(worker_id=f"{queue}-w{number}", queues=[queue] if number < 4 else ["elsewhere"])
        await stubs.worker.Heartbeat(worker_pb2.HeartbeatRequest(worker=info))
    request = admin_pb2.ListWorkersRequest(queue=queue, page_size=3)
    first = await stubs.admin.ListWorkers(request)
    request.page_token = first.next_page_token
    second = await stubs.admin.ListWorkers(request)
    ids = [worker.info.worker_id for page in (first, second) for worker in page.workers]
    assert ids == [f"{queue}-w{number}" for number in range(4)]
    assert not second.next_page_token


async def test_a_workers_poll_time_shows_that_it_is_not_deaf(stubs: Stubs, queue: str):
    await stubs.lease(queue, worker=f"w-{queue}")
    info = worker_pb2.WorkerInfo(worker_id=f"w-{queue}", queues=[queue])
    await stubs.worker.Heartbeat(worker_pb2.HeartbeatRequest(worker=info))
    (worker,) = (await stubs.admin.ListWorkers(admin_pb2.ListWorkersRequest(queue=queue))).workers
    assert abs(worker.poll_time.seconds - worker.heartbeat_time.seconds) <= 5
