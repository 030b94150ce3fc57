"""A Calibre library made, and changed meanwhile, in a few lines: its books, formats and files."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from sandbox.calibre import schema

UNDEFINED = "0101-01-01 00:00:00+00:00"


class Library:
    """A folder with a metadata.db and the books' folders; made when it is not there.

    Every call is one committed transaction, as Calibre's are, so a library can be changed while another
    process reads it.

    Args:
        folder: of the library.
        identity: the uuid of a new library; a random one by default.
    """

    def __init__(self, folder: Path, *, identity: str = "") -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.database = self.folder / schema.DATABASE
        if not self.database.exists():
            schema.create(self.database, identity=identity)
            schema.finish(self.database)
        self.con = schema.connect(self.database)

    def __enter__(self) -> Library:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.con.close()

    def add(
        self,
        title: str,
        authors: Iterable[str] = ("Unknown",),
        *,
        formats: Mapping[str, bytes | int] | None = None,
        languages: Iterable[str] = (),
        tags: Iterable[str] = (),
        series: str = "",
        series_index: float = 1.0,
        publisher: str = "",
        identifiers: Mapping[str, str] | None = None,
        comments: str = "",
        rating: int = 0,
        cover: bytes = b"",
        published: str = UNDEFINED,
        added: str = "",
        modified: str = "",
        path: str | None = None,
    ) -> int:
        """Add a book; return its id.

        Args:
            formats: {"EPUB": content}. A number instead of the content is a size in the database of a file
                that is not there.
            rating: 1 to 10, two for each star; 0 for none.
            published, added, modified: as Calibre writes times, "2020-01-02 03:04:05+00:00".
            path: of the book's folder below the library; as Calibre would name it by default.
        """
        authors = list(authors)
        moment = _now()
        with self._transaction():
            book = self._insert(
                "books",
                title=title,
                series_index=series_index,
                author_sort=" & ".join(map(schema.author_sort, authors)),
                timestamp=added or moment,
                pubdate=published,
                has_cover=bool(cover),
                last_modified=modified or moment,
            )
            place = path if path is not None else self._place(book, title, authors[0])
            self.con.execute("UPDATE books SET path = ? WHERE id = ?", (place, book))
            for name in authors:
                # Calibre keeps a comma of a name as a bar: commas part names in its lists.
                author = self._named("authors", "name", name.replace(",", "|"), sort=schema.author_sort(name))
                self._insert("books_authors_link", book=book, author=author)
            for order, code in enumerate(languages):
                language = self._named("languages", "lang_code", code)
                self._insert("books_languages_link", book=book, lang_code=language, item_order=order)
            for tag in tags:
                self._insert("books_tags_link", book=book, tag=self._named("tags", "name", tag))
            if series:
                self._insert("books_series_link", book=book, series=self._named("series", "name", series))
            if publisher:
                self._insert(
                    "books_publishers_link", book=book, publisher=self._named("publishers", "name", publisher)
                )
            if rating:
                self._insert("books_ratings_link", book=book, rating=self._named("ratings", "rating", rating))
            for kind, value in (identifiers or {}).items():
                self._insert("identifiers", book=book, type=kind, val=value)
            if comments:
                self._insert("comments", book=book, text=comments)
            for format, content in (formats or {}).items():
                self._write(book, format, content)
            if cover:
                (self.folder / place).mkdir(parents=True, exist_ok=True)
                (self.folder / place / "cover.jpg").write_bytes(cover)
        return book

    def add_format(self, book: int, format: str, content: bytes | int) -> None:
        """Add a format to a book, or replace it."""
        with self._transaction():
            self._write(book, format, content)
            self._touch(book)

    def remove_format(self, book: int, format: str) -> None:
        """Take a format from a book, and its file."""
        file = self.file(book, format)
        with self._transaction():
            self.con.execute("DELETE FROM data WHERE book = ? AND format = ?", (book, format))
            self._touch(book)
        file.unlink(missing_ok=True)

    def remove(self, book: int) -> None:
        """Remove a book with its files."""
        folder = self.folder / self.path(book)
        with self._transaction():
            self.con.execute("DELETE FROM books WHERE id = ?", (book,))
        if folder != self.folder and folder.is_dir():
            for file in folder.iterdir():
                file.unlink()
            folder.rmdir()

    def rename(self, book: int, title: str, author: str) -> None:
        """Give a book another title and author: its folder and its files move, as Calibre moves them."""
        old, new = self.path(book), self._place(book, title, author)
        name = _file_name(title, author)
        with self._transaction():
            formats = self.con.execute("SELECT format, name FROM data WHERE book = ?", (book,)).fetchall()
            (self.folder / new).mkdir(parents=True, exist_ok=True)
            for format, was in formats:
                file = self.folder / old / f"{was}.{format.lower()}"
                if file.exists():
                    file.rename(self.folder / new / f"{name}.{format.lower()}")
            self.con.execute("UPDATE data SET name = ? WHERE book = ?", (name, book))
            self.con.execute("UPDATE books SET title = ?, path = ? WHERE id = ?", (title, new, book))
            self.con.execute("DELETE FROM books_authors_link WHERE book = ?", (book,))
            author_id = self._named(
                "authors", "name", author.replace(",", "|"), sort=schema.author_sort(author)
            )
            self._insert("books_authors_link", book=book, author=author_id)
            self._touch(book)
        if old != new and (self.folder / old).is_dir() and not any((self.folder / old).iterdir()):
            (self.folder / old).rmdir()

    def path(self, book: int) -> str:
        """Of the book's folder below the library."""
        return str(self.con.execute("SELECT path FROM books WHERE id = ?", (book,)).fetchone()[0])

    def file(self, book: int, format: str) -> Path:
        """Where the file of a format is."""
        name = self.con.execute(
            "SELECT name FROM data WHERE book = ? AND format = ?", (book, format)
        ).fetchone()[0]
        return self.folder / self.path(book) / f"{name}.{format.lower()}"

    def touch(self, book: int, moment: str = "") -> None:
        """Change nothing of a book but when it was changed."""
        with self._transaction():
            self._touch(book, moment)

    def _write(self, book: int, format: str, content: bytes | int) -> None:
        title = self.con.execute("SELECT title FROM books WHERE id = ?", (book,)).fetchone()[0]
        author = self.con.execute(
            "SELECT name FROM authors JOIN books_authors_link AS link ON author = authors.id WHERE book = ? "
            "ORDER BY link.id LIMIT 1",
            (book,),
        ).fetchone()[0]
        size = content if isinstance(content, int) else len(content)
        self.con.execute(
            "INSERT INTO data(book, format, uncompressed_size, name) VALUES (?, ?, ?, ?) "
            "ON CONFLICT(book, format) DO UPDATE SET uncompressed_size = excluded.uncompressed_size",
            (book, format.upper(), size, _file_name(title, author)),
        )
        if not isinstance(content, int):
            file = self.file(book, format)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)

    def _place(self, book: int, title: str, author: str) -> str:
        return f"{_component(author)}/{_component(title)} ({book})"

    def _touch(self, book: int, moment: str = "") -> None:
        self.con.execute("UPDATE books SET last_modified = ? WHERE id = ?", (moment or _now(), book))

    def _named(self, table: str, column: str, value: str | int, **more: object) -> int:
        found = self.con.execute(f"SELECT id FROM {table} WHERE {column} = ?", (value,)).fetchone()
        return int(found[0]) if found else self._insert(table, **{column: value}, **more)

    def _insert(self, table: str, **values: object) -> int:
        marks = ", ".join("?" * len(values))
        cursor = self.con.execute(
            f"INSERT INTO {table}({', '.join(values)}) VALUES ({marks})", tuple(values.values())
        )
        return int(cursor.lastrowid or 0)

    def _transaction(self) -> _Transaction:
        return _Transaction(self)


class _Transaction:
    """BEGIN IMMEDIATE … COMMIT; an error takes all of it back."""

    def __init__(self, library: Library) -> None:
        self._con = library.con

    def __enter__(self) -> None:
        self._con.execute("BEGIN IMMEDIATE")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._con.execute("ROLLBACK" if error else "COMMIT")


def _now() -> str:
    return datetime.now(UTC).isoformat(sep=" ", timespec="microseconds")


def _file_name(title: str, author: str) -> str:
    return f"{_component(title)} - {_component(author)}"[:100]


def _component(text: str) -> str:
    """A part of a path as Calibre makes it: no accents, nothing that a file system refuses, 35 letters."""
    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(one for one in plain if not unicodedata.combining(one))
    plain = re.sub(r'[\x00-\x1f/\\:*?"<>|]', "_", plain)
    # What cannot be written as UTF-8 is nothing that a file system knows.
    return os.fsdecode(plain.encode("utf-8", "replace"))[:35].strip().rstrip(".") or "Unknown"
