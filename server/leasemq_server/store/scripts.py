"""Loads the scripts in store/lua.

Each is one atomic transition, and its header is the contract that calls are checked against.

A header names the KEYS (by their names in keys.py), the ARGV, the ITEMS (the fields of one item; a script takes any
number of items), the FLAGS (`allow-oom`, `no-writes`) and the lua/lib files that it USES. A line `-- INLINE: lib`, in a
lib too, puts a lib there instead, for what most calls do not need: a script makes its functions anew at each call, and
that costs; keys that only such a lib needs are not passed either, but made there. `for i, <fields> in items() do` goes over the
items. The loader puts all of it in front of the script, so that its body speaks in names.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from leasemq_server.store.keys import queue_keys

LUA = Path(__file__).parent / "lua"
_HEADER = re.compile(r"^-- (KEYS|ARGV|ITEMS|FLAGS|USES|RETURNS): *(.*)$", re.MULTILINE)
_INLINE = re.compile(r"^ *-- INLINE: *(.*)$", re.MULTILINE)
_ITEM_LOOP = re.compile(r"for ([\w, ]+) in items\(\) do")
_DERIVED = re.compile(r"queue_base \.\. '(\w+:?)'")

_CLOCK = """\
local function clock()
  if now_ms ~= '' then return tonumber(now_ms) end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
"""


class ScriptCallError(TypeError):
    """A call that does not match the script's header."""


@dataclass(frozen=True, slots=True)
class Script:
    """One script, bound to the names in its header; `derived` are the keys that it makes itself when it needs them."""

    name: str
    keys: tuple[str, ...]
    derived: tuple[str, ...]
    argv: tuple[str, ...]
    items: tuple[str, ...]
    flags: tuple[str, ...]
    body: str

    def text(self, *, with_flags: bool) -> str:
        """The script as the store gets it; fakeredis knows no `#!lua` line."""
        shebang = f"#!lua flags={','.join(self.flags)}\n" if with_flags and self.flags else ""
        return shebang + self.body

    @cache  # noqa: B019 - there are as many scripts as files
    def sha(self, *, with_flags: bool) -> str:
        """The digest that EVALSHA wants."""
        return hashlib.sha1(self.text(with_flags=with_flags).encode(), usedforsecurity=False).hexdigest()

    def call_args(self, queue: str, args: dict[str, Any], items: Iterable[Sequence[Any]]) -> list[Any]:
        """The number of keys, the keys and the arguments, in the header's order."""
        if args.keys() != set(self.argv):
            raise ScriptCallError(f"{self.name} takes {self.argv}, not {tuple(args)}")
        named = queue_keys(queue)
        call: list[Any] = [len(self.keys)]
        call += [named[key] for key in self.keys]
        call += [args[name] for name in self.argv]
        items = list(items)
        if others := set(map(len, items)) - {len(self.items)}:
            raise ScriptCallError(f"an item of {self.name} is {self.items}, not {others.pop()} fields")
        call += chain.from_iterable(items)
        return call


def _split(value: str) -> list[str]:
    return [word.strip() for word in value.split(",") if word.strip()]


def _headers(text: str) -> dict[str, list[str]]:
    return {match[1]: _split(match[2]) for match in _HEADER.finditer(text)}


def _with_libs(uses: Iterable[str], seen: dict[str, str]) -> None:
    for name in uses:
        if name not in seen:
            text = (LUA / "lib" / f"{name}.lua").read_text()
            _with_libs(_headers(text).get("USES", []), seen)
            seen[name] = text


def _keys_of(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(key for text in texts for key in _headers(text).get("KEYS", [])))


def _joined(libs: dict[str, str], outer: dict[str, str], keys: Sequence[str]) -> str:
    """The libs that are not among the outer ones, one after the other, with what they inline; `keys` have names already."""
    seen = dict(outer)
    parts = []
    for name, text in libs.items():
        if name not in seen:
            seen[name] = text
            parts.append(_expanded(text, seen, keys))
    return "\n".join(parts)


def _expanded(text: str, libs: dict[str, str], keys: Sequence[str]) -> str:
    """A text with the libs that its INLINE lines name, and those that they use, but for those before it.

    A key that only they need is not passed: a script that rarely needs it makes it from the queue's other keys when it does.
    """

    def inlined(line: re.Match[str]) -> str:
        within = dict(libs)
        _with_libs(_split(line[1]), within)
        new = [key for key in _keys_of(text for name, text in within.items() if name not in libs) if key not in keys]
        return _derived(new) + _joined(within, libs, [*keys, *new])

    return _strip_comments(_INLINE.sub(inlined, text))


def _derived(keys: Sequence[str]) -> str:
    """Names keys that are not passed, as store/keys.py does."""
    if not keys:
        return ""
    names = ", ".join(key.rstrip("*") for key in keys)
    values = ", ".join(f"queue_base .. '{key.replace('*', ':')}'" for key in keys)
    return f"local {names} = {values}\n"


def _prelude(keys: Sequence[str], argv: Sequence[str], items: Sequence[str], *, derives: bool) -> str:
    lines = [f"local {', '.join(key.rstrip('*') for key in keys)} = {', '.join(f'KEYS[{n}]' for n in range(1, len(keys) + 1))}"]
    lines.append(f"local {', '.join(argv)} = {', '.join(f'ARGV[{n}]' for n in range(1, len(argv) + 1))}")
    if derives:
        lines.append("local queue_base = string.sub(meta, 1, -5)  -- without 'meta'")
    lines.append(_CLOCK)
    if items:
        lines.append(f"local given, item_count = ARGV, (#ARGV - {len(argv)}) / {len(items)}")
    return "\n".join(lines) + "\n"


def _unrolled(body: str, argv: Sequence[str], items: Sequence[str]) -> str:
    """Makes each `for i, ... in items() do` a loop by number: the call of an iterator costs as much as a short body."""

    def loop(line: re.Match[str]) -> str:
        index, *names = _split(line[1])
        first = len(argv) - len(items)
        fields = {name: f"given[{index} * {len(items)} + {first + n}]" for n, name in enumerate(names, 1) if name != "_"}
        return f"for {index} = 1, item_count do local {', '.join(fields)} = {', '.join(fields.values())}"

    return _ITEM_LOOP.sub(loop, body)


def _strip_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("--")) + "\n"


@cache
def load(name: str) -> Script:
    """Reads `lua/<name>.lua` and what it uses."""
    text = (LUA / f"{name}.lua").read_text()
    header = _headers(text)
    libs: dict[str, str] = {}
    _with_libs(header.get("USES", []), libs)
    keys = _keys_of([text, *libs.values()])
    body = _joined(libs, {}, keys) + _expanded(text, libs, keys)
    argv, items = header.get("ARGV", []), header.get("ITEMS", [])
    body = _prelude(keys, argv, items, derives="queue_base" in body) + _unrolled(body, argv, items)
    derived = dict.fromkeys(key.replace(":", "*") for key in _DERIVED.findall(body))
    return Script(name, tuple(keys), tuple(derived), tuple(argv), tuple(items), tuple(header.get("FLAGS", [])), body)


def all_names() -> list[str]:
    """The names of all scripts."""
    return sorted(path.stem for path in LUA.glob("*.lua"))
