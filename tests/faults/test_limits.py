"""Workers are killed at random moments, two brokers on one store: never do more than max_active jobs run.

And no slot is lost with its worker: in the end all jobs are done. The store is looked at all the time, past the brokers: the
leases that it holds are the running jobs.
"""

import contextlib
import os

from leasemq.v1 import admin_pb2, job_pb2, producer_pb2

from tests.faults.takers import Watcher, taking
from tests.support import BrokerProcess, StoreProcess, Stubs, eventually, short_directory

SECONDS = float(os.environ.get("LEASEMQ_LIMIT_SECONDS", "12"))
QUEUE = "limited"
MAX_ACTIVE = 7
JOBS = 400
PATIENCE_S = 60.0


class LeaseWatcher(Watcher):
    """Looks at how many leases there are."""

    def look(self) -> None:
        self.most = max(self.most, self.client.zcard(f"lmq:q:{{{QUEUE}}}:leases"))


async def test_max_active_holds_and_no_slot_leaks_when_workers_are_killed():
    with short_directory() as directory, StoreProcess(directory / "store") as store, contextlib.ExitStack() as stack:
        brokers = [stack.enter_context(BrokerProcess(directory, store=store.url)) for _ in range(2)]
        async with Stubs(brokers[0].address) as stubs:
            config = admin_pb2.QueueConfig(max_active=MAX_ACTIVE)
            await stubs.admin.UpdateQueue(admin_pb2.UpdateQueueRequest(queue=QUEUE, config=config))
            spec = job_pb2.JobSpec(name="n", max_lease_expirations=1_000_000)
            await stubs.producer.BatchAddJobs(producer_pb2.BatchAddJobsRequest(queue=QUEUE, jobs=[spec] * JOBS))
            watcher = LeaseWatcher(store)
            watcher.start()
            try:
                with taking(QUEUE, brokers) as takers:
                    kills = await takers.kill_some(SECONDS)

                    async def all_done() -> bool:
                        return (await stubs.stats(QUEUE)).completed == JOBS

                    await eventually(all_done, PATIENCE_S)
            finally:
                watcher.end()
            stats = await stubs.stats(QUEUE)
    print(f"{kills} kills, {watcher.looks} looks, at most {watcher.most} leases")
    assert kills > SECONDS
    assert watcher.most == MAX_ACTIVE  # reached, and never passed
    assert (stats.active, stats.waiting, stats.failed) == (0, 0, 0)
