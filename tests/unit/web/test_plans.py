"""Whatever a page or an answer asks of a ledger of a million items, it finds by an index.

Only counts read all of the items: those are made beside the answers (`medialift.web.kept`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, text

from medialift.queueing.database import Database
from tests.dashboard_world import within

_FILL = (
    """
    insert into item (pipeline, collection, key, state, not_before, lease_until, result)
    select case when n % 50 = 0 then 'audiobooks' else 'books' end,
           case when n % 50 = 0 then 'audiobooks' else 'calibre' end,
           case when n % 50 = 0 then 'tag/' else '' end || n,
           (array['done', 'done', 'done', 'ready', 'ready', 'failed', 'skipped', 'leased'])[n % 8 + 1],
           now() + (n % 3 - 1) * interval '1 hour', case when n % 8 = 7 then now() end,
           case when n % 100 = 50 then '{"waits_for": "match"}'::jsonb end
      from generate_series(1, 20000) n
    """,
    "insert into book_file (item_id, format, state)"
    " select id, 'EPUB', 'uploaded' from item where state = 'done'",
    "insert into attempt (item_id, number, outcome) select id, 1, 'failed' from item where state = 'failed'",
)
_EXPLAINED = ("select", "with")


@pytest.fixture(scope="module")
def of_a_million(postgres) -> Iterator[Database]:
    """A ledger of which PostgreSQL believes that it has a million items, with more than a million files."""
    url = postgres.fresh()
    with Database(url) as opened:
        with opened.engine.begin() as connection:
            for statement in _FILL:
                connection.execute(text(statement))
        with opened.autocommit.connect() as connection:
            connection.execute(text("vacuum analyze"))
            connection.execute(
                text(
                    "update pg_class set reltuples = reltuples * 50, relpages = relpages * 50"
                    " where relname ~ '^(item|book_file|attempt)' and relkind in ('r', 'i')"
                )
            )
        yield opened
    postgres.drop(url)


@contextmanager
def asked_of(database: Database) -> Iterator[list[tuple[str, Any]]]:
    """What is asked of the ledger in this block; not what is counted beside it."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if not threading.current_thread().name.startswith("counting"):
            seen.append((statement, values))

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/?part=now",
        "/queue",
        "/failed",
        "/audiobooks",
        "/books",
        "/workers",
        "/api/v1/status",
        "/api/v1/status/books/calibre",
        "/api/v1/queue",
        "/api/v1/queue?lane=done&lane=failed&sort=-changed",
        "/api/v1/queue?text=nothing",
        "/api/v1/items/1000",
        "/api/v1/failed",
        "/api/v1/workers",
        "/metrics",
    ],
)
def test_nothing_that_is_asked_for_an_answer_reads_all_items(of_a_million: Database, path: str):
    with within(of_a_million) as client:
        client.app.state.context.kept.small = 0
        client.get(path)  # what is counted is counted now
        with asked_of(of_a_million) as asked:
            assert client.get(path).status_code == 200
    assert asked
    with of_a_million.engine.connect() as connection:
        # As the answer had it: a list says by settings of its own how it goes.
        for statement, values in asked:
            if not statement.lstrip().lower().startswith(_EXPLAINED):
                continue
            if "set_config" in statement:
                connection.exec_driver_sql(statement, values)
                continue
            plan = "\n".join(connection.exec_driver_sql(f"explain {statement}", values).scalars())
            for table in ("item", "book_file", "attempt"):
                assert f"Seq Scan on {table} " not in plan, f"{statement}\n{plan}"
