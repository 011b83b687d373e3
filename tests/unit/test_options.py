"""What scripts decide by: only what differs from the defaults, in few bytes."""

import json
from typing import Any

import pytest
from google.protobuf import text_format
from leasemq.v1 import admin_pb2, job_pb2
from leasemq_server.jobs.check import Check
from leasemq_server.jobs.options import config_options, group_options, job_options, read_options, with_option
from leasemq_server.jobs.specs import new_job

MONTH = 30 * 86_400_000


def spec(text: str) -> job_pb2.JobSpec:
    return text_format.Parse(text, job_pb2.JobSpec(name="" if "name:" in text else "welcome"))


def options_of(text: str) -> dict[str, Any]:
    check = Check()
    options = job_options(spec(text), check)
    check.done()
    return read_options(options.encode())


def config_of(text: str) -> dict[str, Any]:
    check = Check()
    options = config_options(text_format.Parse(text, admin_pb2.QueueConfig()), check)
    check.done()
    return json.loads(options) if options else {}


def violations(text: str) -> list[tuple[str, str]]:
    check = Check()
    job_options(spec(text), check)
    return [tuple(violation) for violation in check.violations]


def group_of(text: str) -> tuple[dict[str, Any], list[str]]:
    check = Check()
    options = group_options(text_format.Parse(text, admin_pb2.GroupConfig()), check)
    return json.loads(options or "{}"), [field for field, _ in check.violations]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", {}),
        ("max_active: 0 max_waiting: 0", {"xa": 0, "mw": 0}),
        ("max_active: 1 max_waiting: 5 weight: 3 paused: true", {"xa": 1, "mw": 5, "w": 3, "p": 1}),
        ("rate_limit { max_jobs: 2 duration { seconds: 1 } }", {"rl": {"n": 2, "d": 1000}}),
    ],
)
def test_each_setting_of_a_group_has_its_word(text: str, options: dict[str, Any]) -> None:
    assert group_of(text) == (options, [])


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("max_active: 1000001", "config.max_active"),
        ("max_waiting: 1000000001", "config.max_waiting"),
        ("weight: 0", "config.weight"),
        ("weight: 1001", "config.weight"),
        ("rate_limit { max_jobs: 2 }", "config.rate_limit.duration"),
    ],
)
def test_a_setting_of_a_group_that_breaks_its_rule_is_named(text: str, field: str) -> None:
    assert group_of(text)[1] == [field]


@pytest.mark.parametrize(
    ("text", "json_part", "behind"),
    [
        ('group: "g 1"', "", "\tg 1"),
        ('deduplication { key: "k 1" }', '{"dd":{"m":"u"}}', "\t\tk 1"),
        ('group: "g 1" deduplication { key: "k 1" ttl { seconds: 2 } }', '{"dd":{"m":"u","t":2000}}', "\tg 1\tk 1"),
        ("priority: 1", '{"p":1}', ""),
    ],
)
def test_group_and_key_come_behind_the_options_and_stay_there(text: str, json_part: str, behind: str) -> None:
    check = Check()
    options = job_options(spec(text), check)
    assert options == json_part + behind
    before = json.loads(json_part or "{}")
    assert read_options(options.encode()) == before
    options = with_option(with_option(options, "dp", 1), "sc", "s")
    assert options == json.dumps(before | {"dp": 1, "sc": "s"}, separators=(",", ":")) + behind
    assert read_options(with_option(options, "dp", None).encode()) == before | {"sc": "s"}
    assert check.violations == []


@pytest.mark.parametrize(
    ("text", "field"),
    [('group: "a\\tb"', "group"), ('deduplication { key: "a\\tb" }', "deduplication.key")],
)
def test_what_comes_behind_the_options_has_no_tab(text: str, field: str) -> None:
    check = Check()
    job_options(spec(text), check)
    assert [name for name, _ in check.violations] == [field]


def test_a_job_that_is_all_default_has_no_options() -> None:
    assert job_options(spec('payload: "x" headers { key: "a" value: "b" }'), Check()) == ""
    assert config_options(admin_pb2.QueueConfig(), Check()) == ""


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("priority: 1", {"p": 1}),
        ("priority: 2097151", {"p": 2_097_151}),
        ("lifo: true", {"l": 1}),
        ("timeout { seconds: 5 }", {"to": 5000}),
        ("ttl { nanos: 1 }", {"tl": 1}),
        ("max_lease_expirations: 0", {"me": 0}),
        ('dead_letter_queue: "dead"', {"dl": "dead"}),
        ("retry {}", {"rp": 1}),
        ("retry { max_attempts: 5 }", {"rp": 1, "ma": 5}),
        ('deduplication { key: "k" }', {"dd": {"m": "u"}}),
        (
            'deduplication { key: "ü ✓" mode: DEDUPLICATION_MODE_THROTTLE ttl { seconds: 2 } }',
            {"dd": {"m": "t", "t": 2000}},
        ),
        ('deduplication { key: "k" mode: DEDUPLICATION_MODE_DEBOUNCE } delay {}', {"dd": {"m": "d"}}),
        ('deduplication { key: "k" mode: DEDUPLICATION_MODE_KEEP_LATEST }', {"dd": {"m": "l"}}),
        ("completed_retention {}", {}),
        ("completed_retention { max_count: 0 }", {"cr": {"c": 0}}),
        ("completed_retention { max_age {} }", {"cr": {"a": 0}}),
        ("failed_retention { max_age { seconds: 1 } max_count: 7 }", {"fr": {"a": 1000, "c": 7}}),
    ],
)
def test_each_option_has_its_word(text: str, options: dict[str, Any]) -> None:
    assert options_of(text) == options


@pytest.mark.parametrize(
    ("text", "backoff"),
    [
        ("fixed { delay { seconds: 2 } }", {"k": "fixed", "d": 2000}),
        ("fixed { delay {} } jitter: 0.5", {"k": "fixed", "d": 0, "j": 0.5}),
        ("exponential { initial_delay { seconds: 1 } }", {"k": "exponential", "i": 1000, "m": 2, "x": 86_400_000}),
        (
            "exponential { initial_delay { seconds: 1 } multiplier: 1.5 max_delay { seconds: 9 } } jitter: 1",
            {"k": "exponential", "i": 1000, "m": 1.5, "x": 9000, "j": 1},
        ),
        ("list { delays { seconds: 1 } delays {} }", {"k": "list", "l": [1000, 0]}),
    ],
)
def test_each_backoff_has_its_words(text: str, backoff: dict[str, Any]) -> None:
    assert options_of(f"retry {{ backoff {{ {text} }} }}") == {"rp": 1, "bo": backoff}


@pytest.mark.parametrize(
    ("text", "field", "message"),
    [
        ("priority: 2097152", "priority", "must be 0 to 2097151; got 2097152"),
        ("timeout {}", "timeout", "must be 0.001 s to 3660 days; got 0 s"),
        ("ttl { seconds: -1 }", "ttl", "must be 0.001 s to 3660 days; got -1 s"),
        ("retry { max_attempts: 1000001 }", "retry.max_attempts", "must be 0 to 1000000; got 1000001"),
        ("retry { backoff {} }", "retry.backoff", "must be one of fixed, exponential and list"),
        ("retry { backoff { fixed {} } }", "retry.backoff.fixed.delay", "is required"),
        ("retry { backoff { exponential {} } }", "retry.backoff.exponential.initial_delay", "is required"),
        ("retry { backoff { list {} } }", "retry.backoff.list.delays", "must have 1 to 100 entries; got 0"),
        (
            "retry { backoff { list { delays {} delays { seconds: -1 } } } }",
            "retry.backoff.list.delays[1]",
            "must be 0 s to 3660 days; got -1 s",
        ),
        ("retry { backoff { fixed { delay {} } jitter: 1.5 } }", "retry.backoff.jitter", "must be 0 to 1; got 1.5"),
        ("retry { backoff { fixed { delay {} } jitter: nan } }", "retry.backoff.jitter", "must be 0 to 1; got nan"),
        (
            "completed_retention { max_age { seconds: -1 } }",
            "completed_retention.max_age",
            "must be 0 s to 3660 days; got -1 s",
        ),
        ("failed_retention { max_age { seconds: -1 } }", "failed_retention.max_age", "must be 0 s to 3660 days; got -1 s"),
    ],
)
def test_each_broken_rule_names_its_field(text: str, field: str, message: str) -> None:
    assert violations(text) == [(field, message)]


@pytest.mark.parametrize("multiplier", ["0.5", "1001", "inf", "nan", "-2"])
def test_a_multiplier_is_1_to_1000(multiplier: str) -> None:
    backoff = f"exponential {{ initial_delay {{ seconds: 1 }} multiplier: {multiplier} }}"
    ((field, message),) = violations(f"retry {{ backoff {{ {backoff} }} }}")
    assert field == "retry.backoff.exponential.multiplier"
    assert message.startswith("must be 1 to 1000; got ")


def test_options_are_json_even_of_what_was_refused() -> None:
    check = Check()
    options = job_options(spec("retry { backoff { exponential { multiplier: nan } jitter: inf } } priority: 4000000"), check)
    assert len(check.violations) == 4
    json.loads(options, parse_constant=pytest.fail)


def test_a_hundred_delays_are_enough_and_fit_the_header() -> None:
    delays = "delays { seconds: 316224000 } " * 100
    options = json.dumps(options_of(f"retry {{ backoff {{ list {{ {delays} }} }} }}"))
    assert len(options) < 4000
    ((_, message),) = violations(f"retry {{ backoff {{ list {{ {delays} delays {{}} }} }} }}")
    assert message == "must have 1 to 100 entries; got 101"


# -- a queue's configuration -------------------------------------------------------------------------------------


def test_a_configuration_has_the_same_words() -> None:
    text = 'default_retry { max_attempts: 3 backoff { fixed { delay {} } } } dead_letter_queue: "dead" max_lease_expirations: 1'
    assert config_of(text) == {"ma": 3, "bo": {"k": "fixed", "d": 0}, "dl": "dead", "me": 1}


def test_a_queues_retention_always_has_an_age() -> None:
    assert config_of("completed_retention { max_count: 5 }") == {"cr": {"a": 86_400_000, "c": 5}}
    assert config_of("failed_retention { max_count: 5 }") == {"fr": {"a": MONTH, "c": 5}}
    assert config_of("completed_retention { max_age { seconds: 1 } }") == {"cr": {"a": 1000}}
    assert config_of("completed_retention {} failed_retention {}") == {}


def test_a_configurations_fields_are_named_from_its_request_on() -> None:
    check = Check()
    text = 'default_retry { backoff {} } dead_letter_queue: "{" completed_retention { max_age { seconds: -1 } }'
    config_options(text_format.Parse(text, admin_pb2.QueueConfig()), check)
    assert [violation.field for violation in check.violations] == [
        "config.default_retry.backoff",
        "config.completed_retention.max_age",
        "config.dead_letter_queue",
    ]


# -- specs -------------------------------------------------------------------------------------------------------


def _stored(text: str, *, limit: int = 1000) -> tuple[Any, list[tuple[str, str]]]:
    check = Check()
    job = new_job(spec(text), "email", limit, check)
    return job, [tuple(violation) for violation in check.violations]


def test_a_spec_is_stored_without_its_id_which_is_the_key() -> None:
    job, wrong = _stored('id: "mine" payload: "x" priority: 2')
    assert (job.id, job.options, wrong) == ("mine", '{"p":2}', [])
    stored = job_pb2.JobSpec.FromString(job.spec)
    assert (stored.id, stored.name, stored.payload, stored.priority) == ("", "welcome", b"x", 2)


def test_a_job_without_an_id_gets_one_that_grows_with_time() -> None:
    ids = [_stored("")[0].id for _ in range(3)]
    assert len(set(ids)) == 3
    assert ids == sorted(ids)
    assert {job_id[14] for job_id in ids} == {"7"}


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", ""),
        ("delay {}", ""),
        ("delay { seconds: 300 }", '{"de":300000}'),
        ("run_time { seconds: 1763780000 nanos: 1 }", '{"ru":1763780000001}'),
        ("run_time { seconds: -5 }", ""),
    ],
)
def test_a_start_is_a_delay_or_a_time(text: str, options: str) -> None:
    job, wrong = _stored(text)
    assert (job.options, wrong) == (options, [])


@pytest.mark.parametrize(
    ("text", "field", "message"),
    [
        ('name: ""', "name", "is required, 1 to 128 characters"),
        (r'id: "a\nb"', "id", r"must have printable characters only; got 'a\nb'"),
        (r'content_type: "\t"', "content_type", r"must have printable characters only; got '\t'"),
        ("delay { seconds: -1 }", "delay", "must be 0 s to 3660 days; got -1 s"),
        (
            "run_time { seconds: 8000000000 }",
            "run_time",
            "must be a time between the years 1 and 2200; got 8000000000 s since 1970",
        ),
        ('dead_letter_queue: "email"', "dead_letter_queue", "must be another queue than the job's own, 'email'"),
        ('headers { key: "" value: "x" }', "headers", "must have no empty name"),
    ],
)
def test_each_broken_rule_of_a_spec_names_its_field(text: str, field: str, message: str) -> None:
    assert _stored(text)[1] == [(field, message)]


def test_headers_are_bounded_in_number_and_size() -> None:
    many = " ".join(f'headers {{ key: "k{n}" value: "" }}' for n in range(65))
    ((_, message),) = _stored(many)[1]
    assert message.startswith("must be at most 64 entries and 16384 bytes; got 65 and ")
    ((_, message),) = _stored(f'headers {{ key: "k" value: "{"x" * 16384}" }}')[1]
    assert message.endswith("got 1 and 16385")
    assert _stored(f'headers {{ key: "k" value: "{"x" * 16383}" }}')[1] == []
