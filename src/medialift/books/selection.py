"""Which books of a library are meant: by author, tag, language, format or id, or all of them."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from medialift.errors import Permanent

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0", "", "none")
_NAMED = ("authors", "tags", "languages", "formats")
# As many as the largest library has books: more is a slip of the keyboard, and would fill the memory.
_MOST_IDS = 1_000_000


@dataclass(frozen=True)
class Choice:
    """Books by what they have: any of these authors, any of these tags, and so on; all kinds must agree.

    Attributes:
        authors: names as Calibre shows them or sorts them; case does not matter.
        tags: names; one with parts ("Fiction.Crime") is also meant by its first parts ("Fiction").
        languages: codes as Calibre keeps them ("rus").
        formats: "EPUB"; a book counts when it has one of them.
        ids: Calibre's numbers of books.
    """

    authors: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    ids: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return any(getattr(self, one.name) for one in fields(self))

    @classmethod
    def of(cls, given: Mapping[str, Any], *, where: str) -> Choice:
        _only({one.name for one in fields(Choice)}, given, where)
        named = {
            name: tuple(sorted({folded(one) for one in _listed(given.get(name), commas=name != "authors")}))
            for name in _NAMED
        }
        named["formats"] = tuple(sorted({one.upper().lstrip(".") for one in named["formats"]}))
        return cls(ids=tuple(sorted(_ids(given.get("ids")))), **named)


@dataclass(frozen=True)
class Selection:
    """A subset of a library and the order in which to take it.

    Attributes:
        chosen: only these books; an empty choice is every book.
        excluded: not those that have any of this. An excluded format is left out of its book.
        newest_first: books that were added last are worked on first.
    """

    chosen: Choice = field(default_factory=Choice)
    excluded: Choice = field(default_factory=Choice)
    newest_first: bool = False

    @classmethod
    def of(cls, given: Mapping[str, Any] | None = None) -> Selection:
        """From options: {authors, tags, languages, formats, ids, exclude: {the same}, newest_first}.

        Lists may come as "a, b" and switches as "yes", as surveys give them. An author is never cut at a
        comma: give several as a list.

        Raises:
            Permanent: a name is unknown or a value is none.
        """
        given = {name: value for name, value in (given or {}).items() if value is not None}
        _only({*(one.name for one in fields(Choice)), "exclude", "newest_first"}, given, "selection")
        excluded = given.get("exclude") or {}
        if not isinstance(excluded, Mapping):
            raise Permanent(
                "This cannot be left out", repr(excluded), "Write exclude as {tags: [...]} or the like"
            )
        chosen = {name: value for name, value in given.items() if name not in ("exclude", "newest_first")}
        return cls(
            Choice.of(chosen, where="selection"),
            Choice.of(excluded, where="selection.exclude"),
            _switch(given.get("newest_first", False)),
        )

    @property
    def whole(self) -> bool:
        """Whether every book is meant, with all its formats."""
        return not self.chosen and not self.excluded

    def digest(self) -> str:
        """The same for the same subset and order, however it was written; "all" for every book."""
        told = self.to_dict()
        if not told:
            return "all"
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:24]

    def to_dict(self) -> dict[str, Any]:
        """As `of` takes it; what is not restricted is left out."""
        told: dict[str, Any] = _told(self.chosen)
        if self.excluded:
            told["exclude"] = _told(self.excluded)
        if self.newest_first:
            told["newest_first"] = True
        return told


def folded(name: str) -> str:
    """A name as it is compared: case, the way accents are written and spaces do not matter."""
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


def _told(choice: Choice) -> dict[str, Any]:
    return {one.name: list(getattr(choice, one.name)) for one in fields(choice) if getattr(choice, one.name)}


def _only(known: set[str], given: Iterable[str], where: str) -> None:
    unknown = sorted(set(given) - known)
    if unknown:
        raise Permanent(
            "Books cannot be chosen by this",
            f"{where}: {', '.join(unknown)}",
            f"There are: {', '.join(sorted(known))}",
        )


def _listed(value: Any, *, commas: bool = True) -> list[str]:
    if value is None:
        return []
    if isinstance(value, (list, tuple, set, frozenset)):
        parts = [str(part) for part in value]
    else:
        parts = str(value).split(",") if commas else [str(value)]
    return [part.strip() for part in parts if part.strip()]


def _ids(value: Any) -> set[int]:
    found: set[int] = set()
    for part in _listed(value):
        for word in part.replace(",", " ").split():
            first, dash, last = word.partition("-")
            try:
                span = range(int(first), int(last if dash else first) + 1)
            except ValueError as error:
                raise Permanent(
                    "This is not the number of a book", repr(word), "Write ids such as 12 or 100-120"
                ) from error
            if len(found) + len(span) > _MOST_IDS:
                raise Permanent(
                    "So many books cannot be named by their ids", repr(word), f"Name at most {_MOST_IDS:,}"
                )
            found.update(span)
    return found


def _switch(value: Any) -> bool:
    word = str(value).strip().lower()
    if word not in _TRUE + _FALSE:
        raise Permanent("This is neither yes nor no", f"newest_first: {value!r}", "Write yes or no")
    return word in _TRUE


def payload_of(selection: Selection) -> dict[str, Any]:
    """What a plan leaves with a book about its formats: {} when all are meant."""
    told = {"formats": selection.chosen.formats, "without_formats": selection.excluded.formats}
    return {name: list(formats) for name, formats in told.items() if formats}


def wanted_by(payload: Mapping[str, Any], format: str) -> bool:
    """Whether a file of this format is meant by what the plan left with its book."""
    formats = payload.get("formats") or [format.upper()]
    return format.upper() in formats and format.upper() not in (payload.get("without_formats") or ())
