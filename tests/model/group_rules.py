"""Groups of jobs: their settings, and enough jobs of few groups that these have lines."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.model.choices import IDS, group_defaults, group_settings, groups, lease_spans, limiting_settings, picks, spans


class GroupRules(RuleBasedStateMachine):
    """A part of `History`."""

    @rule(group=groups, settings=group_settings)
    def configure_group(self, group: str, settings: dict[str, Any]) -> None:
        self.model.configure_group(group, settings)
        self.run(self.desk.configure_group(group, **settings))

    @rule(defaults=group_defaults | st.none())
    def configure_all_groups(self, defaults: dict[str, Any] | None) -> None:
        self.configure({} if defaults is None else {"gd": defaults}, {})

    @rule(
        lines=st.lists(groups, min_size=3, max_size=9),
        settings=st.dictionaries(groups, limiting_settings, max_size=2),
        sizes=st.lists(st.integers(1, 4), max_size=3),
        lease_ms=lease_spans,
        ended=picks | st.just([]),
        ms=spans | st.just(0),
    )
    def lease_from_lines(
        self,
        lines: list[str],
        settings: dict[str, dict[str, Any]],
        sizes: list[int],
        lease_ms: int,
        ended: list[int],
        ms: int,
    ) -> None:
        """Adds jobs of groups with limits or weights, and leases by one call after the other; then some end, and time passes."""
        for group, said in settings.items():
            self.configure_group(group, said)
        new = [job_id for job_id in IDS if job_id not in self.model.jobs]
        self.add([(job_id, {"g": group}, None) for job_id, group in zip(new, lines, strict=False)] or [(IDS[0], {}, None)])
        for size in sizes:
            self.lease([size], lease_ms)
        if ended and self.leases:
            self.complete(ended)
        if ms:
            self.advance(ms)
            self.lease([2], lease_ms)
