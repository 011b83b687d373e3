"""What a request's fields must be, and the message that each broken rule gets."""

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from leasemq_server.errors import BatchTooLargeError, InvalidFieldError, PayloadTooLargeError, Violation
from leasemq_server.jobs import limits
from leasemq_server.jobs.check import Check, is_queue_name, span_ms, time_ms

QUEUE_RULE = "must be 1 to 128 of A-Z a-z 0-9 . _ -, beginning with a letter or digit"


def seconds(value: float) -> Duration:
    whole = int(value)
    return Duration(seconds=whole, nanos=round((value - whole) * 1e9))


@pytest.fixture
def check() -> Check:
    return Check()


def said(check: Check) -> list[tuple[str, str]]:
    return [tuple(violation) for violation in check.violations]


@pytest.mark.parametrize("name", ["a", "0", "email", "Email.v2_x-y", "a" * 128])
def test_a_queue_name_is_letters_digits_and_three_signs(check: Check, name: str) -> None:
    assert is_queue_name(name)
    assert check.queue(name) == name
    check.done()


@pytest.mark.parametrize(
    "name", ["{a}", "a{", "a\n", "\na", "a b", ".a", "-a", "_a", "a/b", "a:b", "\u00e4", "a" * 129, "\u0661"]
)
def test_any_other_queue_name_is_refused_with_its_rule_and_value(check: Check, name: str) -> None:
    assert not is_queue_name(name)
    check.queue(name)
    ((field, message),) = said(check)
    assert (field, message.partition("; got ")[0]) == ("queue", QUEUE_RULE)
    assert repr(name)[:100] in message


def test_a_missing_queue_name_is_said_to_be_required(check: Check) -> None:
    check.queue("", "dead_letter_queue")
    assert said(check) == [("dead_letter_queue", f"is required; {QUEUE_RULE}")]


def test_a_long_value_is_not_repeated_whole(check: Check) -> None:
    check.queue("x" * 100_000)
    assert len(said(check)[0][1]) < 300


def test_queues_are_1_to_32_and_each_counts_once(check: Check) -> None:
    assert check.queues(["b", "a", "b"]) == ["b", "a"]
    assert said(check) == []
    check.queues([])
    check.queues([f"q{n}" for n in range(33)])
    assert said(check) == [("queues", "must name 1 to 32 queues; got 0"), ("queues", "must name 1 to 32 queues; got 33")]


def test_a_bad_queue_among_several_is_named_by_its_place(check: Check) -> None:
    check.queues(["a", "{", "b", ""])
    assert [field for field, _ in said(check)] == ["queues[1]", "queues[3]"]


def test_all_violations_are_raised_together_with_what_they_are_about(check: Check) -> None:
    check.done()
    check.at = "jobs[3]."
    check.wrong("name", "is required")
    check.wrong("ttl", "must be more")
    with pytest.raises(InvalidFieldError) as caught:
        check.done()
    assert caught.value.violations == [Violation("jobs[3].name", "is required"), Violation("jobs[3].ttl", "must be more")]
    assert str(caught.value) == "jobs[3].name: is required; jobs[3].ttl: must be more"


@pytest.mark.parametrize("text", ["a", "x" * 128, "\u00e4\u00f6 \u65e5\u672c \U0001f600", "a/b:{c}"])
def test_text_is_any_printable_text(check: Check, text: str) -> None:
    assert check.text(text, "name") == text
    check.done()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is required, 1 to 128 characters"),
        ("x" * 129, "must have at most 128 characters; got 129"),
        ("a\nb", r"must have printable characters only; got 'a\nb'"),
        ("a\x00", r"must have printable characters only; got 'a\x00'"),
        ("\x85", r"must have printable characters only; got '\x85'"),
    ],
)
def test_other_text_is_refused(check: Check, text: str, message: str) -> None:
    check.text(text, "name")
    assert said(check) == [("name", message)]


def test_optional_text_may_be_missing_but_not_wrong(check: Check) -> None:
    check.text("", "request_id", required=False)
    assert said(check) == []
    check.text("\n", "request_id", required=False)
    assert len(said(check)) == 1


@pytest.mark.parametrize(("value", "ms"), [(0, 0), (1.5, 1500), (0.0000001, 1), (0.001, 1), (0.0010001, 2), (300, 300_000)])
def test_times_are_whole_milliseconds_and_never_too_early(value: float, ms: int) -> None:
    assert span_ms(seconds(value)) == ms
    assert time_ms(Timestamp(seconds=seconds(value).seconds, nanos=seconds(value).nanos)) == ms


@pytest.mark.parametrize(
    ("value", "got"),
    [
        (Duration(seconds=-1), "-1"),
        (Duration(nanos=-1), "-1e-09"),
        (Duration(seconds=10**12), "1e+12"),
        (Duration(seconds=1, nanos=2**31 - 1), "3.14748"),
    ],
)
def test_negative_huge_and_impossible_durations_are_refused(check: Check, value: Duration, got: str) -> None:
    check.span(value, "delay")
    assert said(check) == [("delay", f"must be 0 s to 3660 days; got {got} s")]


def test_bounds_of_a_span_are_inside(check: Check) -> None:
    assert check.span(Duration(nanos=1_000_000), "ttl", 1) == 1
    assert check.span(seconds(limits.MAX_SPAN_MS // 1000), "ttl", 1) == limits.MAX_SPAN_MS
    check.done()
    check.span(Duration(), "ttl", 1)
    assert said(check) == [("ttl", "must be 0.001 s to 3660 days; got 0 s")]


def test_a_lease_is_1_second_to_12_hours_and_30_seconds_by_default(check: Check) -> None:
    assert check.lease_span(Duration(), present=False) == 30_000
    assert check.lease_span(seconds(1), present=True) == 1000
    assert check.lease_span(seconds(43_200), present=True) == 43_200_000
    check.done()
    for value in (0, 0.999, 43_200.001):
        check.lease_span(seconds(value), present=True)
    assert [message.partition(";")[0] for _, message in said(check)] == ["must be 1 s to 43200 s"] * 3


def test_a_wait_is_capped_and_only_a_negative_one_refused(check: Check) -> None:
    assert [check.wait_span(seconds(value)) for value in (0, 0.5, 20, 3600)] == [0, 500, 20_000, 20_000]
    check.done()
    check.wait_span(Duration(seconds=-3))
    check.wait_span(Duration(nanos=-1))
    assert said(check) == [
        ("wait_duration", "must not be negative; got -3 s"),
        ("wait_duration", "must not be negative; got -1e-09 s"),
    ]


def test_numbers_have_bounds(check: Check) -> None:
    assert check.whole(1, "max_jobs", 1, 10) == 1
    assert check.whole(10, "max_jobs", 1, 10) == 10
    check.whole(0, "max_jobs", 1, 10)
    check.whole(11, "max_jobs", 1, 10)
    assert said(check) == [("max_jobs", "must be 1 to 10; got 0"), ("max_jobs", "must be 1 to 10; got 11")]


def test_a_page_is_100_unless_said_and_1000_at_most(check: Check) -> None:
    assert [check.page_size(size) for size in (0, 1, 1000)] == [100, 1, 1000]
    check.done()
    check.page_size(1001)
    check.page_size(-1)
    assert len(said(check)) == 2


def test_a_token_is_any_text_that_is_not_too_long(check: Check) -> None:
    assert check.token("garbage\n") == "garbage\n"
    check.done()
    check.token("")
    check.token("x" * 401, "lease_tokens[1]")
    assert said(check) == [
        ("lease_token", "is required: the lease_token of a lease"),
        ("lease_tokens[1]", "must have at most 400 characters; got 401"),
    ]


def test_a_payload_over_the_limit_says_the_limit(check: Check) -> None:
    check.at = "jobs[7]."
    check.payload(b"x" * 10, "payload", 10)
    with pytest.raises(PayloadTooLargeError, match=r"jobs\[7\]\.payload is 11 bytes; the limit is 10") as caught:
        check.payload(b"x" * 11, "payload", 10)
    assert caught.value.metadata == {"limit_bytes": "10", "size_bytes": "11"}
    assert caught.value.violations[0].field == "jobs[7].payload"


def test_a_batch_over_the_limit_says_the_limit(check: Check) -> None:
    check.batch([0] * 1000, "jobs")
    check.batch([], "lease_tokens", least=0)
    check.done()
    with pytest.raises(BatchTooLargeError, match="jobs has 1001 entries; the limit is 1000") as caught:
        check.batch([0] * 1001, "jobs")
    assert caught.value.metadata == {"limit": "1000", "size": "1001"}
    check.batch([], "jobs")
    assert said(check) == [("jobs", "must have 1 to 1000 entries; got 0")]
