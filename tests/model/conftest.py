"""A real Valkey for the model-based suite."""

from collections.abc import Iterator

import pytest

from tests.store.valkey import running_valkey

# what holds assertions, so that a mismatch shows both sides
pytest.register_assert_rewrite(
    *(f"tests.model.{name}_rules" for name in ("change", "flow", "group", "key", "schedule", "steering")),
    *(f"tests.model.{name}" for name in ("history", "events", "metrics")),
)


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    with running_valkey() as url:
        yield url
