"""After a migration: Calibre, the ledger and the server in one account, or what does not add up."""

import tracemalloc
from contextlib import asynccontextmanager

import psycopg
import pytest
from pydantic import SecretStr

from medialift.books.calibre_rows import fingerprint
from medialift.books.comparison import Shelved
from medialift.books.server import answers
from medialift.books.server_api import ServerApi
from medialift.books.server_database import ServerDatabase
from medialift.books.status import status
from medialift.books.verify import verify
from medialift.errors import Permanent, Transient
from sandbox.mybookshelf import schema
from tests.books_ledger import SERVER, BooksLedger

USER = 7
MARK = fingerprint("2020", "A/B", ["EPUB:100"])


class BookServer:
    """A server's sources and ebooks, in a database of its own and behind the two questions of its API."""

    def __init__(self, url):
        self.url = url
        self.asked = []
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in schema.tables("postgres"):
                connection.execute(statement)
            connection.execute(
                """insert into "user" (id, created, modified, user_name, email, password)
                   values (7, now(), now(), 'mover', 'm@x', ''), (8, now(), now(), 'other', 'o@x', '')"""
            )
            connection.execute("insert into language (id, code, name) values (1, 'en', 'English')")
            connection.execute(
                "insert into format (id, mime_type, name, extension) values (1, 'e', 'e', 'epub')"
            )

    def ebook(self, number, *sources, user=USER):
        """An ebook with sources (id, sha1, size)."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(
                "insert into ebook (id, created, modified, created_by_id, title, language_id, base_dir)"
                " values (%s, now(), now(), %s, 'A title', 1, 'x')",
                [number, user],
            )
            for source, sha1, size in sources:
                connection.execute(
                    "insert into source (id, created, modified, ebook_id, location, format_id, size, hash)"
                    " values (%s, now(), now(), %s, 'x', 1, %s, %s)",
                    [source, number, size, sha1],
                )

    def rows(self, statement, *values):
        with psycopg.connect(self.url) as connection:
            return connection.execute(statement, values).fetchall()

    async def sources(self, ebook_id):
        self.asked.append(ebook_id)
        if not self.rows("select id from ebook where id = %s", ebook_id):
            return None
        rows = self.rows("select id, size, hash from source where ebook_id = %s order by id", ebook_id)
        return tuple(answers.Source(number, "epub", size, sha1, "x") for number, size, sha1 in rows)

    async def has(self, content):
        return bool(
            self.rows("select id from source where hash = %s and size = %s", content.sha1, content.size)
        )

    @asynccontextmanager
    async def reading(self):
        yield self


@pytest.fixture
def books(database):
    return BooksLedger(database)


@pytest.fixture
def server(postgres):
    url = postgres.empty()
    yield BookServer(url)
    postgres.drop(url)


@pytest.fixture(params=["database", "API"])
def way(request, server):
    """Either way to ask the server."""
    if request.param == "database":
        return ServerDatabase(SecretStr(server.url), "mover")
    return ServerApi(server.reading)


def uploaded(sha1, source, ebook, **more):
    return {"state": "uploaded", "sha1": sha1, "source_id": source, "ebook_id": ebook, **more}


def shelf(*books):
    return [Shelved(number, dict.fromkeys(formats, 100), "2020", "A/B", formats) for number, formats in books]


def test_a_migration_that_went_well_adds_up_with_calibre_and_the_server(books, server, way):
    books.book(
        1,
        "done",
        files={"EPUB": uploaded("aa", 11, 1), "PDF": {"state": "there", "sha1": "bb", "ebook_id": 1}},
    )
    books.book(2, "done", files={"EPUB": uploaded("cc", 13, 2)})
    books.book(3, "skipped", files={"CBZ": {"state": "skipped", "error_kind": "unsupported"}})
    books.book(4, "failed", files={"EPUB": {"state": "failed", "error_kind": "unreadable"}})
    server.ebook(1, (11, "aa", 100), (12, "bb", 100))
    server.ebook(2, (13, "cc", 100))
    shelves = shelf((1, ["EPUB", "PDF"]), (2, ["EPUB"]), (3, ["CBZ"]), (4, ["EPUB"]))
    found = verify(books.database.engine, "calibre", shelves, way)
    assert found.wrong == ()
    assert found.adds_up
    assert found.complete
    assert found.rows() == [
        ("uploaded", 2, ""),
        ("there", 1, ""),
        ("skipped", 1, "unsupported: 1"),
        ("failed", 1, "unreadable: 1"),
        ("in Calibre", 5, "4 books"),
    ]
    assert (found.server.checked, found.server.present) == (3, 3)


def test_its_numbers_are_those_of_status(books):
    books.book(
        1, "done", files={"EPUB": uploaded("aa", 1, 1), "PDF": {"state": "skipped", "error_kind": "empty"}}
    )
    books.book(2, "ready", weight=2, size=200, had="EPUB PDF")
    books.book(3, "failed", weight=1, size=100, had="PDF", error=("transient", "The server said 500."))
    found = verify(
        books.database.engine,
        "calibre",
        shelf((1, ["EPUB", "PDF"]), (2, ["EPUB", "PDF"]), (3, ["PDF"])),
        None,
    )
    with books.database.engine.connect() as connection:
        assert found.calibre.accounts.to_dict() == status(connection, "calibre").accounts.to_dict()
    assert found.counted.to_dict() == found.calibre.accounts.to_dict()


def test_what_is_not_done_yet_adds_up_and_is_not_complete(books):
    books.book(1, "ready", weight=1, size=100, had="EPUB")
    found = verify(books.database.engine, "calibre", shelf((1, ["EPUB"]), (2, ["EPUB", "PDF"])), None)
    assert found.adds_up
    assert not found.complete
    assert found.open == ("1 file is waiting for a worker", "2 files are in no plan yet: plan again")


def test_a_file_that_the_ledger_counts_and_the_server_does_not_have_is_named(books, server, way):
    books.book(1, "done", files={"EPUB": uploaded("aa", 11, 1)})
    books.book(2, "done", files={"EPUB": uploaded("bb", 12, 2)})
    server.ebook(1, (11, "aa", 100))
    found = verify(books.database.engine, "calibre", shelf((1, ["EPUB"]), (2, ["EPUB"])), way)
    assert found.wrong == ("1 file is not on the server though the ledger says so",)
    assert found.to_dict()["examples"]["missing"] == ["2 EPUB (uploaded)"]


def test_content_that_is_there_twice_because_of_us_does_not_add_up(books, server, way):
    books.book(1, "done", files={"EPUB": uploaded("aa", 11, 1)})
    server.ebook(1, (11, "aa", 100), (12, "aa", 100))
    found = verify(books.database.engine, "calibre", shelf((1, ["EPUB"])), way)
    assert found.wrong == ("The server has 1 sources more than it should: sent twice",)


def test_an_ebook_of_ours_without_a_file_does_not_add_up(books, server, way):
    books.book(1, "done", files={"EPUB": uploaded("aa", 11, 1)})
    server.ebook(1, (11, "aa", 100))
    server.ebook(2)
    server.ebook(3, user=8)
    books.run("insert into book_server values ('calibre', :server)", server=SERVER)
    for number in (1, 2):
        books.run(
            "insert into ebook (server, identity, state, ebook_id, made)"
            " values (:server, :id, 'present', :id, true)",
            server=SERVER,
            id=number,
        )
    found = verify(books.database.engine, "calibre", shelf((1, ["EPUB"])), way)
    assert found.wrong == ("The server has 1 ebooks of ours without a file",)


def test_a_file_of_an_ebook_that_somebody_merged_away_is_found_by_its_content(books, server):
    books.book(1, "done", files={"EPUB": uploaded("aa", 11, 1)})
    server.ebook(9, (11, "aa", 100))
    found = verify(books.database.engine, "calibre", shelf((1, ["EPUB"])), ServerApi(server.reading))
    assert found.complete


def test_many_ebooks_are_asked_for_once_each(books, server):
    for number in range(1, 301):
        books.book(number, "done", files={"EPUB": uploaded(f"{number:040x}", number, number)})
        server.ebook(number, (number, f"{number:040x}", 100))
    found = verify(
        books.database.engine,
        "calibre",
        shelf(*((number, ["EPUB"]) for number in range(1, 301))),
        ServerApi(server.reading),
    )
    assert found.complete
    assert sorted(server.asked) == list(range(1, 301))


def test_a_book_that_ended_without_a_word_about_a_file_does_not_add_up(books):
    books.book(1, "done", files={"EPUB": uploaded("aa", 1, 1)}, weight=2, size=200, had="EPUB PDF")
    found = verify(books.database.engine, "calibre", shelf((1, ["EPUB", "PDF"])), None)
    assert found.wrong == ("1 file is in no account though their books have ended",)


def test_a_row_that_somebody_removed_by_hand_is_told_as_two_numbers_that_differ(books):
    books.book(1, "done", files={"EPUB": uploaded("aa", 1, 1)})
    books.run("update item set weight = 3")
    found = verify(books.database.engine, "calibre", shelf((1, ["EPUB"])), None)
    assert found.wrong == ("The ledger counts 2 files as unaccounted, and has 0 of them",)


def test_the_same_content_that_we_sent_twice_is_told_without_asking_the_server(books):
    books.book(1, "done", files={"EPUB": uploaded("aa", 1, 1)})
    books.book(2, "done", files={"EPUB": uploaded("aa", 2, 2)})
    found = verify(books.database.engine, "calibre", shelf((1, ["EPUB"]), (2, ["EPUB"])), None)
    assert found.wrong == ("Content that we sent twice: aa",)


def test_a_database_that_is_no_book_server_or_does_not_answer_is_told_with_what_to_do(books, postgres):
    url = postgres.empty()
    with pytest.raises(Permanent, match="This is not a database of MyBookshelf2"):
        verify(books.database.engine, "calibre", [], ServerDatabase(SecretStr(url)))
    postgres.drop(url)
    with pytest.raises(
        Transient, match=r"The book server's database does not answer.*books\.server_database"
    ):
        verify(books.database.engine, "calibre", [], ServerDatabase(SecretStr(url)))


def test_twenty_thousand_books_need_no_more_memory_than_two_thousand(books, server):
    def peak(count):
        books.run("truncate item cascade")
        books.run(
            "insert into item (pipeline, collection, key, state, weight, bytes, fingerprint)"
            " select 'books', 'calibre', n::text, 'done', 1, 100, :mark from generate_series(1, :count) n",
            count=count,
            mark=MARK,
        )
        books.run(
            "insert into book_file (item_id, format, size, state, sha1, source_id)"
            " select id, 'EPUB', 100, 'uploaded', md5(key) , key::bigint from item"
        )
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("truncate ebook cascade")
            connection.execute(
                "insert into ebook (id, created, modified, title, language_id, base_dir)"
                " values (1, now(), now(), 'A', 1, 'x')"
            )
            connection.execute(
                "insert into source (id, created, modified, ebook_id, location, format_id, size, hash)"
                " select n, now(), now(), 1, 'x', 1, 100, md5(n::text) from generate_series(1, %s) n",
                [count],
            )
        tracemalloc.start()
        shelves = (Shelved(number, {"EPUB": 100}, "2020", "A/B") for number in range(1, count + 1))
        found = verify(books.database.engine, "calibre", shelves, ServerDatabase(SecretStr(server.url)))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert found.complete, found.wrong
        assert found.server.present == count
        return most

    small = peak(2_000)
    assert peak(20_000) < small * 1.5 + 2_000_000
