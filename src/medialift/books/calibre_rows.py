"""What is in a Calibre library: books, authors, formats; and Calibre's ways of writing things down."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

# Calibre writes 0101-01-01 for a date that nobody knows; a zone may shift it by a day.
_UNDEFINED_UNTIL = datetime(101, 1, 2, tzinfo=UTC)

# C0 and C1 control characters, and halves of surrogate pairs: bytes that were no UTF-8.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]+")
_CONTROL_BUT_LINES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]+")
_SURROGATE = re.compile("[\ud800-\udfff]+")

# Calibre's default tweak `author_name_copywords`: such a name is of no person, it has no last name.
_NOT_A_PERSON = frozenset(
    ("agency", "corporation", "company", "co.", "council", "committee", "inc.", "institute")
) | {"national", "society", "club", "team"}


class PlannedFormat(NamedTuple):
    """A file of a book: its format ("EPUB"), its name without a suffix, its size in bytes by Calibre."""

    format: str
    name: str
    size: int


class Planned(NamedTuple):
    """A book as far as a plan needs it.

    Attributes:
        path: of its folder below the library.
        modified, added: as Calibre writes times, "2020-01-02 03:04:05.678901+00:00".
    """

    id: int
    path: str
    modified: str
    added: str
    formats: tuple[PlannedFormat, ...]

    @property
    def fingerprint(self) -> str:
        """Another one when the book was changed; see `fingerprint`."""
        return fingerprint(self.modified, self.path, [f"{one.format}:{one.size}" for one in self.formats])


@dataclass(frozen=True)
class Author:
    """A person who wrote: "Leo Tolstoy", sorted as "Tolstoy, Leo", with first and last name."""

    name: str
    sort: str
    first: str
    last: str


@dataclass(frozen=True)
class Format:
    """A file of a book.

    Attributes:
        format: "EPUB".
        name: of the file, without its suffix.
        size: in bytes, as Calibre noted when it added the file.
        path: of the file. It may be missing, and its name may hold bytes that are no UTF-8.
    """

    format: str
    name: str
    size: int
    path: Path


@dataclass(frozen=True)
class Book:
    """A book with everything that Calibre knows and MyBookshelf2 may want; its texts are clean.

    Attributes:
        languages: codes as Calibre keeps them, ISO 639-2/T ("rus"), the main one first.
        series_index: 1.0 when there is none.
        published, added, modified: None when Calibre does not know.
        rating: 1 to 10, two for each star; None when it was not rated.
        path: of its folder below the library, as it is in the database.
        formats: by format; empty when it has no file.
    """

    id: int
    title: str
    sort: str
    authors: tuple[Author, ...]
    path: str
    formats: tuple[Format, ...]
    series: str = ""
    series_index: float = 1.0
    languages: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    identifiers: Mapping[str, str] = field(default_factory=dict)
    publisher: str = ""
    published: datetime | None = None
    added: datetime | None = None
    modified: datetime | None = None
    comments: str = ""
    rating: int | None = None
    has_cover: bool = False


def fingerprint(modified: str, path: str, formats: Iterable[str]) -> str:
    """Twenty hex digits, others when a book changed: its time, its folder, or "FORMAT:size" of a file.

    `formats` are in the order of their formats.
    """
    words = "\n".join((modified, path, *formats))
    return hashlib.sha1(words.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()[:20]


def clean_text(text: object, *, lines: bool = False) -> str:
    """A text that every database and JSON takes: no NUL, no control characters, no broken UTF-8; trimmed.

    Runs of control characters become a space. `lines` keeps tabs and line ends.
    """
    if text is None:
        return ""
    whole = _SURROGATE.sub("\ufffd", str(text))
    if lines:
        return _CONTROL_BUT_LINES.sub(" ", whole.replace("\r\n", "\n")).strip()
    return " ".join(_CONTROL.sub(" ", whole).split())


def author_of(name: object, sort: object) -> Author:
    """An author from a row of Calibre's table, which has a bar for each comma of a name."""
    shown = clean_text(name).replace("|", ",")
    sorted_name = clean_text(sort).replace("|", ",") or shown
    last, comma, first = (part.strip() for part in sorted_name.partition(","))
    if comma and last:
        return Author(shown, sorted_name, first, last)
    words = sorted_name.split()
    if len(words) > 1 and not _NOT_A_PERSON.intersection(sorted_name.lower().split()):
        return Author(shown, sorted_name, " ".join(words[:-1]), words[-1])
    return Author(shown, sorted_name, "", sorted_name.strip(" ,"))


def moment(text: object) -> datetime | None:
    """A time as Calibre writes it, in UTC; None when Calibre does not know it or it is none."""
    try:
        found = datetime.fromisoformat(str(text))
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found if found >= _UNDEFINED_UNTIL else None


def number(value: object, default: float) -> float:
    """A number that SQLite gave, where it may have given anything."""
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return default
    return found if math.isfinite(found) else default


def size_of(value: object) -> int:
    """A size in bytes, 0 where Calibre noted none."""
    return max(0, int(number(value, 0)))


def place_of(library: Path, path: object, name: object, format: object) -> Path:
    """Where a file is: below the library, whatever the database says.

    A path that would lead out of the library ("..", "/etc") is read as one within it: a file that is missing.
    """
    parts = [part if part != ".." else "__" for part in str(path or "").split("/") if part not in ("", ".")]
    file = f"{name}.{str(format).lower()}".replace("/", "_")
    return library.joinpath(*parts, file)
