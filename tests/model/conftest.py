"""A real Valkey for the model-based suite."""

from collections.abc import Iterator

import pytest

from tests.store.valkey import running_valkey

# what holds assertions, so that a mismatch shows both sides
pytest.register_assert_rewrite(
    *(
        f"tests.model.{name}"
        for name in ("history", "flow_rules", "change_rules", "key_rules", "group_rules", "schedule_rules", "events", "metrics")
    )
)


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    with running_valkey() as url:
        yield url
