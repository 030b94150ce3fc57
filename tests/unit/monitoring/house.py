"""A ledger in which everything happened once, so that each figure has a value; and all that is told of it."""

from __future__ import annotations

from sqlalchemy import text

from medialift.queueing.database import Database
from tests.dashboard_world import over_http

_HAPPENED = """
insert into item (pipeline, collection, key, state, bytes) values
  ('books', 'calibre', '1', 'done', 100), ('books', 'calibre', '2', 'failed', 100),
  ('books', 'calibre', '3', 'ready', 100), ('audiobooks', 'audiobooks', 'convert/A', 'ready', 100);
insert into book_file (item_id, format, state, size, seconds)
  select id, 'epub', 'uploaded', 100, 2.5 from item where key = '1';
insert into book_file (item_id, format, state, size, error_kind)
  select id, 'epub', 'failed', 100, 'too large' from item where key = '2';
insert into worker (name, host, pipeline, collection, pid, life) values
  ('nas-books@1', 'nas', 'books', 'calibre', 7, 'a'),
  ('nas-audiobooks@1', 'nas', 'audiobooks', 'audiobooks', 8, 'b');
insert into progress (worker, items, files, bytes) values ('nas-books@1', 1, 1, 100);
insert into care (worker, host, pipeline, collection, attempts, state, cause, paused_why)
  values ('nas-books@1', 'nas', 'books', 'calibre', 3, 'paused', 'mount', 'nothing helped');
insert into healer (host, workers, stuck) values ('nas', 2, 1);
insert into finding (host, pipeline, worker, what, outcome) values
  ('nas', 'books', 'nas-books@1', 'finding', 'silent');
insert into crew_size (host, pipeline, desired) values ('nas', 'books', 4);
insert into audiobook_run (collection, stage, key, outcome, how, seconds, played, bytes) values
  ('audiobooks', 'convert', 'A', 'done', 'encode', 10, 1000, 100),
  ('audiobooks', 'tag', 'A', 'person', '', 1, 0, 0);
insert into burst (id, library, outcome, cost_eur) values ('home-1', 'home', 'failed', 1.5);
insert into mount_state (host, point, name, state) values ('nas', '/mnt/media', 'media', 'healthy')
"""


def everything_happened(database: Database) -> None:
    """Fill a fresh ledger."""
    with database.engine.begin() as connection:
        for statement in _HAPPENED.split(";\n"):
            connection.execute(text(statement))


def scraped(database: Database) -> str:
    """What Prometheus gets to read from the dashboard."""
    with over_http(database) as dashboard:
        dashboard.get("/api/v1/bursts")
        answer = dashboard.get("/metrics")
        assert answer.status_code == 200, answer.text
        return answer.text
