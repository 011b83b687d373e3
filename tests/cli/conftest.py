"""One broker for all tests of the command; each test has a queue of its own."""

import uuid
from collections.abc import Iterator

import leasemq.sync
import pytest

from tests.cli.harness import Command, InThisProcess, end, start_broker


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    broker, found = start_broker("--store", "memory://")
    yield found
    assert end(broker).code == 0


@pytest.fixture
def program(address: str) -> Command:
    """The command as a process of its own."""
    return Command(address)


@pytest.fixture
def cli(address: str) -> Command:
    """The command in this process, which spares its start."""
    return InThisProcess(address)


@pytest.fixture(scope="session")
def client(address: str) -> Iterator[leasemq.sync.Client]:
    """For what a test needs beside the command that it is about."""
    with leasemq.sync.Client(address) as client:
        yield client


@pytest.fixture
def queue() -> str:
    return f"q-{uuid.uuid4().hex[:12]}"
