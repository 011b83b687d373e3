"""What the jobs carry: JSON of a given length, the same on both sides."""

import json
from typing import TypedDict

NOT_SENT_YET_US = 10**15


class Payload(TypedDict):
    """`sent_us` is the intended send time, in microseconds of the monotonic clock."""

    sent_us: int
    text: str


def payload_of(length: int, sent_us: int = NOT_SENT_YET_US) -> Payload:
    """A payload that is `length` bytes long as compact JSON."""
    empty = Payload(sent_us=sent_us, text="")
    empty["text"] = "x" * max(0, length - len(json.dumps(empty, separators=(",", ":"))))
    return empty
