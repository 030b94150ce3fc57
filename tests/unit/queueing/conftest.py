"""The items that tests of the queue work on."""

from __future__ import annotations

import pytest

from medialift.queueing.database import Database
from tests.queue_world import Books


@pytest.fixture
def books(database: Database) -> Books:
    return Books(database)
