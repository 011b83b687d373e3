"""Groups of jobs: their settings, and enough jobs of few groups that these have lines."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.model.choices import GROUPS, IDS, group_defaults, group_settings, groups, lease_spans, limiting_settings, picks, spans


class GroupRules(RuleBasedStateMachine):
    """A part of `History`."""

    @rule(group=groups, settings=group_settings)
    def configure_group(self, group: str, settings: dict[str, Any]) -> None:
        self.model.configure_group(group, settings)
        self.run(self.desk.configure_group(group, **settings))

    @rule(defaults=group_defaults | st.none())
    def configure_all_groups(self, defaults: dict[str, Any] | None) -> None:
        self.configure({} if defaults is None else {"gd": defaults}, {})

    def _fill_lines(self, lines: list[str]) -> None:
        new = [job_id for job_id in IDS if job_id not in self.model.jobs]
        self.add([(job_id, {"g": group}, None) for job_id, group in zip(new, lines, strict=False)] or [(IDS[0], {}, None)])

    @rule(
        lines=st.lists(groups, min_size=6, max_size=12),
        weights=st.dictionaries(groups, st.integers(2, 3), max_size=1),
        sizes=st.lists(st.integers(1, 6), min_size=1, max_size=4),
        lease_ms=lease_spans,
        limited=st.none() | groups,
    )
    def take_turns(self, lines: list[str], weights: dict[str, int], sizes: list[int], lease_ms: int, limited: str | None) -> None:
        """With nobody else in the way, and no limits: but perhaps one, of one group, from the second lease on."""
        self._delete(
            [job_id for job_id, job in self.model.jobs.items() if job.state not in ("active", "blocked")] or IDS[:1], force=True
        )
        self.configure({}, {})
        for group in GROUPS:
            no_limit = {} if limited in (None, group) else {"xa": 0}
            self.configure_group(group, no_limit | ({"w": weights[group]} if group in weights else {}))
        self._pause(paused=False)
        self._fill_lines(lines)
        for size in sizes:
            self.lease([size], lease_ms)
            if limited and "gd" not in self.model.config:
                self.configure({"gd": {"xa": 1}}, {})

    @rule(
        lines=st.lists(groups, min_size=5, max_size=9),
        settings=st.dictionaries(groups, limiting_settings, max_size=2),
        sizes=st.lists(st.integers(1, 5), max_size=3),
        lease_ms=lease_spans,
        ended=picks | st.just([]),
        defaults=st.none() | st.none() | group_defaults,
        ms=spans | st.just(0),
        last=st.integers(1, 4),
    )
    def lease_from_lines(
        self,
        lines: list[str],
        settings: dict[str, dict[str, Any]],
        sizes: list[int],
        lease_ms: int,
        ended: list[int],
        defaults: dict[str, Any] | None,
        ms: int,
        last: int,
    ) -> None:
        """Adds jobs of groups with limits or weights, and leases, call by call; then some end, limits change, time passes."""
        for group, said in settings.items():
            self.configure_group(group, said)
        self._fill_lines(lines)
        for size in sizes:
            self.lease([size], lease_ms)
        if ended and self.leases:
            self.complete(ended)
        if defaults is not None:
            self.configure_all_groups(defaults)
        if ms:
            self.advance(ms)
        self.lease([last], lease_ms)

    @rule(
        group=groups,
        room=st.integers(0, 2),
        jobs=st.lists(st.tuples(st.integers(0, 3), st.sampled_from([None, None, 500])), min_size=1, max_size=4),
    )
    def add_to_a_full_group(self, group: str, room: int, jobs: list[tuple[int, int | None]]) -> None:
        """Or to one that nearly is."""
        waiting, _ = self.model.group_counts(group)
        self.configure_group(group, {"mw": waiting + room})
        there, new = sorted(self.model.jobs), [job_id for job_id in IDS if job_id not in self.model.jobs]
        ids = new[:3] + there[:1]
        self.add([(ids[place % len(ids)], {"g": group}, delay) for place, delay in jobs])
