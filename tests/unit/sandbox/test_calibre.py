"""The sandbox's Calibre libraries: as many as asked for, alike, with contents of their own."""

import hashlib
import sqlite3
import subprocess
import sys
import zipfile
from collections import Counter
from contextlib import closing

import pytest

from sandbox.calibre import Library, bulk, content


def rows(database, statement):
    with closing(sqlite3.connect(database)) as con:
        return con.execute(statement).fetchall()


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    return bulk.fill(tmp_path_factory.mktemp("shelf"), 200, files=True)


def test_there_are_as_many_books_as_asked_for_each_with_its_tables(shelf):
    assert rows(shelf, "SELECT count(*), min(id), max(id), count(DISTINCT path) FROM books") == [
        (200, 1, 200, 200)
    ]
    lonely = "SELECT count(*) FROM books WHERE id NOT IN (SELECT book FROM {})"
    for table in ("data", "books_authors_link", "books_tags_link"):
        assert rows(shelf, lonely.format(table)) == [(0,)]


def test_each_file_is_there_with_its_size_and_every_25th_epub_is_that_of_the_book_before(shelf):
    found = Counter()
    for path, name, format, size in rows(
        shelf, "SELECT path, name, format, uncompressed_size FROM data JOIN books ON books.id = book"
    ):
        written = (shelf.parent / path / f"{name}.{format.lower()}").read_bytes()
        assert len(written) == size
        found[hashlib.sha1(written).hexdigest()] += 1
    assert sorted(set(found.values())) == [1, 2]
    # Books 99 and 199 have none.
    assert Counter(found.values())[2] == 200 // 25 - 2


def test_the_same_size_gives_the_same_library(tmp_path, shelf):
    other = bulk.fill(tmp_path, 200)
    for statement in (
        "SELECT id, title, sort, path, last_modified FROM books ORDER BY id",
        "SELECT book, format, name FROM data ORDER BY book, format",
        "SELECT book, author FROM books_authors_link ORDER BY id",
    ):
        assert rows(other, statement) == rows(shelf, statement)


def test_a_filled_library_goes_on_as_any_other(tmp_path):
    bulk.fill(tmp_path, 20)
    with Library(tmp_path) as library:
        book = library.add("The Next", formats={"EPUB": b"next"})
        assert book == 21
        library.remove(1)
        assert library.con.execute("SELECT count(*) FROM data WHERE book = 1").fetchone() == (0,)
        assert library.con.execute("SELECT sort, length(uuid) FROM books WHERE id = 21").fetchone() == (
            "Next, The",
            36,
        )
    refused = pytest.raises(sqlite3.OperationalError, match="no such function: title_sort")
    with closing(sqlite3.connect(tmp_path / "metadata.db")) as plain, refused:
        plain.execute("UPDATE books SET title = 'x'")


def test_a_renamed_book_takes_its_files_along(tmp_path):
    with Library(tmp_path) as library:
        book = library.add("Old", ["A"], formats={"EPUB": b"words"})
        before = library.file(book, "EPUB")
        library.rename(book, "New: 1/2", "Another, B.")
        assert library.file(book, "EPUB").read_bytes() == b"words"
        assert not before.exists()
        assert library.path(book) == f"Another, B/New_ 1_2 ({book})"


def test_the_same_words_give_the_same_epub(tmp_path):
    first = content.of("EPUB", "A & B", "C", "words")
    assert first == content.of("EPUB", "A & B", "C", "words") != content.of("EPUB", "A & B", "C", "others")
    (tmp_path / "a.epub").write_bytes(first)
    with zipfile.ZipFile(tmp_path / "a.epub") as archive:
        assert archive.testzip() is None
        assert archive.namelist()[0] == "mimetype"
        assert b"A &amp; B" in archive.read("content.opf")


def test_the_command_makes_a_library(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "sandbox.calibre", tmp_path / "made", "--books", "5", "--files", "--odd"],
        check=True,
    )
    assert rows(tmp_path / "made" / "metadata.db", "SELECT count(*) FROM books")[0][0] > 15
    assert len(list((tmp_path / "made").rglob("*.epub"))) > 10
