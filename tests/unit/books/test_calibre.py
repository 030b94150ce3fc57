"""Reading a Calibre library: what is in it, whatever is in it, while Calibre writes, and leaving nothing."""

import errno
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from medialift.books.calibre import Calibre
from medialift.books.calibre_file import translated
from medialift.books.calibre_rows import Author, Format, author_of, clean_text, moment
from medialift.books.selection import Selection
from medialift.errors import Permanent, Transient
from sandbox.calibre import Library, bulk, schema
from sandbox.calibre.odd import add_odd
from tests.calibre_world import another_process, run


@pytest.fixture
def library(tmp_path):
    with Library(tmp_path / "library") as library:
        yield library


def ids_of(calibre, selection=None, **more):
    chosen = Selection.of(selection)
    return [book.id for page in calibre.pages(chosen, **more) for book in page]


def only(library, book):
    with Calibre(library.folder) as calibre:
        return calibre.books([book])[0]


# What is in a library


def test_a_book_has_everything_that_calibre_knows(library):
    book = library.add(
        "The War and the Peace",
        ["Leo Tolstoy", "Ann Other"],
        formats={"PDF": b"pdf", "EPUB": b"epub!"},
        languages=["rus", "eng"],
        tags=["Novel", "Classic"],
        series="Great Books",
        series_index=2.5,
        publisher="Printing House",
        identifiers={"isbn": "9780", "goodreads": "1"},
        comments="<p>Long.</p>",
        rating=8,
        cover=b"jpeg",
        published="1869-01-01 00:00:00+00:00",
        added="2020-01-02 03:04:05.678901+00:00",
        modified="2021-01-02 03:04:05+02:00",
    )
    found = only(library, book)
    folder = library.folder / library.path(book)
    assert (found.title, found.sort) == ("The War and the Peace", "War and the Peace, The")
    assert found.authors == (
        Author("Leo Tolstoy", "Tolstoy, Leo", "Leo", "Tolstoy"),
        Author("Ann Other", "Other, Ann", "Ann", "Other"),
    )
    assert (found.series, found.series_index) == ("Great Books", 2.5)
    assert found.languages == ("rus", "eng")
    assert found.tags == ("Classic", "Novel")
    assert found.identifiers == {"goodreads": "1", "isbn": "9780"}
    assert (found.publisher, found.comments, found.rating) == ("Printing House", "<p>Long.</p>", 8)
    assert found.published == datetime(1869, 1, 1, tzinfo=UTC)
    assert found.added == datetime(2020, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    assert found.modified == datetime(2021, 1, 2, 1, 4, 5, tzinfo=UTC)
    assert found.has_cover
    name = "The War and the Peace - Leo Tolstoy"
    assert found.formats == (
        Format("EPUB", name, 5, folder / f"{name}.epub"),
        Format("PDF", name, 3, folder / f"{name}.pdf"),
    )
    assert [one.path.read_bytes() for one in found.formats] == [b"epub!", b"pdf"]


def test_a_book_with_nothing_known_is_a_book(library):
    found = only(library, library.add("", ["Unknown"]))
    assert (found.title, found.series, found.series_index, found.rating) == ("Unknown", "", 1.0, None)
    assert found.published is None
    assert found.formats == found.languages == found.tags == ()


def test_books_come_in_the_order_asked_for_and_those_that_are_gone_are_left_out(library):
    first, second, third = (library.add(title) for title in "abc")
    library.remove(second)
    with Calibre(library.folder) as calibre:
        assert [book.title for book in calibre.books([third, second, 4711, first])] == ["c", "a"]


def test_a_thousand_books_need_no_more_statements_than_one_batch_after_another(tmp_path):
    bulk.fill(tmp_path / "library", 1200)
    with Calibre(tmp_path / "library") as calibre:
        asked = []
        calibre._opened[1].set_trace_callback(asked.append)
        assert len(calibre.books(range(1, 1201))) == 1200
    assert len([one for one in asked if one.lstrip().startswith("SELECT")]) == 3 * 6


def test_pages_lose_no_format_at_their_edges(tmp_path):
    bulk.fill(tmp_path / "library", 997)
    with closing(sqlite3.connect(tmp_path / "library" / "metadata.db")) as con:
        wanted = con.execute("SELECT book, format FROM data ORDER BY book, format").fetchall()
    with Calibre(tmp_path / "library") as calibre:
        for size in (1, 7, 100, 996, 997, 5000):
            pages = list(calibre.pages(size=size))
            assert [len(page) for page in pages[:-1]] == [size] * (len(pages) - 1)
            found = [(book.id, one.format) for page in pages for book in page for one in book.formats]
            assert found == wanted
        assert ids_of(calibre, after=990) == list(range(991, 998))


def test_a_page_starts_behind_the_last_book_however_large_the_gaps(library):
    books = [library.add(f"Book {number}", formats={"EPUB": number}) for number in range(1, 30)]
    for book in books[3:27]:
        library.remove(book)
    with Calibre(library.folder) as calibre:
        assert ids_of(calibre, size=2) == [1, 2, 3, 28, 29]


# Whatever is in it


def test_odd_books_are_read_and_their_texts_are_clean(library):
    odd = add_odd(library)
    with Calibre(library.folder) as calibre:
        books = {kind: calibre.books([book])[0] for kind, book in odd.items()}
        pages = {book.id: book for page in calibre.pages() for book in page}
    assert books["cyrillic"].title == "Война и мир"
    assert books["emoji"].authors[0].last == "Fox"
    assert books["nul"].title == "A Title"
    assert books["nul"].comments == "with in"
    assert books["control"].title == "Bell and tab and line"
    assert books["control"].authors[0].name == "Esc ape"
    assert [one.name for one in books["comma"].authors] == ["Smith, Jr., John", "Doe, Jane"]
    assert books["one_word"].authors[0] == Author("Plato", "Plato", "", "Plato")
    assert not books["missing"].formats[0].path.exists()
    assert books["empty"].formats[0].path.stat().st_size == 0
    assert books["none"].formats == pages[odd["none"]].formats == ()
    assert len(books["long"].title) > 200
    assert len(books["many"].formats) == 6
    assert all(one.path.exists() for one in books["cyrillic"].formats + books["many"].formats)
    for book in books.values():
        for text in (book.title, book.sort, book.comments, *(one.name for one in book.authors)):
            assert "\x00" not in text
            text.encode()


def test_a_path_that_is_no_utf8_leads_to_its_file(library):
    book = library.add("Old", ["Somebody"], formats={"EPUB": 5}, path="x")
    file = library.folder / os.fsdecode(b"Somebody/Vojna \xe9 mir/Ol\xed.epub")
    file.parent.mkdir(parents=True)
    file.write_bytes(b"words")
    library.con.execute("DROP TRIGGER books_update_trg")
    library.con.execute(
        "UPDATE books SET path = CAST(? AS TEXT), title = CAST(? AS TEXT) WHERE id = ?",
        (b"Somebody/Vojna \xe9 mir", b"Vojna \xe9 mir", book),
    )
    library.con.execute("UPDATE data SET name = CAST(? AS TEXT) WHERE book = ?", (b"Ol\xed", book))
    library.add("Young", formats={"EPUB": 1})
    with Calibre(library.folder) as calibre:
        found = calibre.books([book])[0]
        planned = next(calibre.pages())
    assert found.formats[0].path.read_bytes() == b"words"
    assert found.title == "Vojna \ufffd mir"
    assert os.fsencode(planned[0].path) == b"Somebody/Vojna \xe9 mir"
    assert len(planned[0].fingerprint) == 20
    assert planned[1].path.startswith("Unknown/Young")


@pytest.mark.parametrize("path", ["/etc", "../../etc", "a/../../../../../etc", "./.."])
def test_no_path_leads_out_of_the_library(library, path):
    book = library.add("Escape", formats={"EPUB": 5}, path=path)
    library.con.execute("UPDATE data SET name = '../../../passwd'")
    place = only(library, book).formats[0].path
    assert os.path.normpath(place) == str(place)
    assert place.is_relative_to(library.folder)


def test_values_of_a_wrong_kind_are_taken_for_none(library):
    book = library.add("Strange", formats={"EPUB": 5})
    library.con.execute("UPDATE books SET series_index = 'many', pubdate = 'once', timestamp = NULL")
    library.con.execute("UPDATE data SET uncompressed_size = 'large'")
    found = only(library, book)
    assert (found.series_index, found.published, found.added) == (1.0, None, None)
    assert found.formats[0].size == 0


def test_files_that_outlived_their_books_are_no_files(library):
    library.add("First", formats={"EPUB": 1})
    gone = library.add("Gone", formats={"EPUB": 2})
    library.add("Last", formats={"EPUB": 3})
    library.con.execute("DROP TRIGGER books_delete_trg")
    library.con.execute("DELETE FROM books WHERE id = ?", (gone,))
    with Calibre(library.folder) as calibre:
        assert [one.size for page in calibre.pages() for book in page for one in book.formats] == [1, 3]
        assert calibre.existing([1, 2, 3]) == {1, 3}


@pytest.mark.parametrize(
    ("name", "sort", "first", "last"),
    [
        ("Leo Tolstoy", "Tolstoy, Leo", "Leo", "Tolstoy"),
        ("Лев Толстой", "", "Лев", "Толстой"),
        ("Лев Толстой", "Лев Толстой", "Лев", "Толстой"),
        ("Plato", "Plato", "", "Plato"),
        ("Smith| John", "Smith, John", "John", "Smith"),
        ("National Geographic Society", "National Geographic Society", "", "National Geographic Society"),
        ("A, ", ", ", "", ""),
        (None, None, "", ""),
    ],
)
def test_an_author_has_a_first_and_a_last_name(name, sort, first, last):
    found = author_of(name, sort)
    assert (found.first, found.last) == (first, last)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2020-01-02 03:04:05+00:00", datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2020-01-02 03:04:05", datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("0101-01-01 00:00:00+00:00", None),
        ("0101-01-01 23:00:00+00:00", None),
        ("0001-01-01 00:00:00+14:00", None),
        ("never", None),
        (None, None),
    ],
)
def test_a_date_that_calibre_does_not_know_is_none(text, found):
    assert moment(text) == found


def test_lines_of_a_comment_are_kept_where_they_are_wanted():
    assert clean_text("a\r\nb\x00\tc\x1f\n", lines=True) == "a\nb \tc"
    assert clean_text("a\r\nb\x00\tc\ud83d") == "a b c\ufffd"


# What is no library


def no_library(tmp_path):
    return tmp_path / "nowhere"


def no_database(tmp_path):
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


def a_text(tmp_path):
    (tmp_path / "metadata.db").write_text("This is no database. " * 100)
    return tmp_path


def an_empty_file(tmp_path):
    (tmp_path / "metadata.db").touch()
    return tmp_path


def a_folder(tmp_path):
    (tmp_path / "metadata.db").mkdir()
    return tmp_path


def another_program(tmp_path):
    with closing(sqlite3.connect(tmp_path / "metadata.db")) as con:
        con.execute("CREATE TABLE books(id INTEGER PRIMARY KEY, name TEXT)")
    return tmp_path


def cut_off(tmp_path):
    bulk.fill(tmp_path, 300)
    file = tmp_path / "metadata.db"
    os.truncate(file, file.stat().st_size // 3)
    return tmp_path


def overwritten(tmp_path):
    bulk.fill(tmp_path, 300)
    with (tmp_path / "metadata.db").open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(200_000))
    return tmp_path


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (no_library, "There is no metadata.db"),
        (no_database, "There is no metadata.db"),
        (a_text, "is no SQLite database"),
        (an_empty_file, "is no SQLite database"),
        (a_folder, "This is no file"),
        (another_program, "This is no library of Calibre"),
        (cut_off, "is damaged"),
        (overwritten, "is damaged"),
    ],
)
def test_what_is_no_healthy_library_is_told_for_good(tmp_path, make, what):
    folder = make(tmp_path)
    before = sorted(folder.iterdir()) if folder.exists() else None
    with pytest.raises(Permanent, match=what), Calibre(folder) as calibre:
        list(calibre.pages())
    assert before == (sorted(folder.iterdir()) if folder.exists() else None)


@pytest.mark.parametrize(
    ("name", "kind", "what"),
    [
        ("SQLITE_IOERR_READ", Transient, "cannot be read"),
        ("SQLITE_IOERR_LOCK", Permanent, "cannot lock files"),
        ("SQLITE_PROTOCOL", Permanent, "cannot lock files"),
        ("SQLITE_BUSY", Transient, "Calibre is writing"),
        ("SQLITE_CANTOPEN", Transient, "not without writing to its folder"),
        ("SQLITE_READONLY_RECOVERY", Transient, "ended in mid-write"),
        ("SQLITE_CORRUPT_INDEX", Permanent, "is damaged"),
        ("SQLITE_ERROR", Permanent, "cannot be used"),
    ],
)
def test_each_error_of_sqlite_says_whether_it_may_pass_and_what_to_do(tmp_path, name, kind, what):
    error = sqlite3.OperationalError("as SQLite says")
    error.sqlite_errorname = name
    with pytest.raises(kind, match=what) as told, translated(tmp_path / "metadata.db"):
        raise error
    assert told.value.subject == str(tmp_path / "metadata.db")
    assert told.value.hint


def test_a_disk_that_does_not_give_the_database_now_may_give_it_later(library, monkeypatch):
    def broken(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with Calibre(library.folder):
        pass
    monkeypatch.setattr(os, "open", broken)
    with pytest.raises(Transient, match="Input/output error"):
        Calibre(library.folder)


def test_another_library_at_the_same_place_is_noticed(tmp_path, library):
    library.add("One")
    with Library(tmp_path / "other") as other:
        other.add("Two")
    with Calibre(library.folder) as calibre:
        assert ids_of(calibre) == [1]
        (tmp_path / "other" / "metadata.db").replace(library.database)
        with pytest.raises(Permanent, match="Another library is at this place now"):
            ids_of(calibre)


def test_a_library_that_calibre_restored_meanwhile_is_read_anew(tmp_path, library):
    library.add("One")
    with Calibre(library.folder) as calibre:
        assert ids_of(calibre) == [1]
        with closing(sqlite3.connect(tmp_path / "new.db")) as copy:
            library.con.backup(copy)
        (tmp_path / "new.db").replace(library.database)
        with Library(library.folder) as again:
            again.add("Two")
        assert ids_of(calibre) == [1, 2]


# While Calibre writes

WRITING = """
import sys, time
from pathlib import Path
from sandbox.calibre import Library
with Library(Path(sys.argv[1])) as library:
    print("ready", flush=True)
    while True:
        book = library.add("Coming", ["Some Body"], formats={"EPUB": b"new", "PDF": b"too"})
        library.rename(1 + book % 40, f"Renamed {book}", "Some Body Else")
        library.remove(book)
        time.sleep(0.01)
"""


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_each_page_is_one_state_while_calibre_adds_renames_and_removes(tmp_path, journal):
    folder = tmp_path / "library"
    with Library(folder) as library:
        library.con.execute(f"PRAGMA journal_mode = {journal}").fetchone()
        for number in range(1, 41):
            library.add(f"Book {number}", ["A"], formats={"EPUB": b"e", "MOBI": b"m"})
    with another_process(WRITING, folder) as process:
        assert process.stdout.readline() == "ready\n"
        with Calibre(folder) as calibre:
            stamps, names = set(), set()
            for _ in range(25):
                pages = list(calibre.pages(size=15))
                found = {book.id: book for page in pages for book in page}
                assert set(range(1, 41)) <= set(found)
                for book in found.values():
                    assert [one.format for one in book.formats] in (["EPUB", "MOBI"], ["EPUB", "PDF"])
                    # The folder and the files' names change in one transaction.
                    title = book.path.partition("/")[2].rpartition(" (")[0]
                    assert {one.name.partition(" - ")[0] for one in book.formats} == {title}
                whole = calibre.books(range(1, 41))
                assert all(len(book.formats) == 2 and book.authors for book in whole)
                names |= {book.title for book in whole}
                stamps.add(calibre.stamp())
        assert process.poll() is None
    assert len(names) > 20
    assert len(stamps) > 1


def test_calibre_never_waits_long_for_a_reader(tmp_path):
    bulk.fill(tmp_path / "library", 4000)
    with Library(tmp_path / "library") as library, Calibre(tmp_path / "library") as calibre:
        library.con.execute("PRAGMA busy_timeout = 0")
        for number, _page in enumerate(calibre.pages(size=500)):
            library.touch(1 + number)


def test_a_file_that_goes_on_changing_under_an_immutable_reader_is_told(library, monkeypatch):
    library.add("One")
    library.con.execute("PRAGMA journal_mode = wal").fetchone()
    library.close()
    with Calibre(library.folder) as calibre:
        stamp = iter(range(100, 200))

        def changed(file):
            return next(stamp)

        monkeypatch.setattr("medialift.books.calibre_file.DatabaseFile.stamp", changed)
        with pytest.raises(Transient, match="changes while it is read"):
            calibre.books([1])


# Leaving nothing behind


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_nothing_is_left_beside_a_library_that_nobody_has_open(tmp_path, journal):
    with Library(tmp_path / "library") as library:
        library.con.execute(f"PRAGMA journal_mode = {journal}").fetchone()
        library.add("One", formats={"EPUB": 5})
    before = {file.name: file.stat().st_mtime_ns for file in library.folder.iterdir()}
    with Calibre(library.folder) as calibre:
        assert ids_of(calibre) == [1]
        assert [book.title for book in calibre.books([1])] == ["One"]
        assert {file.name: file.stat().st_mtime_ns for file in library.folder.iterdir()} == before
    assert {file.name: file.stat().st_mtime_ns for file in library.folder.iterdir()} == before


def test_a_log_that_calibre_begins_while_we_read_is_read_too(tmp_path):
    with Library(tmp_path / "library") as library:
        library.con.execute("PRAGMA journal_mode = wal").fetchone()
        library.add("One")
    with Calibre(tmp_path / "library") as calibre:
        assert ids_of(calibre) == [1]
        with Library(tmp_path / "library") as library:
            library.add("Two")
            assert ids_of(calibre) == [1, 2]
        assert ids_of(calibre) == [1, 2]


def test_the_locks_of_another_reader_survive_the_end_of_one(library):
    library.add("One")
    library.con.execute("PRAGMA busy_timeout = 0")
    with Calibre(library.folder) as first:

        def reading(connection):
            connection.execute("SELECT count(*) FROM books").fetchone()
            with Calibre(library.folder) as second:
                second.stamp()
            # Still ours: a writer in another process is kept out. This process's own locks do not show it.
            return run(
                "import sys; from pathlib import Path; from sandbox.calibre import Library\n"
                "library = Library(Path(sys.argv[1])); library.con.execute('PRAGMA busy_timeout = 0')\n"
                "try: library.touch(1)\n"
                "except Exception as error: print(error)",
                library.folder,
            )

        assert "locked" in first._read(reading)


KILLED = """
import os, sys, sqlite3
con = sqlite3.connect(sys.argv[1], isolation_level=None)
con.create_function("title_sort", 1, str)
con.execute(f"PRAGMA journal_mode = {sys.argv[2]}").fetchone()
con.execute("PRAGMA cache_size = 1")
con.execute("BEGIN")
con.execute("UPDATE books SET flags = flags + 1, author_sort = author_sort || hex(randomblob(500))")
if sys.argv[2] == "wal":
    con.execute("COMMIT")
os.kill(os.getpid(), 9)
"""


def test_a_library_whose_writer_was_killed_in_mid_write_waits_for_calibre(tmp_path):
    database = bulk.fill(tmp_path, 500)
    run(KILLED, database, "delete")
    assert (tmp_path / "metadata.db-journal").stat().st_size > 0
    before = sorted((file.name, file.stat().st_mtime_ns) for file in tmp_path.iterdir())
    with pytest.raises(Transient, match="ended in mid-write") as told:
        Calibre(tmp_path)
    assert "Open the library in Calibre once" in told.value.hint
    assert sorted((file.name, file.stat().st_mtime_ns) for file in tmp_path.iterdir()) == before
    with Library(tmp_path) as library:  # Calibre does what was asked for
        library.touch(1)
    with Calibre(tmp_path) as calibre:
        assert len(ids_of(calibre)) == 500


def test_a_log_without_its_index_waits_for_calibre(tmp_path):
    database = bulk.fill(tmp_path, 500)
    run(KILLED, database, "wal")
    (tmp_path / "metadata.db-shm").unlink()
    before = sorted(file.name for file in tmp_path.iterdir())
    with pytest.raises(Transient, match="before its log was written back"):
        Calibre(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == before
    with Library(tmp_path) as library:
        library.touch(1)
    with Calibre(tmp_path) as calibre:
        assert len(ids_of(calibre)) == 500


AS_NOBODY = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from medialift.books.calibre import Calibre
from medialift.books.calibre_file import translated
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    with Calibre(Path(sys.argv[1])) as calibre:
        print(sum(len(page) for page in calibre.pages()))
except Exception as error:
    print(type(error).__name__, error.what)
"""


@pytest.fixture
def open_folder():
    """A folder that another user can reach."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize(("journal", "found"), [("delete", "7"), ("wal", "7")])
def test_a_folder_that_may_only_be_read_is_enough(open_folder, journal, found):
    bulk.fill(open_folder, 7)
    with closing(schema.connect(open_folder / "metadata.db")) as con:
        con.execute(f"PRAGMA journal_mode = {journal}").fetchone()
    assert run(AS_NOBODY, open_folder, ".").split() == [found]
    assert [file.name for file in open_folder.iterdir()] == ["metadata.db"]


def test_a_log_in_use_is_read_where_only_reading_is_allowed(open_folder):
    bulk.fill(open_folder, 7)
    with closing(schema.connect(open_folder / "metadata.db")) as con:
        con.execute("PRAGMA journal_mode = wal").fetchone()
        con.execute("UPDATE books SET flags = 2")
        assert run(AS_NOBODY, open_folder, ".").split() == ["7"]


def test_a_library_that_may_not_be_read_is_told_for_good(open_folder):
    bulk.fill(open_folder, 7).chmod(0)
    assert run(AS_NOBODY, open_folder, ".") == "Permanent The library may not be read\n"


def test_no_descriptor_is_left_open(library):
    library.add("One")

    def descriptors():
        # Not by another process: its pipes would be counted or not, as it happens.
        return list(Path("/proc/self/fd").iterdir())

    before = len(descriptors())
    for _ in range(3):
        with Calibre(library.folder) as calibre:
            ids_of(calibre)
        with pytest.raises(Permanent):
            Calibre(library.folder / "nowhere")
    assert len(descriptors()) == before
