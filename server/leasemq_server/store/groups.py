"""The store's verbs for groups: a part of `Store`."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from leasemq_server.store import keys
from leasemq_server.store.calls import Calls
from leasemq_server.store.types import as_text


class StoredGroup(NamedTuple):
    """A group: its name, its WAITING and ACTIVE jobs, its serialized GroupConfig (empty: none)."""

    name: str
    waiting: int
    active: int
    config: bytes

    @property
    def is_there(self) -> bool:
        """Whether there is anything to say of it."""
        return bool(self.waiting or self.active or self.config)


class GroupVerbs(Calls):
    """What `Store` has to say about groups."""

    async def configure_group(self, queue: str, group: str, expected: bytes, config_proto: bytes, options: str) -> bool:
        """Stores a group's settings, or none, if they still are `expected`; False when they are not."""
        reply = await self._run(
            "configure_group", queue, group=group, expected=expected, config_proto=config_proto, options=options
        )
        return bool(reply == b"OK")

    async def read_groups(self, queue: str, names: Sequence[str]) -> list[StoredGroup]:
        """Groups by name; one that is not there has no jobs and no settings."""
        replies = await self._run("read_groups", queue, [(name,) for name in names])
        return [StoredGroup(name, int(it[0]), int(it[1]), it[2]) for name, it in zip(names, replies, strict=True)]

    async def group_names(self, queue: str, place: str) -> tuple[list[str], str]:
        """Some names of groups from a place ("": the beginning), and the place to go on at ("": all were named).

        Every group that is there all the time is named; some are named more than once.
        """
        source, cursor = place.split(":", 1) if place else (_SOURCES[0], "0")
        key = keys.queue_keys(queue)[source]
        if source == "group_leases":
            names, cursor = await self._leasing_groups(key, cursor)
        else:
            reply, found = await self._command("ZSCAN" if source == "shut" else "HSCAN", key, cursor, "COUNT", _LOOK)
            cursor = str(int(reply))
            names = [as_text(it) for it in _first_of_pairs(found)]
        if cursor != "0":
            return names, f"{source}:{cursor}"
        following = _SOURCES.index(source) + 1
        return names, f"{_SOURCES[following]}:0" if following < len(_SOURCES) else ""

    async def _leasing_groups(self, key: str, after: str) -> tuple[list[str], str]:
        """Groups with leases by name, from the one after `after`, which is "=NAME"; "0" is the beginning and the end."""
        names: list[str] = []
        bound = "-" if after == "0" else f"({after[1:]}\v"
        while len(names) < _LOOK:
            first = await self._command("ZRANGEBYLEX", key, bound, "+", "LIMIT", 0, 1)
            if not first:
                return names, "0"
            names.append(as_text(first[0]).split("\n", 1)[0])
            bound = f"({names[-1]}\v"
        return names, f"={names[-1]}"


_LOOK = 100  # names, about, that one look finds
_SOURCES = ("group_rules", "heads", "shut", "group_leases")  # where names of groups are found


def is_place(text: str) -> bool:
    """Whether a text may be a place among the names of groups."""
    source, _, cursor = text.partition(":")
    if source == "group_leases" and cursor.startswith("="):
        return True
    return not text or (source in _SOURCES and re.fullmatch("[0-9]{1,20}", cursor) is not None and int(cursor) < 2**64)


def _first_of_pairs(found: Any) -> list[Any]:
    """The fields or members of a scan's reply, which is a dictionary, a list of pairs or a flat list, by the protocol."""
    if isinstance(found, dict) or (found and isinstance(found[0], tuple | list)):
        return [it[0] for it in (found.items() if isinstance(found, dict) else found)]
    return list(found[::2])
