"""Jobs that are changed before they start."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from leasemq_server.broker.changes import update_job
from leasemq_server.errors import JobNotFoundError, JobNotInStateError
from leasemq_server.jobs.changes import Change

from tests.model.choices import IDS, places

REFUSED = {JobNotFoundError: "JOB_NOT_FOUND", JobNotInStateError: "JOB_NOT_IN_STATE"}


class ChangeRules(RuleBasedStateMachine):
    """A part of `History`."""

    def _unstarted(self, place: int) -> str:
        """A job that has not started, or perhaps one that has, or none at all."""
        there = [job_id for state in ("waiting", "delayed", "blocked") for job_id in self.model.of(state)]
        there += [job_id for job_id in IDS if job_id not in there][place // 4 :][:1]
        return there[place % len(there)]

    @rule(
        place=places,
        payload=st.sampled_from([None, b"", b"new", b"newer"]),
        priority=st.sampled_from([None, 0, 1, 2]),
        run_in=st.sampled_from([None, None, -1, 0, 1, 500, 3000]),
    )
    def change(self, place: int, payload: bytes | None, priority: int | None, run_in: int | None) -> None:
        job_id = self._unstarted(place)
        self.moved = self.model.of("waiting").count(job_id) > 0  # what only changes its place is no news
        run_ms = None if run_in is None else self.model.now + run_in
        assert self._changed(job_id, Change(payload, priority, run_ms)) == self.model.change(job_id, payload, priority, run_ms)

    def _changed(self, job_id: str, change: Change) -> str:
        try:
            self.run(update_job(self.store, self.desk.queue, job_id, change))
        except (JobNotFoundError, JobNotInStateError) as error:
            return REFUSED[type(error)]
        return "OK"

    @rule(place=places)
    def change_what_another_has_changed(self, place: int) -> None:
        job_id = self._unstarted(place)
        answer = self.store.update_if(self.desk.queue, job_id, b"what was read", b"mine", "", to_tail=True, run_ms=None)
        expected = self.model.change(job_id, None, None, None)
        assert self.run(answer)[0] == ("CONFLICT" if expected == "OK" else expected)
