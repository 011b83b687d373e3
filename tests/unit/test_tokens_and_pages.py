"""Lease tokens and page tokens."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from leasemq.v1 import admin_pb2
from leasemq_server.jobs.check import Check
from leasemq_server.jobs.pages import listing_of, page_parts, page_token
from leasemq_server.jobs.tokens import LeaseToken, make_token, parse_token

queues = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", fullmatch=True)


@given(nonce=st.from_regex(r"[A-Za-z0-9_-]{24}", fullmatch=True), queue=queues, job_id=st.text(min_size=1))
def test_a_lease_token_is_read_as_it_was_made_whatever_the_id(nonce: str, queue: str, job_id: str) -> None:
    assert parse_token(make_token(nonce, queue, job_id)) == LeaseToken(queue, job_id, nonce)


@pytest.mark.parametrize(
    "token", ["", "garbage", "/", "//", "n/q", "n/q/", "n//id", "/q/id", "n/{q}/id", "n/q\n/id", "n/q }{/id"]
)
def test_garbage_is_no_lease_token(token: str) -> None:
    assert parse_token(token) is None


@given(token=st.text())
def test_no_text_breaks_the_reading_of_tokens(token: str) -> None:
    parse_token(token)
    page_parts(token, (str, int), Check())


@given(text=st.text(), number=st.integers())
def test_a_page_token_holds_its_parts_and_is_safe_in_a_url(text: str, number: int) -> None:
    token = page_token(text, number)
    assert page_parts(token, (str, int), Check()) == [text, number]
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=")


def test_no_page_token_is_the_first_page() -> None:
    check = Check()
    assert page_parts("", (str,), check) is None
    check.done()


def _encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "token",
    [
        "garbage",
        "\u00e4",
        _encoded({"a": 1}),
        _encoded(["listing"]),
        _encoded(["listing", "1", "id", "more"]),
        _encoded(["other listing", "1", "id"]),
        _encoded(["listing", "not a score", "id"]),
        _encoded(["listing", "nan", "id"]),
        _encoded(["listing", "inf", "id"]),
        _encoded(["listing", 1, "id"]),
        _encoded(["listing", "1", 2]),
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
    ],
)
def test_a_page_token_of_anything_else_is_refused(token: str) -> None:
    check = Check()
    assert page_parts(token, ("listing", float, str), check) is None
    ((field, message),) = check.violations
    assert (field, message) == ("page_token", "must be the next_page_token of the same listing")


def test_a_score_passes_as_the_store_writes_it() -> None:
    for score in ("1763780000000", "-4503599627370496", "1763780000000.0010", "0"):
        assert page_parts(page_token("listing", score, "id"), ("listing", float, str), Check()) == ["listing", score, "id"]


def test_a_listing_is_what_a_request_asks_but_the_page() -> None:
    one = admin_pb2.ListJobsRequest(queue="email", page_size=5, page_token="x")
    assert listing_of(one) == listing_of(admin_pb2.ListJobsRequest(queue="email"))
    assert listing_of(one) != listing_of(admin_pb2.ListJobsRequest(queue="other"))
    assert listing_of(admin_pb2.ListJobsRequest(queue="email")) != listing_of(admin_pb2.GetStatsRequest(queue="email"))
