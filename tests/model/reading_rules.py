"""What is told of a queue, read as its watchers do; each step compares what is new of it besides."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule


class ReadingRules(RuleBasedStateMachine):
    """A part of `History`."""

    @rule(place=st.integers(0, 100))
    def read_events(self, place: int) -> None:
        self.run(self.model.events.check_reading(self.store, self.desk.queue, place))

    @rule(step_minutes=st.sampled_from([1, 7, 60]))
    def read_metrics(self, step_minutes: int) -> None:
        self.run(self.model.metrics.check_reading(self.store, self.desk.queue, self.model.now, step_minutes))
