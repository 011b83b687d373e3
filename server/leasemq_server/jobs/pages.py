"""Page tokens: opaque to callers, JSON inside."""

import base64
import binascii
import json
from typing import Any

from leasemq_server.jobs.check import Check


def page_token(*parts: Any) -> str:
    """A token that holds the parts."""
    return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode()


def page_parts(token: str, kinds: tuple[type, ...], check: Check) -> list[Any] | None:
    """The parts of a token, which must be of these types; None when the token is empty or (noted in `check`) not one of ours."""
    if not token:
        return None
    try:
        parts = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (binascii.Error, ValueError):
        parts = None
    if (
        not isinstance(parts, list)
        or len(parts) != len(kinds)
        or not all(isinstance(p, k) for p, k in zip(parts, kinds, strict=True))
    ):
        check.wrong("page_token", "must be the next_page_token of the same listing")
        return None
    return parts
