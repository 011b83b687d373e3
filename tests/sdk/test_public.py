import inspect
from enum import IntEnum
from pathlib import Path

import leasemq
import leasemq.sync
import pytest
from leasemq.connection import default_address
from leasemq.errors import BY_REASON

NAMES = [
    "AddedJob",
    "Admin",
    "Backoff",
    "BlockOn",
    "BulkResult",
    "CancelSignal",
    "Cancelled",
    "Cascade",
    "Client",
    "DeadlineExceeded",
    "Deduplication",
    "DeduplicationMode",
    "Dependency",
    "DependencyInfo",
    "Durability",
    "Event",
    "EventKind",
    "EventStream",
    "ExponentialBackoff",
    "Failure",
    "FailureKind",
    "Fatal",
    "FieldViolation",
    "FixedBackoff",
    "FlowNode",
    "Group",
    "GroupConfig",
    "GroupDefaults",
    "Job",
    "JobInfo",
    "JobRef",
    "JobState",
    "LeaseMQError",
    "ListBackoff",
    "MetricsPoint",
    "NewJob",
    "NotFound",
    "OnFailure",
    "Overlap",
    "QueueConfig",
    "QueueInfo",
    "RateLimit",
    "RateLimited",
    "Release",
    "Retention",
    "ScheduleInfo",
    "Schedules",
    "Seconds",
    "ServerInfo",
    "Snooze",
    "Stats",
    "StoreInfo",
    "TimeQuantiles",
    "TriggeredJob",
    "Unavailable",
    "Worker",
    "WorkerStatus",
    "__version__",
    "delays",
    "exponential",
    "fixed",
]


def test_the_public_names_are_these_and_no_others() -> None:
    assert sorted(leasemq.__all__) == sorted([*NAMES, *(cls.__name__ for cls in BY_REASON.values())])
    assert leasemq.sync.__all__ == ["Admin", "Client", "EventStream", "Schedules"]


def test_every_public_thing_says_what_it_is() -> None:
    for name in leasemq.__all__:
        value = getattr(leasemq, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, name
            for method, code in inspect.getmembers(value, inspect.isfunction):
                if code.__module__.startswith("leasemq.") and not method.startswith("_"):
                    assert code.__doc__, f"{name}.{method}"


def test_the_package_is_typed() -> None:
    assert (Path(leasemq.__file__).parent / "py.typed").exists()


def test_the_address_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEASEMQ_ADDRESS", raising=False)
    assert default_address() == leasemq.Client().address == "127.0.0.1:7878"
    monkeypatch.setenv("LEASEMQ_ADDRESS", "broker:1")
    assert leasemq.Client().address == leasemq.sync.Client().address == "broker:1"
    assert leasemq.Client("here:2").address == "here:2"


@pytest.mark.parametrize(
    "kind",
    [
        leasemq.JobState,
        leasemq.Durability,
        leasemq.Overlap,
        leasemq.OnFailure,
        leasemq.FailureKind,
        leasemq.DeduplicationMode,
    ],
)
def test_a_value_of_a_newer_server_is_unknown_rather_than_an_error(kind: type[IntEnum]) -> None:
    assert kind(99) is kind(0)
    for wrong in ("99", None, 1.5):
        with pytest.raises(ValueError, match="is not a valid"):
            kind(wrong)


def test_a_state_says_whether_it_is_an_end() -> None:
    assert leasemq.JobState.FAILED.finished
    assert not leasemq.JobState.ACTIVE.finished
