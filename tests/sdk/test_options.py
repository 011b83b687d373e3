"""Options of clients and workers that can't be: refused when they are said, by their names."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from leasemq import Client, NewJob, Worker

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
}


@pytest.mark.parametrize("name", WRONG)
async def test_an_argument_that_can_not_be_sent_is_named(name: str) -> None:
    call, error = WRONG[name]
    async with Client("127.0.0.1:1") as client:
        with pytest.raises(TypeError, match=f"^{re.escape(error)}$"):
            await call(client)


def test_a_worker_of_something_else_than_a_client_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^client must be a Client, not 'x'$"):
        Worker("x", "q", print)  # type: ignore[arg-type] # the mistake


async def test_a_wait_of_less_than_no_time_is_refused() -> None:
    async with Client("127.0.0.1:1") as client:
        with pytest.raises(ValueError, match=r"^timeout must not be negative; got -1 s$"):
            await client.wait("q", "a", timeout=-1)


async def test_a_text_that_can_not_be_sent_is_named() -> None:
    async with Client("127.0.0.1:1") as client:
        with pytest.raises(ValueError, match=r"^id can't be '\\ud800': .*surrogates not allowed$"):
            await client.get("q", "\ud800")
