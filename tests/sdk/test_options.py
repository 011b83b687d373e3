"""Options of clients and workers that can't be: refused when they are said, by their names."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from leasemq import Client, EventKind, FlowNode, GroupDefaults, InvalidField, JobState, NewJob, PayloadTooLarge, RateLimit, Worker

WRONG_ADDRESSES = ["127.0.0.1", "localhost:", "localhost:x", "localhost:65536", "::1", "http://localhost:7878", ":7878"]


@pytest.mark.parametrize("address", WRONG_ADDRESSES)
def test_an_address_that_is_none_is_refused_and_not_tried(address: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(f'the address {address!r} is not HOST:PORT, as in 127.0.0.1:7878')}"):
        Client(address)


def test_an_address_in_the_environment_is_looked_at_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEASEMQ_ADDRESS", "localhost")
    with pytest.raises(ValueError, match=r"^the address 'localhost' is not HOST:PORT"):
        Client()


def test_an_address_that_is_no_text_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^the address must be text, not 7878$"):
        Client(7878)  # type: ignore[arg-type] # the mistake


@pytest.mark.parametrize(
    "address", ["localhost:1", "jobs.example.com:65535", "[::1]:7878", "unix:/run/leasemq.sock", "dns:///jobs:7878"]
)
def test_what_grpc_knows_is_an_address(address: str) -> None:
    assert Client(address).address == address


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"concurrency": "5"}, "concurrency must be a whole number, not '5'"),
        ({"concurrency": 2.5}, "concurrency must be a whole number, not 2.5"),
        ({"batch": "all"}, "batch must be a whole number, not 'all'"),
        ({"linger": "1"}, "linger must be seconds or a timedelta, not '1'"),
        ({"lease": None}, "lease must be seconds or a timedelta, not None"),
        ({"drain_timeout": "x"}, "drain_timeout must be seconds or a timedelta, not 'x'"),
        ({"queues": 5}, "queues must be a name or a list of names, not 5"),
        ({"queues": ["a", 5]}, "queues must be a name or a list of names, not ['a', 5]"),
    ],
)
def test_an_option_of_a_worker_of_a_wrong_type_is_named(said: dict[str, Any], error: str) -> None:
    with pytest.raises(TypeError, match=f"^{re.escape(error)}$"):
        Worker(Client(), **({"queues": "email", "handler": print} | said))


async def test_a_durability_that_is_none_is_named_and_nothing_is_added(client: Client, queue: str) -> None:
    mistake: Any = "fsync"
    for add in (client.add(queue, durability=mistake), client.add_many(queue, [NewJob()], durability=mistake)):
        with pytest.raises(TypeError, match=r"^durability must be a Durability, such as Durability\.FSYNC, not 'fsync'$"):
            await add
    assert (await client.admin.stats(queue)).added_total == 0


WRONG: dict[str, tuple[Callable[[Client], Any], str]] = {
    "get": (lambda client: client.get("q", 5), "id must be text, not 5"),
    "wait": (lambda client: client.wait("q", 5), "id must be text, not 5"),
    "cancel": (lambda client: client.cancel("q", "a", reason=5), "reason must be text, not 5"),
    "dependencies": (lambda client: anext(client.dependencies("q", 5)), "id must be text, not 5"),
    "events": (lambda client: anext(client.events(5)), "queue must be text, not 5"),
    "stats": (lambda client: client.admin.stats(5), "queue must be text, not 5"),
    "pause": (lambda client: client.admin.pause(["q"]), "queue must be text, not ['q']"),
    "jobs": (lambda client: anext(client.admin.jobs("q", name=5)), "name must be text, not 5"),
    "retry": (lambda client: client.admin.retry("q", ids=[5]), "ids must be a list of text, not [5]"),
    "delete": (lambda client: client.admin.delete("q", ids="12"), "ids must be a list of text, not '12'"),
    "delete by state": (lambda client: client.admin.delete("q", state=5), "state must be a JobState, not 5"),
    "rate_limit": (lambda client: client.admin.update_queue("q", rate_limit=1), "rate_limit must be a RateLimit, not 1"),
    "schedule's job": (lambda client: client.schedules.upsert("q", "a", [1], every=9), "job must be a NewJob, not [1]"),
    "search": (lambda client: anext(client.admin.search("q", failure=5)), "failure must be text, not 5"),
    "update_queue": (lambda client: client.admin.update_queue("q", max_active="3"), "max_active must be a whole number, not '3'"),
    "update_group": (lambda client: client.admin.update_group("q", "g", paused="no"), "paused must be True or False, not 'no'"),
    "update_job": (lambda client: client.admin.update_job("q", "a", priority="1"), "priority must be a whole number, not '1'"),
    "schedules.get": (lambda client: client.schedules.get("q", 5), "id must be text, not 5"),
    "upsert": (lambda client: client.schedules.upsert("q", "a", cron=5), "cron must be text, not 5"),
    "every": (lambda client: client.schedules.upsert("q", "a", every="1m"), "every must be seconds or a timedelta, not '1m'"),
    "end_time": (lambda client: client.schedules.upsert("q", "a", every=9, end_time=5), "end_time must be a datetime, not 5"),
    "metrics": (lambda client: client.admin.metrics("q", resolution=[]), "resolution must be seconds or a timedelta, not []"),
    "metrics from": (lambda client: client.admin.metrics("q", start="noon"), "start must be a datetime, not 'noon'"),
    "older_than": (
        lambda client: client.admin.delete("q", state=JobState.FAILED, older_than="1d"),
        "older_than must be seconds or a timedelta, not '1d'",
    ),
    "wait's timeout": (lambda client: client.wait("q", "a", timeout="5"), "timeout must be seconds or a timedelta, not '5'"),
    "window": (
        lambda client: client.admin.update_queue("q", rate_limit=RateLimit(5, "1s")),
        "rate_limit.duration must be seconds or a timedelta, not '1s'",
    ),
    "window of groups": (
        lambda client: client.admin.update_queue("q", group_defaults=GroupDefaults(rate_limit=RateLimit("5", 1))),
        "group_defaults.rate_limit.max_jobs must be a whole number, not '5'",
    ),
    "backoff": (
        lambda client: client.admin.update_queue("q", backoff=5),
        "backoff must be made by fixed(), exponential() or delays(), not 5",
    ),
    "attempts": (lambda client: client.admin.update_queue("q", attempts="3"), "attempts must be a whole number, not '3'"),
    "run_time": (lambda client: client.admin.update_job("q", "a", run_time="now"), "run_time must be a datetime, not 'now'"),
    "kinds": (
        lambda client: anext(client.events("q", kinds=EventKind.FAILED)),
        f"kinds must be a list of EventKind, not {EventKind.FAILED!r}",
    ),
    "states": (
        lambda client: anext(client.admin.jobs("q", states=JobState.FAILED)),
        f"states must be a list of JobState, not {JobState.FAILED!r}",
    ),
    "searched states": (
        lambda client: anext(client.admin.search("q", states="FAILED")),
        "states must be a list of JobState, not 'FAILED'",
    ),
    "add_many of one": (lambda client: client.add_many("q", 5), "jobs must be a list of NewJob, not 5"),
    "add_many": (lambda client: client.add_many("q", [NewJob(), 5]), "jobs[1]: a job must be a NewJob, not 5"),
    "add_many's delay": (
        lambda client: client.add_many("q", [NewJob(), NewJob(delay="5s")]),
        "jobs[1]: delay must be seconds or a timedelta, not '5s'",
    ),
    "add_flow": (lambda client: client.add_flow([5]), "nodes[0]: it must be a FlowNode, not 5"),
    "add_flow of one": (lambda client: client.add_flow(5), "nodes must be a list of FlowNode, not 5"),
    "node's job": (
        lambda client: client.add_flow([FlowNode("q", NewJob()), FlowNode("q", "job")]),
        "nodes[1]: job must be a NewJob, not 'job'",
    ),
    "node's delay": (
        lambda client: client.add_flow([FlowNode("q", NewJob(delay="5s"))]),
        "nodes[0]: delay must be seconds or a timedelta, not '5s'",
    ),
    "edges": (
        lambda client: client.add_flow([FlowNode("q", NewJob(), depends_on="ab")]),
        "nodes[0]: depends_on must be a list of keys, or of (key, OnFailure), not 'ab'",
    ),
    "edge": (
        lambda client: client.add_flow([FlowNode("q", NewJob(), depends_on=[("a", "run")])]),
        "nodes[0]: depends_on must be a list of keys, or of (key, OnFailure), not [('a', 'run')]",
    ),
}


@pytest.mark.parametrize("name", WRONG)
async def test_an_argument_that_can_not_be_sent_is_named(name: str) -> None:
    call, error = WRONG[name]
    async with Client("127.0.0.1:1") as client:
        with pytest.raises(TypeError, match=f"^{re.escape(error)}$"):
            await call(client)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda client: client.add_many("q", [NewJob(), NewJob(priority=-1)]), "jobs[1].priority"),
        (lambda client: client.add_flow([FlowNode("q", NewJob(id=""))]), "nodes[0].job.id"),
    ],
)
async def test_a_number_that_no_field_carries_is_named_with_its_job(call: Callable[[Client], Any], field: str) -> None:
    async with Client("127.0.0.1:1") as client:
        with pytest.raises(InvalidField, match=f"^{re.escape(field)}: must ") as told:
            await call(client)
    assert [it.field for it in told.value.field_violations] == [field]


async def test_a_job_that_the_broker_refuses_is_counted_over_all_batches(client: Client, queue: str) -> None:
    jobs = [NewJob() for _ in range(1_500)]
    jobs[1_203].name = "two\nlines"
    with pytest.raises(InvalidField, match=r"^jobs\[1203\]\.name: ") as told:
        await client.add_many(queue, jobs)
    assert [it.field for it in told.value.field_violations] == ["jobs[1203].name"]
    assert (await client.admin.stats(queue)).added_total == 1_000
    jobs[1_203] = NewJob("x" * 1_048_577)
    with pytest.raises(PayloadTooLarge, match=r"jobs\[1203\]"):
        await client.add_many(queue, jobs)


def test_a_worker_of_something_else_than_a_client_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^client must be a Client, not 'x'$"):
        Worker("x", "q", print)  # type: ignore[arg-type] # the mistake


async def test_a_time_that_no_field_carries_is_named() -> None:
    async with Client("127.0.0.1:1") as client:
        with pytest.raises(ValueError, match=r"^every is too long: 1e\+30 s$"):
            await client.schedules.upsert("q", "a", every=1e30)
        with pytest.raises(ValueError, match=r"^start needs a time zone: "):
            await client.admin.metrics("q", start=datetime(2030, 1, 1))  # noqa: DTZ001 - that is the point


async def test_a_wait_of_less_than_no_time_is_refused() -> None:
    async with Client("127.0.0.1:1") as client:
        with pytest.raises(ValueError, match=r"^timeout must not be negative; got -1 s$"):
            await client.wait("q", "a", timeout=-1)


async def test_a_text_that_can_not_be_sent_is_named() -> None:
    async with Client("127.0.0.1:1") as client:
        with pytest.raises(ValueError, match=r"^id can't be '\\ud800': .*surrogates not allowed$"):
            await client.get("q", "\ud800")
