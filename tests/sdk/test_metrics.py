from datetime import UTC, datetime, timedelta

import pytest
from leasemq import Client, InvalidField, Job

from tests.sdk.support import worker


async def test_what_a_queue_did_can_be_read(client: Client, queue: str) -> None:
    async def handler(job: Job) -> None:
        if job.payload == "bad":
            raise ValueError

    async with worker(client, queue, handler):
        for payload in ("good", "bad"):
            await client.wait(queue, (await client.add(queue, payload)).id)
    points = await client.admin.metrics(queue, start=datetime.now(UTC) - timedelta(minutes=5), resolution=timedelta(minutes=1))
    assert (sum(point.completed for point in points), sum(point.failed for point in points)) == (1, 1)
    runs = [point.run_time for point in points if point.run_time]
    assert sum(times.count for times in runs) == 1
    assert runs[0].p50 == runs[0].p99 < timedelta(seconds=30)
    with pytest.raises(InvalidField):
        await client.admin.metrics(queue, resolution=30)
