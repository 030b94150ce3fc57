"""The sample library: Calibre's tables as far as they are read, and a few books that are hard to bring."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

# Calibre 6's, without what is not read: a plain connection can fill them.
_SCHEMA = """
CREATE TABLE authors(id INTEGER PRIMARY KEY, name TEXT NOT NULL COLLATE NOCASE, sort TEXT COLLATE NOCASE);
CREATE TABLE books(id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL, sort TEXT, timestamp TIMESTAMP,
    pubdate TIMESTAMP, series_index REAL NOT NULL DEFAULT 1.0, path TEXT NOT NULL, has_cover BOOL DEFAULT 0,
    last_modified TIMESTAMP NOT NULL);
CREATE TABLE books_authors_link(id INTEGER PRIMARY KEY, book INTEGER NOT NULL, author INTEGER NOT NULL);
CREATE TABLE books_languages_link(id INTEGER PRIMARY KEY, book INTEGER NOT NULL, lang_code INTEGER NOT NULL,
    item_order INTEGER NOT NULL DEFAULT 0);
CREATE TABLE books_publishers_link(id INTEGER PRIMARY KEY, book INTEGER NOT NULL, publisher INTEGER NOT NULL);
CREATE TABLE books_ratings_link(id INTEGER PRIMARY KEY, book INTEGER NOT NULL, rating INTEGER NOT NULL);
CREATE TABLE books_series_link(id INTEGER PRIMARY KEY, book INTEGER NOT NULL, series INTEGER NOT NULL);
CREATE TABLE books_tags_link(id INTEGER PRIMARY KEY, book INTEGER NOT NULL, tag INTEGER NOT NULL);
CREATE TABLE comments(id INTEGER PRIMARY KEY, book INTEGER NOT NULL, text TEXT NOT NULL);
CREATE TABLE data(id INTEGER PRIMARY KEY, book INTEGER NOT NULL, format TEXT NOT NULL COLLATE NOCASE,
    uncompressed_size INTEGER NOT NULL, name TEXT NOT NULL);
CREATE TABLE identifiers(id INTEGER PRIMARY KEY, book INTEGER NOT NULL, type TEXT NOT NULL,
    val TEXT NOT NULL);
CREATE TABLE languages(id INTEGER PRIMARY KEY, lang_code TEXT NOT NULL);
CREATE TABLE library_id(id INTEGER PRIMARY KEY, uuid TEXT NOT NULL);
CREATE TABLE publishers(id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE ratings(id INTEGER PRIMARY KEY, rating INTEGER);
CREATE TABLE series(id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE tags(id INTEGER PRIMARY KEY, name TEXT NOT NULL);
INSERT INTO library_id(uuid) VALUES ('5e1f7e57-0000-4000-8000-000000000000');
"""
_MODIFIED = "2020-02-03 04:05:06.789012+00:00"


@dataclass(frozen=True)
class Sample:
    """A book to put into the library.

    Attributes:
        authors: {name: how it is sorted}.
        files: {format: content}; None: listed, and not there.
    """

    title: str
    authors: Mapping[str, str]
    files: Mapping[str, bytes | None]
    series: tuple[str, float] | None = None
    languages: Iterable[str] = ()
    tags: Iterable[str] = ()
    path: str = ""


def make(folder: Path, books: Iterable[Sample]) -> Path:
    """A library with these books, numbered from 1; its folder."""
    folder.mkdir(parents=True)
    connection = sqlite3.connect(folder / "metadata.db")
    try:
        connection.executescript(_SCHEMA)
        for number, book in enumerate(books, start=1):
            _add(connection, folder, number, book)
        connection.commit()
    finally:
        connection.close()
    return folder


def _add(connection: sqlite3.Connection, folder: Path, number: int, book: Sample) -> None:
    path = book.path or f"{next(iter(book.authors), 'Unknown')}/{number} ({number})"
    connection.execute(
        "INSERT INTO books(id, title, sort, timestamp, pubdate, series_index, path, last_modified) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(number, book.title, book.title, _MODIFIED, "0101-01-01 00:00:00+00:00"),
            *(book.series[1] if book.series else 1.0, path, _MODIFIED),
        ),
    )
    for name, sort in book.authors.items():
        _link(connection, number, "authors", "author", "name", name)
        connection.execute("UPDATE authors SET sort = ? WHERE name = ?", (sort, name))
    for code in book.languages:
        _link(connection, number, "languages", "lang_code", "lang_code", code)
    for tag in book.tags:
        _link(connection, number, "tags", "tag", "name", tag)
    if book.series:
        _link(connection, number, "series", "series", "name", book.series[0])
    for format, content in book.files.items():
        connection.execute(
            "INSERT INTO data(book, format, uncompressed_size, name) VALUES (?, ?, ?, ?)",
            (number, format, len(content or b"x"), f"file {number}"),
        )
        if content is not None:
            place = folder / path / f"file {number}.{format.lower()}"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)


def _link(connection: sqlite3.Connection, book: int, table: str, column: str, word: str, value: str) -> None:
    """Have a book point at a word, which is made when it is new. The names are constants of this module."""
    found = connection.execute(f"SELECT id FROM {table} WHERE {word} = ?", (value,)).fetchone()  # noqa: S608
    if found is None:
        cursor = connection.execute(f"INSERT INTO {table}({word}) VALUES (?)", (value,))  # noqa: S608
        found = (cursor.lastrowid,)
    connection.execute(
        f"INSERT INTO books_{table}_link(book, {column}) VALUES (?, ?)",  # noqa: S608
        (book, found[0]),
    )
