"""One broker on its embedded store for all tests that don't harm it; each test has a queue of its own."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.support import BrokerProcess, Stubs, short_directory

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def broker() -> Iterator[BrokerProcess]:
    with short_directory() as directory, BrokerProcess(directory) as process:
        yield process


@pytest.fixture
def directory() -> Iterator[Path]:
    """For a broker or a store of the test's own: short enough for a socket's path."""
    with short_directory() as path:
        yield path


@pytest.fixture
async def stubs(broker: BrokerProcess) -> AsyncIterator[Stubs]:
    async with Stubs(broker.address) as connected:
        yield connected


@pytest.fixture
def new_queue() -> Callable[[], str]:
    """Makes a name that no other test uses."""
    return lambda: f"queue-{next(_numbers)}"


@pytest.fixture
def queue(new_queue: Callable[[], str]) -> str:
    return new_queue()
