"""A selection in the words of a Calibre library: a condition on its books."""

from __future__ import annotations

import difflib
import json
import sqlite3
from collections.abc import Callable, Iterable
from typing import NamedTuple

from medialift.books.selection import Selection, folded
from medialift.errors import Permanent

# Of each kind of name: the link to the books, and its column.
_LINKED = {
    "authors": ("books_authors_link", "author"),
    "tags": ("books_tags_link", "tag"),
    "languages": ("books_languages_link", "lang_code"),
}
_NAMES = {
    "authors": "SELECT id, replace(name, '|', ','), sort FROM authors",
    "tags": "SELECT id, name FROM tags",
    "languages": "SELECT id, lang_code FROM languages",
}
# Asked of one book after the other: a list of all that have it would be made anew for each page.
_HAS_LINK = (
    "EXISTS (SELECT 1 FROM {link} WHERE {link}.book = books.id AND {link}.{column} IN "
    "(SELECT value FROM json_each(?)))"
)
_HAS_ID = "books.id IN (SELECT value FROM json_each(?))"
_HAS_FORMAT = "EXISTS (SELECT 1 FROM data WHERE data.book = books.id AND {})"

# So many names are told when none of them is near the one that is unknown.
_FEW = 20


class Condition(NamedTuple):
    """SQL about the rows of `books` and of `data`, "" where every row is meant, with its values."""

    books: str
    books_values: tuple[str, ...]
    data: str
    data_values: tuple[str, ...]


def condition(connection: sqlite3.Connection, selection: Selection) -> Condition:
    """What a selection means in this library. Books without any file are in it too.

    Raises:
        Permanent: a chosen author, tag, language or format is in no book; the nearest names are told.
    """
    data, data_values = _formats(connection, selection)
    parts = [_HAS_FORMAT.format(data)] if data and selection.chosen.formats else []
    values = [*data_values] if parts else []
    for choice, negation in ((selection.chosen, ""), (selection.excluded, "NOT ")):
        for kind, (link, column) in _LINKED.items():
            wanted = getattr(choice, kind)
            if wanted:
                ids = _ids(connection, kind, wanted, required=not negation)
                parts.append(negation + _HAS_LINK.format(link=link, column=column))
                values.append(json.dumps(ids))
        # Chosen ids are paged by whoever reads: given here, all of them would be looked at for each page.
        if choice.ids and negation:
            parts.append(negation + _HAS_ID)
            values.append(json.dumps(choice.ids))
    return Condition(" AND ".join(parts), tuple(values), data, tuple(data_values))


def _formats(connection: sqlite3.Connection, selection: Selection) -> tuple[str, list[str]]:
    parts, values = [], []
    if selection.chosen.formats:
        known = {str(one).upper() for (one,) in connection.execute("SELECT DISTINCT format FROM data")}
        _require("formats", selection.chosen.formats, known.__contains__, known)
        parts.append("data.format IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(selection.chosen.formats))
    if selection.excluded.formats:
        parts.append("data.format NOT IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(selection.excluded.formats))
    return " AND ".join(parts), values


def _ids(connection: sqlite3.Connection, kind: str, wanted: Iterable[str], *, required: bool) -> list[int]:
    found: dict[str, set[int]] = {}
    shown = {}
    for row, *names in connection.execute(_NAMES[kind]):
        for name in names:
            if name is not None:
                found.setdefault(folded(str(name)), set()).add(int(row))
                shown[folded(str(name))] = str(name)

    def meant(name: str) -> set[int]:
        ids = set(found.get(name, ()))
        if kind == "tags":
            ids.update(*(rows for tag, rows in found.items() if tag.startswith(f"{name}.")))
        return ids

    if required:
        _require(kind, wanted, lambda name: bool(meant(name)), shown.values())
    return sorted(set().union(*(meant(name) for name in wanted)))


def _require(kind: str, wanted: Iterable[str], known: Callable[[str], bool], names: Iterable[str]) -> None:
    unknown = [name for name in wanted if not known(name)]
    if not unknown:
        return
    by_folded = {folded(name): name for name in names}
    near = [
        by_folded[one] for name in unknown for one in difflib.get_close_matches(folded(name), by_folded, n=3)
    ]
    if near:
        hint = f"Did you mean: {', '.join(near)}"
    elif len(by_folded) <= _FEW:
        hint = f"There are: {', '.join(sorted(by_folded.values()))}"
    else:
        hint = f"Look in Calibre how its {kind} are written"
    raise Permanent(f"No book of the library has such {kind}", ", ".join(unknown), hint)
