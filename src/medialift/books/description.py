"""A book as the server is told of it: Calibre's metadata, in the server's words."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from medialift.books.calibre_rows import Book
from medialift.books.naming import Named, fitted
from medialift.books.server.api import Vocabulary
from medialift.books.server.genres import genres
from medialift.books.server.languages import language
from medialift.errors import Permanent

_LARGEST_INDEX = 2**31 - 1
# Control characters and halves of characters: PostgreSQL refuses some of them, and no title means any.
_UNWANTED = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


@dataclass(frozen=True)
class Words:
    """How Calibre's words become the server's.

    Attributes:
        known: the server's languages and genres with their ids.
        default_language: of a book whose own the server does not have.
        language_map, genre_map: a person's, which go before those that are built in.
    """

    known: Vocabulary
    default_language: str
    language_map: Mapping[str, str] = field(default_factory=dict)
    genre_map: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.default_language not in self.known.languages:
            there = ", ".join(sorted(self.known.languages))
            raise Permanent(
                "The book server does not know the default language",
                self.default_language,
                f"Set books.default_language to one that it has: {there}",
            )


@dataclass(frozen=True)
class Description:
    """What is sent of a book. Authors are (last name, first name or "")."""

    title: str
    authors: tuple[tuple[str, str], ...]
    language: str
    language_id: int
    series: str = ""
    series_index: int = 0
    genres: tuple[tuple[str, int], ...] = ()

    @property
    def last_names(self) -> frozenset[str]:
        return frozenset(last for last, _ in self.authors)

    @property
    def identities(self) -> tuple[str, ...]:
        """One for each pair of its title and the last name of an author, in order.

        Two books are one ebook when their titles agree and one last name does: when they share an identity.
        """
        return tuple(sorted(_identity(self.title, name) for name in self.last_names))

    def proposed(self) -> dict[str, Any]:
        """For the metadata task: put in the place of what it reads from the file."""
        given = self._given()
        given["language"] = {"code": self.language}
        given["genres"] = [{"name": name} for name, _ in self.genres]
        return given

    def to_make(self) -> dict[str, Any]:
        """For making the ebook. The server finds authors and series that it has by their names."""
        given = self._given()
        given["language"] = {"id": self.language_id}
        given["genres"] = [{"id": number} for _, number in self.genres]
        return given

    def _given(self) -> dict[str, Any]:
        authors = [
            {"last_name": last, "first_name": first} if first else {"last_name": last}
            for last, first in self.authors
        ]
        given: dict[str, Any] = {"title": self.title, "authors": authors}
        if self.series:
            given |= {"series": {"title": self.series}, "series_index": self.series_index}
        return given


def describe(book: Book, words: Words) -> Description:
    """A book of Calibre in the server's words."""
    code = language(book.languages, words.known.languages, words.default_language, words.language_map)
    authors = dict.fromkeys(
        (_text(one.last) or _text(one.name) or "Unknown", _text(one.first)) for one in book.authors
    )
    index = book.series_index or 0
    named = fitted(
        Named(
            title=_text(book.title) or "Unknown",
            authors=tuple(authors) or (("Unknown", ""),),
            series=_text(book.series or ""),
            # The server keeps whole numbers, and cuts off what is behind the point.
            series_index=int(min(max(index, 0), _LARGEST_INDEX)) if index == index else 0,
            language=code,
        )
    )
    known = words.known.genres
    return Description(
        title=named.title,
        authors=named.authors,
        language=code,
        language_id=words.known.languages[code],
        series=named.series,
        series_index=named.series_index,
        genres=tuple((name, known[name]) for name in genres(book.tags, known, words.genre_map)),
    )


def _text(text: str) -> str:
    """On one line, composed, without what is no text."""
    return " ".join(unicodedata.normalize("NFC", _UNWANTED.sub(" ", text)).split())


def _identity(title: str, last_name: str) -> str:
    # A line break is in neither of them.
    return hashlib.sha1(f"{title}\n{last_name}".encode(), usedforsecurity=False).hexdigest()
