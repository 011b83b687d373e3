"""Steps of the verbs over many jobs: what they reach while others change the queue."""

from collections.abc import Sequence

from leasemq_server.broker.bulk import BulkCounts, JobFilter, apply_to_matches, delete_queue_step

from tests.store.harness import Desk

FAILED = JobFilter("failed", None, "", 3)


async def test_a_limit_is_reached_though_a_job_goes_while_its_step_runs(desk: Desk) -> None:
    await desk.fail_for_good(*"abcdefgh")

    async def retry(queue: str, ids: Sequence[str]) -> list[str]:
        await desk.store.delete(queue, ["b"])
        return await desk.store.retry(queue, ids)

    first = await apply_to_matches(desk.store, retry, desk.queue, FAILED, None)
    assert first.counts == BulkCounts(done=2, not_found=1, skipped=0)
    assert first.after is not None
    second = await apply_to_matches(desk.store, retry, desk.queue, FAILED._replace(limit=1), first.after)
    assert second.counts.done == 1
    assert await desk.ids("waiting") == ["a", "c", "d"]


async def test_without_force_a_job_that_has_come_meanwhile_stays(desk: Desk) -> None:
    await desk.finish("done")
    await desk.add("new")
    assert await delete_queue_step(desk.store, desk.queue, force=False) == (1, False)
    assert (await desk.ids("waiting"), await desk.store.drop_queue(desk.queue)) == (["new"], False)
    assert await delete_queue_step(desk.store, desk.queue, force=True) == (1, False)
    assert await desk.store.drop_queue(desk.queue)
