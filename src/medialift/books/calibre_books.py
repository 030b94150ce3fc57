"""Whole books from Calibre's tables: so many statements for a batch, however many books it has."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from medialift.books.calibre_rows import (
    Author,
    Book,
    Format,
    author_of,
    clean_text,
    moment,
    number,
    place_of,
    size_of,
)

_IDS = "(SELECT value FROM json_each(?))"
_BOOKS = f"""
SELECT books.id, books.title, books.sort, books.timestamp, books.pubdate, books.last_modified,
       books.series_index, books.path, books.has_cover, comments.text AS comments, series.name AS series,
       publishers.name AS publisher, max(ratings.rating) AS rating
  FROM books
  LEFT JOIN comments ON comments.book = books.id
  LEFT JOIN books_series_link ON books_series_link.book = books.id
  LEFT JOIN series ON series.id = books_series_link.series
  LEFT JOIN books_publishers_link ON books_publishers_link.book = books.id
  LEFT JOIN publishers ON publishers.id = books_publishers_link.publisher
  LEFT JOIN books_ratings_link ON books_ratings_link.book = books.id
  LEFT JOIN ratings ON ratings.id = books_ratings_link.rating
 WHERE books.id IN {_IDS} GROUP BY books.id"""  # noqa: S608
_AUTHORS = f"""
SELECT link.book, authors.name, authors.sort FROM books_authors_link AS link
  JOIN authors ON authors.id = link.author WHERE link.book IN {_IDS} ORDER BY link.book, link.id"""  # noqa: S608
_LANGUAGES = f"""
SELECT link.book, languages.lang_code FROM books_languages_link AS link
  JOIN languages ON languages.id = link.lang_code
 WHERE link.book IN {_IDS} ORDER BY link.book, link.item_order, link.id"""  # noqa: S608
_TAGS = f"""
SELECT link.book, tags.name FROM books_tags_link AS link
  JOIN tags ON tags.id = link.tag WHERE link.book IN {_IDS}
 ORDER BY link.book, tags.name, link.id"""  # noqa: S608
_IDENTIFIERS = f"SELECT book, type, val FROM identifiers WHERE book IN {_IDS} ORDER BY book, type"  # noqa: S608
_FORMATS = f"""
SELECT book, format, name, uncompressed_size FROM data WHERE book IN {_IDS}
 ORDER BY book, format"""  # noqa: S608


def read(connection: sqlite3.Connection, library: Path, ids: Sequence[int]) -> list[Book]:
    """These books in this order; one that is not there is left out. Six statements.

    `connection` is in a transaction, so that what is read belongs together.
    """
    asked = (json.dumps(list(ids)),)
    authors: dict[int, list[Author]] = defaultdict(list)
    for book, name, sort in connection.execute(_AUTHORS, asked):
        authors[book].append(author_of(name, sort))
    languages = _by_book(connection.execute(_LANGUAGES, asked))
    tags = _by_book(connection.execute(_TAGS, asked))
    identifiers: dict[int, dict[str, str]] = defaultdict(dict)
    for book, kind, value in connection.execute(_IDENTIFIERS, asked):
        identifiers[book][clean_text(kind)] = clean_text(value)
    formats: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for book, *rest in connection.execute(_FORMATS, asked):
        formats[book].append(tuple(rest))
    cursor = connection.execute(_BOOKS, asked)
    names = [column[0] for column in cursor.description]
    rows = {row[0]: dict(zip(names, row, strict=True)) for row in cursor}
    return [
        _book(
            rows[book],
            authors=tuple(authors[book]),
            languages=tuple(languages[book]),
            tags=tuple(tags[book]),
            identifiers=identifiers[book],
            formats=tuple(_format(library, rows[book]["path"], *one) for one in formats[book]),
        )
        for book in ids
        if book in rows
    ]


def _book(row: dict[str, Any], **linked: Any) -> Book:
    title = clean_text(row["title"])
    rating = int(number(row["rating"], 0))
    return Book(
        id=row["id"],
        title=title or "Unknown",
        sort=clean_text(row["sort"]) or title,
        path=str(row["path"] or ""),
        series=clean_text(row["series"]),
        series_index=number(row["series_index"], 1.0),
        publisher=clean_text(row["publisher"]),
        published=moment(row["pubdate"]),
        added=moment(row["timestamp"]),
        modified=moment(row["last_modified"]),
        comments=clean_text(row["comments"], lines=True),
        rating=rating or None,
        has_cover=bool(row["has_cover"]),
        **linked,
    )


def _format(library: Path, path: Any, format: Any, name: Any, size: Any) -> Format:
    return Format(clean_text(format).upper(), str(name), size_of(size), place_of(library, path, name, format))


def _by_book(rows: Iterable[tuple[int, Any]]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for book, value in rows:
        word = clean_text(value)
        if word:
            found[book].append(word)
    return found
