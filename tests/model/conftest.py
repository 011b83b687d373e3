"""A real Valkey for the model-based suite."""

from collections.abc import Iterator

import pytest

from tests.store.valkey import running_valkey


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    with running_valkey() as url:
        yield url
