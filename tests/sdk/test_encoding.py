import json
import math
import re
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from leasemq import Deduplication, InvalidField, NewJob, Retention, codec, convert, delays, exponential, fixed
from leasemq.codec import decode, encode, from_duration, to_duration

NAIVE = datetime.fromisoformat("2030-01-01")


def test_json_goes_compact_and_as_utf_8() -> None:
    assert encode({"to": "åse@example.com", "n": [1, 2]}) == ('{"to":"åse@example.com","n":[1,2]}'.encode(), "")


def test_bytes_go_as_they_are() -> None:
    assert encode(b"\x00\xff") == (b"\x00\xff", "application/octet-stream")
    assert encode(bytearray(b"a"), "image/png") == (b"a", "image/png")
    assert decode(b"\x00\xff", "image/png") == b"\x00\xff"


@pytest.mark.parametrize("value", [None, False, 0, "", "text", [], {"a": {"b": [None, 1.5]}}])
def test_every_json_value_comes_back_as_it_went(value: object) -> None:
    assert decode(*encode(value)) == value


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.booleans(), inner),
        max_leaves=20,
    )
)
def test_json_is_what_json_says_it_is(value: object) -> None:
    compact = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    try:
        expected = compact.encode()
    except UnicodeEncodeError:
        with pytest.raises(ValueError, match="surrogates"):
            encode(value)
    else:
        assert encode(value) == (expected, "")


def test_a_value_that_contains_itself_is_refused_and_so_is_one_without_end() -> None:
    ring: list[object] = []
    ring.append({"again": ring})
    with pytest.raises(ValueError, match="Circular"):
        encode(ring)
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(RecursionError):
        encode(deep)


def test_without_a_c_encoder_it_is_json_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("json.encoder.c_make_encoder", None)  # as on PyPy
    assert codec._kept_encoder()({"to": "åse"}) == '{"to":"åse"}'


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "application/cloudevents+json", ""])
def test_json_by_any_name_is_decoded(content_type: str) -> None:
    assert decode(b"[1]", content_type) == [1]


@pytest.mark.parametrize(
    ("value", "content_type", "error"),
    [
        (float("nan"), None, ValueError),
        ({1, 2}, None, TypeError),
        ({(1, 2): 3}, None, TypeError),
        ("\ud800", None, ValueError),
        ("text", "text/plain", TypeError),
    ],
)
def test_what_json_cant_carry_is_refused_before_it_is_sent(
    value: object, content_type: str | None, error: type[Exception]
) -> None:
    with pytest.raises(error):
        encode(value, content_type)


@pytest.mark.parametrize("value", [0, 0.1, 1.5, 86_400 * 3650, timedelta(milliseconds=1), -2.25])
def test_durations_are_exact_to_the_microsecond(value: float | timedelta) -> None:
    expected = value if isinstance(value, timedelta) else timedelta(seconds=value)
    assert from_duration(to_duration(value)) == expected


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e30])
def test_a_duration_without_end_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"finite|too long"):
        to_duration(value)


def test_a_spec_says_only_what_was_said() -> None:
    spec = convert.to_spec("email", NewJob({"a": 1}, id="1"))
    assert {field.name for field, _ in spec.ListFields()} == {"name", "payload", "id"}
    assert spec.name == "email"


@pytest.mark.parametrize("option", [field.name for field in fields(NewJob) if field.name != "payload"])
def test_an_option_of_a_wrong_type_is_named(option: str) -> None:
    with pytest.raises(TypeError, match=f"^{option} must be .*, not <object"):
        convert.to_spec("email", NewJob(**{option: object()}))


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"headers": {"a": 1}}, "headers must be a mapping of text to text, not {'a': 1}"),
        ({"headers": {1: "a"}}, "headers must be a mapping of text to text, not {1: 'a'}"),
        ({"depends_on": ["x"]}, "depends_on must be a list of Dependency, not ['x']"),
        ({"delay": "5s"}, "delay must be seconds or a timedelta, not '5s'"),
        ({"priority": "1"}, "priority must be a whole number, not '1'"),
        ({"priority": True}, "priority must be a whole number, not True"),
        ({"completed_retention": Retention(max_age="x")}, "completed_retention.max_age must be seconds or a timedelta, not 'x'"),
        ({"failed_retention": Retention(max_count=1.5)}, "failed_retention.max_count must be a whole number, not 1.5"),
        ({"deduplication": Deduplication(key=5)}, "deduplication.key must be text, not 5"),
        ({"deduplication": Deduplication("k", mode="x")}, "deduplication.mode must be a DeduplicationMode, not 'x'"),
        ({"backoff": fixed("5")}, "backoff.delay must be seconds or a timedelta, not '5'"),
        ({"backoff": exponential(1, max_delay="1h")}, "backoff.max_delay must be seconds or a timedelta, not '1h'"),
        ({"backoff": exponential(1, jitter="a")}, "backoff.jitter must be a number, not 'a'"),
        ({"backoff": delays([1, "5"])}, "backoff.delays must be seconds or timedeltas, not (1, '5')"),
    ],
)
def test_what_looks_right_but_is_not_is_named(said: dict[str, Any], error: str) -> None:
    with pytest.raises(TypeError, match=f"^{re.escape(error)}$"):
        convert.to_spec("email", NewJob(**said))


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"payload": [math.nan]}, "payload: Out of range float values are not JSON compliant"),
        ({"payload": "\ud800"}, "payload: 'utf-8' codec can't encode character '\\ud800' in position 1: surrogates not allowed"),
        ({"delay": math.nan}, "delay must be finite, not nan"),
        ({"ttl": math.inf}, "ttl must be finite, not inf"),
        ({"completed_retention": Retention(max_age=math.inf)}, "completed_retention.max_age must be finite, not inf"),
        ({"run_time": NAIVE}, "run_time needs a time zone: datetime.now(timezone.utc), not datetime.now()"),
    ],
)
def test_a_value_that_no_job_can_have_is_named(said: dict[str, Any], error: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(error)}$"):
        convert.to_spec("email", NewJob(**said))


def test_a_queue_that_is_no_text_is_named() -> None:
    with pytest.raises(TypeError, match=r"^queue must be text, not 3$"):
        convert.to_spec(3, NewJob())  # type: ignore[arg-type]  # the mistake


def test_what_is_wrong_with_a_payload_is_not_laid_on_an_option() -> None:
    with pytest.raises(TypeError, match=r"^payload: Object of type set is not JSON serializable$"):
        convert.to_spec("email", NewJob({1}, name="welcome"))


@pytest.mark.parametrize("option", ["id", "group"])
def test_an_empty_id_or_group_is_not_taken_as_none(option: str) -> None:
    with pytest.raises(InvalidField) as refused:
        convert.to_spec("email", NewJob(**{option: ""}))
    assert [it.field for it in refused.value.field_violations] == [option]


def test_ids_sort_by_the_time_they_were_made() -> None:
    ids = [convert.to_spec("email", NewJob()).id for _ in range(1_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 1_000


def test_a_spec_says_all_that_was_said() -> None:
    job = NewJob(
        b"x", "welcome", "id-1", timedelta(minutes=5), None, 7, True, 5, exponential(1, max_delay=60, jitter=0.5), 30, 3600,
        {"traceparent": "00"}, "image/png", Retention(60, 10), Retention(max_count=0), "dead", 0,
    )  # fmt: skip
    spec = convert.to_spec("email", job)
    assert (spec.name, spec.id, spec.priority, spec.lifo, spec.content_type) == ("welcome", "id-1", 7, True, "image/png")
    assert (spec.delay.seconds, spec.timeout.seconds, spec.ttl.seconds) == (300, 30, 3600)
    assert (spec.retry.max_attempts, spec.retry.backoff.exponential.initial_delay.seconds, spec.retry.backoff.jitter) == (
        5,
        1,
        0.5,
    )
    assert (spec.completed_retention.max_age.seconds, spec.completed_retention.max_count) == (60, 10)
    assert spec.failed_retention.HasField("max_count")
    assert not spec.failed_retention.HasField("max_age")
    assert spec.HasField("max_lease_expirations")
    assert (spec.dead_letter_queue, dict(spec.headers)) == ("dead", {"traceparent": "00"})


@pytest.mark.parametrize("backoff", [fixed(2, jitter=0.1), exponential(0.5, multiplier=3), delays([1, 2.5, timedelta(hours=1)])])
def test_every_backoff_can_be_read_back(backoff: object) -> None:
    message = convert.to_retry(3, backoff).backoff  # type: ignore[arg-type]  # one of the three
    assert convert._from_backoff(message) is not None
    assert convert._to_backoff(convert._from_backoff(message)) == message  # type: ignore[arg-type]  # as above


def test_a_job_starts_after_a_delay_or_at_a_time_but_not_both() -> None:
    with pytest.raises(ValueError, match="not both"):
        convert.to_spec("email", NewJob(delay=1, run_time=datetime.now(UTC)))


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        convert.to_spec("email", NewJob(run_time=datetime(2030, 1, 1)))  # noqa: DTZ001 - that is the point
