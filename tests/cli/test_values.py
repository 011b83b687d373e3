from datetime import UTC, datetime, timedelta

import pytest
import typer
from leasemq import JobState, RateLimit, delays, exponential, fixed
from leasemq_server.cli.console import plain, span
from leasemq_server.cli.options import backoff, duration, moment, rate


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30),
        ("5m", 300),
        ("2h", 7200),
        ("1d", 86_400),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("0", 0),
        ("10", 10),
        ("0.25", 0.25),
    ],
)
def test_durations_are_read(text, seconds):
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "x", "-1s", "1x", "1s1", "99999999999d", "nan", "1 s", ".", "²"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(typer.BadParameter, match="is not a duration"):
        duration(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("fixed:5s", fixed(timedelta(seconds=5))),
        ("exponential:1s", exponential(timedelta(seconds=1))),
        ("exponential:1s:10m", exponential(timedelta(seconds=1), max_delay=timedelta(minutes=10))),
        ("list:1s,5s,1m", delays([timedelta(seconds=1), timedelta(seconds=5), timedelta(minutes=1)])),
    ],
)
def test_backoffs_are_read(text, value):
    assert backoff(text) == value


@pytest.mark.parametrize(
    "text", ["", "fixed", "fixed:", "fixed:1s:2s", "list:", "exponential:", "exponential:1s:2s:3s", "linear:1s"]
)
def test_what_is_no_backoff_is_refused(text):
    with pytest.raises(typer.BadParameter):
        backoff(text)


@pytest.mark.parametrize(("text", "seconds"), [("100/1s", 1), ("100/s", 1), ("100/m", 60), ("100/500ms", 0.5), ("100/2", 2)])
def test_rates_are_read(text, seconds):
    assert rate(text) == RateLimit(100, timedelta(seconds=seconds))


@pytest.mark.parametrize("text", ["", "5", "5/", "/s", "-5/s", "5/x", "x/s", "5/-1s", "²/s", "5/²"])
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(typer.BadParameter, match=f"^{text!r} is not JOBS/DURATION such as 100/1s or 5/m$"):
        rate(text)


def test_times_are_read_with_their_zone():
    assert moment("2026-01-31T08:00:00Z") == datetime(2026, 1, 31, 8, tzinfo=UTC)
    assert moment("2026-01-31T08:00:00+02:00") == datetime(2026, 1, 31, 6, tzinfo=UTC)


def test_values_become_plain_json():
    value = {
        "state": JobState.FAILED,
        "time": datetime(2026, 1, 31, 8, tzinfo=UTC),
        "age": timedelta(seconds=1.5),
        "bytes": b"\xff",
        "text": b"a",
    }
    assert plain(value) == {
        "state": "FAILED",
        "time": "2026-01-31T08:00:00Z",
        "age": 1.5,
        "bytes": {"base64": "/w=="},
        "text": "a",
    }


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.35, "350ms"), (12, "12s"), (200, "3m 20s"), (7200, "2h"), (187_200, "2d 4h"), (59.9, "1m"), (0, "0ms")],
)
def test_spans_are_written_in_their_two_largest_units(seconds, text):
    assert span(timedelta(seconds=seconds)) == text
