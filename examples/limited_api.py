"""Two workers on an API that allows few calls at a time and says when it had too many: the queue keeps to it for both of them.

python examples/limited_api.py        (LEASEMQ_ADDRESS says where the broker is)
"""

import asyncio
import time

from leasemq import Client, Job, NewJob, RateLimit, RateLimited, Worker

QUEUE = "geocode"
CITIES = ["Paris", "Lima", "Oslo", "Rome", "Cairo", "Quito", "Tunis", "Accra", "Dakar", "Sofia", "Minsk", "Hanoi"]


class Api:
    """It takes two calls at a time, and at the fifth it wants half a second of peace."""

    def __init__(self) -> None:
        self.calls = self.running = self.most = 0
        self.peace_until = 0.0

    async def locate(self, city: str) -> int:
        self.calls += 1
        assert time.monotonic() >= self.peace_until, "called in its half second of peace"
        if self.calls == 5:
            self.peace_until = time.monotonic() + 0.5
            raise RateLimited(0.5)  # as a client would that gets a 429 with Retry-After
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0.05)
        self.running -= 1
        return len(city)


async def main() -> None:
    api = Api()

    async def locate(job: Job) -> int:
        return await api.locate(job.payload)

    async with Client() as client:
        # One job at a time is started when the fifth call comes, so that none is on its way into the half second.
        await client.admin.update_queue(QUEUE, max_active=1, rate_limit=RateLimit(50, 1), max_waiting=1000)
        added = await client.add_many(QUEUE, [NewJob(city) for city in CITIES[:6]])
        async with Worker(client, QUEUE, locate), Worker(client, QUEUE, locate):
            for job in added:
                await client.wait(QUEUE, job.id, 20)
            await client.admin.update_queue(QUEUE, max_active=2)  # it holds at once
            for job in await client.add_many(QUEUE, [NewJob(city) for city in CITIES[6:]]):
                await client.wait(QUEUE, job.id, 20)
        print(f"{len(CITIES)} cities in {api.calls} calls, at most {api.most} at a time")


if __name__ == "__main__":
    asyncio.run(main())
