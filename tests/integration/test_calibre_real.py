"""Our reader and our sandbox beside Debian's Calibre: each takes the other's library for its own."""

import json
import os
import re
import sqlite3
import subprocess
from contextlib import closing
from datetime import UTC, datetime

import pytest

from medialift.books.calibre import Calibre
from medialift.books.hashing import hash_file
from medialift.books.plan import plan
from medialift.books.selection import Selection
from sandbox.calibre import Library, bulk, content, schema
from sandbox.calibre.odd import add_odd


class CalibreDb:
    """Calibre's own program on a library, with settings of its own."""

    def __init__(self, folder, settings):
        self.folder, self.settings = folder, settings

    def __call__(self, *arguments):
        done = subprocess.run(
            ["calibredb", *map(str, arguments), "--with-library", str(self.folder)],
            env={**os.environ, "CALIBRE_CONFIG_DIRECTORY": str(self.settings), "LANG": "C.UTF-8"},
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def add(self, file, *options):
        return int(re.search(r"ids: (\d+)", self("add", *options, file))[1])

    def listed(self, *fields):
        wanted = ",".join(("id", *fields))
        return {book["id"]: book for book in json.loads(self("list", "--for-machine", "--fields", wanted))}


@pytest.fixture
def calibredb(tmp_path):
    return CalibreDb(tmp_path / "library", tmp_path / "settings")


@pytest.fixture
def epub(tmp_path):
    file = tmp_path / "war.epub"
    file.write_bytes(content.of("EPUB", "War and Peace", "Leo Tolstoy", "well, prince"))
    return file


def test_a_library_of_calibre_is_read_as_calibre_shows_it(calibredb, epub, tmp_path, database):
    book = calibredb.add(
        epub,
        *("--title", "Война и мир: том 1", "--authors", "Лев Толстой & Smith, Jr.", "--languages", "ru,eng"),
        *("--tags", "Роман,Classic", "--series", "Great Books", "--series-index", "2.5"),
        *("--isbn", "9780140447934", "--identifier", "goodreads:656"),
    )  # fmt: skip
    pdf = tmp_path / "war.pdf"
    pdf.write_bytes(content.of("PDF", "War", "Leo", "prince"))
    calibredb("add_format", book, pdf)
    for field in ("publisher:Russkiy Vestnik", "rating:4", "comments:<p>Долго.</p>", "pubdate:1869-05-06"):
        calibredb("set_metadata", book, "--field", field)
    alone = calibredb.add(epub, "--title", "Alone", "--duplicates")
    with Calibre(calibredb.folder) as calibre:
        first, second = calibre.books([book, alone])
        assert plan(database.engine, calibre, Selection(), "calibre").by_format == {
            "EPUB": {"files": 2, "bytes": 2 * epub.stat().st_size},
            "PDF": {"files": 1, "bytes": pdf.stat().st_size},
        }
        assert plan(database.engine, calibre, Selection(), "calibre").read == "nothing"
    shown = calibredb.listed("title", "authors", "formats", "uuid", "series", "tags", "last_modified")[book]
    assert first.title == shown["title"] == "Война и мир: том 1"
    assert [one.name for one in first.authors] == ["Лев Толстой", "Smith, Jr."]
    assert (first.authors[0].last, first.authors[0].first) == ("Толстой", "Лев")
    assert first.languages == ("rus", "eng")
    assert set(first.tags) == set(shown["tags"]) == {"Роман", "Classic"}
    assert (first.series, first.series_index) == (shown["series"], 2.5)
    assert first.identifiers == {"goodreads": "656", "isbn": "9780140447934"}
    assert (first.publisher, first.rating) == ("Russkiy Vestnik", 8)
    assert "Долго." in first.comments
    assert first.published.year == 1869
    assert abs((first.modified - datetime.fromisoformat(shown["last_modified"])).total_seconds()) < 1
    assert first.modified.tzinfo is UTC
    assert sorted(map(str, (one.path for one in first.formats))) == sorted(shown["formats"])
    assert [one.size for one in first.formats] == [one.path.stat().st_size for one in first.formats]
    assert hash_file(first.formats[0].path).sha1 == hash_file(epub).sha1
    assert second.published is None or second.published.year > 101


def test_what_calibre_does_to_a_book_is_seen_by_the_next_plan(calibredb, epub, tmp_path, database):
    books = [calibredb.add(epub, "--title", f"Book {number}", "--duplicates") for number in range(3)]

    def planned():
        with Calibre(calibredb.folder) as calibre:
            found = plan(database.engine, calibre, Selection(), "calibre")
        return (found.new, found.changed, found.removed, found.unchanged)

    assert planned() == (3, 0, 0, 0)
    calibredb("set_metadata", books[0], "--field", "title:Renamed", "--field", "authors:Somebody Else")
    assert planned() == (0, 1, 0, 2)
    fb2 = tmp_path / "war.fb2"
    fb2.write_bytes(content.of("FB2", "War", "Leo", "prince"))
    calibredb("add_format", books[1], fb2)
    assert planned() == (0, 1, 0, 2)
    calibredb("remove_format", books[1], "EPUB")
    assert planned() == (0, 1, 0, 2)
    calibredb("remove", books[2], "--permanent")
    assert planned() == (0, 0, 1, 2)
    books.append(calibredb.add(epub, "--title", "New", "--duplicates"))
    assert planned() == (1, 0, 0, 2)
    assert planned() == (0, 0, 0, 3)


def test_a_reader_leaves_calibre_free_to_write(calibredb, epub):
    calibredb.add(epub, "--title", "One")
    with Calibre(calibredb.folder) as calibre:
        pages = calibre.pages(size=1)
        assert [book.id for book in next(pages)] == [1]
        calibredb.add(epub, "--title", "Two", "--duplicates")
        assert [book.id for page in pages for book in page] == [2]
    assert {file.name for file in calibredb.folder.iterdir() if file.is_file()} == {"metadata.db"}


def test_calibre_finds_nothing_wrong_with_a_library_of_the_sandbox(calibredb):
    bulk.fill(calibredb.folder, 25, files=True)
    with Library(calibredb.folder) as library:
        odd = add_odd(library)
        library.rename(1, "Renamed", "Some Body")
        library.remove(2)
        library.add_format(3, "TXT", b"text")
    report = calibredb("check_library", "--csv")
    problems = [line for line in report.splitlines() if line.count(",") >= 2]
    # The one whose file is gone on purpose.
    assert len(problems) == 1
    assert "The File That Is Gone" in problems[0]
    shown = calibredb.listed("title", "authors", "formats", "languages", "series", "series_index")
    with Calibre(calibredb.folder) as calibre:
        ours = {book.id: book for book in calibre.books(shown)}
        assert {book.id for page in calibre.pages() for book in page} == set(shown)
    assert len(ours) == 24 + len(odd)
    for number, theirs in shown.items():
        book = ours[number]
        assert list(book.languages) == theirs["languages"]
        assert book.series == theirs.get("series", "")
        if number not in (odd["nul"], odd["control"]):
            assert book.title == theirs["title"].strip()
            assert [one.name for one in book.authors] == theirs["authors"].split(" & ")
        there = {str(one.path) for one in book.formats if one.path.exists()}
        assert there == {file for file in theirs["formats"] if os.path.exists(file)}  # noqa: PTH110


def test_the_sandboxs_tables_and_triggers_are_those_of_calibre(calibredb, tmp_path):
    calibredb("list")
    schema.create(tmp_path / "ours.db")
    schema.finish(tmp_path / "ours.db")

    def described(path):
        with closing(sqlite3.connect(path)) as con:
            (version,) = con.execute("PRAGMA user_version").fetchone()
            names = set(con.execute("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"))
            columns = {
                name: [
                    (column[1].lower(), column[2].upper(), column[3], column[5])
                    for column in con.execute(f"PRAGMA table_info({name})")
                ]
                for kind, name in names
                if kind == "table"
            }
        return version, names, columns

    version, names, columns = described(calibredb.folder / "metadata.db")
    our_version, our_names, our_columns = described(tmp_path / "ours.db")
    assert our_version == version
    assert our_columns == columns
    # Calibre's browser of tags has views that nothing here reads.
    missing = {
        one for one in names - our_names if not (one[0] == "view" and one[1].startswith("tag_browser"))
    }
    assert missing == our_names - names == set()
