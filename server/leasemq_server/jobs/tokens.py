"""Lease tokens: "<nonce>/<queue>/<job id>". Opaque to callers; the nonce alone makes one valid, the rest says where to look."""

from typing import NamedTuple

from leasemq_server.jobs.check import is_queue_name


class LeaseToken(NamedTuple):
    """A token's parts."""

    queue: str
    job_id: str
    nonce: str


def make_token(nonce: str, queue: str, job_id: str) -> str:
    """The token of a lease."""
    return f"{nonce}/{queue}/{job_id}"


def parse_token(token: str) -> LeaseToken | None:
    """A token's parts, or None when it can't be one."""
    nonce, first, rest = token.partition("/")
    queue, second, job_id = rest.partition("/")
    if not (first and second and nonce and job_id and is_queue_name(queue)):
        return None
    return LeaseToken(queue, job_id, nonce)
