"""What a person says of a book: an ASIN, or any field; it wins over everything that was found.

A field that is said to be empty is empty: a book that has no narrator or no ASIN is then no longer flagged.
Overrides lie in the manifest, so every later tagging follows them; one that is None is taken back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from pydantic import JsonValue

from medialift.audiobooks.metadata.model import Metadata, Series
from medialift.errors import Permanent

Override = Mapping[str, JsonValue]

ORIGIN = "override"
_ASIN = re.compile(r"([A-Z0-9]{10})?")
_ISBN = re.compile(r"(\d{9}[\dX]|\d{13})?")
_DATE = re.compile(r"(\d{4}(-\d{2}-\d{2})?)?")
_TRUE, _FALSE = ("yes", "y", "true", "1"), ("no", "n", "false", "0")


def _text(value: object) -> str:
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise ValueError("a text is needed")
    return str(value).strip()


def _names(value: object) -> list[str]:
    told = value if isinstance(value, list | tuple) else _text(value).split(";")
    return [name for one in told if (name := _text(one))]


def _like(pattern: re.Pattern[str], what: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        told = _text(value).upper().replace("-", "") if pattern in (_ASIN, _ISBN) else _text(value)
        if not pattern.fullmatch(told):
            raise ValueError(what)
        return told

    return read


def _year(value: object) -> int | None:
    told = _text(value)
    if told and not re.fullmatch(r"\d{4}", told):
        raise ValueError("a year has four digits")
    return int(told) if told else None


def _rating(value: object) -> float | None:
    told = _text(value)
    stars = float(told) if told else None
    if stars is not None and not 0 <= stars <= 5:
        raise ValueError("a rating is from 0 to 5")
    return stars


def _minutes(value: object) -> int | None:
    told = _text(value)
    if told and not told.isdigit():
        raise ValueError("whole minutes are needed")
    return int(told) if told else None


def _flag(value: object) -> bool | None:
    told = str(value).strip().lower()
    if told not in (*_TRUE, *_FALSE, ""):
        raise ValueError("yes or no is needed")
    return told in _TRUE if told else None


_READERS: Mapping[str, Callable[[object], Any]] = {
    "title": _text,
    "subtitle": _text,
    "authors": _names,
    "narrators": _names,
    "series": _text,
    "series_part": _text,
    "publisher": _text,
    "release_date": _like(_DATE, "a date is YYYY-MM-DD"),
    "year": _year,
    "language": _text,
    "genres": _names,
    "description": _text,
    "copyright": _text,
    "asin": _like(_ASIN, "an ASIN has ten letters and digits"),
    "isbn": _like(_ISBN, "an ISBN has ten or thirteen digits"),
    "rating": _rating,
    "explicit": _flag,
    "format": _text,
    "runtime_minutes": _minutes,
    "cover_url": _text,
    "product_url": _text,
    "region": _text,
}
FIELDS = tuple(_READERS)
"""What can be said. authors, narrators and genres are lists, or a text with ; between."""


def parse(told: Mapping[str, Any]) -> dict[str, JsonValue]:
    """An override as it is kept in the manifest: every value checked and in one form.

    Raises:
        Permanent: fields that there are not, or values that do not fit: all of them at once.
    """
    read: dict[str, JsonValue] = {}
    faults = []
    for name, value in told.items():
        if name not in _READERS:
            faults.append(f"{name}: there is no such field")
        elif value is None:
            read[name] = None
        else:
            try:
                # What is empty is kept as "": None takes an override back.
                read[name] = "" if (found := _READERS[name](value)) is None else cast(JsonValue, found)
            except ValueError as error:
                faults.append(f"{name}: {error}")
    if faults:
        raise Permanent(
            f"An override cannot be used: {'; '.join(faults)}", "", f"The fields are {', '.join(FIELDS)}"
        )
    return read


def parse_words(words: Sequence[str]) -> dict[str, JsonValue]:
    """From a command line's words: FIELD=VALUE each.

    Raises:
        Permanent: as `parse`, and for a word without =.
    """
    if lacking := [word for word in words if "=" not in word]:
        raise Permanent("An override is FIELD=VALUE", ", ".join(lacking), "Such as asin=B0EXAMPLE1")
    return parse({name.strip(): value for name, _, value in (word.partition("=") for word in words)})


def joined(old: Override, new: Override) -> dict[str, JsonValue]:
    """The newer one over the older one; what is None there is taken back."""
    return {name: value for name, value in {**old, **new}.items() if value is not None}


def apply(found: Metadata, override: Override) -> Metadata:
    """What was found, with what the person said in its place; the origin of these fields is "override"."""
    values: dict[str, Any] = {}
    for name, value in override.items():
        if name in ("authors", "narrators", "genres"):
            values[name] = tuple(cast("list[str]", value or ()))
        elif name in ("year", "rating", "explicit", "runtime_minutes"):
            values[name] = None if value == "" else value
        elif name not in ("series", "series_part"):
            values[name] = value
    if "series" in override or "series_part" in override:
        values["series"] = _series(found.series, override)
    if "release_date" in values and "year" not in values:
        date = str(values["release_date"])
        values["year"] = int(date[:4]) if date else None
    if "year" in values and "release_date" not in values and found.year != values["year"]:
        values["release_date"] = ""
    if "description" in values:
        values["description_html"] = ""
    return replace(found, **values, origin={**found.origin, **dict.fromkeys(values, ORIGIN)})


def emptied(override: Override) -> frozenset[str]:
    """The fields of Metadata that the person said are empty."""
    return frozenset(name for name, value in override.items() if value in ("", [], ()))


def _series(found: Series | None, override: Override) -> Series | None:
    name = str(override.get("series", found.name if found else ""))
    kept = found is not None and found.name == name
    part = str(override.get("series_part", found.part if found and kept else ""))
    return Series(name, part, found.asin if found and kept else "") if name else None
