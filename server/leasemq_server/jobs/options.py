r"""What the scripts decide by: the parts of a JobSpec or QueueConfig that differ from the defaults, as compact JSON.

The keys are short since each job that needs them carries them: p priority, l lifo, ma max_attempts, rp 1 when the job
has a retry policy of its own, bo backoff (k kind; d delay; i, m, x initial, multiplier, maximum; l list; j jitter), to
timeout, tl ttl, cr and fr completed and failed retention (a age, c count), dl dead_letter_queue, me
max_lease_expirations, sc the id of the schedule that added the job, de delay or ru run_time, dp 1 when it depends on
jobs, or jobs of its flow on it, dd deduplication (m mode, in the words of KEYS.md; t ttl); of a queue xa max_active, rl
rate_limit (n max_jobs, d duration), mw max_waiting, ev max_events, gd the group_defaults (xa, rl, mw); of a group xa,
rl, mw, w weight, p 1 while it is paused. All times are milliseconds. lua/lib/retry.lua, finish.lua,
dedup.lua and turns.lua read them; configure.lua copies the queue's limits into fields of their own.

The group of a job and its deduplication key come after them, each behind a tab, so that jobs that differ by these alone
share the JSON: "<JSON>", "<JSON>\t<group>" or "<JSON>\t<group, may be empty>\t<key>".
"""

import json
import math
from typing import Any

from leasemq.v1 import admin_pb2, job_pb2

from leasemq_server.jobs import limits
from leasemq_server.jobs.check import Check, time_ms
from leasemq_server.jobs.deduplication import deduplication_options

_YEAR_1_MS = -62_135_596_800_000
_YEAR_2200_MS = 7_258_118_400_000


def job_options(spec: job_pb2.JobSpec, check: Check) -> str:
    """The options of a job, "" when all is default; notes what breaks a rule in `check`."""
    options: dict[str, Any] = {}
    if spec.priority:
        options["p"] = check.whole(spec.priority, "priority", 0, limits.MAX_PRIORITY)
    if spec.lifo:
        options["l"] = 1
    if spec.dependencies:
        options["dp"] = 1
    if spec.HasField("retry"):
        options["rp"] = 1
        _retry(spec.retry, check, "retry", options)
    _lifetimes(spec, check, options)
    if spec.dead_letter_queue:
        options["dl"] = check.queue(spec.dead_letter_queue, "dead_letter_queue")
    if spec.HasField("max_lease_expirations"):
        options["me"] = spec.max_lease_expirations
    start = spec.WhichOneof("start")
    if start == "delay":
        options["de"] = check.span(spec.delay, "delay") or None
    elif start == "run_time":
        options["ru"] = run_time_ms(spec, check) or None
    if spec.HasField("deduplication"):
        options["dd"] = deduplication_options(spec, check)
    return _json(options) + _behind(spec, check)


def _behind(spec: job_pb2.JobSpec, check: Check) -> str:
    if not (spec.group or spec.HasField("deduplication")):
        return ""
    group = check.text(spec.group, "group") if spec.group else ""
    key = "\t" + check.text(spec.deduplication.key, "deduplication.key") if spec.HasField("deduplication") else ""
    return f"\t{group}{key}"


def run_time_ms(spec: Any, check: Check) -> int:
    """The field run_time, in ms; a time before 1970 is 0."""
    ms = time_ms(spec.run_time)
    if not _YEAR_1_MS <= ms <= _YEAR_2200_MS:
        check.wrong("run_time", f"must be a time between the years 1 and 2200; got {spec.run_time.seconds} s since 1970")
    return max(ms, 0)


def _lifetimes(spec: job_pb2.JobSpec, check: Check, options: dict[str, Any]) -> None:
    if spec.HasField("timeout"):
        options["to"] = check.span(spec.timeout, "timeout", 1)
    if spec.HasField("ttl"):
        options["tl"] = check.span(spec.ttl, "ttl", 1)
    if spec.HasField("completed_retention"):
        options["cr"] = _retention(spec.completed_retention, check, "completed_retention")
    if spec.HasField("failed_retention"):
        options["fr"] = _retention(spec.failed_retention, check, "failed_retention")


def split_options(stored: str) -> tuple[str, str]:
    """The JSON of a job's options, and what is behind it, from its tab on."""
    json_part, tab, behind = stored.partition("\t")
    return json_part, tab + behind


def read_options(stored: bytes) -> dict[str, Any]:
    """The options of a stored job, without its group and its deduplication key."""
    json_part = stored.partition(b"\t")[0]
    return json.loads(json_part) if json_part else {}


def with_option(options: str, name: str, value: Any) -> str:
    """The options and one more."""
    json_part, behind = split_options(options)
    return _json({**json.loads(json_part or "{}"), name: value}) + behind


def config_options(config: admin_pb2.QueueConfig, check: Check) -> str:
    """The options of a queue, in the same words."""
    options: dict[str, Any] = {}
    if config.HasField("default_retry"):
        _retry(config.default_retry, check, "config.default_retry", options)
    if config.HasField("completed_retention"):
        options["cr"] = _whole_retention(
            _retention(config.completed_retention, check, "config.completed_retention"), limits.DEFAULT_COMPLETED_AGE_MS
        )
    if config.HasField("failed_retention"):
        options["fr"] = _whole_retention(
            _retention(config.failed_retention, check, "config.failed_retention"), limits.DEFAULT_FAILED_AGE_MS
        )
    if config.dead_letter_queue:
        options["dl"] = check.queue(config.dead_letter_queue, "config.dead_letter_queue")
    if config.HasField("max_lease_expirations"):
        options["me"] = config.max_lease_expirations
    if config.HasField("max_events"):
        options["ev"] = check.whole(config.max_events, "config.max_events", 0, limits.MAX_EVENTS)
    options.update(_limits(config, check, "config"))
    if config.HasField("group_defaults"):
        options["gd"] = _kept(_limits(config.group_defaults, check, "config.group_defaults")) or None
    return _json(options)


def group_options(config: admin_pb2.GroupConfig, check: Check) -> str:
    """The settings of a group, in the same words; 0 where it has no limit though the queue has."""
    options: dict[str, Any] = _limits(config, check, "config")
    if config.HasField("max_active"):
        options["xa"] = config.max_active
    if config.HasField("max_waiting"):
        options["mw"] = config.max_waiting
    if config.HasField("weight"):
        options["w"] = check.whole(config.weight, "config.weight", 1, limits.MAX_WEIGHT)
    if config.paused:
        options["p"] = 1
    return _json(options)


def _limits(said: Any, check: Check, at: str) -> dict[str, Any]:
    """Those of a queue, or of its groups; 0 is no limit."""
    return {
        "xa": check.whole(said.max_active, f"{at}.max_active", 0, limits.MAX_ACTIVE) or None,
        "rl": _rate(said.rate_limit, check, f"{at}.rate_limit") if said.HasField("rate_limit") else None,
        "mw": check.whole(said.max_waiting, f"{at}.max_waiting", 0, limits.MAX_WAITING) or None,
    }


def _rate(rate: admin_pb2.RateLimit, check: Check, at: str) -> dict[str, int]:
    jobs = check.whole(rate.max_jobs, f"{at}.max_jobs", 1, limits.MAX_RATE_JOBS)
    if not rate.HasField("duration"):
        check.wrong(f"{at}.duration", "is required")
        return {}
    return {"n": jobs, "d": check.span(rate.duration, f"{at}.duration", limits.MIN_RATE_MS, limits.MAX_RATE_MS)}


def _kept(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _json(options: dict[str, Any]) -> str:
    kept = _kept(options)
    return json.dumps(kept, separators=(",", ":"), ensure_ascii=False) if kept else ""


def _retry(retry: job_pb2.RetryPolicy, check: Check, at: str, options: dict[str, Any]) -> None:
    if retry.max_attempts:
        options["ma"] = check.whole(retry.max_attempts, f"{at}.max_attempts", 0, limits.MAX_ATTEMPTS)
    if retry.HasField("backoff"):
        options["bo"] = _backoff(retry.backoff, check, f"{at}.backoff")


def _backoff(backoff: job_pb2.Backoff, check: Check, at: str) -> dict[str, Any]:
    kind = backoff.WhichOneof("kind")
    options: dict[str, Any] = {"k": kind}
    if kind == "fixed":
        options["d"] = _required_span(backoff.fixed, "delay", check, f"{at}.fixed.delay")
    elif kind == "exponential":
        options.update(_exponential(backoff.exponential, check, f"{at}.exponential"))
    elif kind == "list":
        delays = backoff.list.delays
        if not 1 <= len(delays) <= limits.MAX_LIST_BACKOFF:
            check.wrong(f"{at}.list.delays", f"must have 1 to {limits.MAX_LIST_BACKOFF} entries; got {len(delays)}")
        options["l"] = [check.span(delay, f"{at}.list.delays[{index}]") for index, delay in enumerate(delays)]
    else:
        check.wrong(at, "must be one of fixed, exponential and list")
    if not 0 <= backoff.jitter <= 1:  # NaN fails this too
        check.wrong(f"{at}.jitter", f"must be 0 to 1; got {backoff.jitter:g}")
    elif backoff.jitter:
        options["j"] = backoff.jitter
    return options


def _exponential(backoff: job_pb2.ExponentialBackoff, check: Check, at: str) -> dict[str, Any]:
    multiplier = backoff.multiplier if backoff.HasField("multiplier") else limits.DEFAULT_MULTIPLIER
    if not (math.isfinite(multiplier) and 1 <= multiplier <= 1000):  # noqa: PLR2004 - the rule, beside its message
        check.wrong(f"{at}.multiplier", f"must be 1 to 1000; got {multiplier:g}")
        multiplier = limits.DEFAULT_MULTIPLIER
    return {
        "i": _required_span(backoff, "initial_delay", check, f"{at}.initial_delay"),
        "m": multiplier,
        "x": check.span(backoff.max_delay, f"{at}.max_delay") if backoff.HasField("max_delay") else limits.DEFAULT_MAX_DELAY_MS,
    }


def _required_span(message: Any, name: str, check: Check, field: str) -> int:
    if not message.HasField(name):
        check.wrong(field, "is required")
        return 0
    return check.span(getattr(message, name), field)


def _retention(retention: job_pb2.Retention, check: Check, at: str) -> dict[str, int] | None:
    options = {}
    if retention.HasField("max_age"):
        options["a"] = check.span(retention.max_age, f"{at}.max_age")
    if retention.HasField("max_count"):
        options["c"] = retention.max_count
    return options or None


def _whole_retention(options: dict[str, int] | None, default_age_ms: int) -> dict[str, int] | None:
    """A queue's retention is never without an age: what is set by count alone is still swept by the default age."""
    return None if options is None else {"a": default_age_ms, **options}
