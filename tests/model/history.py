"""The rules of a random history: each does one thing to the store and to the model, and compares the answers."""

import asyncio
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from leasemq_server.errors import QueueFullError
from leasemq_server.store.flows import Edge, EndedEntry, JobRef, Registration, Resolution
from leasemq_server.store.keys import queue_keys
from leasemq_server.store.store import STATE_SETS
from leasemq_server.store.types import Durability, LeaseRequest, OutboxEntry

from tests.model.model import Model
from tests.model.views import Listener, seen, shown
from tests.store.declared import undeclared
from tests.store.harness import START_MS, Desk, new_job

KEPT_MS = 30_000  # a request with such a lease is remembered for longer than a history takes
STATES = tuple(STATE_SETS)
IDS = [f"job-{letter}" for letter in "abcdefghijklmnopqrst"]

backoffs = st.sampled_from(
    [{"k": "fixed", "d": 700}, {"k": "exponential", "i": 100, "m": 2, "x": 350}, {"k": "list", "l": [0, 10, 2000]}]
)
retentions = st.sampled_from([{"c": 0}, {"a": 0}, {"a": 4000}, {"c": 2}, {"a": 90_000, "c": 1}])
options = st.fixed_dictionaries(
    {},
    optional={
        "p": st.integers(1, 3),
        "l": st.just(1),
        "ma": st.integers(1, 4),
        "bo": backoffs,
        "to": st.sampled_from([500, 5000, 60_000]),
        "tl": st.sampled_from([500, 3000, 100_000]),
        "cr": retentions,
        "fr": retentions,
        "dl": st.just("dead"),
        "me": st.integers(0, 2),
    },
).map(lambda it: {**it, "rp": 1} if "ma" in it or "bo" in it else it)
retrying = st.fixed_dictionaries({"rp": st.just(1), "ma": st.integers(2, 4), "bo": backoffs})
new_jobs = st.tuples(st.sampled_from(IDS), options | retrying | st.just({}), st.sampled_from([None, None, 500, 500, 3000]))
configs = st.fixed_dictionaries(
    {},
    optional={
        "ma": st.integers(1, 3),
        "bo": backoffs,
        "me": st.integers(0, 2),
        "dl": st.just("dead"),
        "cr": st.sampled_from([{"a": 0}, {"a": 4000}, {"a": 90_000, "c": 2}, {"a": 90_000, "c": 0}]),
        "fr": st.sampled_from([{"a": 4000}, {"a": 90_000, "c": 1}]),
    },
)
limits = st.fixed_dictionaries(
    {},
    optional={
        "xa": st.integers(1, 3),
        "rl": st.fixed_dictionaries({"n": st.integers(1, 3), "d": st.sampled_from([500, 3000])}),
        "mw": st.integers(2, 9),
    },
)
steering = st.sampled_from(
    ["cancel", "cancel", "retry", "retry", "promote", "delete", "drain", "await", "await", "pause", "resume"]
)
ids = st.lists(st.sampled_from(IDS), min_size=1, max_size=3, unique=True)
spans = st.sampled_from([1, 9, 100, 500, 500, 700, 1000, 3000, 6000, 30_000, 100_000])
lease_spans = st.sampled_from([1000, 6000, KEPT_MS])
delays = st.sampled_from([0, 500, 3000])
picks = st.lists(st.integers(0, 11), min_size=1, max_size=3)


dependencies = st.lists(
    st.tuples(st.sampled_from(IDS), st.sampled_from("ffri")), min_size=1, max_size=3, unique_by=lambda need: need[0]
)
OUTCOMES = {"p": "pending", "c": "completed", "f": "failed", "x": "cancelled", "d": "deleted"}


def _shown_entry(entry: OutboxEntry | EndedEntry) -> tuple[str, str, int | str]:
    if isinstance(entry, EndedEntry):
        return ("ended", entry.job_id, entry.state)
    return (entry.target, entry.job_id, entry.finish_ms)


class History(RuleBasedStateMachine):
    """One history; the store and its client are there for all of them."""

    def __init__(self, runner: asyncio.Runner, desk: Desk, listener: Listener) -> None:
        super().__init__()
        self.run = runner.run
        self.desk = desk
        self.store = desk.store
        self.listener = listener
        self.leases: list[tuple[str, str]] = []  # all that were ever given
        self.requests: list[str] = []
        self.number = 0

    @initialize(
        jobs=st.lists(new_jobs, min_size=2, max_size=8),
        sizes=st.lists(st.integers(1, 3), max_size=3),
        limits=limits | st.just({}),
    )
    def begin(self, jobs: list[tuple[str, dict[str, Any], int | None]], sizes: list[int], limits: dict[str, Any]) -> None:
        self.run(self.desk.client.flushall())
        self.desk.clock.ms = START_MS
        self.model = Model(START_MS)
        self.listener.wakes()  # of the history before
        self._note()
        self.configure({}, limits)
        self.add(jobs)
        if sizes:
            self.lease(sizes, KEPT_MS)

    def _note(self) -> None:
        """What the wakes of the next step are judged by."""
        self.was_waiting = bool(self.model.waiting())
        self.was_due, self.was_expiring = self.model.earliest_due(), self.model.earliest_expiry()
        self.looked = False  # a lease or tick, which may take what it woke for
        self.resumed = self.model.woken = False

    def _token(self, pick: int) -> tuple[str, str]:
        return self.leases[-1 - pick % len(self.leases)]

    def _tokens(self, chosen: list[int]) -> list[tuple[str, str]]:
        return list(dict.fromkeys(self._token(pick) for pick in chosen))

    # -- adding and leasing --------------------------------------------------------------------------------------

    @rule(jobs=st.lists(new_jobs, min_size=1, max_size=5))
    def add(self, jobs: list[tuple[str, dict[str, Any], int | None]]) -> None:
        new = [new_job(job_id, delay_ms=delay or "", **options) for job_id, options, delay in jobs]
        if self.model.is_over(jobs):
            with pytest.raises(QueueFullError):
                self.run(self.desk.add(*new))
            return
        assert [tuple(added)[:3] for added in self.run(self.desk.add(*new))] == self.model.add(jobs)

    @rule(jobs=st.lists(new_jobs, min_size=1, max_size=3), lease_ms=lease_spans)
    def add_and_lease(self, jobs: list[tuple[str, dict[str, Any], int | None]], lease_ms: int) -> None:
        self.add(jobs)
        self.lease([len(jobs)], lease_ms)

    @rule(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=3), lease_ms=lease_spans)
    def lease(self, sizes: list[int], lease_ms: int) -> None:
        requests = []
        for size in sizes:
            self.number += 1
            requests.append((f"request-{self.number}", size, lease_ms))
        if lease_ms == KEPT_MS:
            self.requests += [request_id for request_id, _, _ in requests]
        self._lease(requests)

    @precondition(lambda self: self.requests)
    @rule(pick=st.integers(0, 5), fresh=st.integers(0, 2))
    def lease_again(self, pick: int, fresh: int) -> None:
        retried = (self.requests[-1 - pick % len(self.requests)], 2, KEPT_MS)
        self.number += 1
        self._lease([retried, (f"request-{self.number}", fresh, 1000)] if fresh else [retried])

    def _lease(self, requests: list[tuple[str, int, int]]) -> None:
        self.looked = True
        expected = self.model.lease(requests)
        call = f"call-{self.number}"
        wanted = [LeaseRequest(it, "w", size, ms) for it, size, ms in requests]
        reply = self.run(self.store.lease(self.desk.queue, wanted, call))
        assert [[job.id for job in answer] for answer in reply.answers] == expected
        for (request_id, _, _), answer in zip(requests, reply.answers, strict=True):
            self.model.leased(request_id, [(job.id, job.nonce) for job in answer], call)
            self.leases += [(job.id, job.nonce) for job in answer]
            for job in answer:
                mine = self.model.jobs[job.id]
                assert (job.attempt, job.expire_ms, job.nonce) == (mine.attempt, mine.lease_ms, mine.token)
                assert (job.lease_expirations, job.failure_count) == (mine.expirations, mine.failure_count)
        left = not self.model.paused and bool(self.model.waiting())
        opens_ms = self.model.opens_ms()
        assert reply.more == (left and self.model.slots() > 0 and not opens_ms)
        if left and opens_ms:
            assert 0 <= reply.next_in_ms <= opens_ms - self.model.now

    @precondition(lambda self: self.requests)
    @rule(pick=st.integers(0, 5), perhaps=st.booleans(), whose=st.sampled_from(["any", "any", "last"]))
    def give_back(self, pick: int, perhaps: bool, whose: str) -> None:
        request_id = self.requests[-1 - pick % len(self.requests)]
        call = f"call-{self.number}" if whose == "last" else ""
        expected = self.model.give_back(request_id, perhaps=perhaps, call=call)
        self.model.done()
        assert self.run(self.store.give_back(self.desk.queue, [(request_id, perhaps)], call)) == expected

    # -- jobs that depend on others ------------------------------------------------------------------------------

    def _register(self, dependent: str, needs: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Registers at all that are there; returns those."""
        names = [name for name, _ in needs]
        items = [Registration(name, f"{self.desk.queue}/{dependent}", 0) for name in names]
        words = self.run(self.store.register(self.desk.queue, items))
        assert words == self.model.register(dependent, names)
        return [need for need, word in zip(needs, words, strict=True) if word != "JOB_NOT_FOUND"]

    def _edges(self, needs: list[tuple[str, str]]) -> list[Edge]:
        return [Edge(JobRef(self.desk.queue, name), policy) for name, policy in needs]

    @rule(job=new_jobs, needs=dependencies, told_first=st.booleans())
    def add_dependent(self, job: tuple[str, dict[str, Any], int | None], needs: list[tuple[str, str]], told_first: bool) -> None:
        job_id, said, delay = job
        needs = self._register(job_id, [need for need in needs if need[0] != job_id])
        if told_first:
            self.tell_ends()
        if not needs:
            return
        new = new_job(job_id, delay_ms=delay or "", dp=1, **said)
        edges = {job_id: self._edges(needs)}
        self.looked = self.looked or "tl" in said  # it may fail at once, and never expire
        if self.model.is_over([(job_id, said, delay)]):
            with pytest.raises(QueueFullError):
                self.run(self.store.add(self.desk.queue, [new], Durability.MEMORY, edges))
            return
        ((added,), _) = self.run(self.store.add(self.desk.queue, [new], Durability.MEMORY, edges))
        assert tuple(added)[:3] == self.model.add_dependent(job_id, said, delay or 0, needs)

    @precondition(lambda self: self.leases)
    @rule(pick=st.integers(0, 11), needs=dependencies, told_first=st.booleans())
    def block(self, pick: int, needs: list[tuple[str, str]], told_first: bool) -> None:
        job_id, nonce = self._token(pick)
        needs = self._register(job_id, [need for need in needs if need[0] != job_id])
        if told_first:
            self.tell_ends()
        if needs:
            (outcome,) = self.run(self.store.block(self.desk.queue, [(job_id, nonce, tuple(self._edges(needs)))]))
            assert tuple(outcome) == self.model.block(job_id, nonce, needs)

    @precondition(lambda self: any(entry[0] == "ended" for entry in self.model.outbox))
    @rule(twice=st.booleans())
    def tell_an_end(self, twice: bool) -> None:
        self.run(self._tell_first_end(twice=twice))

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

    # -- settling, with tokens new and old -----------------------------------------------------------------------

    @precondition(lambda self: self.leases)
    @rule(chosen=picks)
    def complete(self, chosen: list[int]) -> None:
        tokens = self._tokens(chosen)
        expected = [self.model.complete(*token) for token in tokens]
        self.model.done()
        outcomes = self.run(self.store.complete(self.desk.queue, [(*token, b"result", "") for token in tokens]))
        assert [tuple(outcome) for outcome in outcomes] == expected

    @precondition(lambda self: self.leases)
    @rule(chosen=picks, fatal=st.sampled_from([False, False, False, True]), retry_delay=st.sampled_from([None, None, 0, 900]))
    def fail(self, chosen: list[int], fatal: bool, retry_delay: int | None) -> None:
        tokens = self._tokens(chosen)
        expected = [self.model.fail(*token, fatal=fatal, retry_delay=retry_delay) for token in tokens]
        self.model.done()
        delay = "" if retry_delay is None else retry_delay
        outcomes, _ = self.run(self.store.fail(self.desk.queue, [(*token, "", int(fatal), delay) for token in tokens]))
        assert [tuple(outcome) for outcome in outcomes] == expected

    @precondition(lambda self: self.leases)
    @rule(chosen=picks, delay=delays, hold=st.sampled_from([0, 0, 0, 500, 3000]))
    def release(self, chosen: list[int], delay: int, hold: int) -> None:
        tokens = self._tokens(chosen)
        expected = [self.model.release(*token, delay, hold) for token in reversed(tokens)][::-1]  # the first is the head again
        self.model.done()
        outcomes = self.run(self.store.release(self.desk.queue, [(*token, delay, hold) for token in tokens]))
        assert [tuple(outcome) for outcome in outcomes] == expected

    @precondition(lambda self: self.leases)
    @rule(pick=st.integers(0, 11), lease_ms=lease_spans)
    def extend(self, pick: int, lease_ms: int) -> None:
        token = self._token(pick)
        (extension,) = self.run(self.store.extend(self.desk.queue, [token], lease_ms))
        assert tuple(extension) == self.model.extend(*token, lease_ms)

    @precondition(lambda self: self.leases)
    @rule(pick=st.integers(0, 11), progress=st.sampled_from(["0.1", "0.9"]))
    def report(self, pick: int, progress: str) -> None:
        token = self._token(pick)
        assert self.run(self.store.progress(self.desk.queue, [(*token, progress)])) == [self.model.report(*token, progress)]

    @precondition(lambda self: len(self.leases) > 1)
    @rule(pick=st.integers(0, 11), other=st.integers(0, 11))
    def settle_with_the_token_of_another_job(self, pick: int, other: int) -> None:
        (job_id, nonce), (_, wrong) = self._token(pick), self._token(other)
        if wrong != nonce:
            outcomes = self.run(self.store.complete(self.desk.queue, [(job_id, wrong, b"", ""), ("nobody", nonce, b"", "")]))
            expected = [self.model.complete(job_id, wrong), self.model.complete("nobody", nonce)]
            self.model.done()
            assert [tuple(outcome) for outcome in outcomes] == expected

    # -- steering ------------------------------------------------------------------------------------------------

    @rule(how=steering, chosen=ids, flag=st.booleans())
    def steer(self, how: str, chosen: list[str], flag: bool) -> None:
        verbs = {
            "cancel": lambda: self._cancel(chosen),
            "retry": lambda: self._retry(chosen, keep_attempts=flag),
            "promote": lambda: self._promote(chosen),
            "delete": lambda: self._delete(chosen, force=flag),
            "drain": lambda: self._drain("waiting" if flag else "delayed"),
            "await": lambda: self._wait_for_the_end(chosen[0]),
            "pause": lambda: self._pause(paused=flag),
            "resume": lambda: self._pause(paused=False),
        }
        verbs[how]()

    def _cancel(self, chosen: list[str]) -> None:
        expected = [self.model.cancel(job_id) for job_id in chosen]
        self.model.done()
        assert self.run(self.store.cancel(self.desk.queue, [(job_id, "why") for job_id in chosen])) == expected

    def _retry(self, chosen: list[str], *, keep_attempts: bool) -> None:
        expected = [self.model.retry(job_id, keep_attempts=keep_attempts) for job_id in chosen]
        assert self.run(self.store.retry(self.desk.queue, chosen, keep_attempts=keep_attempts)) == expected

    def _promote(self, chosen: list[str]) -> None:
        assert self.run(self.store.promote(self.desk.queue, chosen)) == [self.model.promote(job_id) for job_id in chosen]

    def _delete(self, chosen: list[str], *, force: bool) -> None:
        expected = [self.model.delete(job_id, force=force) for job_id in chosen]
        assert self.run(self.store.delete(self.desk.queue, chosen, force=force)) == expected

    def _drain(self, state: str) -> None:
        assert self.run(self.store.drain(self.desk.queue, state)) == (self.model.drain(state), False)

    def _wait_for_the_end(self, job_id: str) -> None:
        assert self.run(self.store.await_mark(self.desk.queue, job_id)) == self.model.await_mark(job_id)

    def _pause(self, *, paused: bool) -> None:
        self.model.pause(paused=paused)
        self.resumed = not paused
        self.run(self.store.pause(self.desk.queue, paused=paused))

    @rule(config=configs, limits=limits | st.just({}))
    def configure(self, config: dict[str, Any], limits: dict[str, Any]) -> None:
        self.model.configure({**config, **limits})
        self.run(self.desk.configure(**config, **limits))

    # -- time ----------------------------------------------------------------------------------------------------

    def _advance(self, ms: int) -> None:
        self.desk.clock.advance(ms)
        self.model.now = self.desk.clock.ms

    @rule(ms=spans)
    def advance(self, ms: int) -> None:
        self._advance(ms)

    @rule(ms=spans)
    def advance_and_tick(self, ms: int) -> None:
        self._advance(ms)
        self.looked = True
        self.model.tick()
        self.run(self.desk.tick())
        self._advance(1)  # a sweep ends with its millisecond

    # -- what must hold ------------------------------------------------------------------------------------------

    @invariant()
    def the_store_holds_what_the_model_holds(self) -> None:
        self.run(self._compare())

    async def _compare(self) -> None:
        counts = await self.store.stats(self.desk.queue)
        assert [getattr(counts, state) for state in STATES] == [len(self.model.of(state)) for state in STATES]
        assert (counts.added_total, counts.completed_total, counts.failed_total) == (
            self.model.added,
            self.model.completed,
            self.model.failed,
        )
        assert counts.paused == self.model.paused
        assert counts.held_until_ms == (self.model.hold if self.model.hold > self.model.now else 0)
        for state, ids in zip(STATES, await self._indexes(), strict=True):
            assert [job_id.decode() for job_id in ids] == self.model.of(state), state
        for job_id, stored in zip(IDS, await self.store.read(self.desk.queue, IDS), strict=True):
            assert (stored and seen(stored)) == shown(self.model.jobs.get(job_id))
        outbox = await self.store.outbox(self.desk.queue, count=1000)
        assert [_shown_entry(entry) for entry in outbox] == self.model.outbox
        assert await self._edges_of_all() == {
            job_id: {name: (policy, outcome) for name, (policy, outcome) in edges.items() if policy != "?"}
            for job_id, edges in self.model.edges.items()
            if job_id in self.model.jobs
        }

    async def _edges_of_all(self) -> dict[str, dict[str, tuple[str, str]]]:
        found = {}
        for job_id in self.model.edges:
            stored = await self.store.edges(self.desk.queue, job_id, "", 1000)
            if stored is not None:
                found[job_id] = {edge.dependency.job_id: (edge.policy, OUTCOMES[edge.outcome]) for edge in stored[0]}
        return found

    async def _indexes(self) -> list[list[bytes]]:
        looks = self.desk.client.pipeline(transaction=False)
        for state in STATES:
            looks.zrange(queue_keys(self.desk.queue)[STATE_SETS[state][0]], 0, -1)
        return await looks.execute()

    @invariant()
    def wakes_come_when_something_is_new_and_only_then(self) -> None:
        wakes = self.listener.wakes()
        if self.resumed or self.model.woken or (self.model.waiting() and not self.was_waiting):
            assert "email 0" in wakes
        elif not self.looked:
            assert "email 0" not in wakes
        sooner = self.model.earliest_due() < self.was_due or self.model.earliest_expiry() < self.was_expiring
        later_looks = set(wakes) - {"email 0"}
        assert later_looks or not sooner, "the next moment moved forward in silence"
        assert sooner or self.looked or not later_looks
        self._note()

    def teardown(self) -> None:
        assert self.run(undeclared(self.desk.client)) == []
