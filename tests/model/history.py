"""The rules of a random history: each does one thing to the store and to the model, and compares the answers."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule
from leasemq.v1.job_pb2 import JobSpec
from leasemq_server.errors import GroupFullError, QueueFullError
from leasemq_server.store.flows import EndedEntry
from leasemq_server.store.keys import queue_keys
from leasemq_server.store.reading import STATE_SETS
from leasemq_server.store.types import LeaseRequest, OutboxEntry
from leasemq_server.store.types import NewJob as StoreJob

from tests.model.change_rules import ChangeRules
from tests.model.choices import (
    GROUPS,
    IDS,
    KEPT_MS,
    NewJob,
    delays,
    failures,
    group_defaults,
    group_settings,
    groups,
    lease_spans,
    limits,
    new_jobs,
    picks,
    spans,
)
from tests.model.events import read_entries
from tests.model.flow_rules import FlowRules
from tests.model.group_rules import GroupRules
from tests.model.key_rules import KeyRules
from tests.model.model import Model
from tests.model.queue import NEVER
from tests.model.reading_rules import ReadingRules
from tests.model.schedule_rules import ScheduleRules
from tests.model.steering_rules import SteeringRules
from tests.model.views import Listener, seen, shown
from tests.store.declared import undeclared
from tests.store.grouped import disorder
from tests.store.harness import HOUR, START_MS, Desk, new_job

BEGIN_MS = START_MS - START_MS % HOUR + HOUR - 5000  # soon another hour begins
STATES = tuple(STATE_SETS)
OUTCOMES = {"p": "pending", "c": "completed", "f": "failed", "x": "cancelled", "d": "deleted"}


def _shown_entry(entry: OutboxEntry | EndedEntry) -> tuple[str, str, int | str]:
    if isinstance(entry, EndedEntry):
        return ("ended", entry.job_id, entry.state)
    return (entry.target, entry.job_id, entry.finish_ms)


class History(FlowRules, ChangeRules, KeyRules, GroupRules, ScheduleRules, SteeringRules, ReadingRules):
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
        limits=limits | st.just({}) | st.just({}),
        settings=st.dictionaries(groups, group_settings, max_size=2),
        defaults=group_defaults | st.just({}),
    )
    def begin(
        self,
        jobs: list[NewJob],
        sizes: list[int],
        limits: dict[str, Any],
        settings: dict[str, dict[str, Any]],
        defaults: dict[str, Any],
    ) -> None:
        self.run(self.desk.client.flushall())
        self.desk.clock.ms = BEGIN_MS
        self.model = Model(BEGIN_MS)
        self.listener.heard()  # of the history before
        self._note()
        self.configure({"gd": defaults} if defaults else {}, limits)
        for group, said in settings.items():
            self.configure_group(group, said)
        self.add(jobs)
        if sizes:
            self.lease(sizes, KEPT_MS)

    def _note(self) -> None:
        """What the wakes of the next step are judged by."""
        self.had_leasable = bool(self.model.groups.leasable())
        self.was_opening = self.model.groups.opens_ms() or NEVER
        self.was_due, self.was_expiring = self.model.earliest_due(), self.model.earliest_expiry()
        self.looked = False  # a lease or tick, which may take what it woke for
        self.resumed = self.moved = self.model.woken = self.model.replaced = False
        self.model.groups.has_risen = self.model.groups.moves_forward = False

    def _token(self, pick: int) -> tuple[str, str]:
        return self.leases[-1 - pick % len(self.leases)]

    def _tokens(self, chosen: list[int]) -> list[tuple[str, str]]:
        return list(dict.fromkeys(self._token(pick) for pick in chosen))

    def _chosen(self, few: list[int], states: Sequence[str] = ()) -> list[str]:
        """Ids of jobs that there are, perhaps only of some states, and perhaps of one that is not."""
        there = [job_id for state in states for job_id in self.model.of(state)] if states else sorted(self.model.jobs)
        there += [job_id for job_id in IDS if job_id not in there][:1]
        return list(dict.fromkeys(there[place % len(there)] for place in few))

    # -- adding and leasing --------------------------------------------------------------------------------------

    def _new(self, job: NewJob, **more: int) -> StoreJob:
        job_id, said, delay = job
        spec = JobSpec(priority=said.get("p", 0)).SerializeToString()
        options = {name: value for name, value in said.items() if name != "g"}
        return new_job(job_id, spec=spec, group=said.get("g", ""), delay_ms=delay or 0, **more, **options)

    def _is_refused(self, jobs: list[NewJob], add: Callable[[], Awaitable[Any]]) -> bool:
        """Whether there is no place for them; then nothing is added."""
        full_group = self.model.full_group(jobs)
        if self.model.is_over(jobs):
            with pytest.raises(QueueFullError):
                self.run(add())
        elif full_group:
            with pytest.raises(GroupFullError) as refused:
                self.run(add())
            assert refused.value.metadata["group"] == full_group
        else:
            return False
        return True

    @rule(jobs=st.lists(new_jobs, min_size=1, max_size=5))
    def add(self, jobs: list[NewJob]) -> None:
        new = [self._new(job) for job in jobs]
        if self._is_refused(jobs, lambda: self.desk.add(*new)):
            return
        assert [tuple(added) for added in self.run(self.desk.add(*new))] == self.model.add(jobs)

    @rule(jobs=st.lists(new_jobs, min_size=1, max_size=3), lease_ms=lease_spans)
    def add_and_lease(self, jobs: list[NewJob], lease_ms: int) -> None:
        self.add(jobs)
        self.lease([len(jobs)], lease_ms)

    @rule(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=3), lease_ms=lease_spans)
    def lease(self, sizes: list[int], lease_ms: int) -> None:
        requests = []
        for size in sizes:
            self.number += 1
            requests.append((f"request-{self.number}", f"w{self.number % 3}", size, lease_ms))
        if lease_ms == KEPT_MS:
            self.requests += [request_id for request_id, *_ in requests]
        self._lease(requests)

    @precondition(lambda self: self.requests)
    @rule(pick=st.integers(0, 5), fresh=st.integers(0, 2))
    def lease_again(self, pick: int, fresh: int) -> None:
        retried = (self.requests[-1 - pick % len(self.requests)], "w", 2, KEPT_MS)
        self.number += 1
        self._lease([retried, (f"request-{self.number}", "w", fresh, 1000)] if fresh else [retried])

    def _lease(self, requests: list[tuple[str, str, int, int]]) -> None:
        self.looked = True
        expected = self.model.lease(requests)
        call = f"call-{self.number}"
        reply = self.run(self.store.lease(self.desk.queue, [LeaseRequest(*it) for it in requests], call))
        assert [[job.id for job in answer] for answer in reply.answers] == expected
        for (request_id, *_), answer in zip(requests, reply.answers, strict=True):
            self.model.leased(request_id, [(job.id, job.nonce) for job in answer], call)
            self.leases += [(job.id, job.nonce) for job in answer]
            for job in answer:
                mine = self.model.jobs[job.id]
                assert (job.attempt, job.expire_ms, job.nonce) == (mine.attempt, mine.lease_ms, mine.token)
                assert (job.lease_expirations, job.failure_count) == (mine.expirations, mine.failure_count)
        left = not self.model.paused and bool(self.model.groups.leasable())
        opens_ms = self.model.opens_ms()
        assert reply.more == (left and self.model.slots() > 0 and not opens_ms)
        next_ms = min(self.model.next_ms, opens_ms) if left and opens_ms else self.model.next_ms
        assert reply.next_in_ms == (-1 if next_ms == NEVER else next_ms - self.model.now)

    @precondition(lambda self: self.requests)
    @rule(pick=st.integers(0, 5), perhaps=st.booleans(), whose=st.sampled_from(["any", "any", "last"]))
    def give_back(self, pick: int, perhaps: bool, whose: str) -> None:
        request_id = self.requests[-1 - pick % len(self.requests)]
        call = f"call-{self.number}" if whose == "last" else ""
        expected = self.model.give_back(request_id, perhaps=perhaps, call=call)
        self.model.done()
        assert self.run(self.store.give_back(self.desk.queue, [(request_id, perhaps)], call)) == expected

    # -- settling, with tokens new and old -----------------------------------------------------------------------

    @precondition(lambda self: self.leases)
    @rule(chosen=picks)
    def complete(self, chosen: list[int]) -> None:
        self._complete(self._tokens(chosen))

    def _complete(self, tokens: list[tuple[str, str]]) -> None:
        expected = [self.model.complete(*token) for token in tokens]
        self.model.done()
        outcomes = self.run(self.store.complete(self.desk.queue, [(*token, b"result", "") for token in tokens]))
        assert [tuple(outcome) for outcome in outcomes] == expected

    @precondition(lambda self: self.leases)
    @rule(
        chosen=picks,
        said=failures,
        fatal=st.sampled_from([False, False, False, True]),
        retry_delay=st.sampled_from([None, None, 0, 900]),
    )
    def fail(self, chosen: list[int], said: dict[str, str], fatal: bool, retry_delay: int | None) -> None:
        self._fail(self._tokens(chosen), said, fatal=fatal, retry_delay=retry_delay)

    def _fail(self, tokens: list[tuple[str, str]], said: dict[str, str], *, fatal: bool, retry_delay: int | None) -> None:
        expected = [self.model.fail(*token, said, fatal=fatal, retry_delay=retry_delay) for token in tokens]
        self.model.done()
        delay = "" if retry_delay is None else retry_delay
        failure = json.dumps(said) if said else ""
        outcomes = self.run(self.store.fail(self.desk.queue, [(*token, failure, int(fatal), delay) for token in tokens]))
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
            if state != "waiting":
                assert [job_id.decode() for job_id in ids] == self.model.of(state), state
        assert await self.desk.ids("waiting") == self.model.of("waiting")
        assert await disorder(self.desk.client, self.desk.queue) == []
        for group in await self.store.read_groups(self.desk.queue, GROUPS):
            assert (group.waiting, group.active) == self.model.group_counts(group.name), group.name
        ids = list(dict.fromkeys([*IDS, *self.model.jobs]))
        for job_id, stored in zip(ids, await self.store.read(self.desk.queue, ids), strict=True):
            assert (stored and seen(stored)) == shown(self.model.jobs.get(job_id))
        await self._compare_schedules()
        self.model.events.hear(await read_entries(self.store, self.desk.queue, self.model.events.last))
        await self.model.metrics.compare(self.store, self.desk.queue, self.model.now)
        outbox = await self.store.outbox(self.desk.queue, count=1000)
        assert [_shown_entry(entry) for entry in outbox] == self.model.outbox
        assert await self._edges_of_all() == {
            job_id: {name: (policy, outcome) for name, (policy, outcome) in edges.items() if policy != "?"}
            for job_id, edges in self.model.edges.items()
            if job_id in self.model.jobs
        }

    async def _edges_of_all(self) -> dict[str, dict[str, tuple[str, str]]]:
        ids = [job_id for job_id in self.model.edges if job_id in self.model.jobs]
        all_stored = await asyncio.gather(*(self.store.edges(self.desk.queue, job_id, "", 1000) for job_id in ids))
        return {
            job_id: {edge.dependency.job_id: (edge.policy, OUTCOMES[edge.outcome]) for edge in stored[0]}
            for job_id, stored in zip(ids, all_stored, strict=True)
            if stored is not None
        }

    async def _indexes(self) -> list[list[bytes]]:
        looks = self.desk.client.pipeline(transaction=False)
        for state in STATES:
            looks.zrange(queue_keys(self.desk.queue)[STATE_SETS[state][0]], 0, -1)
        for group in GROUPS:  # the store's own clock does not tidy up meanwhile
            looks.pexpire(queue_keys(self.desk.queue)["window*"] + group, KEPT_MS)
        return (await looks.execute())[: len(STATES)]

    @invariant()
    def wakes_come_when_something_is_new_and_only_then(self) -> None:
        (wakes, told), groups = self.listener.heard(), self.model.groups
        assert told == self.model.schedules.told()
        rises = bool(groups.leasable()) and not self.had_leasable and not self.moved
        if self.resumed or self.model.woken or rises:
            assert "email 0" in wakes
        elif not (self.looked or groups.has_risen):
            assert "email 0" not in wakes
        sooner = self.model.earliest_due() < self.was_due or self.model.earliest_expiry() < self.was_expiring
        sooner = sooner or (groups.opens_ms() or NEVER) < self.was_opening
        later_looks = set(wakes) - {"email 0"}
        assert later_looks or not sooner, "the next moment moved forward in silence"
        assert sooner or groups.moves_forward or self.looked or not later_looks
        self._note()

    def teardown(self) -> None:
        assert self.run(undeclared(self.desk.client)) == []
