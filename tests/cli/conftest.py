"""One broker for all tests of the command; each test has a queue of its own."""

import uuid
from collections.abc import Iterator

import leasemq.sync
import pytest

from tests.cli.harness import Command, end, start_broker


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    broker, found = start_broker("--store", "memory://")
    yield found
    assert end(broker).code == 0


@pytest.fixture(scope="session")
def leasemq_command(address: str) -> Command:
    return Command(address)


@pytest.fixture
def cli(leasemq_command: Command) -> Command:
    return leasemq_command


@pytest.fixture(scope="session")
def client(address: str) -> Iterator[leasemq.sync.Client]:
    """For what a test needs beside the command that it is about."""
    with leasemq.sync.Client(address) as client:
        yield client


@pytest.fixture
def queue() -> str:
    return f"q-{uuid.uuid4().hex[:12]}"
