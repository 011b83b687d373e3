"""An operator's evening: jobs with a wrong address are found, put right, and the newsletter is called off.

python examples/changed_jobs.py        (LEASEMQ_ADDRESS says where the broker is)
"""

import asyncio

from leasemq import Client, JobState, NewJob

QUEUE = "mails"


async def main() -> None:
    async with Client() as client:
        await client.add_many(QUEUE, [NewJob({"to": f"user{n}@exmaple.com"}, "welcome") for n in range(3)])
        await client.add_many(QUEUE, [NewJob({"to": f"user{n}@example.com"}, "newsletter") for n in range(2_000)])

        async for job in client.admin.search(QUEUE, payload="@exmaple.com", states=[JobState.WAITING]):
            right = {"to": job.payload["to"].replace("exmaple", "example")}
            changed = await client.admin.update_job(QUEUE, job.id, payload=right, priority=1)
            print(f"put right: {changed.payload['to']}, now with priority {changed.priority}")

        result = await client.admin.cancel(
            QUEUE,
            state=JobState.WAITING,
            name="newsletter",
            reason="next week",
            on_progress=lambda so_far: print(f"called off {so_far.done}"),
        )
        stats = await client.admin.stats(QUEUE)
        print(f"{result.done} cancelled, {stats.waiting} still wait")


if __name__ == "__main__":
    asyncio.run(main())
