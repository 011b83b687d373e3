"""What operators and callers ask of jobs and of the queue."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.model.choices import configs, limits, some_places, steering
from tests.model.keys import FINISHED


class SteeringRules(RuleBasedStateMachine):
    """A part of `History`."""

    @rule(how=steering, few=some_places, flag=st.booleans())
    def steer(self, how: str, few: list[int], flag: bool) -> None:
        verbs = {
            "cancel": lambda: self._cancel(self._chosen(few), "why" if flag else ""),
            "retry": lambda: self._retry(self._chosen(few, FINISHED), keep_attempts=flag),
            "promote": lambda: self._promote(self._chosen(few, ["delayed"])),
            "await": lambda: self._wait_for_the_end(self._chosen(few)[0]),
        }
        verbs[how]()

    def _cancel(self, chosen: list[str], reason: str = "why not") -> None:
        expected = [self.model.cancel(job_id, reason) for job_id in chosen]
        self.model.done()
        assert self.run(self.store.cancel(self.desk.queue, [(job_id, reason) for job_id in chosen])) == expected

    def _retry(self, chosen: list[str], *, keep_attempts: bool) -> None:
        expected = [self.model.retry(job_id, keep_attempts=keep_attempts) for job_id in chosen]
        assert self.run(self.store.retry(self.desk.queue, chosen, keep_attempts=keep_attempts)) == expected

    def _promote(self, chosen: list[str]) -> None:
        assert self.run(self.store.promote(self.desk.queue, chosen)) == [self.model.promote(job_id) for job_id in chosen]

    @rule(few=some_places, force=st.booleans())
    def delete(self, few: list[int], force: bool) -> None:
        self._delete(self._chosen(few), force=force)

    def _delete(self, chosen: list[str], *, force: bool) -> None:
        expected = [self.model.delete(job_id, force=force) for job_id in chosen]
        assert self.run(self.store.delete(self.desk.queue, chosen, force=force)) == expected

    @rule(state=st.sampled_from(["waiting", "delayed"]))
    def drain(self, state: str) -> None:
        assert self.run(self.store.drain(self.desk.queue, state)) == (self.model.drain(state), False)

    def _wait_for_the_end(self, job_id: str) -> None:
        assert self.run(self.store.await_mark(self.desk.queue, job_id)) == self.model.await_mark(job_id)

    @rule(paused=st.sampled_from([True, False, False]))
    def pause(self, paused: bool) -> None:
        self._pause(paused=paused)

    def _pause(self, *, paused: bool) -> None:
        self.model.pause(paused=paused)
        self.resumed = not paused
        self.run(self.store.pause(self.desk.queue, paused=paused))

    @rule(config=configs, limits=limits | st.just({}))
    def configure(self, config: dict[str, Any], limits: dict[str, Any]) -> None:
        self.model.configure({**config, **limits})
        self.run(self.desk.configure(**config, **limits))
