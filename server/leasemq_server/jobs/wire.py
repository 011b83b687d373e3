"""Messages read as the bytes that protobuf writes, where an object for each of a batch's would be most of the cost.

What is read was serialized by protobuf just before: fields stand in the order of their numbers, without those that have
their default.
The encoding: https://protobuf.dev/programming-guides/encoding/
"""

from google.protobuf.message import Message

_LENGTH_DELIMITED = 2


def tag_of(message: type[Message], field: str) -> int:
    """What stands before a field that is a text, bytes or a message; a byte, for field numbers up to 15."""
    return int(message.DESCRIPTOR.fields_by_name[field].number) << 3 | _LENGTH_DELIMITED


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The number that stands there, and where it ends."""
    number = shift = 0
    while data[at] > 0x7F:  # noqa: PLR2004 - seven bits a byte
        number |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
    return number | data[at] << shift, at + 1


def entries(message: Message, field: str) -> list[bytes]:
    """A repeated field's messages as bytes; fields of smaller numbers must be texts, bytes or messages too."""
    data, tag = message.SerializeToString(), tag_of(type(message), field)
    found: list[bytes] = []
    at, end = 0, len(data)
    while at < end and (here := data[at]) <= tag:
        size, at = data[at + 1], at + 2
        if size > 0x7F:  # noqa: PLR2004 - it has more bytes
            size, at = varint(data, at - 1)
        if here == tag:
            found.append(data[at : at + size])
        at += size
    return found
