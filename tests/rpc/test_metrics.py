"""GetMetrics over real channels."""

from itertools import pairwise

from google.protobuf.timestamp_pb2 import Timestamp
from leasemq.v1 import admin_pb2

from tests.support import Stubs, refusal, seconds


async def test_what_a_queue_did_is_told_by_the_minute(stubs: Stubs, queue: str):
    for _ in range(3):
        await stubs.add(queue)
    for _ in range(2):
        await stubs.complete(await stubs.must_lease(queue))
    await stubs.fail(await stubs.must_lease(queue))
    points = (await stubs.admin.GetMetrics(admin_pb2.GetMetricsRequest(queue=queue))).points
    assert 60 <= len(points) <= 61
    assert {after.time.seconds - before.time.seconds for before, after in pairwise(points)} == {60}
    assert points[0].time.seconds % 60 == 0
    assert (sum(point.completed for point in points), sum(point.failed for point in points)) == (2, 1)
    last = points[-1] if points[-1].completed else points[-2]
    assert last.HasField("wait_time")
    assert last.run_time.count == last.completed
    assert last.run_time.p50.ToMilliseconds() <= last.run_time.p99.ToMilliseconds() < 60_000
    assert not points[0].HasField("wait_time")


async def test_a_longer_resolution_adds_up(stubs: Stubs, queue: str):
    await stubs.add(queue)
    await stubs.complete(await stubs.must_lease(queue))
    end = Timestamp(seconds=4_000_000_000)
    request = admin_pb2.GetMetricsRequest(queue=queue, start=Timestamp(seconds=3_999_000_000), end=end, resolution=seconds(3600))
    assert {point.completed for point in (await stubs.admin.GetMetrics(request)).points} == {0}
    day = admin_pb2.GetMetricsRequest(queue=queue, resolution=seconds(86_400))
    assert sum(point.completed for point in (await stubs.admin.GetMetrics(day)).points) == 1


async def test_all_that_is_kept_can_be_asked_for_by_the_minute_from_any_moment_on(stubs: Stubs, queue: str):
    start = 1_700_000_030  # within a minute

    async def points_until(end: int) -> int:
        whole = {"start": Timestamp(seconds=start), "end": Timestamp(seconds=end), "resolution": seconds(60)}
        return len((await stubs.admin.GetMetrics(admin_pb2.GetMetricsRequest(queue=queue, **whole))).points)

    assert [await points_until(start + 86_400 + more) for more in (0, 1, 59)] == [1441, 1441, 1442]
    assert (await refusal(points_until(start + 86_400 + 60))).reason == "INVALID_FIELD"
