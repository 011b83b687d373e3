"""The store's verbs for changing one job, and for its checkpoint: a part of `Store`."""

from collections.abc import Sequence

from leasemq_server.store import keys
from leasemq_server.store.calls import Calls


class ChangeVerbs(Calls):
    """What `Store` has to say about changes to a job."""

    async def stored_spec(self, queue: str, job_id: str) -> bytes | None:
        """What is stored of a job that does not change by itself: header and JobSpec; None when there is no such job."""
        found: bytes | None = await self._command("GET", keys.queue_keys(queue)["spec*"] + job_id)
        return found

    async def update_if(
        self, queue: str, job_id: str, expected: bytes, spec: bytes, options: str, *, to_tail: bool, run_ms: int | None
    ) -> tuple[str, str]:
        """Changes a job if what is stored is as expected: (OK | CONFLICT | JOB_NOT_FOUND | JOB_NOT_IN_STATE, its state)."""
        word, *state = await self._run(
            "update",
            queue,
            id=job_id,
            expected=expected,
            spec_bytes=spec,
            options=options,
            to_tail=int(to_tail),
            run_ms="" if run_ms is None else run_ms,
        )
        return word.decode(), state[0].decode() if state else ""

    async def checkpoint(self, queue: str, items: Sequence[tuple[str, str, bytes]]) -> list[bool]:
        """Stores checkpoints, each (job id, nonce, bytes); False where the lease is lost."""
        return [bool(word == b"OK") for word in await self._run_in_parts("checkpoint", queue, items)]
