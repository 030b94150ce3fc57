"""What all tests share: the table of faults, which tests of every kind fill, and one object store."""

import os

import pytest

pytest_plugins = [
    "tests.faults.table",
    "tests.store_world",
    "tests.postgres_world",
    "tests.mybookshelf_world",
    "tests.migration_world",
    "tests.release_world",
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
