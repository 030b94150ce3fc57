"""Names of languages, genres, authors and series become the ids of those the server has, or stay names."""

from __future__ import annotations

from typing import Any

from .store import Store


async def resolved(store: Store, meta: dict[str, Any]) -> dict[str, Any]:
    """The metadata with an id wherever the server knows the thing."""
    meta = dict(meta)
    if meta.get("authors"):
        meta["authors"] = [await _author(store, author) or author for author in meta["authors"]]
    if meta.get("genres"):
        meta["genres"] = [await _genre(store, genre["name"]) or genre for genre in meta["genres"]]
    if meta.get("language"):
        meta["language"] = await _language(store, meta["language"]) or meta["language"]
    if meta.get("series"):
        meta["series"] = await _series(store, meta["series"]["title"]) or meta["series"]
    return meta


async def _author(store: Store, author: dict[str, Any]) -> dict[str, Any] | None:
    last, first = author["last_name"], author.get("first_name")
    row = await store.row(
        "select id, last_name, first_name from author where last_name = ? and "
        + ("first_name = ?" if first else "first_name is null")
        + " order by id limit 1",
        *([last, first] if first else [last]),
    )
    if row is None:
        return None
    return {"id": row[0], "last_name": row[1]} | ({"first_name": row[2]} if row[2] else {})


async def _series(store: Store, title: str) -> dict[str, Any] | None:
    row = await store.row(
        "select id, title from series where lower(title) = ? order by id limit 1", title.lower()
    )
    return None if row is None else {"id": row[0], "title": row[1]}


async def _synonym(store: Store, category: str, name: str) -> str | None:
    found = await store.value(
        "select our_name from synonym where category = ? and lower(other_name) = ?", category, name.lower()
    )
    return None if found is None else str(found)


async def _genre(store: Store, name: str) -> dict[str, Any] | None:
    for each in (name, await _synonym(store, "GNR", name)):
        if each is not None:
            row = await store.row("select id, name from genre where lower(name) = ?", each.lower())
            if row is not None:
                return {"id": row[0], "name": row[1]}
    return None


async def _language(store: Store, said: dict[str, Any]) -> dict[str, Any] | None:
    code, name = said.get("code"), said.get("name")
    wanted = []
    if code:
        wanted += [("code = ?", code), ("code = ?", await _synonym(store, "LNG", code))]
    if name:
        wanted += [("lower(name) = ?", name.lower()), ("name = ?", await _synonym(store, "LGN", name))]
    for condition, value in wanted:
        if value is not None:
            row = await store.row(f"select id, code, name from language where {condition}", value)
            if row is not None:
                return {"id": row[0], "code": row[1], "name": row[2]}
    return None
