"""The pure rules: what a request may say, what the scripts decide by, tokens and pages."""

import json
import math

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from leasemq.v1 import admin_pb2, job_pb2
from leasemq_server.errors import BatchTooLargeError, InvalidFieldError, PayloadTooLargeError
from leasemq_server.jobs.check import Check, span_ms, time_ms
from leasemq_server.jobs.options import config_options, job_options
from leasemq_server.jobs.pages import page_parts, page_token
from leasemq_server.jobs.specs import new_job
from leasemq_server.jobs.tokens import LeaseToken, make_token, parse_token


def seconds(value: float) -> Duration:
    duration = Duration()
    duration.FromNanoseconds(int(value * 1e9))
    return duration


def fields(check: Check) -> list[str]:
    return [violation.field for violation in check.violations]


def options_of(**said: object) -> dict:
    check = Check()
    text = job_options(job_pb2.JobSpec(name="n", **said), check)
    check.done()
    return json.loads(text) if text else {}


@pytest.mark.parametrize(("nanos", "ms"), [(0, 0), (1, 1), (1_000_000, 1), (1_000_001, 2)])
def test_a_duration_is_rounded_up_so_that_nothing_happens_too_early(nanos: int, ms: int):
    assert span_ms(Duration(seconds=3, nanos=nanos)) == 3000 + ms
    assert time_ms(Timestamp(seconds=3, nanos=nanos)) == 3000 + ms


@pytest.mark.parametrize("name", ["a", "0", "email.eu-1_x", "A" * 128])
def test_a_queue_name_may_have_letters_digits_dot_underscore_and_dash(name: str):
    check = Check()
    check.queue(name)
    assert check.violations == []


@pytest.mark.parametrize("name", ["", "{a}", "a\n", "-a", ".a", "a b", "ä", "a/b", "A" * 129])
def test_any_other_queue_name_is_refused(name: str):
    check = Check()
    check.queue(name)
    assert fields(check) == ["queue"]


def test_all_violations_are_heard_of_at_once():
    check = Check()
    check.queue("{")
    check.token("")
    check.whole(0, "max_jobs", 1, 1000)
    with pytest.raises(InvalidFieldError) as caught:
        check.done()
    assert [violation.field for violation in caught.value.violations] == ["queue", "lease_token", "max_jobs"]


def test_a_violation_has_the_path_of_the_item_that_is_looked_at():
    check = Check()
    check.at = "jobs[3]."
    job_options(job_pb2.JobSpec(name="n", priority=2_097_152), check)
    assert fields(check) == ["jobs[3].priority"]


def test_a_batch_has_at_most_a_thousand_entries_and_a_payload_its_limit():
    check = Check()
    check.batch([0] * 1000, "jobs")
    assert check.violations == []
    with pytest.raises(BatchTooLargeError):
        check.batch([0] * 1001, "jobs")
    check.payload(b"xxx", "payload", 3)
    with pytest.raises(PayloadTooLargeError):
        check.payload(b"xxxx", "payload", 3)


def test_a_job_that_says_nothing_has_no_options():
    assert job_options(job_pb2.JobSpec(name="n", payload=b"x"), Check()) == ""


def test_what_a_job_says_becomes_options_in_milliseconds():
    retry = job_pb2.RetryPolicy(
        max_attempts=5, backoff=job_pb2.Backoff(fixed=job_pb2.FixedBackoff(delay=seconds(1.5)), jitter=0.25)
    )
    assert options_of(
        priority=7,
        lifo=True,
        retry=retry,
        timeout=seconds(2),
        ttl=seconds(60),
        completed_retention=job_pb2.Retention(max_age=seconds(1), max_count=0),
        dead_letter_queue="dead",
        max_lease_expirations=0,
    ) == {
        "p": 7,
        "l": 1,
        "rp": 1,
        "ma": 5,
        "bo": {"k": "fixed", "d": 1500, "j": 0.25},
        "to": 2000,
        "tl": 60_000,
        "cr": {"a": 1000, "c": 0},
        "dl": "dead",
        "me": 0,
    }


def test_an_exponential_backoff_doubles_up_to_a_day_unless_it_says_otherwise():
    backoff = job_pb2.Backoff(exponential=job_pb2.ExponentialBackoff(initial_delay=seconds(1)))
    assert options_of(retry=job_pb2.RetryPolicy(backoff=backoff))["bo"] == {
        "k": "exponential",
        "i": 1000,
        "m": 2.0,
        "x": 86_400_000,
    }


@pytest.mark.parametrize(
    ("backoff", "field"),
    [
        (job_pb2.Backoff(), "retry.backoff"),
        (job_pb2.Backoff(fixed=job_pb2.FixedBackoff()), "retry.backoff.fixed.delay"),
        (job_pb2.Backoff(fixed=job_pb2.FixedBackoff(delay=seconds(1)), jitter=1.1), "retry.backoff.jitter"),
        (job_pb2.Backoff(fixed=job_pb2.FixedBackoff(delay=seconds(1)), jitter=math.nan), "retry.backoff.jitter"),
        (job_pb2.Backoff(list=job_pb2.ListBackoff()), "retry.backoff.list.delays"),
        (job_pb2.Backoff(list=job_pb2.ListBackoff(delays=[seconds(1), seconds(-1)])), "retry.backoff.list.delays[1]"),
        (
            job_pb2.Backoff(exponential=job_pb2.ExponentialBackoff(initial_delay=seconds(1), multiplier=0.5)),
            "retry.backoff.exponential.multiplier",
        ),
    ],
)
def test_a_backoff_that_breaks_a_rule_is_named(backoff: job_pb2.Backoff, field: str):
    check = Check()
    job_options(job_pb2.JobSpec(name="n", retry=job_pb2.RetryPolicy(backoff=backoff)), check)
    assert fields(check) == [field]


def test_a_queues_retention_by_count_alone_keeps_the_default_age():
    config = admin_pb2.QueueConfig(completed_retention=job_pb2.Retention(max_count=5))
    assert json.loads(config_options(config, Check())) == {"cr": {"a": 86_400_000, "c": 5}}


def test_the_id_is_in_the_key_and_not_in_what_is_stored():
    job = new_job(job_pb2.JobSpec(name="n", id="mine", payload=b"x"), "q", 10, Check())
    assert job.id == "mine"
    assert job_pb2.JobSpec.FromString(job.spec) == job_pb2.JobSpec(name="n", payload=b"x")


def test_a_job_without_an_id_gets_a_time_ordered_one():
    first, second = (new_job(job_pb2.JobSpec(name="n"), "q", 10, Check()).id for _ in range(2))
    assert first != second
    assert (len(first), first[14]) == (36, "7")


def test_a_queue_is_not_its_own_dead_letter_queue():
    check = Check()
    new_job(job_pb2.JobSpec(name="n", dead_letter_queue="q"), "q", 10, check)
    assert fields(check) == ["dead_letter_queue"]


@pytest.mark.parametrize("job_id", ["plain", "with/slash", "with {brace} and space"])
def test_a_token_leads_back_to_its_job(job_id: str):
    assert parse_token(make_token("nonce", "email", job_id)) == LeaseToken("email", job_id, "nonce")


@pytest.mark.parametrize("token", ["x", "a/b", "a//c", "/q/c", "a/q/", "a/{q}/c", "a/q\n/c"])
def test_garbage_is_no_token(token: str):
    assert parse_token(token) is None


def test_a_page_token_gives_its_parts_back_and_anything_else_is_refused():
    token = page_token(1, "2.5", "id")
    assert page_parts(token, (int, str, str), Check()) == [1, "2.5", "id"]
    for garbage, kinds in (("!!", (int,)), (token, (int,)), (token, (str, str, str)), ("bnVsbA==", (str,))):
        check = Check()
        assert page_parts(garbage, kinds, check) is None
        assert fields(check) == ["page_token"]
