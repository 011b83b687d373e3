"""A service that wants its work done by the clock: says its schedules when it starts, and works what they add.

    python examples/scheduled_reports.py        (LEASEMQ_ADDRESS says where the broker is)

It ends after three pings and one report. The nightly report stays scheduled: run it again, and nothing is made twice.
"""

import asyncio

from leasemq import Client, Job, NewJob, Overlap, Worker

QUEUE = "reports"
PINGS = 3


async def say_schedules(client: Client) -> None:
    # A report that takes longer than a day is not started a second time; after an outage at night it is made in the morning.
    nightly = await client.schedules.upsert(
        QUEUE,
        "nightly",
        NewJob({"kind": "full"}, "report", attempts=3),
        cron="0 2 * * *",
        time_zone="Europe/Berlin",
        overlap=Overlap.SKIP,
    )
    print(f"the next report is due at {nightly.next_run_time:%Y-%m-%d %H:%M} UTC")
    # A ping that is older than five seconds is of no use to anybody.
    await client.schedules.upsert(QUEUE, "ping", NewJob(name="ping", ttl=5), every=0.5, catch_up_window=5)


async def main() -> None:
    pings: list[str] = []
    pinged, reported = asyncio.Event(), asyncio.Event()

    async def ping(job: Job) -> None:
        pings.append(job.id)
        print(f"{job.id} by schedule {job.schedule_id!r}")
        if len(pings) >= PINGS:
            pinged.set()

    async def report(job: Job) -> None:
        print(f"the {job.payload['kind']} report, which was asked for by hand")
        reported.set()

    async with Client() as client:
        await say_schedules(client)
        async with Worker(client, QUEUE, {"ping": ping, "report": report}):
            asked = await client.schedules.trigger(QUEUE, "nightly")
            await pinged.wait()
            if asked.created:
                await reported.wait()
            else:
                print(f"no report: {asked.id} is unfinished, and they do not overlap")
            await client.schedules.delete(QUEUE, "ping")


if __name__ == "__main__":
    asyncio.run(main())
