"""What all tests share: the table of faults, which tests of every kind fill, and one object store."""

import logging
import os
from collections.abc import Generator
from pathlib import Path

import pytest

pytest_plugins = [
    "tests.faults.table",
    "tests.store_world",
    "tests.postgres_world",
    "tests.mybookshelf_world",
    "tests.migration_world",
    "tests.release_world",
    "tests.intake_world",
    "tests.poster_world",
]

# As `nice` counts: the longest chain of tests, which share the one sandbox, goes before all others. It mostly
# waits, and the others take what it leaves; the whole lasts as long as the chain.
_BESIDE = 10


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    group = item.get_closest_marker("xdist_group")
    chain = group is not None and "sandbox" in (*group.args, *group.kwargs.values())
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.setpriority(os.PRIO_PROCESS, 0, 0 if chain else _BESIDE)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """A service that a test runs in this process logs to what that test reads, and to nothing later."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        return (yield)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


# Their parts are real (processes, servers, file systems, machines), and a machine that is busy for a moment
# makes one in some thousands of them late: tried once more, and told of as "rerun" with its traceback. Tests
# of units and of style never are. tests/run allows few reruns in all: nothing broken can hide behind them.
_TRIED_AGAIN = {"browser", "e2e", "faults", "integration", "modules"}
_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(_HERE) and item.path.relative_to(_HERE).parts[0] in _TRIED_AGAIN:
            item.add_marker(pytest.mark.flaky(reruns=1))
