"""Jobs that depend on others."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from leasemq_server.store.flows import Edge, EndedEntry, JobRef, Registration, Resolution
from leasemq_server.store.types import Durability

from tests.model.choices import IDS, KEPT_MS, NewJob, new_jobs, places, wanted
from tests.model.keys import FINISHED

moments = st.sampled_from(["early", "told", "late"])  # of a dependent: before ends are told, after it, and where all have ended


class FlowRules(RuleBasedStateMachine):
    """A part of `History`."""

    def _register(self, dependent: str, wanted: list[tuple[int, str]], when: str, *, expected: bool) -> list[tuple[str, str]]:
        """Registers at jobs that are there, and perhaps at one that is not (yet); returns those that took it."""
        states = FINISHED if when == "late" else ()
        needs = {self._chosen([place], states)[0]: policy for place, policy in wanted}
        needs.pop(dependent, None)
        items = [Registration(name, f"{self.desk.queue}/{dependent}", int(expected)) for name in needs]
        words = self.run(self.store.register(self.desk.queue, items))
        assert words == self.model.register(dependent, list(needs), expected=expected)
        if when != "early":
            self.tell_ends()
        return [need for need, word in zip(needs.items(), words, strict=True) if word != "JOB_NOT_FOUND"]

    def _edges(self, needs: list[tuple[str, str]]) -> list[Edge]:
        return [Edge(JobRef(self.desk.queue, name), policy) for name, policy in needs]

    @rule(job=new_jobs, wanted=wanted, expected=st.booleans(), when=moments)
    def add_dependent(self, job: NewJob, wanted: list[tuple[int, str]], expected: bool, when: str) -> None:
        job_id, said, delay = job
        needs = self._register(job_id, wanted, when, expected=expected)
        if not needs:
            return
        new = self._new(job, dp=1)
        edges = {job_id: self._edges(needs)}
        self.looked = self.looked or "tl" in said  # it may fail at once, and never expire
        if self._is_refused([job], lambda: self.store.add(self.desk.queue, [new], Durability.MEMORY, edges)):
            return
        ((added,), _) = self.run(self.store.add(self.desk.queue, [new], Durability.MEMORY, edges))
        assert tuple(added)[:3] == self.model.add_dependent(job_id, said, delay or 0, needs)

    @precondition(lambda self: self.leases)
    @rule(pick=st.integers(0, 11), wanted=wanted, when=moments)
    def block(self, pick: int, wanted: list[tuple[int, str]], when: str) -> None:
        job_id, nonce = self._token(pick)
        needs = self._register(job_id, wanted, when, expected=False)
        if needs:
            (outcome,) = self.run(self.store.block(self.desk.queue, [(job_id, nonce, tuple(self._edges(needs)))]))
            assert tuple(outcome) == self.model.block(job_id, nonce, needs)

    @rule(job=new_jobs, wanted=wanted, blocks=st.booleans())
    def depend_on_what_has_ended(self, job: NewJob, wanted: list[tuple[int, str]], blocks: bool) -> None:
        """A new job, or the one that was leased last; it goes on, or fails, at once."""
        self._cancel(self._chosen([place for place, _ in wanted]))
        if blocks:
            self.lease([1], KEPT_MS)
        if blocks and self.leases:
            self.block(0, wanted, "late")
        else:
            new = [job_id for job_id in IDS if job_id not in self.model.jobs]
            self.add_dependent((*new[:1], *job[1:]) if new else job, wanted, expected=True, when="late")
        self.looked = True  # what woke may be gone again

    @precondition(lambda self: self.model.of("blocked"))
    @rule(place=places)
    def redrive_what_was_blocked(self, place: int) -> None:
        blocked = self.model.of("blocked")
        job_id = blocked[place % len(blocked)]
        self._cancel([job_id])
        self._retry([job_id], keep_attempts=False)

    @precondition(lambda self: any(entry[0] == "ended" for entry in self.model.outbox))
    @rule(twice=st.booleans())
    def tell_an_end(self, twice: bool) -> None:
        self.run(self._tell_first_end(twice=twice))

    @precondition(lambda self: self.model.pending())
    @rule(pick=places, how=st.sampled_from(["complete", "cancel", "delete"]), told=st.sampled_from([0, 1, 2]))
    def end_a_dependency(self, pick: int, how: str, told: int) -> None:
        """One that somebody is blocked by; it is told, or told twice, or left to a later step."""
        pending = self.model.pending()
        job_id = pending[pick % len(pending)]
        token = self.model.jobs[job_id].token
        if how == "complete" and (job_id, token) in self.leases:
            self._complete([(job_id, token)])
        elif how == "delete":
            self._delete([job_id], force=True)
        else:
            self._cancel([job_id])
        self.had_leasable = self.had_leasable and bool(self.model.groups.leasable())  # it may have been the only one
        self.was_due = max(self.was_due, self.model.earliest_due())  # or the first that was to be due
        if told and any(entry[0] == "ended" for entry in self.model.outbox):
            self.tell_an_end(twice=told > 1)

    def tell_ends(self) -> None:
        while any(entry[0] == "ended" for entry in self.model.outbox):
            self.tell_an_end(twice=False)

    async def _tell_first_end(self, *, twice: bool) -> None:
        """As broker/relay.py does; twice, as after a crash before the end was taken off the outbox."""
        queue = self.desk.queue
        entry = next(entry for entry in await self.store.outbox(queue, count=1000) if isinstance(entry, EndedEntry))
        untold = [text.partition("/")[2] for text in (await self.store.untold(queue, [entry.job_id]))[entry.job_id]]
        assert untold == self.model.tell_first_end()
        for _ in range(1 + twice):
            end = (f"{queue}/{entry.job_id}", entry.state, entry.result, entry.content_type)
            await self.store.resolve(queue, [Resolution(dependent, *end) for dependent in untold])
        await self.store.told(queue, [(entry.job_id, f"{queue}/{dependent}") for dependent in untold])
        await self.store.outbox_done(queue, [entry.entry_id])
