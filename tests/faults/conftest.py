"""A home and the instance of a burst from it, beside a store of which requests can be broken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.lift import Home, Instance, fill_store
from tests.store_world import StoreWorld, store_world


@pytest.fixture(scope="module")
def store() -> Iterator[StoreWorld]:
    with store_world() as world:
        fill_store(world)
        yield world


@pytest.fixture
def home(store: StoreWorld, tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path / f"home-{tmp_path.name}", store)
    yield made
    made.down()


@pytest.fixture
def instance(home: Home, tmp_path: Path) -> Iterator[Instance]:
    made = Instance(tmp_path / "instance", home)
    made.set_up()
    yield made
    home.store.faults.clear()
    made.down()
