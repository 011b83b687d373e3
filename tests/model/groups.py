"""Groups in the model: whose turn it is, what their limits let through, and in which order the waiting jobs of a queue come.

A group that may lease has a turn: a number, the least is the next. One that may lease nothing now has none, and gets one
at the tail as soon as something lets it. The first job of a group is told by its place alone.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

Rules = Mapping[str, Any]  # xa max_active, rl rate_limit, mw max_waiting, w weight, p paused


class GroupedJob(Protocol):
    """What is asked of a job."""

    options: dict[str, Any]


@dataclass
class Group:
    """One group."""

    own: Rules = field(default_factory=dict)
    turn: int | None = None
    served: int = 0  # how many it has leased in this turn
    is_shut: bool = False
    until: int | None = None  # when time opens it
    found_in: int = 0  # the generation of the defaults in which it was found that no time does
    leases: set[str] = field(default_factory=set)
    window: tuple[int, int] = (0, 0)  # of its rate limit: the start, and the leases in it

    def close(self) -> None:
        """It has no turn, and waits for none."""
        self.turn, self.served, self.is_shut, self.until = None, 0, False, None


class Groups:
    """The groups of a queue; `jobs` are the model's, `placed` says which of them wait, each at its place in the order."""

    def __init__(self, jobs: Mapping[str, Any], placed: Callable[[], list[str]]) -> None:
        self._jobs: Mapping[str, GroupedJob] = jobs
        self._placed = placed
        self._groups: dict[str, Group] = {}
        self._turns = 0
        self._defaults: Rules = {}
        self._generation = 0
        self.has_risen = False  # something was to be leased where nothing was
        self.moves_forward = False  # a group opens sooner than any did

    def of(self, job_id: str) -> str | None:
        """The name of a job's group."""
        return self._jobs[job_id].options.get("g")

    def _group(self, name: str) -> Group:
        return self._groups.setdefault(name, Group())

    def _line(self, name: str) -> list[str]:
        return [job_id for job_id in self._placed() if self.of(job_id) == name]

    # -- what can be seen ----------------------------------------------------------------------------------------

    def leasable(self) -> list[str]:
        """Those without a group, then the first of each group that has a turn."""
        with_turn = sorted((it.turn, name) for name, it in self._groups.items() if it.turn is not None)
        return [job_id for job_id in self._placed() if not self.of(job_id)] + [self._line(name)[0] for _, name in with_turn]

    def waiting(self) -> list[str]:
        first = self.leasable()
        return first + [job_id for job_id in self._placed() if job_id not in first]

    def opens_ms(self) -> int | None:
        """When time opens the first that is shut."""
        return min((it.until for it in self._groups.values() if it.until is not None), default=None)

    def stale(self) -> list[str]:
        """Those that were shut by defaults that are no more."""
        found = [(it.found_in, name) for name, it in self._groups.items() if it.is_shut and it.until is None]
        return [name for found_in, name in sorted(found) if found_in < self._generation]

    # -- settings ------------------------------------------------------------------------------------------------

    def rules(self, name: str) -> Rules:
        own = self._group(name).own
        said = {key: own.get(key, self._defaults.get(key)) for key in ("xa", "mw")}
        return {**said, "rl": own.get("rl") or self._defaults.get("rl"), "w": own.get("w", 1), "p": own.get("p")}

    def configure(self, name: str, own: Rules, now: int) -> None:
        group = self._group(name)
        group.own = own
        if group.turn is None:
            self._reopen(name, now)
        elif not self._room(name, now):
            self._shut(name, now)

    def set_defaults(self, defaults: Rules) -> None:
        self._defaults = defaults
        self._generation += 1
        for group in self._groups.values():
            if group.until is not None:
                group.until, group.found_in = None, 0

    def full(self, new: Iterable[str]) -> str | None:
        """The first group that has no place for one more of these jobs, each named by its group."""
        sizes: dict[str, int] = {}
        for name in new:
            sizes[name] = sizes.get(name, len(self._line(name))) + 1
            if sizes[name] > (self.rules(name)["mw"] or sizes[name]):
                return name
        return None

    # -- limits --------------------------------------------------------------------------------------------------

    def _window(self, name: str, now: int) -> tuple[int, int]:
        start, count = self._group(name).window
        return (start, count) if now < start + self.rules(name)["rl"]["d"] else (now, 0)

    def _opens(self, name: str, now: int) -> int | None:
        """When its window ends, if that is full."""
        rate = self.rules(name)["rl"]
        if not rate or self.rules(name)["p"]:
            return None
        start, count = self._window(name, now)
        return start + rate["d"] if count >= rate["n"] else None

    def _room(self, name: str, now: int) -> bool:
        rules = self.rules(name)
        is_full = rules["xa"] and len(self._group(name).leases) >= rules["xa"]
        return not rules["p"] and not is_full and self._opens(name, now) is None

    # -- turns ---------------------------------------------------------------------------------------------------

    def _stand(self, name: str) -> None:
        group = self._group(name)
        self.note_rise()
        self._turns += 1
        group.close()
        group.turn = self._turns

    def _shut(self, name: str, now: int) -> None:
        group = self._group(name)
        until, first = self._opens(name, now), self.opens_ms()
        self.moves_forward = self.moves_forward or (until is not None and (first is None or until < first))
        group.close()
        group.is_shut, group.until, group.found_in = True, until, self._generation

    def _reopen(self, name: str, now: int) -> None:
        if not self._line(name):
            self._group(name).close()
        elif self._room(name, now):
            self._stand(name)
        else:
            self._shut(name, now)

    def note_rise(self) -> None:
        """To be called before something is to be leased."""
        self.has_risen = self.has_risen or not self.leasable()

    def joins(self, name: str, now: int) -> None:
        """To be called before one of its jobs waits."""
        group = self._group(name)
        if group.turn is None and not group.is_shut:
            if self._room(name, now):
                self._stand(name)
            else:
                self._shut(name, now)

    def left(self, name: str) -> None:
        """One of its jobs waits no longer."""
        if not self._line(name):
            self._group(name).close()

    def look_again(self, now: int) -> None:
        """At those that time, or a change of the defaults, may have opened."""
        due = sorted((it.until, name) for name, it in self._groups.items() if it.until is not None and it.until <= now)
        for name in [name for _, name in due] or self.stale():
            self._reopen(name, now)

    # -- leases --------------------------------------------------------------------------------------------------

    def close_the_shut(self, names: Iterable[str], now: int) -> set[str]:
        """Those of the groups whose limits have changed since their turn came: they have it no longer."""
        closed = {name for name in names if not self._room(name, now)}
        for name in names:
            if name in closed:
                self._shut(name, now)
        return closed

    def first(self, names: Iterable[str]) -> str | None:
        """Whose turn is the next."""
        return min(names, key=lambda name: self._group(name).turn or 0, default=None)

    def leased(self, name: str, job_id: str, now: int) -> bool:
        """One of its jobs, which waits no longer; says whether its turn goes on."""
        group, rate = self._group(name), self.rules(name)["rl"]
        group.leases.add(job_id)
        if rate:
            start, count = self._window(name, now)
            group.window = (start, count + 1)
        group.served += 1
        if not self._line(name):
            group.close()
        elif not self._room(name, now):
            self._shut(name, now)
        elif group.served >= self.rules(name)["w"]:
            self._stand(name)
        else:
            return True
        return False

    def leases_ended(self, ended: list[tuple[str, str]], now: int) -> None:
        """Of jobs, as (group, id)."""
        for name, job_id in ended:
            self._group(name).leases.discard(job_id)
        for name, _ in ended:
            if self._group(name).turn is None:
                self._reopen(name, now)

    def has_turn(self, name: str) -> bool:
        return self._group(name).turn is not None
