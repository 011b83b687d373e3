"""Errors go in headers: however much is wrong, they are small enough to arrive."""

from base64 import b64encode
from urllib.parse import quote

import pytest
from leasemq_server.errors import InvalidFieldError, Violation
from leasemq_server.rpc.errors import MESSAGE_BYTES, status_of

MOST = 8_192 - 512  # gRPC's own headers come with them
PRINTABLE = "".join(map(chr, range(32, 127))).replace("%", "")


@pytest.mark.parametrize("length", [1, 60, 300, 5_000])
@pytest.mark.parametrize("letter", ["a", "%", "é", "⚙", "😀", "\n"])
def test_an_error_of_any_text_fits_its_headers(letter: str, length: int) -> None:
    violations = [Violation(f"jobs[{number}].name", letter * length) for number in range(1_000)]
    status = status_of(InvalidFieldError(violations))
    message_bytes = len(quote(status.message, safe=PRINTABLE))
    assert message_bytes <= MESSAGE_BYTES + len("; and 1000 more")
    assert len(b64encode(status.SerializeToString())) + message_bytes < MOST
    assert status.message.startswith("jobs[0].name: ")
    assert status.message.endswith(" more")
