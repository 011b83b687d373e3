"""What KEYS.md declares, read from it, and the check that a store holds nothing else."""

import re
from dataclasses import dataclass, field
from typing import Any

from leasemq_server.store.scripts import LUA

_ROW = re.compile(r"^\| (.+) \|$", re.MULTILINE)
_ANY_QUEUE = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"


@dataclass(frozen=True)
class Declared:
    """One row of the key tables."""

    name: str
    key: str
    type: str
    ttl: str
    writers: tuple[str, ...]
    fields: frozenset[str] = field(default_factory=frozenset)

    def matches(self, key: str) -> bool:
        """Whether it is this key, of some queue and some id."""
        pattern = re.escape(self.key).replace("QUEUE", _ANY_QUEUE)
        if self.name.endswith("*"):
            pattern = pattern.removesuffix("ID") + ".+"
        return re.fullmatch(pattern, key, re.DOTALL) is not None

    def allows_ttl(self, pttl_ms: int) -> bool:
        """Whether a key may live for so long; -1 is for ever."""
        if self.ttl.startswith("none") and pttl_ms == -1:
            return True
        most = re.search(r"at most (\d+) ms", self.ttl)
        return most is not None and 0 < pttl_ms <= int(most[1])


def _rows(section: str) -> list[list[str]]:
    rows = [[cell.strip() for cell in match[1].split(" | ")] for match in _ROW.finditer(section)]
    return [row for row in rows[1:] if not row[0].startswith("---")]


def _sections() -> dict[str, list[list[str]]]:
    parts = re.split(r"^#+ (.+)$", (LUA / "KEYS.md").read_text(), flags=re.MULTILINE)
    return {title: _rows(body) for title, body in zip(parts[1::2], parts[2::2], strict=True)}


def declared_keys() -> list[Declared]:
    """All rows of the two key tables, with the fields of their hashes and streams."""
    sections = _sections()
    found = []
    for name, key, kind, ttl, writers, _ in sections["Keys of a queue"] + sections["Keys of all queues"]:
        fields = sections.get(f"Fields of `{name}`", []) + sections.get(f"Fields of `{name}` entries", [])
        declared = frozenset(row[0] for row in fields)
        found.append(Declared(name, key, kind, ttl, tuple(word.strip() for word in writers.split(",")), declared))
    return found


DECLARED = declared_keys()


GONE = -2  # PTTL's word for a key that does not exist


async def undeclared(client: Any) -> list[str]:
    """What a store holds that KEYS.md does not declare, one line each."""
    keys = [key async for key in client.scan_iter(count=1000)]
    looks = client.pipeline(transaction=False)
    for key in keys:
        looks.type(key).pttl(key)
    answers = await looks.execute()
    problems, with_fields = [], []
    for raw, kind, pttl in zip(keys, answers[::2], answers[1::2], strict=True):
        key = raw.decode()
        declared = next((one for one in DECLARED if one.matches(key)), None)
        if declared is None:
            problems.append(f"{key} is not declared")
        elif (kind == b"none" or pttl == GONE) and declared.allows_ttl(1):
            continue  # its time to live was over between the two looks
        elif kind.decode() != declared.type:
            problems.append(f"{key} is a {kind.decode()}, not a {declared.type}")
        elif not declared.allows_ttl(pttl):
            problems.append(f"{key} lives for {pttl} ms, not {declared.ttl}")
        elif declared.fields:
            with_fields.append((raw, declared))
    return problems + await _undeclared_fields(client, with_fields)


async def _undeclared_fields(client: Any, keys: list[tuple[bytes, Declared]]) -> list[str]:
    looks = client.pipeline(transaction=False)
    for key, declared in keys:
        _ = looks.xrange(key) if declared.type == "stream" else looks.hkeys(key)
    problems = []
    for (key, declared), answer in zip(keys, await looks.execute(), strict=True):
        found = {name for _, entry in answer for name in entry} if declared.type == "stream" else set(answer)
        unknown = sorted({name.decode() for name in found} - declared.fields)
        problems += [f"{key.decode()} has a field {name} that is not declared" for name in unknown]
    return problems
