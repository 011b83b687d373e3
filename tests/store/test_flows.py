"""register, resolve, block, told, dependencies, and what add, complete and the others do for jobs that depend on each other."""

from collections.abc import Sequence

import pytest
from leasemq_server.store.flows import Edge, EndedEntry, JobRef, Registration, Resolution
from leasemq_server.store.types import Added, Durability, Outcome

from tests.store.harness import HOUR, LEASE_MS, SECOND, START_MS, Desk, new_job


class Flow:
    """Jobs of the desk's queue that depend on each other; nothing is relayed unless the test says so."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.store, self.queue = desk, desk.store, desk.queue

    def ref(self, job_id: str) -> JobRef:
        return JobRef(self.queue, job_id)

    async def register(self, dependent: str, *job_ids: str, expected: bool = False) -> list[str]:
        items = [Registration(job_id, self.ref(dependent).text, int(expected)) for job_id in job_ids]
        return await self.store.register(self.queue, items)

    async def add(self, job_id: str, *edges: tuple[str, str], delay_ms: int = 0, run_ms: int = 0, **options) -> Added:
        await self.register(job_id, *(name for name, _ in edges))
        found = {job_id: [Edge(self.ref(name), policy) for name, policy in edges]}
        job = new_job(job_id, delay_ms=delay_ms, run_ms=run_ms, dp=1, **options)
        ((added,), _) = await self.store.add(self.queue, [job], Durability.MEMORY, found)
        return added

    async def relay(self) -> int:
        """What broker/relay.py does, for this queue alone; returns how many ends were told."""
        ends = [entry for entry in await self.store.outbox(self.queue) if isinstance(entry, EndedEntry)]
        for end in ends:
            untold = (await self.store.untold(self.queue, [end.job_id]))[end.job_id]
            for text in untold:
                item = Resolution(text.partition("/")[2], self.ref(end.job_id).text, end.state, end.result, end.content_type)
                await self.store.resolve(self.queue, [item])
            await self.store.told(self.queue, [(end.job_id, text) for text in untold])
            await self.store.outbox_done(self.queue, [end.entry_id])
        return len(ends)

    async def relay_all(self) -> None:
        while await self.relay():
            pass

    async def block(self, job_id: str, nonce: str, *edges: tuple[str, str]) -> Outcome:
        await self.register(job_id, *(name for name, _ in edges))
        (outcome,) = await self.store.block(
            self.queue, [(job_id, nonce, tuple(Edge(self.ref(name), policy) for name, policy in edges))]
        )
        return outcome

    async def edges(self, job_id: str) -> dict[str, tuple[str, str, bytes]]:
        found = await self.store.edges(self.queue, job_id, "", 1000)
        assert found is not None
        return {edge.dependency.job_id: (edge.policy, edge.outcome, edge.result) for edge in found[0]}

    async def edge_keys(self) -> list[str]:
        """What kinds of keys hold edges (KEYS.md)."""
        names = [key.decode().split(":")[3] async for key in self.desk.client.scan_iter("*")]
        return [name for name in names if name in ("deps", "needs")]

    async def done(self, *job_ids: str, result: bytes = b"") -> None:
        for job_id in job_ids:
            await self.desk.complete(await self.desk.lease_one(job_id), result)

    async def states(self, job_ids: Sequence[str]) -> list[str | None]:
        return [await self.desk.state(job_id) for job_id in job_ids]


@pytest.fixture
def flow(desk: Desk) -> Flow:
    return Flow(desk)


# -- waiting for others ------------------------------------------------------------------------------------------


async def test_a_job_is_blocked_until_the_last_of_its_dependencies_is_done(flow: Flow):
    desk = flow.desk
    await desk.add("a", "b")
    assert await flow.add("c", ("a", "f"), ("b", "f")) == Added(True, "blocked", 0)
    assert await desk.ids("blocked") == ["c"]
    assert (await flow.store.stats(flow.queue)).blocked == 1
    await flow.done("a", result=b"from a")
    await flow.relay()
    assert await desk.state("c") == "blocked"
    assert await flow.edges("c") == {"a": ("f", "c", b"from a"), "b": ("f", "p", b"")}
    await flow.done("b")
    assert await desk.lease_ids() == []  # nobody has told it yet
    await flow.relay()
    assert await desk.lease_ids() == ["c"]
    assert await desk.ids("blocked") == []


async def test_a_blocked_job_that_is_awaited_is_still_blocked(flow: Flow):
    desk = flow.desk
    await desk.add("a")
    await flow.add("b", ("a", "f"))
    assert await flow.store.await_mark(flow.queue, "b") == "blocked"
    assert [await desk.state("b"), await flow.store.await_mark(flow.queue, "b")] == ["blocked", "blocked"]
    await flow.done("a")
    await flow.relay()
    assert [await desk.state("b"), await flow.store.await_mark(flow.queue, "b")] == ["waiting", "waiting"]


@pytest.mark.parametrize("group", ["", "of a group"])
async def test_a_finished_job_that_others_come_to_depend_on_keeps_all_that_is_known_of_it(flow: Flow, group: str):
    desk = flow.desk
    result = b"\n\t" + bytes(range(256))
    await desk.add(new_job("a", group=group))
    await desk.complete(await desk.lease_one("a", worker="w 7"), result, "text/x")
    before = await desk.job("a")
    await flow.register("b", "a")
    after = await desk.job("a")
    assert (after.state, after.fields[b"r"], after.fields[b"rt"], after.fields[b"w"]) == ("completed", result, b"text/x", b"w 7")
    assert {name: after.fields[name] for name in before.fields} == before.fields


@pytest.mark.parametrize(("end", "state"), [("cancel", "cancelled"), ("too many expirations", "failed")])
async def test_the_broker_that_gives_back_a_job_which_ends_by_it_hears_that_others_must_learn_of_it(
    flow: Flow, end: str, state: str
):
    await flow.desk.add("a", me=0)
    await flow.add("b", ("a", "f"))
    await flow.desk.lease(request_id="r")
    if end == "cancel":
        await flow.desk.cancel("a")
    assert await flow.store.give_back(flow.queue, [("r", end != "cancel")]) == 1
    assert await flow.states(["a"]) == [state]
    assert flow.desk.told == [flow.queue]
    assert await flow.relay() == 1


async def test_an_end_that_is_told_twice_counts_once(flow: Flow):
    await flow.desk.add("a", "b")
    await flow.add("c", ("a", "f"), ("b", "f"))
    told = Resolution("c", flow.ref("a").text, "completed", b"", "")
    for _ in range(3):
        await flow.store.resolve(flow.queue, [told, told])
    assert await flow.desk.state("c") == "blocked"
    await flow.store.resolve(flow.queue, [Resolution("c", flow.ref("b").text, "completed", b"", "")])
    await flow.store.resolve(flow.queue, [told])
    assert await flow.desk.lease_ids() == ["a", "b", "c"]


async def test_a_result_survives_a_dependency_that_is_removed_at_once(flow: Flow):
    await flow.desk.add("a", cr={"a": 0})
    await flow.add("b", ("a", "f"))
    await flow.done("a", result=b"\x00\nkept")
    assert await flow.desk.state("a") is None
    await flow.relay()
    assert await flow.desk.lease_ids() == ["b"]
    assert await flow.edges("b") == {"a": ("f", "c", b"\x00\nkept")}
    assert not [key async for key in flow.desk.client.scan_iter("*dependents*")]


async def test_a_dependency_that_ends_between_the_registration_and_the_add_counts(flow: Flow):
    await flow.desk.add("a", cr={"a": 0})
    await flow.register("b", "a")
    await flow.done("a", result=b"kept")
    await flow.relay()  # b is not there: this is kept for it
    added = await flow.store.add(flow.queue, [new_job("b", dp=1)], Durability.MEMORY, {"b": [Edge(flow.ref("a"), "f")]})
    assert added[0] == [Added(True, "waiting", 0)]
    assert await flow.edges("b") == {"a": ("f", "c", b"kept")}


async def test_an_end_is_not_kept_for_ever_for_a_dependent_that_never_comes(flow: Flow):
    await flow.desk.add("a")
    await flow.register("b", "a")
    await flow.done("a")
    await flow.relay()
    (key,) = [key async for key in flow.desk.client.scan_iter("*:deps:*")]
    assert 0 < await flow.desk.client.pttl(key) <= HOUR


async def test_a_dependency_that_has_finished_counts_as_finished(flow: Flow):
    await flow.desk.finish("a")
    assert await flow.register("b", "a") == ["FINISHED"]
    await flow.relay()
    assert (await flow.add("b", ("a", "f"))).state == "waiting"


async def test_registering_with_a_job_that_is_not_there_changes_nothing(flow: Flow):
    before = await flow.desk.dump()
    assert await flow.register("b", "a") == ["JOB_NOT_FOUND"]
    assert await flow.desk.dump() == before


async def test_a_job_that_is_expected_tells_its_end_whoever_adds_it(flow: Flow):
    """The broker that was adding the flow has died, and the job comes by an add of its own: its life is not a plain one."""
    await flow.register("b", "a", expected=True)
    await flow.desk.add("other", "a")
    await flow.done("other", "a")
    (end,) = await flow.store.outbox(flow.queue)
    assert (end.job_id, end.state) == ("a", "completed")


async def test_a_job_that_is_expected_tells_its_end(flow: Flow):
    assert await flow.register("b", "a", expected=True) == ["OK"]
    await flow.store.add(flow.queue, [new_job("b", dp=1)], Durability.MEMORY, {"b": [Edge(flow.ref("a"), "f")]})
    await flow.store.add(flow.queue, [new_job("a", dp=1)], Durability.MEMORY, {"a": []})
    (key,) = [key async for key in flow.desk.client.scan_iter("*dependents*")]
    assert await flow.desk.client.pttl(key) == -1
    await flow.done("a")
    await flow.relay()
    assert await flow.desk.lease_ids() == ["b"]


async def test_a_job_depends_on_one_that_is_leased_or_was_completed_plainly(flow: Flow):
    await flow.desk.add("a", "b")
    await flow.done("a", result=b"r")
    job = await flow.desk.lease_one("b")
    await flow.add("c", ("a", "f"), ("b", "f"))
    await flow.relay()
    await flow.desk.complete(job, b"s")
    await flow.relay()
    assert await flow.desk.lease_ids() == ["c"]
    assert await flow.edges("c") == {"a": ("f", "c", b"r"), "b": ("f", "c", b"s")}


async def test_a_delay_begins_with_the_end_of_the_last_dependency(flow: Flow):
    await flow.desk.add("a")
    await flow.add("b", ("a", "f"), delay_ms=5 * SECOND)
    await flow.add("c", ("a", "f"), run_ms=START_MS + 3 * SECOND)
    await flow.add("d", ("a", "f"), run_ms=START_MS + HOUR)
    flow.desk.clock.advance(10 * SECOND)
    await flow.done("a")
    await flow.relay()
    assert await flow.states("bcd") == ["delayed", "waiting", "delayed"]
    assert (await flow.desk.job("b")).delayed_ms == START_MS + 15 * SECOND
    assert (await flow.desk.job("d")).delayed_ms == START_MS + HOUR


async def test_a_blocked_job_can_expire(flow: Flow):
    await flow.desk.add("a")
    await flow.add("b", ("a", "f"), tl=SECOND)
    await flow.desk.after(SECOND)
    assert await flow.desk.state("b") == "failed"
    assert await flow.desk.ids("blocked") == []
    await flow.done("a")
    await flow.relay()
    assert await flow.desk.state("b") == "failed"


# -- failing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("policy", "state", "edges"), [("f", "failed", 1), ("r", "waiting", 1), ("i", "waiting", 0)])
@pytest.mark.parametrize("how", ["failed", "cancelled", "deleted", "drained", "expired"])
async def test_a_failure_of_a_dependency_is_taken_as_the_edge_says(flow: Flow, how: str, policy: str, state: str, edges: int):
    desk = flow.desk
    await desk.add("a", **({"tl": SECOND} if how == "expired" else {}))
    await flow.add("b", ("a", policy))
    if how == "failed":
        await desk.fail(await desk.lease_one("a"), fatal=True)
    elif how == "cancelled":
        await desk.cancel("a")
    elif how == "deleted":
        await desk.store.delete(desk.queue, ["a"])
    elif how == "drained":
        await desk.store.drain(desk.queue, "waiting")
    else:
        await desk.after(SECOND)
    await flow.relay_all()
    assert await desk.state("b") == state
    assert len(await flow.edges("b")) == edges
    if state == "failed":
        (failure,) = await desk.failures("b")
        assert failure["kind"] == "DEPENDENCY"
        assert failure["message"].startswith("the dependency email/a ")


async def test_a_failure_goes_down_all_the_way(flow: Flow):
    await flow.desk.add("a")
    for before, job_id in zip("abcd", "bcde", strict=True):
        await flow.add(job_id, (before, "f"))
    await flow.desk.fail(await flow.desk.lease_one("a"), fatal=True)
    await flow.relay_all()
    assert await flow.states("abcde") == ["failed"] * 5
    assert (await flow.store.stats(flow.queue)).failed_total == 5


async def test_a_job_on_a_failed_dependency_fails_when_it_is_added(flow: Flow):
    await flow.desk.fail_for_good("a")
    await flow.register("b", "a")
    await flow.relay()
    assert (await flow.add("b", ("a", "f"))).state == "failed"
    assert await flow.desk.ids("failed") == ["a", "b"]


async def test_a_retry_of_the_dependency_leaves_the_dependent_to_its_own(flow: Flow):
    desk = flow.desk
    await desk.add("a", ma=2, rp=1)
    await flow.add("b", ("a", "f"))
    assert (await desk.fail(await desk.lease_one("a"))).state == "waiting"
    await flow.relay_all()
    assert await desk.state("b") == "blocked"  # it has not failed for good
    await desk.fail(await desk.lease_one("a"))
    await flow.relay_all()
    assert await desk.state("b") == "failed"
    await desk.store.retry(desk.queue, ["b"])
    assert await desk.state("b") == "waiting"


async def test_a_retried_job_is_blocked_as_long_as_a_dependency_is_pending(flow: Flow):
    await flow.desk.add("a")
    await flow.add("b", ("a", "f"))
    assert await flow.desk.cancel("b") == ("OK", "cancelled")
    await flow.desk.store.retry(flow.queue, ["b"])
    assert await flow.desk.ids("blocked") == ["b"]
    await flow.done("a")
    await flow.relay()
    assert await flow.desk.lease_ids() == ["b"]


@pytest.mark.parametrize(("ended", "kept_as"), [([], "needs"), (["a"], "deps")])
async def test_a_blocked_job_can_be_deleted_with_all_that_is_kept_of_it(flow: Flow, ended: list[str], kept_as: str):
    await flow.desk.add("a", "c")
    await flow.add("b", ("a", "f"), ("c", "f"))
    await flow.done(*ended)
    await flow.relay()
    assert await flow.edge_keys() == [kept_as]
    assert await flow.store.delete(flow.queue, ["b"]) == ["OK"]
    assert await flow.desk.state("b") is None
    assert await flow.edge_keys() == []
    assert (await flow.store.stats(flow.queue)).blocked == 0


async def test_a_job_that_depends_on_another_queue_alone_leaves_nothing_either(flow: Flow):
    edges = {"b": [Edge(JobRef("other", "a"), "f")]}
    await flow.store.add(flow.queue, [new_job("b", dp=1)], Durability.MEMORY, edges)
    assert await flow.edge_keys() == ["needs"]
    await flow.store.delete(flow.queue, ["b"])
    assert await flow.edge_keys() == []


async def test_an_end_of_a_job_that_a_blocked_one_does_not_depend_on_changes_nothing_for_it(flow: Flow):
    await flow.desk.add("a")
    await flow.add("b", ("a", "f"))
    await flow.store.resolve(flow.queue, [Resolution("b", flow.ref("other").text, "failed", b"", "")])
    assert await flow.edges("b") == {"a": ("f", "p", b"")}
    assert await flow.desk.ids("blocked") == ["b"]
    await flow.done("a")
    await flow.relay()
    job = await flow.desk.lease_one("b")  # and what was told is kept for when it does
    assert (await flow.block("b", job.nonce, ("other", "r"))).state == "waiting"


async def test_edges_are_told_page_by_page_by_name_before_and_after_the_first_end(flow: Flow):
    await flow.desk.add("a", "b", "c")
    await flow.add("all", ("c", "i"), ("a", "f"), ("b", "r"))

    async def page(after: str) -> tuple[list[str], bool]:
        edges, more = await flow.store.edges(flow.queue, "all", after, 2) or ([], False)
        return [edge.dependency.job_id + edge.policy + edge.outcome for edge in edges], more

    assert await page("") == (["afp", "brp"], True)
    assert await page(flow.ref("b").text) == (["cip"], False)
    await flow.done("a")
    await flow.relay()
    assert await page("") == (["afc", "brp"], True)
    assert await page(flow.ref("b").text) == (["cip"], False)


async def test_a_batch_of_dependents_of_which_one_was_told_before(flow: Flow):
    edges = {job_id: [Edge(flow.ref("a"), "f")] for job_id in ("b", "c", "d")}
    await flow.store.resolve(flow.queue, [Resolution("c", flow.ref("a").text, "completed", b"kept", "text/plain")])
    jobs = [new_job("b", dp=1), new_job("c", dp=1), new_job("d", dp=1, delay_ms=SECOND)]
    added, _ = await flow.store.add(flow.queue, jobs, Durability.MEMORY, edges)
    assert [job.state for job in added] == ["blocked", "waiting", "blocked"]
    assert (await flow.desk.ids("blocked"), await flow.desk.ids("waiting")) == (["b", "d"], ["c"])


async def test_a_batch_of_dependents_of_which_one_is_there_already(flow: Flow):
    edges = {job_id: [Edge(flow.ref("x"), "f"), Edge(flow.ref("y"), "i")] for job_id in ("b", "c")}
    for ids in (["b"], ["b", "c"]):
        await flow.store.add(flow.queue, [new_job(job_id, dp=1) for job_id in ids], Durability.MEMORY, edges)
    assert await flow.edges("c") == await flow.edges("b") == {"x": ("f", "p", b""), "y": ("i", "p", b"")}


async def test_a_queue_with_blocked_jobs_is_not_dropped(flow: Flow):
    await flow.desk.add("a")
    await flow.add("b", ("a", "f"))
    await flow.store.delete(flow.queue, ["a"])
    await flow.store.outbox_done(flow.queue, [entry.entry_id for entry in await flow.store.outbox(flow.queue)])
    assert not await flow.store.drop_queue(flow.queue)


# -- blocking while it runs --------------------------------------------------------------------------------------


async def test_a_running_job_waits_for_others_without_using_an_attempt(flow: Flow):
    desk = flow.desk
    await desk.add("a")
    first = await desk.lease_one("a")
    await desk.add("b", "c")
    assert (await flow.block("a", first.nonce, ("b", "f"), ("c", "r"))).state == "blocked"
    assert await desk.attempt("a") == 0
    assert await desk.ids("active") == []
    assert await flow.edges("a") == {"b": ("f", "p", b""), "c": ("r", "p", b"")}
    assert (await flow.block("a", first.nonce, ("b", "f"), ("c", "r"))).state == "blocked"  # the same token, the first outcome
    assert (await desk.complete(first)).state == "blocked"
    await flow.done("b", "c", result=b"r")
    await flow.relay_all()
    again = await desk.lease_one("a")
    assert again.attempt == 1
    # a handler that runs again asks for the same jobs again: they are done, so it goes on at once
    assert (await flow.block("a", again.nonce, ("b", "f"), ("c", "r"))).state == "waiting"
    assert await flow.edges("a") == {"b": ("f", "c", b"r"), "c": ("r", "c", b"r")}


async def test_a_dependency_that_ends_between_the_registration_and_the_block_counts(flow: Flow):
    desk = flow.desk
    await desk.add("a")
    job = await desk.lease_one("a")
    await desk.add("b", cr={"a": 0})
    await flow.register("a", "b")
    await flow.done("b", result=b"r")
    await flow.relay()
    assert await flow.edges("a") == {}  # it does not depend on b yet
    (outcome,) = await flow.store.block(flow.queue, [("a", job.nonce, (Edge(flow.ref("b"), "f"),))])
    assert outcome.state == "waiting"
    assert await flow.edges("a") == {"b": ("f", "c", b"r")}


async def test_a_running_job_that_waits_for_a_failed_one_fails(flow: Flow):
    desk = flow.desk
    await desk.fail_for_good("b")
    await desk.add("a")
    job = await desk.lease_one("a")
    await flow.register("a", "b")
    await flow.relay()
    assert (await flow.block("a", job.nonce, ("b", "f"))).state == "failed"


async def test_blocking_with_a_lost_lease_changes_nothing(flow: Flow):
    desk = flow.desk
    await desk.add("a", "b")
    job = await desk.lease_one("a")
    desk.clock.advance(LEASE_MS)
    await desk.tick()
    assert (await flow.block("a", job.nonce, ("b", "f"))).lost
    assert await desk.state("a") == "waiting"


async def test_a_running_job_that_is_to_be_cancelled_does_not_wait(flow: Flow):
    desk = flow.desk
    await desk.add("a")
    job = await desk.lease_one("a")
    await desk.cancel("a")
    await desk.add("b")
    assert (await flow.block("a", job.nonce, ("b", "f"))).state == "cancelled"


# -- size --------------------------------------------------------------------------------------------------------


async def test_a_thousand_dependencies_and_a_thousand_dependents(flow: Flow):
    names = [f"d-{number:04}" for number in range(1000)]
    await flow.desk.add(*names)
    await flow.add("all", *((name, "f") for name in names))
    while jobs := await flow.desk.lease(1000):
        await flow.store.complete(flow.queue, [(job.id, job.nonce, b"r", "t") for job in jobs])
    first, more = (await flow.store.edges(flow.queue, "all", "", 300)) or ([], False)
    assert [edge.dependency.job_id for edge in first] == names[:300]
    assert more
    while await flow.relay():
        pass
    assert await flow.desk.lease_ids() == ["all"]


async def test_the_keys_go_with_the_jobs(flow: Flow):
    await flow.desk.add("a", fr={"a": SECOND}, cr={"a": SECOND})
    await flow.add("b", ("a", "f"), cr={"a": SECOND})
    await flow.done("a")
    await flow.relay()
    await flow.done("b")
    await flow.desk.after(2 * SECOND)
    left = [key async for key in flow.desk.client.scan_iter("*") if b":dep" in key]
    assert left == []
