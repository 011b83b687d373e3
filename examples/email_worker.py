"""Works the queue `email`: sends each job as a mail over SMTP.

    python examples/email_worker.py        (LEASEMQ_ADDRESS, SMTP_HOST and SMTP_PORT say where)

A mail that the SMTP server refuses raises; the job's retry policy, which the producer chose, decides what happens then.
"""

import asyncio
import os
from email.message import EmailMessage

import aiosmtplib
from leasemq import Client, Job, Worker

SMTP_HOST = os.environ.get("SMTP_HOST", "127.0.0.1")
SMTP_PORT = int(os.environ.get("SMTP_PORT", "25"))

TEXTS = {
    "welcome": ("Welcome", "Your account {account} is ready. You are on the {plan} plan."),
    "reminder": ("One more step", "Your account {account} has no project yet."),
    "password-reset": ("Reset your password", "Somebody asked to reset the password of account {account}."),
}


async def send(job: Job) -> dict[str, str]:
    subject, text = TEXTS[job.name]
    mail = EmailMessage()
    mail["From"] = "service@example.com"
    mail["To"] = job.payload["to"]
    mail["Subject"] = subject
    # A job can run twice (a worker may die between sending and settling): by its id the receiver can tell.
    mail["Message-ID"] = f"<{job.id}@example.com>"
    mail.set_content(text.format(**job.payload))
    await job.log(f"attempt {job.attempt}: sending to {mail['To']}")
    _, answer = await aiosmtplib.send(mail, hostname=SMTP_HOST, port=SMTP_PORT, timeout=10)
    return {"smtp": answer}


async def main() -> None:
    async with Client() as client:
        # One at a time keeps the order of the queue visible in the mailbox; raise it to send in parallel.
        await Worker(client, "email", dict.fromkeys(TEXTS, send), concurrency=1).run()


if __name__ == "__main__":
    asyncio.run(main())
