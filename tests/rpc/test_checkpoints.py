"""Heartbeat.checkpoints over a real channel."""

from leasemq.v1 import worker_pb2

from tests.support import Stubs


async def beat(stubs: Stubs, *leases: worker_pb2.Lease, checkpoint: bytes) -> list[int]:
    tokens = [lease.lease_token for lease in leases]
    request = worker_pb2.HeartbeatRequest(
        worker=worker_pb2.WorkerInfo(worker_id="worker"), lease_tokens=tokens, checkpoints=dict.fromkeys(tokens, checkpoint)
    )
    return [lease.status for lease in (await stubs.worker.Heartbeat(request)).leases]


async def test_the_next_lease_carries_what_the_heartbeat_stored(stubs: Stubs, queue: str):
    await stubs.add(queue)
    first = await stubs.must_lease(queue)
    assert await beat(stubs, first, checkpoint=b"x" * 16_384) == [worker_pb2.LEASE_STATUS_EXTENDED]
    assert await beat(stubs, first, checkpoint=b"row 7") == [worker_pb2.LEASE_STATUS_EXTENDED]
    await stubs.worker.ReleaseJob(worker_pb2.ReleaseJobRequest(lease_token=first.lease_token))
    assert (await stubs.must_lease(queue)).checkpoint == b"row 7"


async def test_a_lost_lease_stores_nothing_and_hears_of_it(stubs: Stubs, queue: str):
    await stubs.add(queue)
    lost = await stubs.must_lease(queue)
    await stubs.worker.ReleaseJob(worker_pb2.ReleaseJobRequest(lease_token=lost.lease_token))
    held = await stubs.must_lease(queue)
    assert await beat(stubs, lost, held, checkpoint=b"!") == [
        worker_pb2.LEASE_STATUS_LOST,
        worker_pb2.LEASE_STATUS_EXTENDED,
    ]
    await stubs.worker.ReleaseJob(worker_pb2.ReleaseJobRequest(lease_token=held.lease_token))
    assert (await stubs.must_lease(queue)).checkpoint == b"!"
