"""A ledger that the tests of one file share: each looks at it in a transaction that is never committed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from medialift.queueing.database import Database
from tests.postgres_world import Postgres


@pytest.fixture(scope="module")
def shared(postgres: Postgres) -> Iterator[Database]:
    postgres.start()
    url = postgres.fresh()
    with Database(url) as opened:
        yield opened
    postgres.start()
    postgres.drop(url)


@pytest.fixture
def connection(shared: Database) -> Iterator[Connection]:
    with shared.engine.connect() as opened:
        yield opened
