"""Reading a Calibre library while Calibre runs: pages of books for a plan, whole books for the work.

Every page and every batch is one read transaction, so what it gives belongs together. No transaction lasts
longer than that: while one is open Calibre cannot write, and it gives up after ten seconds. Whether the
library changed between two pages shows in `stamp`.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, TypeVar

from medialift.books import calibre_books
from medialift.books.calibre_choice import Condition, condition
from medialift.books.calibre_file import DATABASE, DatabaseFile, Stamp, translated
from medialift.books.calibre_rows import Book, Planned, PlannedFormat, size_of
from medialift.books.selection import Selection
from medialift.errors import Permanent, Transient
from medialift.foundation import sqlite

_T = TypeVar("_T")

# How often a read is begun anew when the file is replaced or changed under it.
_TRIES = 5
_BATCH = 500

# What tells a library of Calibre from another program's database: tables, with columns that are read here.
_TABLES = {
    "books": "id title sort timestamp pubdate series_index path has_cover last_modified",
    "data": "book format uncompressed_size name",
    "authors": "id name sort",
    "languages": "id lang_code",
    "library_id": "uuid",
}


class Rows(NamedTuple):
    """A page as SQLite gives it: (id, path, modified, added) of books in rising order of ids, and
    (book, format, size, name) of their files in rising order of books and formats."""

    books: list[tuple[int, str, str, str]]
    files: list[tuple[int, str, int, str]]


class Sums(NamedTuple):
    """A whole library in a few numbers, which tell whether one was added, removed or changed.

    Attributes:
        mixed: a sum over the ids that other ids with the same sum do not give.
        last: the latest change of a book, as Calibre writes it; "" without books.
    """

    books: int
    ids: int
    mixed: int
    highest: int
    last: str
    files: int
    bytes: int


class Calibre:
    """A library that is open for reading. Use it as a context manager; any thread may ask it."""

    def __init__(self, folder: Path) -> None:
        """
        Args:
            folder: of the library, with metadata.db in it.

        Raises:
            Permanent: there is no metadata.db, it is damaged, or it is another program's.
            Transient: it cannot be read just now: a program ended while it wrote, or its disk is away.
        """
        self.folder = Path(folder)
        self.path = self.folder / DATABASE
        self._lock = threading.RLock()
        self._opened: tuple[DatabaseFile, sqlite3.Connection] | None = None
        self._identity = ""
        try:
            self.library_id = self._read(_identify)
        except BaseException:
            self.close()
            raise
        self._identity = self.library_id

    @classmethod
    def open(cls, folder: Path) -> Calibre:
        """As the constructor."""
        return cls(folder)

    def __enter__(self) -> Calibre:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file. A read after this opens it again."""
        with self._lock:
            if self._opened is not None:
                file, connection = self._opened
                self._opened = None
                connection.close()
                file.close()

    def stamp(self) -> Stamp:
        """What the database file looks like now; alike before and after a read: nothing changed meanwhile.

        Raises:
            Transient, Permanent: as the constructor.
        """
        with self._lock:
            file, _ = self._current()
            return file.stamp()

    def books(self, ids: Iterable[int]) -> list[Book]:
        """These books as they are now, in this order; those that are gone are left out.

        Raises:
            Transient, Permanent: as the constructor.
        """
        wanted = list(ids)
        found: list[Book] = []
        for start in range(0, len(wanted), _BATCH):
            part = wanted[start : start + _BATCH]
            found += self._read(lambda con, part=part: calibre_books.read(con, self.folder, part))  # type: ignore[misc]
        return found

    def pages(
        self, selection: Selection | None = None, *, after: int = 0, size: int = 1000
    ) -> Iterator[list[Planned]]:
        """The books of a selection in rising order of ids, so many at a time, with their wanted files.

        Books without any file come too, with empty `formats`. A book that Calibre adds meanwhile has a higher
        id than all others, so it comes as well; one that it removes is left out if its page was not read yet.

        Args:
            after: only books with a higher id than this.

        Raises:
            Permanent: the selection names what no book has.
            Transient, Permanent: as the constructor.
        """
        for books, files in self.rows(selection, after=after, size=size):
            page, at = [], 0
            for book, path, modified, added in books:
                begin = at
                while at < len(files) and files[at][0] == book:
                    at += 1
                formats = tuple(PlannedFormat(one[1], one[3], size_of(one[2])) for one in files[begin:at])
                page.append(Planned(book, path, modified, added, formats))
            yield page

    def rows(
        self,
        selection: Selection | None = None,
        *,
        after: int = 0,
        size: int = 1000,
        since: tuple[str, int] | None = None,
    ) -> Iterator[Rows]:
        """As `pages`, for a million books: rows as they come.

        Args:
            since: (moment, id): only books that were changed at this moment or later, or have a higher id.
        """
        chosen = selection or Selection()
        meant = self._read(lambda con: condition(con, chosen))
        ids = [book for book in chosen.chosen.ids if book > after]
        if chosen.chosen.ids:
            for begin in range(0, len(ids), size):
                some = ids[begin : begin + size]
                page = self._read(lambda con, some=some: _page(con, meant, 0, size, since, some))  # type: ignore[misc]
                if page.books:
                    yield page
            return
        while True:
            start = after
            page = self._read(lambda con, start=start: _page(con, meant, start, size, since))  # type: ignore[misc]
            if not page.books:
                return
            after = page.books[-1][0]
            yield page

    def existing(self, ids: Sequence[int]) -> set[int]:
        """Those of these books that are in the library and have at least one file."""
        found: set[int] = set()
        for start in range(0, len(ids), _BATCH):
            asked = json.dumps(list(ids[start : start + _BATCH]))
            found |= self._read(lambda con, asked=asked: _existing(con, asked))  # type: ignore[misc]
        return found

    def sums(self) -> Sums:
        """The whole library in a few numbers."""
        return self._read(_sums)

    def formats(self) -> tuple[dict[str, dict[str, int]], int]:
        """({"EPUB": {"files": 3, "bytes": 4711}}, how many books have no file) of the whole library."""
        return self._read(_formats)

    def count_up_to(self, highest: int) -> tuple[int, int, int]:
        """(books, ids, mixed) of `Sums` over the books whose ids are not higher."""
        return self._read(lambda con: _counts(con, highest))

    def _read(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Do some reading in one transaction, on the file that is at the path now."""
        with self._lock:
            for _ in range(_TRIES):
                file, connection = self._current()
                before = file.stamp() if file.immutable else None
                with translated(self.path):
                    result = _transaction(connection, work)
                if before is None or (file.is_current() and file.stamp() == before):
                    return result
        raise Transient("The library changes while it is read", str(self.path), "Read it again in a moment")

    def _current(self) -> tuple[DatabaseFile, sqlite3.Connection]:
        """The file that is at the path now, opened in the way it has to be."""
        if self._opened is not None:
            if self._opened[0].is_current():
                return self._opened
            self.close()
        file = DatabaseFile(self.path)
        try:
            connection = file.connect()
            try:
                with translated(self.path):
                    found = _transaction(connection, _identify)
                if self._identity and found != self._identity:
                    raise Permanent(
                        "Another library is at this place now", str(self.folder), "Start again with this one"
                    )
            except BaseException:
                connection.close()
                raise
        except BaseException:
            file.close()
            raise
        self._opened = (file, connection)
        return self._opened


def _transaction(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], _T]) -> _T:
    connection.text_factory = str
    try:
        return _within(connection, work)
    except sqlite3.OperationalError as error:
        # Python's own words: SQLite gave bytes that are no UTF-8. Decoding them by hand takes longer.
        if "decode" not in str(error):
            raise
    connection.text_factory = sqlite.text
    return _within(connection, work)


def _within(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], _T]) -> _T:
    connection.execute("BEGIN")
    try:
        return work(connection)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _identify(connection: sqlite3.Connection) -> str:
    for table, columns in _TABLES.items():
        missing = set(columns.split()) - set(sqlite.table_columns(connection, table))
        if missing:
            raise Permanent(
                "This is no library of Calibre",
                f"its database has no {table}.{', '.join(sorted(missing))}",
                "Name the folder that Calibre shows as its library",
            )
    found = connection.execute("SELECT uuid FROM library_id LIMIT 1").fetchone()
    return str(found[0]) if found else ""


def _page(
    connection: sqlite3.Connection,
    meant: Condition,
    after: int,
    size: int,
    since: tuple[str, int] | None,
    some: Sequence[int] = (),
) -> Rows:
    wanted: list[str] = ["books.id > ?"]
    values: list[Any] = [after, *meant.books_values]
    if meant.books:
        wanted.append(meant.books)
    if since:
        wanted.append("(books.last_modified >= ? OR books.id > ?)")
        values += since
    if some:
        wanted.append("books.id IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(some))
    books = _rows(
        connection,
        f"SELECT id, path, last_modified, timestamp FROM books WHERE {' AND '.join(wanted)} "  # noqa: S608
        "ORDER BY id LIMIT ?",
        (*values, size),
    )
    if not books:
        return Rows([], [])
    # A narrow selection takes its books from a wide range of ids: only the files of those, then.
    narrow = bool(meant.books or since or some)
    place = "book IN (SELECT value FROM json_each(?))" if narrow else "book > ? AND book <= ?"
    span = (json.dumps([row[0] for row in books]),) if narrow else (after, books[-1][0])
    files = _rows(
        connection,
        f"SELECT book, format, uncompressed_size, name FROM data WHERE {place} "  # noqa: S608
        f"{meant.data and f'AND {meant.data}'} ORDER BY book, format",
        (*span, *meant.data_values),
    )
    # In a damaged library files may have outlived their books.
    known = {row[0] for row in books}
    if not known.issuperset(row[0] for row in files):
        files = [row for row in files if row[0] in known]
    return Rows(books, files)


def _rows(connection: sqlite3.Connection, statement: str, values: tuple[object, ...]) -> list[Any]:
    return connection.execute(statement, values).fetchall()


def _existing(connection: sqlite3.Connection, asked: str) -> set[int]:
    return {
        row[0]
        for row in connection.execute(
            "SELECT id FROM books WHERE id IN (SELECT value FROM json_each(?)) "
            "AND EXISTS (SELECT 1 FROM data WHERE data.book = books.id)",
            (asked,),
        )
    }


_BYTES = "coalesce(sum(max(0, CAST(uncompressed_size AS INTEGER))), 0)"
_COUNTS = "SELECT count(*), coalesce(sum(id), 0), coalesce(sum(id * (id % 9973) % 1000003), 0) FROM books"


def _counts(connection: sqlite3.Connection, highest: int) -> tuple[int, int, int]:
    books, ids, mixed = connection.execute(f"{_COUNTS} WHERE id <= ?", (highest,)).fetchone()
    return books, ids, mixed


def _sums(connection: sqlite3.Connection) -> Sums:
    books, ids, mixed = connection.execute(_COUNTS).fetchone()
    highest, last = connection.execute(
        "SELECT coalesce(max(id), 0), coalesce(max(last_modified), '') FROM books"
    ).fetchone()
    files, size = connection.execute(f"SELECT count(*), {_BYTES} FROM data").fetchone()  # noqa: S608
    return Sums(books, ids, mixed, highest, last, files, size)


def _formats(connection: sqlite3.Connection) -> tuple[dict[str, dict[str, int]], int]:
    rows = connection.execute(
        f"SELECT format, count(*), {_BYTES} FROM data GROUP BY format ORDER BY format"  # noqa: S608
    )
    counted = {format: {"files": files, "bytes": size} for format, files, size in rows}
    without = connection.execute(
        "SELECT count(*) FROM books WHERE NOT EXISTS (SELECT 1 FROM data WHERE data.book = books.id)"
    ).fetchone()[0]
    return counted, without
