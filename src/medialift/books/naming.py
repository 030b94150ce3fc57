"""Names as the server can keep them: within its columns, and within the paths that it makes of them.

MyBookshelf2 files a book under `<authors>/<title>(<language>)/<authors> - <title>.<format>`, or with a series
under `<authors>/<series>/<series> N - <title>(<language>)/<authors> - <series> N - <title>.<format>`. A part
of more than 255 bytes, or a path of more than 512, ends in a 500 after the ebook was made. So what is sent is
made short enough beforehand: the title gives way first, then the series, then the names. What was cut ends in
`~` and six digits of the hash of all of it: two long titles that begin alike stay two.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

_PART, _PATH = 255, 512
# "(1)(2)", ".epub" and the like come on top.
_SPARE_OF_PART, _SPARE_OF_PATH = 20, 40
_TITLE_COLUMN, _NAME_COLUMN = 256, 128
_LEAST_TITLE, _LEAST_SERIES, _LEAST_NAMES = 60, 40, 100
_MARK = 8
_TWO_LETTERS = frozenset("ÆæÞŒœ")


@dataclass(frozen=True)
class Named:
    """What decides where the server puts a book. Authors are (last name, first name or "")."""

    title: str
    authors: tuple[tuple[str, str], ...]
    series: str = ""
    series_index: int = 0
    language: str = "en"


def fitted(named: Named) -> Named:
    """The same, short enough for the server's columns and paths."""
    named = replace(
        named,
        title=shortened(named.title, _TITLE_COLUMN, len),
        series=shortened(named.series, _TITLE_COLUMN, len),
        authors=tuple(
            (shortened(last, _NAME_COLUMN, len), shortened(first, _NAME_COLUMN, len))
            for last, first in named.authors
        ),
    )
    if _room_for_title(named) < min(_length(named.title), _LEAST_TITLE):
        named = replace(named, series=shortened(named.series, _LEAST_SERIES))
    if _room_for_title(named) < min(_length(named.title), _LEAST_TITLE):
        named = replace(named, authors=_shorter_names(named.authors))
    return replace(named, title=shortened(named.title, _room_for_title(named)))


def shortened(text: str, room: int, measure: Callable[[str], int] | None = None) -> str:
    """The text, cut to `room` characters of a path if it is longer, with a mark of what it was."""
    measure = measure or _length
    if measure(text) <= room:
        return text
    mark = "~" + hashlib.sha1(text.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()[:6]
    kept = text
    while kept and measure(kept) > max(0, room - _MARK):
        kept = kept[: -max(1, (measure(kept) - room + _MARK) // 2)]
    return f"{kept.rstrip()} {mark}" if kept else mark


def _shorter_names(authors: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    shown = min(3, len(authors))
    each = _LEAST_NAMES // (shown or 1)
    if len(authors) == 1:
        return tuple((shortened(last, 60), shortened(first, 38)) for last, first in authors)
    # Of several authors the server shows last names and initials.
    return tuple(
        (shortened(last, each - 2 * len(first.split()) - 2 if first else each), first[:_LEAST_SERIES])
        for last, first in authors
    )


def _room_for_title(named: Named) -> int:
    """Characters that a title may have, so that neither the last part nor the whole path is too long."""
    authors, language = _length(_shown(named.authors)), len(named.language) + 2
    series = 0
    if named.series:
        series = _length(named.series) + len(f" {named.series_index} - ")
    part = _PART - _SPARE_OF_PART - max(authors + len(" - ") + series, series + language)
    folders = authors + 1 + (_length(named.series) + 1 if named.series else 0) + series + language + 1
    path = (_PATH - _SPARE_OF_PATH - folders - authors - len(" - ") - series) // 2
    return min(part, path)


def _shown(authors: Sequence[tuple[str, str]]) -> str:
    """The authors as the server writes them into a path."""
    if len(authors) == 1:
        return " ".join(authors[0])
    some = [f"{last} {' '.join(part[0] for part in first.split())}" for last, first in authors[:3]]
    return ", ".join(some) + (" and others" if len(authors) > 3 else "")


def _length(text: str) -> int:
    """Bytes that the text takes in a path: the server takes diacritics away and makes all else blanks."""
    if text.isascii():
        return len(text)
    plain = unicodedata.normalize("NFKD", text)
    return sum(1 + (one in _TWO_LETTERS) for one in plain if unicodedata.category(one) != "Mn")
