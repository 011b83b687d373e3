"""Options that several commands share, and how their values are read."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

import durationpy
import typer
from leasemq import Backoff, DeduplicationMode, JobState, RateLimit, delays, exponential, fixed

Address = Annotated[
    str,
    typer.Option(
        "--address", metavar="HOST:PORT", envvar="LEASEMQ_ADDRESS", show_envvar=False, help="The broker (or $LEASEMQ_ADDRESS)."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask. Without a terminal on standard input it never asks.")]
Queue = Annotated[str, typer.Argument(metavar="QUEUE", help="The queue.")]
Group = Annotated[str | None, typer.Option("--group", "-g", metavar="GROUP", help="Only jobs of this group.")]

DEFAULT_ADDRESS = "127.0.0.1:7878"


def duration(text: str | timedelta) -> timedelta:
    """500ms, 30s, 5m, 2h, 1d, 1h30m; a bare number is seconds; a default is one already."""
    if isinstance(text, timedelta):
        return text
    try:
        value = timedelta(seconds=float(text)) if text.replace(".", "", 1).isdecimal() else durationpy.from_str(text)
    except (ValueError, OverflowError):
        value = None
    if value is None or value < timedelta(0):
        raise typer.BadParameter(f"{text!r} is not a duration from 0s to ten years, such as 500ms, 30s, 5m, 2h or 1d")
    return value


def moment(text: str) -> datetime:
    """A time as RFC 3339 writes it; without a zone it is this machine's."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text!r} is not a time such as 2026-01-31T08:00:00Z") from None


def backoff(text: str) -> Backoff:
    """fixed:5s, exponential:1s, exponential:1s:10m (at most 10 m), list:1s,5s,1m."""
    kind, _, rest = text.partition(":")
    match kind, rest.split(":"):
        case "fixed", [delay] if delay:
            return fixed(duration(delay))
        case "exponential", [initial] if initial:
            return exponential(duration(initial))
        case "exponential", [initial, longest]:
            return exponential(duration(initial), max_delay=duration(longest))
        case "list", [waits] if waits:
            return delays([duration(wait) for wait in waits.split(",")])
    raise typer.BadParameter(f"{text!r} is not fixed:5s, exponential:1s, exponential:1s:10m or list:1s,5s,1m")


# Any: typer takes no union for a type. It is a Backoff, or None.
BackoffOption = Annotated[
    Any,
    typer.Option(parser=backoff, metavar="BACKOFF", help="The waits between attempts: fixed:5s, exponential:1s, list:1s,5s,1m."),
]


def rate(text: str | RateLimit) -> RateLimit:
    """100/1s, 5/m: so many jobs in a time, which is a duration or one of s, m, h, d; a default is one already."""
    if isinstance(text, RateLimit):
        return text
    jobs, _, span = text.partition("/")
    try:
        if jobs.isdecimal() and span:
            return RateLimit(int(jobs), duration(span if span[0].isdecimal() else f"1{span}"))
    except typer.BadParameter:
        pass
    raise typer.BadParameter(f"{text!r} is not JOBS/DURATION such as 100/1s or 5/m")


NONE = "none"
"""What a user writes to take a limit off."""


def count_or_none(text: str) -> int | str:
    """A number from 1 on, or none."""
    if text == NONE:
        return NONE
    if not text.isdecimal() or int(text) < 1:
        raise typer.BadParameter(f"{text!r} is not a number from 1 on, nor none")
    return int(text)


def rate_or_none(text: str) -> RateLimit | str:
    """A rate as 100/1s, or none."""
    return NONE if text == NONE else rate(text)


def job_state(text: str) -> JobState:
    """A state by its name, in upper or lower case."""
    names = [state.name.lower() for state in JobState if state]
    if text.lower() not in names:
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(names)}")
    return JobState[text.upper()]


def dedup_mode(text: str | DeduplicationMode) -> DeduplicationMode:
    """A mode by its name, with - or _; a default is one already."""
    if isinstance(text, DeduplicationMode):
        return text
    names = {mode.name.lower().replace("_", "-"): mode for mode in DeduplicationMode if mode}
    mode = names.get(text.lower().replace("_", "-"))
    if mode is None:
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(names)}")
    return mode


DedupMode = Annotated[
    DeduplicationMode,
    typer.Option(
        parser=dedup_mode,
        metavar="MODE",
        help="What becomes of it while another one has the key: until-finished (the default), throttle, debounce, keep-latest.",
        show_default=False,
        rich_help_panel="Jobs that are the same",
    ),
]


def headers(pairs: Sequence[str]) -> dict[str, str] | None:
    """["a=1", "b=2"] as a dictionary."""
    if wrong := [pair for pair in pairs if not pair.partition("=")[1]]:
        raise typer.BadParameter(f"{wrong[0]!r} is not KEY=VALUE", param_hint="--header")
    return dict(pair.split("=", 1) for pair in pairs) or None
