"""One tenant adds a thousand reports, others a few: all get their turn. Then bookings, those of an account one after the other.

python examples/fair_tenants.py        (LEASEMQ_ADDRESS says where the broker is)
"""

import asyncio
from collections import Counter

from leasemq import Client, GroupDefaults, Job, NewJob, Worker

REPORTS, BOOKINGS = "tenant-reports", "account-bookings"


async def fair_turns(client: Client) -> None:
    done = Counter[str]()
    small_ones_done, all_done = asyncio.Event(), asyncio.Event()
    of_big_meanwhile = 0

    async def report(job: Job) -> None:
        nonlocal of_big_meanwhile
        await asyncio.sleep(0.002)
        done[job.group] += 1
        if done["ada"] == done["bob"] == done["eve"] == 5 and not small_ones_done.is_set():
            of_big_meanwhile = done["big"]
            small_ones_done.set()
        if done.total() == 1015:
            all_done.set()

    await client.add_many(REPORTS, [NewJob(n, group="big") for n in range(1000)])
    for tenant in ("ada", "bob", "eve"):
        await client.add_many(REPORTS, [NewJob(n, group=tenant) for n in range(5)])
    async with Worker(client, REPORTS, report, concurrency=4), Worker(client, REPORTS, report, concurrency=4):
        await small_ones_done.wait()
        print(f"15 reports of small tenants were done when {of_big_meanwhile} of the big one's 1000 were")
        await client.admin.update_group(REPORTS, "big", weight=10)  # ten a turn from now on: others wait no longer than that
        await all_done.wait()
    await client.admin.update_group(REPORTS, "big", weight=None)


async def one_after_the_other(client: Client) -> None:
    last = dict.fromkeys(("ada", "bob", "eve"), 0)
    running: set[str] = set()
    most = 0

    async def book(job: Job) -> None:
        nonlocal most
        assert job.group not in running, "two bookings of an account at a time"
        assert job.payload == last[job.group] + 1, "out of order"
        running.add(job.group)
        most = max(most, len(running))
        await asyncio.sleep(0.01)
        last[job.group] = job.payload
        running.discard(job.group)

    await client.admin.update_queue(BOOKINGS, group_defaults=GroupDefaults(max_active=1))  # makes of a group an ordering key
    bookings = [NewJob(n, group=account) for n in range(1, 21) for account in last]
    added = await client.add_many(BOOKINGS, bookings)
    async with Worker(client, BOOKINGS, book, concurrency=10), Worker(client, BOOKINGS, book, concurrency=10):
        for job in added:
            ended = await client.wait(BOOKINGS, job.id, 30)
            assert not ended.failures, ended.failures
    print(f"{len(added)} bookings, {most} accounts at a time, each of them in order")


async def main() -> None:
    async with Client() as client:
        await fair_turns(client)
        await one_after_the_other(client)


if __name__ == "__main__":
    asyncio.run(main())
