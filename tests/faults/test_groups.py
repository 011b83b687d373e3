"""Workers are killed at random moments, two brokers on one store: never do two jobs of an ordering key run.

And no key is stuck with its worker: in the end all jobs are done, none of another key's having waited for it. The store is
looked at all the time, past the brokers.
"""

import contextlib
import os
from collections import Counter

from leasemq.v1 import admin_pb2, job_pb2, producer_pb2

from tests.faults.takers import Watcher, taking
from tests.support import BrokerProcess, StoreProcess, Stubs, eventually, short_directory

SECONDS = float(os.environ.get("LEASEMQ_LIMIT_SECONDS", "12"))
QUEUE = "keyed"
KEYS = 12
JOBS_A_KEY = 40
PATIENCE_S = 60.0


class KeyWatcher(Watcher):
    """Looks at which jobs run, and notes what must not be."""

    def __init__(self, store: StoreProcess) -> None:
        super().__init__(store)
        self.wrong: list[str] = []

    def look(self) -> None:
        look = self.client.pipeline(transaction=True)
        look.zrange(f"lmq:q:{{{QUEUE}}}:leases", 0, -1)
        look.zrange(f"lmq:q:{{{QUEUE}}}:group_leases", 0, -1)
        leases, of_groups = look.execute()
        self._check({it.decode() for it in leases}, [it.decode().split("\n") for it in of_groups])

    def _check(self, leases: set[str], of_groups: list[list[str]]) -> None:
        if {job for _, job in of_groups} != leases:
            self.wrong.append(f"the running jobs are {sorted(leases)}, by their groups {sorted(of_groups)}")
        running = Counter(group for group, _ in of_groups)
        self.most = max(self.most, len(running))
        self.wrong += [f"{count} jobs of {group} run" for group, count in running.items() if count > 1]


async def test_a_key_runs_one_job_at_a_time_and_none_is_stuck_when_workers_are_killed():
    with short_directory() as directory, StoreProcess(directory / "store") as store, contextlib.ExitStack() as stack:
        brokers = [stack.enter_context(BrokerProcess(directory, store=store.url)) for _ in range(2)]
        async with Stubs(brokers[0].address) as stubs:
            config = admin_pb2.QueueConfig(group_defaults=admin_pb2.GroupDefaults(max_active=1))
            await stubs.admin.UpdateQueue(admin_pb2.UpdateQueueRequest(queue=QUEUE, config=config))
            jobs = [
                job_pb2.JobSpec(name="n", group=f"key-{key}", max_lease_expirations=1_000_000)
                for _ in range(JOBS_A_KEY)
                for key in range(KEYS)
            ]
            await stubs.producer.BatchAddJobs(producer_pb2.BatchAddJobsRequest(queue=QUEUE, jobs=jobs))
            watcher = KeyWatcher(store)
            watcher.start()
            try:
                with taking(QUEUE, brokers) as takers:
                    kills = await takers.kill_some(SECONDS)

                    async def all_done() -> bool:
                        return (await stubs.stats(QUEUE)).completed == len(jobs)

                    await eventually(all_done, PATIENCE_S)
            finally:
                watcher.end()
            stats = await stubs.stats(QUEUE)
            groups = await stubs.admin.ListGroups(admin_pb2.ListGroupsRequest(queue=QUEUE))
    print(f"{kills} kills, {watcher.looks} looks, at most {watcher.most} of {KEYS} keys running")
    assert kills > SECONDS
    assert watcher.wrong == []
    assert watcher.most > KEYS / 2
    assert (stats.active, stats.waiting, stats.failed) == (0, 0, 0)
    assert not groups.groups
