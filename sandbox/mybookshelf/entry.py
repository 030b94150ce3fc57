"""What of a sent book the server keeps, and what it says of one that it does not take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_KEPT = ("id", "title", "series_index", "language", "series", "genres", "authors")


class Invalid(Exception):
    """The book is not taken; `details` goes into the answer, which has the status 200."""

    def __init__(self, details: Any) -> None:
        super().__init__(str(details))
        self.details = details


@dataclass(frozen=True)
class Entry:
    """A book as it was sent, cleared. None stands for a key that was not sent."""

    title: str | None
    language: int | None
    series: dict[str, Any] | None
    series_index: int | None
    genres: tuple[int, ...] | None
    authors: tuple[dict[str, Any], ...] | None
    sent: frozenset[str]


def cleared(said: dict[str, Any], *, partial: bool = False) -> Entry:
    """Keep what can be kept; everything else, a description for one, is dropped without a word.

    Args:
        partial: title and language may be missing, as in a change.

    Raises:
        Invalid: something is missing, too long or of the wrong kind, or names no id where it must.
    """
    data = {key: said[key] for key in _KEPT if key in said}
    for key, needs_id in (("language", True), ("series", False)):
        if key in data:
            data[key] = _shrunk(data[key], needs_id)
    for key, needs_id in (("authors", False), ("genres", True)):
        if key in data:
            if data[key] is None:
                data[key] = []
            if not isinstance(data[key], list):
                raise Invalid("Value must be list")
            data[key] = [each for each in (_shrunk(item, needs_id) for item in data[key]) if each]
    errors = _errors(data, partial)
    if errors:
        raise Invalid(errors)
    index = data.get("series_index")
    return Entry(
        title=data.get("title"),
        language=int(data["language"]["id"]) if data.get("language") else None,
        series=data.get("series"),
        series_index=int(index) if index is not None else None,
        genres=tuple(int(each["id"]) for each in data["genres"]) if "genres" in data else None,
        authors=tuple(data["authors"]) if "authors" in data else None,
        sent=frozenset(data),
    )


def _shrunk(value: Any, needs_id: bool) -> dict[str, Any] | None:
    if not value:
        return None
    if value.get("id"):
        return {"id": value["id"]}
    if needs_id:
        raise Invalid(f"This entity {value} must have id")
    return {key: each for key, each in value.items() if key != "id"}


def _errors(data: dict[str, Any], partial: bool) -> dict[str, Any]:
    errors: dict[str, Any] = {}
    for key in ("title", "language"):
        if data.get(key) is None and (key in data or not partial):
            missing = key not in data
            errors[key] = ["Missing data for required field." if missing else "Field may not be null."]
    if "title" not in errors and "title" in data:
        errors |= _text_error("title", data["title"], 256)
    if data.get("series"):
        errors |= {key: {"title": found} for key, found in _series_error(data["series"])}
    index = data.get("series_index")
    if index is not None:
        try:
            int(index)  # 1.5 is taken, as 1
        except (TypeError, ValueError):
            errors["series_index"] = ["Not a valid integer."]
    authors = {
        str(number): found
        for number, author in enumerate(data.get("authors") or [])
        if (found := _author_errors(author))
    }
    return errors | ({"authors": authors} if authors else {})


def _series_error(series: dict[str, Any]) -> list[tuple[str, Any]]:
    found = _text_error("title", series["title"], 256) if "title" in series else {}
    return [("series", found["title"])] if found else []


def _author_errors(author: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key in ("last_name", "first_name"):
        if author.get(key) is not None:
            found |= _text_error(key, author[key], 128)
    return found


def _text_error(key: str, value: Any, longest: int) -> dict[str, Any]:
    if not isinstance(value, str):
        return {key: ["Not a valid string."]}
    return {key: [f"Longer than maximum length {longest}."]} if len(value) > longest else {}
