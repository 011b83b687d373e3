"""Which jobs a search finds: pure rules. All that is asked for must hold."""

import json

from leasemq.v1 import admin_pb2, job_pb2

from leasemq_server.jobs import limits
from leasemq_server.jobs.check import Check

TEXTS = ("payload_text", "failure_text")
FIELDS = ("id_prefix", "name", "group", *TEXTS)


def check_query(query: admin_pb2.JobQuery, check: Check) -> None:
    """Notes what breaks a rule."""
    if not any(getattr(query, field) for field in FIELDS):
        check.wrong("query", f"must ask for something: one of {', '.join(FIELDS)}")
    check.text(query.id_prefix, "query.id_prefix", required=False)
    check.text(query.name, "query.name", required=False)
    check.text(query.group, "query.group", required=False)
    for field in TEXTS:
        if (length := len(getattr(query, field))) > limits.MAX_SEARCH_TEXT:
            check.wrong(f"query.{field}", f"must have at most {limits.MAX_SEARCH_TEXT} characters; got {length}")


def is_found(spec: bytes, failures: bytes, query: admin_pb2.JobQuery) -> bool:
    """Whether a job, whose id fits, is what the query asks for; letters as they are written, upper and lower case apart.

    `failures` is a JSON object a line, as it is stored.
    """
    return _spec_fits(spec, query) and _failures_fit(failures, query)


def _spec_fits(spec: bytes, query: admin_pb2.JobQuery) -> bool:
    text = query.payload_text.encode()
    if not (query.name or query.group or text):
        return True
    if any(part not in spec for part in (text, query.name.encode(), query.group.encode())):  # most jobs: not worth taking apart
        return False
    said = job_pb2.JobSpec.FromString(spec)
    return query.name in ("", said.name) and query.group in ("", said.group) and text in said.payload


def _failures_fit(failures: bytes, query: admin_pb2.JobQuery) -> bool:
    if not query.failure_text:
        return True
    kept = [json.loads(line) for line in failures.splitlines()]
    return any(query.failure_text in failure.get(part, "") for failure in kept for part in ("type", "message", "stack_trace"))
