"""Each test runs on a real Valkey and on fakeredis, emptied before; after it, the store may hold declared keys only."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from leasemq_server.store.connect import connect

from tests.store.declared import undeclared
from tests.store.grouped import disorder
from tests.store.harness import Desk
from tests.store.valkey import running_valkey


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    with running_valkey() as url:
        yield url


async def _desk_at(url: str) -> AsyncIterator[Desk]:
    client, real = connect(url)
    await client.flushall()
    yield Desk(client, real=real)
    problems = [f"KEYS.md does not say so: {it}" for it in await undeclared(client)]
    problems += await disorder(client, "email")
    await client.flushall()
    await client.aclose()
    assert not problems, "; ".join(problems)


@pytest.fixture(params=["valkey", "memory"])
async def desk(request: Any) -> AsyncIterator[Desk]:
    url = request.getfixturevalue("valkey_url") if request.param == "valkey" else "memory://store-tests"
    async for desk in _desk_at(url):
        yield desk


@pytest.fixture
async def valkey_desk(valkey_url: str) -> AsyncIterator[Desk]:
    """For what only a real store can show."""
    async for desk in _desk_at(valkey_url):
        yield desk
