"""What others brought to the server is learnt a little at a time, out of its database or by its API."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from medialift.books.handler import client_of
from medialift.books.known import EVERY_FILES, EVERY_SECONDS, Known, ServerSources
from medialift.errors import Transient
from medialift.queueing.database import Database
from medialift.settings import BooksSettings
from sandbox.calibre import content
from sandbox.mybookshelf import Standin, running
from tests.migration_world import Migration
from tests.mybookshelf_world import Caller, epub, sha1
from tests.postgres_world import Postgres

NAME = "the server"


class Learning:
    """A worker's view of what a server has, on a clock that stands still until it is moved."""

    def __init__(self, database: Database, standin: Standin, server_database: str = "") -> None:
        self.database, self.standin = database, standin
        self.sources = ServerSources(SecretStr(server_database)) if server_database else None
        self.now = 0.0

    def known(self) -> Known:
        settings = BooksSettings(
            server=self.standin.url,
            socket=self.standin.ws_url,
            user=self.standin.user,
            password=SecretStr(self.standin.password),
        )
        return Known(self.database.engine, NAME, client_of(settings), self.sources, clock=lambda: self.now)

    def learn(self, *, anyway: bool = True) -> int:
        return asyncio.run(self.known().learn(anyway=anyway))

    def contents(self) -> dict[str, tuple[int, int, str]]:
        """{sha1: (source, ebook, origin)} of what is present."""
        with self.database.engine.connect() as connection:
            rows = connection.exec_driver_sql(
                "select sha1, source_id, ebook_id, origin from content where state = 'present'"
            )
            return {row.sha1: (row.source_id, row.ebook_id, row.origin) for row in rows}


@pytest.fixture
def server_database(postgres: Postgres) -> Iterator[str]:
    url = postgres.empty()
    yield url
    postgres.drop(url)


@pytest.fixture
def on_postgres(tmp_path: Path, server_database: str) -> Iterator[Standin]:
    """A server whose own database may be read."""
    with running(tmp_path / "shelf", server_database) as standin:
        yield standin


def brought_by_others(standin: Standin, *titles: str) -> dict[str, tuple[int, int, str]]:
    """{sha1: (source, ebook, "server")} of books that somebody brought without us."""
    caller, made = Caller(standin), {}
    for title in titles:
        book = epub(title)
        ebook, source = caller.migrated(book, title)
        made[sha1(book)] = (source, ebook, "server")
    return made


def test_the_servers_database_tells_what_it_has_and_later_what_is_new(
    database: Database, on_postgres: Standin, server_database: str
):
    learning = Learning(database, on_postgres, server_database)
    there = brought_by_others(on_postgres, "One", "Two", "Three")
    assert learning.learn() == 3 and learning.contents() == there
    there |= brought_by_others(on_postgres, "Four")
    learning.learn()
    assert learning.contents() == there


def test_the_servers_api_tells_of_the_newest_ebooks_only(database: Database, bookshelf: Standin):
    learning = Learning(database, bookshelf)
    there = brought_by_others(bookshelf, "One", "Two", "Three")
    assert learning.learn() == 3 and learning.contents() == there
    new = brought_by_others(bookshelf, "Four")
    assert learning.learn() == 1, "ebooks that were learnt before were asked for again"
    assert learning.contents() == there | new
    assert learning.learn() == 0


def test_it_is_learnt_again_after_so_many_files_or_so_much_time_and_not_before(
    database: Database, bookshelf: Standin
):
    learning = Learning(database, bookshelf)
    assert learning.learn(anyway=False) == 0  # the first time: there is nothing, but it counts
    known = learning.known()
    brought_by_others(bookshelf, "One")
    assert not known.due and asyncio.run(known.learn()) == 0
    learning.now += EVERY_SECONDS
    assert known.due
    known = learning.known()
    asyncio.run(known.note(EVERY_FILES - 1, 0))
    assert not known.due
    asyncio.run(known.note(1, 0))
    assert known.due and asyncio.run(known.learn()) == 1
    assert not known.due and asyncio.run(known.learn()) == 0


def test_files_that_other_workers_brought_count_as_well(database: Database, bookshelf: Standin):
    learning = Learning(database, bookshelf)
    learning.learn()
    one, other = learning.known(), learning.known()
    brought_by_others(bookshelf, "One")
    asyncio.run(one.note(EVERY_FILES - 1, 7))
    assert asyncio.run(other.note(1, 3)) == 7, "the highest upload that any worker saw"
    assert asyncio.run(other.learn()) == 1


def test_what_is_claimed_by_a_worker_stays_claimed(database: Database, bookshelf: Standin):
    learning = Learning(database, bookshelf)
    (known,) = brought_by_others(bookshelf, "One")
    with database.engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into content (server, sha1, size, state, item_id, token)"
            " values (%s, %s, %s, 'claimed', 1, 1)",
            (NAME, known, len(epub("One"))),
        )
    learning.learn()
    assert learning.contents() == {}


def test_a_wrong_address_of_the_servers_database_is_told_and_tried_again_later(
    database: Database, bookshelf: Standin
):
    learning = Learning(database, bookshelf, "postgresql://nobody:secret-word@127.0.0.1:1/ebooks")
    with pytest.raises(Transient, match="database does not answer") as raised:
        learning.learn()
    assert "secret-word" not in str(raised.value)


def test_a_book_that_was_learnt_of_is_there_without_a_question_or_an_upload(
    tmp_path: Path, database: Database, on_postgres: Standin, server_database: str
):
    migration = Migration(tmp_path, database, on_postgres)
    told = content.of("EPUB", "A Book", "Ann Author", "1")
    Caller(on_postgres).migrated(told, "A Book")
    migration.library.add("A Book", ["Ann Author"], formats={"EPUB": told})
    migration.plan()
    with database.engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into book_server (collection, server) values ('calibre', %s)", (NAME,)
        )
    assert Learning(database, on_postgres, server_database).learn() == 1
    before = on_postgres.switches.requests()
    migration.run(books={"server_database": server_database})
    after = on_postgres.switches.requests()
    assert migration.files() == {"there": 1} and migration.clean()
    for path in ("POST /api/upload/check", "POST /api/upload"):
        assert after.get(path, 0) == before.get(path, 0)
    migration.end()
