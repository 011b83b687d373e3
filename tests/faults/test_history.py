"""The checker of the chaos run finds each kind of fault in a history made by hand, and none in a good one."""

import json
from typing import Any

import pytest

from tests.faults.history import History, violations


def lease(token: str, start: int, **more: Any) -> dict[str, Any]:
    facts = {"job": "j", "worker": f"w-{token}", "attempt": 1, "expire": start + 1000, "max_attempts": 3}
    return {"kind": "leased", "token": token, "start": start, **facts, **more}


def sent(token: str, outcome: str, at: int) -> dict[str, Any]:
    return {"kind": "sent", "token": token, "outcome": outcome, "at": at}


def accepted(token: str, outcome: str, at: int, state: str = "") -> dict[str, Any]:
    usual = {"complete": "COMPLETED", "fail": "WAITING", "release": "WAITING"}[outcome]
    return {"kind": "accepted", "token": token, "outcome": outcome, "sent": at, "state": state or usual}


ADDED = {"kind": "added", "job": "j"}
DONE = {"kind": "final", "job": "j", "state": "COMPLETED"}


def check(*events: dict[str, Any]) -> list[str]:
    return violations(History().read(json.dumps(event) for event in events))


def test_a_good_history_has_no_violation():
    assert not check(
        ADDED,
        lease("a", 100),
        sent("a", "fail", 500),
        accepted("a", "fail", 500),
        lease("b", 510, attempt=2),
        {"kind": "extended", "token": "b", "expire": 3000},
        lease("c", 3000, attempt=2),
        sent("b", "complete", 3500),  # too late, and refused
        sent("c", "release", 3600),  # its answer was lost
        lease("d", 3600, attempt=2),
        {"kind": "killed", "worker": "w-d", "at": 3700},
        lease("e", 3701, attempt=2),
        sent("e", "complete", 3800),
        accepted("e", "complete", 3800),
        DONE,
    )


@pytest.mark.parametrize(
    ("fault", "events"),
    [
        ("acknowledged, and gone", [ADDED]),
        ("acknowledged, and ACTIVE at the end", [ADDED, {"kind": "final", "job": "j", "state": "ACTIVE"}]),
        ("while the lease from 100 was live until 1100", [lease("a", 100), lease("b", 1099)]),
        (
            "while the lease from 100 was live until 2000",
            [lease("a", 100), {"kind": "extended", "token": "a", "expire": 2000}, lease("b", 1100)],
        ),
        ("live until 500", [lease("a", 100), sent("a", "release", 500), lease("b", 499)]),
        ("live until 500", [lease("a", 100), {"kind": "killed", "worker": "w-a", "at": 500}, lease("b", 499)]),
        (
            "superseded its token",
            [lease("a", 100), lease("b", 1100), sent("a", "release", 1200), accepted("a", "release", 1200), DONE],
        ),
        (
            "had completed it",
            [lease("a", 100), sent("a", "complete", 200), accepted("a", "complete", 200), lease("b", 300), DONE],
        ),
        (
            "completed, and FAILED at the end",
            [
                lease("a", 100),
                accepted("a", "complete", 200),
                {"kind": "final", "job": "j", "state": "FAILED"},
            ],
        ),
        ("complete was answered with WAITING", [lease("a", 100), accepted("a", "complete", 200, "WAITING"), DONE]),
        ("attempt 4 of 3", [lease("a", 100, attempt=4)]),
        (
            "one was forgotten",
            [lease("a", 100), sent("a", "fail", 200), accepted("a", "fail", 200), lease("b", 300, attempt=1)],
        ),
    ],
)
def test_each_kind_of_fault_is_found_and_nothing_else(fault: str, events: list[dict[str, Any]]):
    (found,) = check(*events)
    assert fault in found


def test_a_line_that_a_kill_cut_off_is_dropped():
    history = History().read([json.dumps(ADDED), '{"kind": "leased", "tok'])
    assert history.added == {"j"}


def test_a_lease_that_was_read_twice_is_one():
    again = lease("a", 100)
    assert not check(again, again)
