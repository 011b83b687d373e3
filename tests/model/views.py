"""How a stored job, a job of the model and the wakes look beside each other."""

import json
from typing import Any

import redis
from leasemq.v1.job_pb2 import JobSpec
from leasemq_server.store.keys import SCHEDULE_CHANNEL, WAKE_CHANNEL
from leasemq_server.store.types import StoredJob

from tests.model.job import Job


def seen(stored: StoredJob) -> dict[str, Any]:
    """A stored job, in the model's terms."""
    fields = {name.decode(): value.decode() for name, value in stored.fields.items()}
    finished = stored.state in ("completed", "failed", "cancelled")
    spec = JobSpec.FromString(stored.spec)
    options, group = f"{stored.options.decode()}\t".split("\t")[:2]
    return {
        "state": stored.state,
        "payload": spec.payload,
        "priority": (spec.priority, json.loads(options or "{}").get("p", 0)),
        "group": group,
        "attempt": int(fields.get("a", 0)),
        "expirations": int(fields.get("n", 0)),
        "failures": [json.loads(line)["kind"] for line in fields.get("f", "").splitlines()],
        "failure_count": int(fields.get("fc", 0)),
        "token": fields.get("t", ""),
        "cancel": fields.get("c"),
        "progress": fields.get("p"),
        "run_ms": stored.delayed_ms,
        "lease_ms": stored.lease_ms,
        "finish_ms": int(fields["ft"]) if finished else None,
        "awaited": "aw" in fields,
    }


def shown(job: Job | None) -> dict[str, Any] | None:
    """A job of the model, as it must be stored."""
    if job is None:
        return None
    return {
        "state": job.state,
        "payload": job.payload,
        "priority": (job.priority, job.priority),
        "group": job.options.get("g", ""),
        "attempt": job.attempt,
        "expirations": job.expirations,
        "failures": job.failures,
        "failure_count": job.failure_count,
        "token": job.token,
        "cancel": job.cancel,
        "progress": job.progress,
        "run_ms": job.due[0] if job.state == "delayed" else 0,
        "lease_ms": job.lease_ms if job.state == "active" else 0,
        "finish_ms": job.finish_ms,
        "awaited": job.awaited,
    }


class Listener:
    """Hears the wakes, and what brokers are told of schedules, in step with the history."""

    def __init__(self, url: str) -> None:
        self.client = redis.Redis.from_url(url)
        self.pubsub = self.client.pubsub()
        self.pubsub.subscribe(WAKE_CHANNEL, SCHEDULE_CHANNEL)

    def heard(self) -> tuple[list[str], list[str]]:
        """Everything since the last time: the wakes, and the messages about schedules."""
        self.client.publish(WAKE_CHANNEL, "mark")
        found: dict[str, list[str]] = {WAKE_CHANNEL: [], SCHEDULE_CHANNEL: []}
        while True:
            message = self.pubsub.get_message(ignore_subscribe_messages=True, timeout=10)
            if message is not None and message["data"] == b"mark":
                return found[WAKE_CHANNEL], found[SCHEDULE_CHANNEL]
            if message is not None:
                found[message["channel"].decode()].append(message["data"].decode())

    def close(self) -> None:
        self.pubsub.close()
        self.client.close()
