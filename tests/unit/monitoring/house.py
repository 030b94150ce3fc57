"""A ledger in which everything happened once, so that each figure has a value; and all that is told of it."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import text

from medialift.audiobooks import metrics as audiobooks_metrics
from medialift.books import metrics as books_metrics
from medialift.books.status import status
from medialift.healing import metrics as healing_metrics
from medialift.queueing.database import Database

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
  ('audiobooks', 'tag', 'A', 'person', '', 1, 0, 0)
"""


def everything_happened(database: Database) -> None:
    """Fill a fresh ledger."""
    with database.engine.begin() as connection:
        for statement in _HAPPENED.split(";\n"):
            connection.execute(text(statement))


def scraped(database: Database) -> Iterator[str]:
    """What Prometheus gets to read."""
    with database.engine.begin() as connection:
        yield audiobooks_metrics.exposition(connection, "audiobooks").decode()
        yield healing_metrics.exposition(connection).decode()
        yield books_metrics.text([status(connection, "calibre")]).decode()
