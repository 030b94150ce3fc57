"""How the server names things: uploads, folders of books, and the words by which a title is found."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")
_LETTERS = {
    **{"Æ": "AE", "æ": "ae", "Ð": "D", "ð": "d", "Ø": "O", "ø": "o", "Þ": "Th", "þ": "th", "ß": "s"},
    **{"Đ": "D", "đ": "d", "Ħ": "H", "ħ": "h", "ı": "i", "ĸ": "k", "Ł": "L", "ł": "l", "Ŋ": "N", "ŋ": "n"},
    **{"Œ": "Oe", "œ": "oe", "Ŧ": "T", "ŧ": "t"},
}


def secure_filename(name: str) -> str:
    """The name as an upload is stored under it: of "Книга.epub" only "epub" is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = plain.replace("/", " ").replace("\\", " ")
    return _UNSAFE.sub("", "_".join(plain.split())).strip("._")


def without_diacritics(text: str) -> str:
    """ASCII: what is no Latin letter under its diacritics becomes a blank, so other scripts are blanks."""
    kept = []
    for character in unicodedata.normalize("NFKD", text):
        if unicodedata.category(character) != "Mn":
            kept.append(_LETTERS.get(character, character if ord(character) < 128 else " "))
    return "".join(kept)


def folded(text: str) -> str:
    """Text as the server compares the beginnings of titles and names: no case, no diacritics."""
    plain = unicodedata.normalize("NFKD", text)
    return "".join(c for c in plain if unicodedata.category(c) != "Mn").lower()


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+", folded(text))


@dataclass(frozen=True)
class Shelved:
    """What of a book decides where its files lie. Authors are (last name, first name)."""

    title: str
    language: str
    authors: Sequence[tuple[str, str | None]]
    series: str | None
    series_index: int | None

    def name(self) -> str:
        """The path of its files below DATA/books, without an extension."""
        author, title = self._author().replace("/", "-"), self.title.replace("/", "-")
        if self.series:
            series, index = self.series.replace("/", "-"), self.series_index or 0
            path = f"{author}/{series}/{series} {index} - {title}({self.language})/"
            path += f"{author} - {series} {index} - {title}"
        else:
            path = f"{author}/{title}({self.language})/{author} - {title}"
        return re.sub(r'[:*%|"<>?\\]', "", without_diacritics(path))

    def _author(self) -> str:
        if not self.authors:
            return "No Authors"
        if len(self.authors) == 1:
            last, first = self.authors[0]
            return f"{last} {first or ''}"
        some = [f"{last} {_initials(first)}" for last, first in self.authors[:3]]
        return ", ".join(some) + (" and others" if len(self.authors) > 3 else "")


def _initials(name: str | None) -> str:
    return " ".join(part[0].upper() for part in (name or "").split())
