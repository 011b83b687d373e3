"""One broker for the examples and pages of a module."""

from collections.abc import Iterator

import pytest

from tests.support import BrokerProcess, short_directory


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with short_directory() as directory, BrokerProcess(directory) as broker:
        yield broker.address
