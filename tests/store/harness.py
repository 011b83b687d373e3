"""A queue in a store whose time the test owns, with the verbs in few words."""

import json
from collections.abc import Sequence
from typing import Any

from leasemq_server.store.store import Store
from leasemq_server.store.types import (
    Added,
    Durability,
    LeasedJob,
    LeaseReply,
    LeaseRequest,
    NewJob,
    Outcome,
    Position,
    StoredJob,
    Sweep,
    Tick,
)

START_MS = 1_763_780_000_000
LEASE_MS = 30_000
SECOND = 1_000
HOUR = 3_600_000
DAY = 24 * HOUR


class Clock:
    """The store's time."""

    def __init__(self) -> None:
        self.ms = START_MS

    def advance(self, ms: int) -> None:
        self.ms += ms


def new_job(job_id: str, *, spec: bytes = b"spec", group: str = "", delay_ms: int = 0, run_ms: int = 0, **options: Any) -> NewJob:
    """A job with options in the words of jobs/options.py; `dd` has its key, as `k`, among its own."""
    key = ""
    if dd := options.get("dd"):
        key, options["dd"] = dd["k"], {name: value for name, value in dd.items() if name != "k"}
    options |= {name: ms for name, ms in (("de", delay_ms), ("ru", run_ms)) if ms}
    said = json.dumps(options, separators=(",", ":")) if options else ""
    return NewJob(job_id, spec, said + (f"\t{group}" if group or key else "") + (f"\t{key}" if key else ""))


class Desk:
    """One queue, "email", and its clock."""

    def __init__(self, client: Any, *, real: bool, queue: str = "email", clock: Clock | None = None) -> None:
        self.client = client
        self.real = real
        self.queue = queue
        self.clock = clock or Clock()
        self.store = Store(client, real=real, now_ms=lambda: self.clock.ms)
        self.told: list[str] = []  # queues whose outbox was written
        self.store.outbox_written = self.told.append
        self._requests = 0

    def other(self, queue: str) -> "Desk":
        """Another queue of the same store and time."""
        return Desk(self.client, real=self.real, queue=queue, clock=self.clock)

    async def add(self, *jobs: str | NewJob, **options: Any) -> list[Added]:
        """Adds jobs in one batch; ids get the options."""
        new = [new_job(job, **options) if isinstance(job, str) else job for job in jobs]
        added, _ = await self.store.add(self.queue, new, Durability.MEMORY)
        return added

    async def lease_reply(
        self, max_jobs: int = 1, *, request_id: str | None = None, worker: str = "w1", lease_ms: int = LEASE_MS
    ) -> LeaseReply:
        if request_id is None:
            self._requests += 1
            request_id = f"own-{self._requests}"
        return await self.store.lease(self.queue, [LeaseRequest(request_id, worker, max_jobs, lease_ms)])

    async def lease(self, max_jobs: int = 1, **how: Any) -> list[LeasedJob]:
        """Leases up to max_jobs by one request; all keywords of lease_reply."""
        return (await self.lease_reply(max_jobs, **how)).answers[0]

    async def lease_one(self, job_id: str | None = None, **how: Any) -> LeasedJob:
        """Leases a job, which must be there (and be this one)."""
        (job,) = await self.lease(1, **how)
        assert job_id is None or job.id == job_id
        return job

    async def lease_ids(self, max_jobs: int = 1000, **how: Any) -> list[str]:
        return [job.id for job in await self.lease(max_jobs, **how)]

    async def complete(self, job: LeasedJob, result: bytes = b"", content_type: str = "application/json") -> Outcome:
        (outcome,) = await self.store.complete(self.queue, [(job.id, job.nonce, result, content_type)])
        return outcome

    async def fail(self, job: LeasedJob, *, failure: str = "", fatal: bool = False, retry_delay_ms: int | str = "") -> Outcome:
        outcomes = await self.store.fail(self.queue, [(job.id, job.nonce, failure, int(fatal), retry_delay_ms)])
        return outcomes[0]

    async def release(self, job: LeasedJob, delay_ms: int = 0, *, hold_ms: int = 0) -> Outcome:
        (outcome,) = await self.store.release(self.queue, [(job.id, job.nonce, delay_ms, hold_ms)])
        return outcome

    async def extend(self, job: LeasedJob, lease_ms: int = LEASE_MS) -> tuple[str, int]:
        (extension,) = await self.store.extend(self.queue, [(job.id, job.nonce)], lease_ms)
        return extension.word, extension.expire_ms

    async def cancel(self, job_id: str, reason: str = "changed my mind") -> tuple[str, str]:
        (answer,) = await self.store.cancel(self.queue, [(job_id, reason)])
        return answer

    async def tick(self) -> Tick:
        """Does what time has brought about, and sweeps."""
        tick = await self.store.tick(self.queue)
        await self.sweep()
        return tick

    async def sweep(self) -> Sweep:
        return await self.store.sweep(self.queue)

    async def after(self, ms: int) -> Tick:
        """Lets time pass, and the tick loop come by."""
        self.clock.advance(ms)
        return await self.tick()

    async def configure(self, **options: Any) -> None:
        """Replaces the queue's configuration, in the words of jobs/options.py."""
        before = (await self.store.stats(self.queue)).config
        config = json.dumps(options)
        assert await self.store.configure(self.queue, before, config.encode(), config)

    async def configure_group(self, group: str, **options: Any) -> None:
        """Replaces the settings of a group, in the same words; none: takes them away."""
        (before,) = await self.store.read_groups(self.queue, [group])
        config = json.dumps(options) if options else ""
        assert await self.store.configure_group(self.queue, group, before.config, config.encode(), config)

    async def groups(self) -> dict[str, tuple[int, int]]:
        """Each group that is there: its waiting and its active jobs."""
        names, place = await self.store.group_names(self.queue, "")
        while place:
            more, place = await self.store.group_names(self.queue, place)
            names += more
        found = await self.store.read_groups(self.queue, names) if names else []
        return {it.name: (it.waiting, it.active) for it in found if it.is_there}

    async def finish(self, *job_ids: str, **options: Any) -> None:
        """Adds, leases and completes jobs, one after the other."""
        for job_id in job_ids:
            await self.add(job_id, **options)
            await self.complete(await self.lease_one(job_id))

    async def fail_for_good(self, *job_ids: str, **options: Any) -> None:
        """Adds, leases and fails jobs, one after the other."""
        for job_id in job_ids:
            await self.add(job_id, **options)
            await self.fail(await self.lease_one(job_id), fatal=True)

    async def job(self, job_id: str) -> StoredJob:
        (job,) = await self.store.read(self.queue, [job_id])
        assert job is not None
        return job

    async def state(self, job_id: str) -> str | None:
        (job,) = await self.store.read(self.queue, [job_id], with_spec=False)
        return None if job is None else job.state

    async def field(self, job_id: str, name: str) -> str | None:
        value = (await self.job(job_id)).fields.get(name.encode())
        return None if value is None else value.decode()

    async def attempt(self, job_id: str) -> int:
        return int(await self.field(job_id, "a") or 0)

    async def failures(self, job_id: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (await self.field(job_id, "f") or "").splitlines()]

    async def ids(self, state: str) -> list[str]:
        """The jobs of a state in index order."""
        found: list[Position] = await self.store.page(self.queue, state, None, 10_000, descending=False)
        return [position.id for position in found]

    async def dump(self, *, with_events: bool = True) -> dict[bytes, Any]:
        """All that the store holds, to compare: nothing changed. Without events: nothing but what is told and counted of it."""
        dump: dict[bytes, Any] = {}
        async for key in self.client.scan_iter(count=1000):
            kind = (await self.client.type(key)).decode()
            dump[key] = await READERS[kind](self.client, key)
            if not with_events and key.endswith(b":meta"):
                dump[key].pop(b"events", None)
        if not with_events:
            dump = {key: value for key, value in dump.items() if not key.endswith(b":events") and b":metrics:" not in key}
        return dump


READERS: dict[str, Any] = {
    "hash": lambda client, key: client.hgetall(key),
    "zset": lambda client, key: client.zrange(key, 0, -1, withscores=True),
    "string": lambda client, key: client.get(key),
    "list": lambda client, key: client.lrange(key, 0, -1),
    "stream": lambda client, key: client.xrange(key),
}


def ids_of(jobs: Sequence[LeasedJob]) -> list[str]:
    return [job.id for job in jobs]
