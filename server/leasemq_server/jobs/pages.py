"""Page tokens: opaque to callers, JSON inside.

A token begins with what its request asked for, so that it is good for the pages of that listing alone.
"""

import base64
import binascii
import hashlib
import json
import math
from typing import Any

from google.protobuf.message import Message

from leasemq_server.jobs.check import Check
from leasemq_server.store.types import BEHIND

_DIGEST = 12


def listing_of(request: Message) -> str:
    """What a request lists, as a short digest: all that it says but the page."""
    asked = type(request)()
    asked.CopyFrom(request)
    for field in ("page_size", "page_token"):
        if field in asked.DESCRIPTOR.fields_by_name:
            asked.ClearField(field)
    text = asked.DESCRIPTOR.full_name.encode() + b"\n" + asked.SerializeToString(deterministic=True)
    return hashlib.sha256(text).hexdigest()[:_DIGEST]


def page_token(*parts: Any) -> str:
    """A token that holds the parts."""
    return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode()


def page_parts(token: str, kinds: tuple[Any, ...], check: Check) -> list[Any] | None:
    """The parts of a token, each of the type or equal to the text given; None when it is empty or (noted in `check`) not so.

    `float` is a score, which is text.
    """
    if not token:
        return None
    try:
        parts = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (binascii.Error, ValueError, RecursionError):
        parts = None
    if not isinstance(parts, list) or len(parts) != len(kinds) or not all(map(_fits, parts, kinds)):
        check.wrong("page_token", "must be the next_page_token of the same listing")
        return None
    return parts


def _fits(part: Any, kind: Any) -> bool:
    if kind is float:
        return isinstance(part, str) and _is_number(part)
    return isinstance(part, kind) if isinstance(kind, type) else bool(part == kind)


def _is_number(text: str) -> bool:
    """Whether it is a score as the store writes it."""
    try:
        return math.isfinite(float(text.removeprefix(BEHIND)))
    except ValueError:
        return False
