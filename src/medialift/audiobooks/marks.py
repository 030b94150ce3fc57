"""What the name of a folder says of its place: disc 2 of 5, part 3, book 4 of a series, a bonus."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from medialift.audiobooks.natural import WORD, value_of

Kind = Literal["disc", "part", "book"]

_DISC_WORDS = r"dis[ck]s?|disque|disco|cds?|dvd|cassette|kassette|tape"
_PART_WORDS = r"pt|parts?|teil|parte|partie|ch|chap|chapter|kapitel|side"
_BOOK_WORDS = r"books?|bk|bok|vol|volume|band|tome"
# A roman number or a word stands apart from the word before it: "CD II", but not "discs" as "disc S".
_NUMBER = rf"(?:[\s._#-]*(?:n[or]\.?\s*)?(\d{{1,3}}(?:\.\d{{1,2}})?)|[\s._#-]+([ivxlc]+|{WORD}))"
_TOTAL = r"(?:\s*(?:of|von|de|/)\s*(\d{1,3}))?"
_AFTER = r"(?=[^a-z0-9]|$|of\s*\d)"


def _pattern(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z])(?:{words})\.?{_NUMBER}{_AFTER}{_TOTAL}", re.IGNORECASE)


_PATTERNS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("disc", _pattern(_DISC_WORDS)),
    ("part", _pattern(_PART_WORDS)),
    ("book", _pattern(_BOOK_WORDS)),
)
_HASH = re.compile(r"(?<!\S)[\[(]?#\s?(\d{1,3}(?:\.\d{1,2})?)(?![\w.])")
_LEADING = re.compile(r"(\d{1,3}(?:\.\d{1,2})?)(?:\s*[-–—_.):]+\s*|\s+)(?=.*[^\W\d])")
_BONUS = re.compile(
    r"(?i)(?:bonus|extras?|interviews?|samples?|preview|trailers?|behind the scenes|making[ -]of)(?![a-z])"
    r"|.*\b(?:bonus (?:material|content|tracks?|disc|cd)|extras)$"
)
_PLAIN = re.compile(
    r"(?i)[\[(]?(?:audio ?(?:book|files?)?|files?|mp3s?|m4[ab]|aac|flac|ogg|opus|wma|wav|unabridged"
    r"|\d{2,3} ?k(?:b(?:it|ps)?)?|mp3[ _-]*\d{2,3} ?k(?:bps)?)[\])]?"
)


@dataclass(frozen=True)
class Mark:
    """A place that a name tells.

    Attributes:
        number: as written, "1.5" included; roman numbers and words as digits.
        total: of how many; None when it does not say.
        before: the name in front of the mark, without separators: the same for all discs of a book.
        strong: a word says it ("Book 2", "#2"), not a mere number in front.
    """

    kind: Kind
    number: str
    total: int | None = None
    before: str = ""
    strong: bool = True

    @property
    def place(self) -> int:
        """Its number, whole."""
        return int(float(self.number))


def mark_of(name: str) -> Mark | None:
    """What this name of a folder or a file (without its ending) tells; None when it tells nothing."""
    for kind, pattern in _PATTERNS:
        for found in pattern.finditer(name):
            digits, written, total = found.groups()
            if number := digits or str(value_of(written) or ""):
                before = _trimmed(name[: found.start()])
                return Mark(kind, _plain(number), int(total) if total else None, before)
    if hashed := _HASH.search(name):
        return Mark("book", _plain(hashed[1]), before=_trimmed(name[: hashed.start()]))
    if leading := _LEADING.match(name):
        return Mark("book", _plain(leading[1]), strong=False)
    return None


def mark_within(name: str, series: str) -> Mark | None:
    """The same for a book within the folder `series`: "Harbour Tales 2 - The Ledger" tells 2 as well."""
    if mark := mark_of(name):
        return mark
    found = re.match(rf"(?i){re.escape(series)}[\s,:_-]+(\d{{1,3}}(?:\.\d{{1,2}})?)(?![\w.])", name)
    return Mark("book", _plain(found[1]), before=series) if found else None


def is_bonus(name: str) -> bool:
    """Whether a folder of this name holds what is not the book itself."""
    return _BONUS.match(name) is not None


def is_plain(name: str) -> bool:
    """Whether a folder's name tells only what kind of files it holds: "mp3", "Audiobook", "64k"."""
    return _PLAIN.fullmatch(name.strip()) is not None


def is_number(name: str) -> bool:
    """Whether a folder's name is nothing but a number."""
    return re.fullmatch(r"[\s#._-]*\d{1,3}[\s._-]*", name) is not None


def _plain(number: str) -> str:
    """ "01" as "1", "02.5" as "2.5"."""
    return number.lstrip("0") if number.lstrip("0")[:1].isdigit() else "0" + number.lstrip("0")


def _trimmed(text: str) -> str:
    return text.strip(" \t-–—_.,:;([#")
