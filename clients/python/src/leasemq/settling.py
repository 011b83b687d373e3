"""Tells the broker what became of attempts, in batches: what comes while a call is in flight goes with the next one."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from functools import lru_cache

import grpc

from leasemq.attempt import Outcome, fail
from leasemq.codec import from_timestamp
from leasemq.connection import persist, worth_repeating
from leasemq.convert import job_state
from leasemq.errors import LeaseLost, LeaseMQError, from_status, of_one
from leasemq.model import JobState
from leasemq.stream import WorkStream
from leasemq.v1 import job_pb2, worker_pb2

MAX_SETTLEMENTS = 1_000
MAX_BYTES = 4 * 1024 * 1024
CALL_TIMEOUT = 10.0
GRACE = 30.0
"""Seconds that a settlement is tried beyond the end of its lease: in an outage nobody else may have taken the job."""


class Settler:
    """Sends outcomes until the broker has them, through any outage, or until their leases are surely lost."""

    def __init__(self, stream: WorkStream, done: Callable[[Outcome, LeaseMQError | None], None]) -> None:
        """`done` is called with each outcome once it stands, or with the error for which it never will."""
        self._stream = stream
        self._done = done
        self._waiting: deque[Outcome] = deque()
        self._task: asyncio.Task[None] | None = None
        self.backlog = 0
        """Outcomes that are not settled yet."""

    def put(self, outcome: Outcome) -> None:
        """Take an outcome; it leaves at once, or with the next call if one is in flight."""
        self.backlog += 1
        self._waiting.append(outcome)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._send_while_waiting())

    async def flush(self, seconds: float) -> None:
        """Wait until everything is settled, but no longer than this; then give up what is left."""
        if self._task is None:
            return
        task = self._task
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            task.cancel()
            await asyncio.wait({task})

    async def _send_while_waiting(self) -> None:
        batch: list[Outcome] = []
        try:
            while batch := _next_batch(self._waiting):
                await self._send(batch)
        finally:
            self._task = None

    async def _send(self, batch: list[Outcome]) -> None:
        async def attempt() -> None:
            if batch:
                await self._attempt(batch)

        def give_up(error: LeaseMQError, wait: float) -> bool:
            self._drop_lost(batch, error, time.monotonic() + wait)
            return not batch

        try:
            await persist(attempt, give_up, worth_repeating)
        except LeaseMQError as error:
            if len(batch) > 1 and error.code is grpc.StatusCode.INVALID_ARGUMENT:
                half = len(batch) // 2
                await self._send(batch[:half])
                await self._send(batch[half:])
                return
            for outcome in batch:
                self._refused(outcome, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker must get its slots back and go on
            for outcome in batch:
                self._finish(outcome, LeaseMQError(f"can't settle: {error!r}"))

    async def _attempt(self, batch: list[Outcome]) -> None:
        request = worker_pb2.SettleJobsRequest()
        for outcome in batch:
            request.settlements.add(**outcome.fields())
        response = await self._stream.settle(request, CALL_TIMEOUT)
        if response == _all_completed(len(batch)):
            completed = JobState.COMPLETED
            for outcome in batch:
                outcome.attempt.job.state = completed
                self._finish(outcome, None)
            batch.clear()
            return
        again: list[Outcome] = []
        last_error: LeaseMQError | None = None
        for outcome, result in zip(batch, response.results, strict=True):
            if result.HasField("settled"):
                self._settled(outcome, result.settled)
                continue
            error = from_status(result.error)
            if worth_repeating(error):
                again.append(outcome)
                last_error = error
            else:
                self._refused(outcome, error)
        batch[:] = again
        if last_error is not None:
            raise last_error

    def _settled(self, outcome: Outcome, settled: worker_pb2.Settled) -> None:
        job = outcome.attempt.job
        job.state = job_state(settled.state)
        if settled.HasField("next_run_time"):
            job.next_run_time = from_timestamp(settled.next_run_time)
        job.attempts_remaining = settled.attempts_remaining
        self._finish(outcome, None)

    def _refused(self, outcome: Outcome, error: LeaseMQError) -> None:
        """Fail a job whose result, wait or delay the broker won't have: left alone it would run again and again."""
        if outcome.kind in ("complete", "block_on", "release") and error.code is grpc.StatusCode.INVALID_ARGUMENT:
            self._waiting.append(fail(outcome.attempt, of_one(error), for_good=True))
        else:
            self._finish(outcome, of_one(error))

    def _drop_lost(self, batch: list[Outcome], error: LeaseMQError, now: float) -> None:
        kept = [outcome for outcome in batch if outcome.attempt.expires_at + GRACE > now]
        for outcome in batch:
            if outcome.attempt.expires_at + GRACE <= now:
                self._finish(outcome, LeaseLost(f"its lease ran out before it could be settled: {error}", reason="LEASE_LOST"))
        batch[:] = kept

    def _finish(self, outcome: Outcome, error: LeaseMQError | None) -> None:
        self.backlog -= 1
        self._done(outcome, error)


def _next_batch(waiting: deque[Outcome]) -> list[Outcome]:
    batch: list[Outcome] = []
    size = 0
    while waiting and len(batch) < MAX_SETTLEMENTS:
        size += waiting[0].size
        if batch and size > MAX_BYTES:
            break
        batch.append(waiting.popleft())
    return batch


@lru_cache(maxsize=16)
def _all_completed(count: int) -> worker_pb2.SettleJobsResponse:
    """What most batches are answered with: comparing is cheaper than reading it."""
    settled = worker_pb2.Settled(state=job_pb2.JOB_STATE_COMPLETED)
    return worker_pb2.SettleJobsResponse(results=[worker_pb2.SettleResult(settled=settled)] * count)
