"""What a worker knows of one lease, and the decisions about how it ends."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Iterable, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from google.protobuf.duration_pb2 import Duration

from leasemq.codec import encode, within
from leasemq.convert import to_dependencies
from leasemq.job import Job
from leasemq.model import Dependency
from leasemq.v1 import job_pb2, worker_pb2

_CALLER = str(Path(__file__).with_name("executing.py"))

MAX_TYPE, MAX_MESSAGE, MAX_STACK = 256, 4_096, 16_384
"""Characters of a failure that are sent; the server keeps no more."""

Attempts = dict[str, "Attempt"]
"""Every lease that is not settled yet, by token. The event loop writes it, the heartbeat thread takes snapshots of it."""


class Stop(Enum):
    """Why a handler is told to stop."""

    LOST = "lost"  # settle nothing
    CANCEL = "cancel"  # fail it for good, the server makes it CANCELLED
    RELEASE = "release"  # give it back: the worker goes down


class Attempt:
    """One lease in this worker's hands: the job, the handler's task, and until when it is ours by the monotonic clock."""

    __slots__ = ("expires_at", "is_async", "job", "peers", "running", "stop", "task", "token")

    def __init__(self, job: Job, expires_at: float) -> None:
        self.job = job
        self.token = job.lease_token
        self.expires_at = expires_at
        self.running = True
        self.is_async = False
        self.stop: Stop | None = None
        self.task: asyncio.Task[None] | None = None
        self.peers: Sequence[Attempt] = ()
        """Those of its batch, itself too; none when the handler has it alone."""


Said = worker_pb2.CompleteOutcome | worker_pb2.FailOutcome | worker_pb2.ReleaseOutcome | worker_pb2.BlockOnOutcome


class Outcome:
    """What is to become of an attempt, as it goes to the broker, and what the hooks are told: the result or the error."""

    __slots__ = ("attempt", "error", "kind", "result", "said")

    def __init__(
        self, attempt: Attempt, kind: str, said: Said | None = None, result: Any = None, error: BaseException | None = None
    ) -> None:
        """`kind` is the name of a Settlement's outcome, `said` the outcome itself if it has more to say."""
        self.attempt = attempt
        self.kind = kind
        self.said = said
        self.result = result
        self.error = error

    def fields(self) -> dict[str, Any]:
        """Return the fields of its settlement."""
        return {"lease_token": self.attempt.token, self.kind: {} if self.said is None else self.said}

    @property
    def size(self) -> int:
        """About how many bytes it takes in a request, without the lease token."""
        return 0 if self.said is None else self.said.ByteSize()


def complete(attempt: Attempt, result: Any) -> Outcome:
    """Say that the attempt went well. TypeError, ValueError: the result can't be encoded."""
    if result is None:
        return Outcome(attempt, "complete")
    try:
        encoded, content_type = encode(result)
    except (TypeError, ValueError) as error:
        raise within("the handler's result", error) from error
    return Outcome(
        attempt, "complete", worker_pb2.CompleteOutcome(result=encoded, result_content_type=content_type), result=result
    )


def fail(attempt: Attempt, error: BaseException, *, for_good: bool = False, kind: str | None = None) -> Outcome:
    """Say that the attempt failed. for_good: no further one. kind: told instead of the error's type."""
    failure = job_pb2.Failure(
        type=_clean(kind or type(error).__qualname__)[:MAX_TYPE],
        message=_clean(_message(error))[:MAX_MESSAGE],
        stack_trace=_clean(_stack(error))[-MAX_STACK:],
    )
    outcome = worker_pb2.FailOutcome(failure=failure, non_retryable=for_good)
    return Outcome(attempt, "fail", outcome, error=error)


def release(attempt: Attempt, delay: Duration | None = None, hold_queue: Duration | None = None) -> Outcome:
    """Give the job back. delay: when it may start again; default at once. hold_queue: for how long the queue rests."""
    outcome = worker_pb2.ReleaseOutcome(delay=delay, hold_queue=hold_queue)
    return Outcome(attempt, "release", outcome)


def block_on(attempt: Attempt, dependencies: Iterable[Dependency]) -> Outcome:
    """Let the job wait for others."""
    outcome = worker_pb2.BlockOnOutcome(dependencies=to_dependencies(dependencies))
    return Outcome(attempt, "block_on", outcome)


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a broken __str__ must not hide that the job failed
        return f"<{type(error).__qualname__} that can't be printed>"


def _stack(error: BaseException) -> str:
    """Format the stack from the handler down: the frames above it are the SDK's."""
    frames = frame = error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == _CALLER:
            frames = frame.tb_next
        frame = frame.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))


def _clean(text: str) -> str:
    """Make text that protobuf takes: lone surrogates (undecodable file names) are replaced."""
    return text.encode("utf-8", "replace").decode()
