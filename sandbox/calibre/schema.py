"""The tables, views, indexes and triggers of Calibre's metadata.db, and the functions that they call.

As Calibre 6.13 (Debian 12) makes them, user_version 25; tests/integration/test_calibre_real.py compares them
with those of the real program. Triggers call functions that only Calibre's own connection has, so a plain
connection can read such a file and not write it; `connect` gives one that can.
"""

from __future__ import annotations

import re
import sqlite3
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

DATABASE = "metadata.db"
USER_VERSION = 25

_TABLES = """
authors(id INTEGER PRIMARY KEY, name TEXT NOT NULL COLLATE NOCASE, sort TEXT COLLATE NOCASE,
    link TEXT NOT NULL DEFAULT '', UNIQUE(name))
books(id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL DEFAULT 'Unknown' COLLATE NOCASE,
    sort TEXT COLLATE NOCASE, timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    pubdate TIMESTAMP DEFAULT CURRENT_TIMESTAMP, series_index REAL NOT NULL DEFAULT 1.0,
    author_sort TEXT COLLATE NOCASE, isbn TEXT DEFAULT '' COLLATE NOCASE, lccn TEXT DEFAULT '' COLLATE NOCASE,
    path TEXT NOT NULL DEFAULT '', flags INTEGER NOT NULL DEFAULT 1, uuid TEXT, has_cover BOOL DEFAULT 0,
    last_modified TIMESTAMP NOT NULL DEFAULT '2000-01-01 00:00:00+00:00')
books_authors_link(id INTEGER PRIMARY KEY, book INTEGER NOT NULL, author INTEGER NOT NULL,
    UNIQUE(book, author))
books_languages_link(id INTEGER PRIMARY KEY, book INTEGER NOT NULL, lang_code INTEGER NOT NULL,
    item_order INTEGER NOT NULL DEFAULT 0, UNIQUE(book, lang_code))
books_plugin_data(id INTEGER PRIMARY KEY, book INTEGER NOT NULL, name TEXT NOT NULL, val TEXT NOT NULL,
    UNIQUE(book, name))
books_publishers_link(id INTEGER PRIMARY KEY, book INTEGER NOT NULL, publisher INTEGER NOT NULL, UNIQUE(book))
books_ratings_link(id INTEGER PRIMARY KEY, book INTEGER NOT NULL, rating INTEGER NOT NULL,
    UNIQUE(book, rating))
books_series_link(id INTEGER PRIMARY KEY, book INTEGER NOT NULL, series INTEGER NOT NULL, UNIQUE(book))
books_tags_link(id INTEGER PRIMARY KEY, book INTEGER NOT NULL, tag INTEGER NOT NULL, UNIQUE(book, tag))
comments(id INTEGER PRIMARY KEY, book INTEGER NOT NULL, text TEXT NOT NULL COLLATE NOCASE, UNIQUE(book))
conversion_options(id INTEGER PRIMARY KEY, format TEXT NOT NULL COLLATE NOCASE, book INTEGER,
    data BLOB NOT NULL, UNIQUE(format, book))
custom_columns(id INTEGER PRIMARY KEY AUTOINCREMENT, label TEXT NOT NULL, name TEXT NOT NULL,
    datatype TEXT NOT NULL, mark_for_delete BOOL DEFAULT 0 NOT NULL, editable BOOL DEFAULT 1 NOT NULL,
    display TEXT DEFAULT '{}' NOT NULL, is_multiple BOOL DEFAULT 0 NOT NULL, normalized BOOL NOT NULL,
    UNIQUE(label))
data(id INTEGER PRIMARY KEY, book INTEGER NOT NULL, format TEXT NOT NULL COLLATE NOCASE,
    uncompressed_size INTEGER NOT NULL, name TEXT NOT NULL, UNIQUE(book, format))
feeds(id INTEGER PRIMARY KEY, title TEXT NOT NULL, script TEXT NOT NULL, UNIQUE(title))
identifiers(id INTEGER PRIMARY KEY, book INTEGER NOT NULL, type TEXT NOT NULL DEFAULT 'isbn' COLLATE NOCASE,
    val TEXT NOT NULL COLLATE NOCASE, UNIQUE(book, type))
languages(id INTEGER PRIMARY KEY, lang_code TEXT NOT NULL COLLATE NOCASE, UNIQUE(lang_code))
library_id(id INTEGER PRIMARY KEY, uuid TEXT NOT NULL, UNIQUE(uuid))
metadata_dirtied(id INTEGER PRIMARY KEY, book INTEGER NOT NULL, UNIQUE(book))
annotations_dirtied(id INTEGER PRIMARY KEY, book INTEGER NOT NULL, UNIQUE(book))
preferences(id INTEGER PRIMARY KEY, key TEXT NOT NULL, val TEXT NOT NULL, UNIQUE(key))
publishers(id INTEGER PRIMARY KEY, name TEXT NOT NULL COLLATE NOCASE, sort TEXT COLLATE NOCASE, UNIQUE(name))
ratings(id INTEGER PRIMARY KEY, rating INTEGER CHECK(rating > -1 AND rating < 11), UNIQUE(rating))
series(id INTEGER PRIMARY KEY, name TEXT NOT NULL COLLATE NOCASE, sort TEXT COLLATE NOCASE, UNIQUE(name))
tags(id INTEGER PRIMARY KEY, name TEXT NOT NULL COLLATE NOCASE, UNIQUE(name))
last_read_positions(id INTEGER PRIMARY KEY, book INTEGER NOT NULL, format TEXT NOT NULL COLLATE NOCASE,
    user TEXT NOT NULL, device TEXT NOT NULL, cfi TEXT NOT NULL, epoch REAL NOT NULL,
    pos_frac REAL NOT NULL DEFAULT 0, UNIQUE(user, device, book, format))
annotations(id INTEGER PRIMARY KEY, book INTEGER NOT NULL, format TEXT NOT NULL COLLATE NOCASE,
    user_type TEXT NOT NULL, user TEXT NOT NULL, timestamp REAL NOT NULL, annot_id TEXT NOT NULL,
    annot_type TEXT NOT NULL, annot_data TEXT NOT NULL, searchable_text TEXT NOT NULL DEFAULT '',
    UNIQUE(book, user_type, user, format, annot_type, annot_id))
"""

_FULL_TEXT = {"annotations_fts": "", "annotations_fts_stemmed": "porter "}

_INDEXES = {
    "authors_idx": "books(author_sort COLLATE NOCASE)",
    "books_idx": "books(sort COLLATE NOCASE)",
    **{
        f"books_{table}_link_{letter}idx": f"books_{table}_link({column})"
        for table, other in (
            ("authors", "author"),
            ("languages", "lang_code"),
            ("publishers", "publisher"),
            ("ratings", "rating"),
            ("series", "series"),
            ("tags", "tag"),
        )
        for letter, column in (("a", other), ("b", "book"))
    },
    "comments_idx": "comments(book)",
    "conversion_options_idx_a": "conversion_options(format COLLATE NOCASE)",
    "conversion_options_idx_b": "conversion_options(book)",
    "custom_columns_idx": "custom_columns(label)",
    "data_idx": "data(book)",
    "lrp_idx": "last_read_positions(book)",
    "annot_idx": "annotations(book)",
    "formats_idx": "data(format)",
    "languages_idx": "languages(lang_code COLLATE NOCASE)",
    "publishers_idx": "publishers(name COLLATE NOCASE)",
    "series_idx": "series(name COLLATE NOCASE)",
    "tags_idx": "tags(name COLLATE NOCASE)",
}

# What a link table points at: (link, its column, the table).
_LINKS = (
    ("authors", "author", "authors"),
    ("publishers", "publisher", "publishers"),
    ("ratings", "rating", "ratings"),
    ("series", "series", "series"),
    ("tags", "tag", "tags"),
    ("languages", "lang_code", "languages"),
)
_OF_A_BOOK = (
    *(f"books_{name}_link" for name in ("authors", "publishers", "ratings", "series", "tags", "languages")),
    "data",
    "last_read_positions",
    "annotations",
    "comments",
    "conversion_options",
    "books_plugin_data",
    "identifiers",
)

_META = """CREATE VIEW meta AS SELECT id, title,
    (SELECT sortconcat(bal.id, name) FROM books_authors_link AS bal JOIN authors ON author = authors.id
        WHERE book = books.id) authors,
    (SELECT name FROM publishers WHERE publishers.id IN
        (SELECT publisher FROM books_publishers_link WHERE book = books.id)) publisher,
    (SELECT rating FROM ratings WHERE ratings.id IN
        (SELECT rating FROM books_ratings_link WHERE book = books.id)) rating,
    timestamp,
    (SELECT max(uncompressed_size) FROM data WHERE book = books.id) size,
    (SELECT concat(name) FROM tags WHERE tags.id IN
        (SELECT tag FROM books_tags_link WHERE book = books.id)) tags,
    (SELECT text FROM comments WHERE book = books.id) comments,
    (SELECT name FROM series WHERE series.id IN
        (SELECT series FROM books_series_link WHERE book = books.id)) series,
    series_index, sort, author_sort,
    (SELECT concat(format) FROM data WHERE data.book = books.id) formats,
    isbn, path, lccn, pubdate, flags, uuid FROM books"""


def create(path: Path, *, identity: str = "") -> None:
    """An empty library with its tables; indexes and triggers are for `finish`, so that filling is fast."""
    con = sqlite3.connect(path, isolation_level=None)
    try:
        con.execute("BEGIN")
        for table in re.split(r"\n(?=\w)", _TABLES.strip()):
            con.execute(f"CREATE TABLE {table}")
        con.execute(f"PRAGMA user_version = {USER_VERSION}")
        con.execute("INSERT INTO library_id(uuid) VALUES (?)", (identity or str(uuid.uuid4()),))
        con.execute("COMMIT")
    finally:
        con.close()


def finish(path: Path) -> None:
    """The indexes, views and triggers of a library that `create` began."""
    con = connect(path)
    try:
        con.execute("BEGIN")
        for name, target in _INDEXES.items():
            con.execute(f"CREATE INDEX {name} ON {target}")
        for statement in (_META, *_full_text(), *_triggers()):
            con.execute(statement)
        con.execute("COMMIT")
    finally:
        con.close()


def connect(path: Path) -> sqlite3.Connection:
    """A connection that can write: with the functions that Calibre gives its own. Autocommit."""
    con = sqlite3.connect(path, isolation_level=None, timeout=10)
    con.create_function("title_sort", 1, title_sort)
    con.create_function("author_to_author_sort", 1, author_sort)
    con.create_function("uuid4", 0, lambda: str(uuid.uuid4()))
    con.create_function("books_list_filter", 1, lambda _: 1)
    # typeshed asks for a class with a fixed number of arguments; SQLite is told it here.
    con.create_aggregate("concat", 1, _Concatenation)
    con.create_aggregate("sortconcat", 2, _SortedConcatenation)
    return con


def title_sort(title: str) -> str:
    """ "The Name" as "Name, The": English articles, as Calibre does by default."""
    found = re.match(r"(A|The|An)\s+", title, re.IGNORECASE)
    return f"{title[found.end() :]}, {found[0].strip()}" if found else title


def author_sort(name: str) -> str:
    """ "Leo N. Tolstoy" as "Tolstoy, Leo N.": Calibre's default; a name of one word stays as it is."""
    *first, last = name.split() or [""]
    return f"{last}, {' '.join(first)}" if first and "," not in name else name


def _full_text() -> Iterator[str]:
    for name, stemmer in _FULL_TEXT.items():
        yield (
            f"CREATE VIRTUAL TABLE {name} USING fts5(searchable_text, content = 'annotations', "
            f"content_rowid = 'id', tokenize = '{stemmer}unicode61 remove_diacritics 2')"
        )
    add = [
        f"INSERT INTO {name}(rowid, searchable_text) VALUES (NEW.id, NEW.searchable_text)"
        for name in _FULL_TEXT
    ]
    take = [
        f"INSERT INTO {name}({name}, rowid, searchable_text) VALUES ('delete', OLD.id, OLD.searchable_text)"
        for name in _FULL_TEXT
    ]
    yield _trigger("annotations_fts_insert_trg", "AFTER INSERT ON annotations", add)
    yield _trigger("annotations_fts_delete_trg", "AFTER DELETE ON annotations", take)
    yield _trigger("annotations_fts_update_trg", "AFTER UPDATE ON annotations", [*take, *add])


def _triggers() -> Iterator[str]:
    yield _trigger(
        "books_delete_trg",
        "AFTER DELETE ON books",
        [f"DELETE FROM {table} WHERE book = OLD.id" for table in _OF_A_BOOK],
    )
    yield _trigger(
        "books_insert_trg",
        "AFTER INSERT ON books",
        ["UPDATE books SET sort = title_sort(NEW.title), uuid = uuid4() WHERE id = NEW.id"],
    )
    yield _trigger(
        "books_update_trg",
        "AFTER UPDATE ON books",
        ["UPDATE books SET sort = title_sort(NEW.title) WHERE id = NEW.id AND OLD.title <> NEW.title"],
    )
    for kind in ("insert", "update"):
        yield _trigger(
            f"series_{kind}_trg",
            f"AFTER {kind.upper()} ON series",
            ["UPDATE series SET sort = title_sort(NEW.name) WHERE id = NEW.id"],
        )
    for table, short in (
        ("comments",) * 2,
        ("data",) * 2,
        ("last_read_positions", "lrp"),
        ("annotations", "annot"),
    ):
        for kind, when in (("insert", "INSERT"), ("update", "UPDATE OF book")):
            yield _trigger(f"fkc_{short}_{kind}", f"BEFORE {when} ON {table}", [_must_be("books", "book")])
    for link, column, table in _LINKS:
        if table != "ratings":  # Calibre has none for these
            yield _trigger(
                f"fkc_delete_on_{table}",
                f"BEFORE DELETE ON {table}",
                [
                    f"SELECT CASE WHEN (SELECT count(id) FROM books_{link}_link WHERE {column} = OLD.id) > 0 "
                    f"THEN RAISE(ABORT, 'Foreign key violation: {table} is still referenced') END"
                ],
            )
        inserting = "fkc_delete_on_languages_link" if link == "languages" else f"fkc_insert_books_{link}_link"
        yield _trigger(
            inserting,
            f"BEFORE INSERT ON books_{link}_link",
            [_must_be("books", "book"), _must_be(table, column)],
        )
        for letter, of, target in (("a", "book", "books"), ("b", column, table)):
            yield _trigger(
                f"fkc_update_books_{link}_link_{letter}",
                f"BEFORE UPDATE OF {of} ON books_{link}_link",
                [_must_be(target, of)],
            )


def _must_be(table: str, column: str) -> str:
    return (
        f"SELECT CASE WHEN (SELECT id FROM {table} WHERE id = NEW.{column}) IS NULL "
        f"THEN RAISE(ABORT, 'Foreign key violation: {column} not in {table}') END"
    )


def _trigger(name: str, event: str, statements: Iterable[str]) -> str:
    return f"CREATE TRIGGER {name} {event} BEGIN {' '.join(f'{one};' for one in statements)} END"


class _Concatenation:
    """concat(text): "a,b"."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def step(self, *values: object) -> None:
        if values[-1] is not None:
            self.parts.append(str(values[-1]))

    def finalize(self) -> str | None:
        return ",".join(self.parts) or None


class _SortedConcatenation:
    """sortconcat(place, text): the texts in the order of their places."""

    def __init__(self) -> None:
        self.parts: list[tuple[int, str]] = []

    def step(self, place: int, value: str | None) -> None:
        if value is not None:
            self.parts.append((place, value))

    def finalize(self) -> str | None:
        return ",".join(value for _, value in sorted(self.parts)) or None
