"""How the API shows books: in lists a few keys, alone with their sources."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from .store import Cursor


def _marks(ids: Sequence[int]) -> str:
    return ", ".join("?" * len(ids))


async def authors_of(store: Cursor, ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """The authors of each of these books, in the order of their ids."""
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for ebook, author, last, first in await store.rows(
        "select l.ebook_id, a.id, a.last_name, a.first_name from ebook_authors l "
        f"join author a on a.id = l.author_id where l.ebook_id in ({_marks(ids)}) order by a.id",
        *ids,
    ):
        shown = {"id": author, "last_name": last}
        found[ebook].append(shown | ({"first_name": first} if first is not None else {}))
    return found


async def in_lists(store: Cursor, ids: Sequence[int]) -> list[dict[str, Any]]:
    """These books as lists show them, in this order; ids that are no books are left out."""
    if not ids:
        return []
    rows = await store.rows(
        "select e.id, e.title, e.series_index, e.cover, l.id, l.code, l.name, s.id, s.title from ebook e "
        "join language l on l.id = e.language_id left join series s on s.id = e.series_id "
        f"where e.id in ({_marks(ids)})",
        *ids,
    )
    authors = await authors_of(store, ids)
    shown = {}
    for number, title, index, cover, language, code, name, series, series_title in rows:
        one: dict[str, Any] = {"id": number, "title": title, "authors": authors.get(number, [])}
        one |= {"language": {"id": language, "code": code, "name": name}, "cover": bool(cover)}
        if series is not None:
            one["series"] = {"id": series, "title": series_title}
        if index is not None:
            one["series_index"] = index
        shown[number] = one
    return [shown[number] for number in ids if number in shown]


async def alone(store: Cursor, number: int) -> dict[str, Any] | None:
    """One book with all there is of it, or None."""
    listed = await in_lists(store, [number])
    if not listed:
        return None
    row = await store.row(
        "select version_id, created, modified, created_by_id, modified_by_id, rating from ebook where id = ?",
        number,
    )
    if row is None:
        return None
    genres = await store.rows(
        "select g.id, g.name from ebook_genres l join genre g on g.id = l.genre_id "
        "where l.ebook_id = ? order by g.id",
        number,
    )
    sources = await store.rows(
        "select s.id, f.extension, s.location, s.load_source, s.size, s.hash, s.quality, s.modified, "
        "s.created_by_id from source s join format f on f.id = s.format_id "
        "where s.ebook_id = ? order by s.id",
        number,
    )
    names = ("id", "format", "location", "load_source", "size", "hash", "quality", "modified", "created_by")
    names_of_book = ("version_id", "created", "modified", "created_by", "modified_by", "rating")
    shown = listed[0] | without_nones(dict(zip(names_of_book, row, strict=False)))
    shown["genres"] = [{"id": genre, "name": name} for genre, name in genres]
    shown["sources"] = [without_nones(dict(zip(names, source, strict=True))) for source in sources]
    return shown


def without_nones(shown: dict[str, Any]) -> dict[str, Any]:
    """As the real server shows things: no key without a value, numbers as numbers, times as text."""
    kept: dict[str, Any] = {}
    for key, value in shown.items():
        if value is None:
            continue
        if key in ("created", "modified"):
            value = str(value).replace(" ", "T")
            value = value if value.endswith("+00:00") else value + "+00:00"
        elif key in ("rating", "quality"):
            value = float(value)
        kept[key] = value
    return kept
