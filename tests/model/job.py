"""A job of the model, and what a lease request was answered with."""

from dataclasses import dataclass, field
from typing import Any

MAX_FAILURES = 10

Outcome = tuple[str, int, int]  # state, run_ms, attempts left
LOST: Outcome = ("", 0, 0)


@dataclass
class Job:
    """A job, whatever its state."""

    id: str
    options: dict[str, Any]
    create_ms: int
    payload: bytes = b""
    state: str = "waiting"
    due: tuple[int, int] = (0, 0)  # when delayed: the due time, and the place in its batch
    attempt: int = 0
    expirations: int = 0
    failures: list[str] = field(default_factory=list)  # their kinds
    failure_count: int = 0
    expire_ms: int | None = None  # the ttl, until the first lease
    worker: str = ""  # of the newest lease
    token: str = ""  # of the newest lease, while it means something
    outcome: Outcome | None = None  # how that token was settled
    lease_ms: int = 0  # when the lease ends
    deadline: int | None = None  # when the attempt times out
    cancel: str | None = None  # the reason of the newest request
    awaited: bool = False
    due_ms: int = 0  # since when it waits for its first lease
    leased_ms: int = 0  # when the newest lease began
    finish_ms: int | None = None
    purge_ms: int | None = None  # when it goes by an age of its own
    progress: str | None = None
    blocked_ms: int = 0  # since when it is blocked
    started: bool = False  # ever
    start_delay: int = 0  # that begins when it no longer is

    @property
    def priority(self) -> int:
        return self.options.get("p", 0)


@dataclass
class Request:
    """What a lease request was answered with."""

    leases: list[tuple[str, str]]
    call: str
    replayed: bool = False
