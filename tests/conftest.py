"""What every suite needs."""

import signal

import pytest

# A shell that starts the tests in the background lets them ignore Ctrl-C, and each program that they start with them.
signal.signal(signal.SIGINT, signal.default_int_handler)

INSTALLS = {"bench", "polyglot"}  # suites whose programs are built, or installed, in the project's own folders


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where two processes share the tests, the tests of a file are done by one of them, in order."""
    for item in items:
        suite = item.path.parent.name
        item.add_marker(pytest.mark.xdist_group(suite if suite in INSTALLS else f"{suite}/{item.path.stem}"))
