"""Real mounts for each test, taken away afterwards whatever state they are in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mount_world import RealMount, StoreMount


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[RealMount]:
    there = RealMount(tmp_path)
    yield there
    there.down()


@pytest.fixture
def store_mount(tmp_path: Path) -> Iterator[StoreMount]:
    there = StoreMount(tmp_path)
    yield there
    there.down()
