"""Works the queue `notification`: posts each job as a webhook.

    python examples/notification_worker.py (LEASEMQ_ADDRESS says where the broker is)

An answer of 4xx is final, since the same request would get it again; 5xx and an unreachable endpoint are worth another attempt.
"""

import asyncio

import httpx
from leasemq import Client, Fatal, Job, Worker


async def main() -> None:
    async with httpx.AsyncClient(timeout=10) as http, Client() as client:

        async def post(job: Job) -> dict[str, int]:
            # The job's id as a key lets the receiver tell a repeated delivery from a new event.
            answer = await http.post(job.payload["url"], json=job.payload["event"], headers={"Idempotency-Key": job.id})
            if answer.is_client_error:
                raise Fatal(f"{job.payload['url']} answered {answer.status_code}")
            answer.raise_for_status()
            return {"status": answer.status_code}

        await Worker(client, "notification", {"webhook": post}, concurrency=10).run()


if __name__ == "__main__":
    asyncio.run(main())
