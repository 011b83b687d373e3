from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from leasemq import Client

from tests.sdk.support import Broker, new_queue


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Broker]:
    """One broker on the in-memory store for all tests: each test has queues of its own."""
    broker = Broker(tmp_path_factory.mktemp("data"))
    await broker.start()
    yield broker
    await broker.end()


@pytest_asyncio.fixture
async def lasting_broker(tmp_path: Path) -> AsyncIterator[Broker]:
    """A broker on the embedded store, that may be killed and started again."""
    broker = Broker(tmp_path / "data", store=None)
    await broker.start()
    yield broker
    await broker.end()


@pytest_asyncio.fixture
async def client(broker: Broker) -> AsyncIterator[Client]:
    async with Client(broker.address) as client:
        yield client


@pytest.fixture
def queue() -> str:
    return new_queue()
