"""metadata.yml: what a person says of a book that lies beside it, in the form of beets-audible.

Names are taken in camelCase and in snake_case: `releaseDate` is `release_date`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any

from medialift.audiobooks.metadata.languages import language_word
from medialift.audiobooks.metadata.model import Clues, Metadata, Series
from medialift.audiobooks.metadata.plain import is_markup, one_line, plain_text
from medialift.audiobooks.metadata.provider import Told
from medialift.audiobooks.metadata.shops import ENDINGS
from medialift.audiobooks.metadata.wording import part_number
from medialift.audiobooks.metadata.yaml_file import Fault, Value, converted, read_values

NAMES = ("metadata.yml", "metadata.yaml")
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_PICTURES = (".jpg", ".jpeg", ".png")


class MetadataFile:
    """Reads metadata.yml in the book's folder."""

    name = "metadata_yml"

    def read(self, clues: Clues) -> Told:
        """See `Local.read`."""
        path = next((one for one in _places(clues.folder) if one.is_file()), None)
        return Told(None) if path is None else read_file(path)


def read_file(path: Path) -> Told:
    """What a metadata.yml says; names that are not known are told as problems.

    Raises:
        Permanent: it cannot be understood: each fault with its line and its fix.
        Transient: it cannot be read now.
    """
    values = [Value(_known_name(one.name), one.line, one.text, one.many) for one in read_values(path)]
    problems = tuple(
        f"{path.name}, line {one.line}: {one.name} is no field that is known{_meant(one.name)}"
        for one in values
        if one.name not in _READERS
    )
    told = converted(path, values, {**_READERS, "cover": lambda value: _cover(value, path.parent)})
    cover = told.get("cover")
    if isinstance(cover, Path) and not cover.is_file():
        # The book's own cover is taken then.
        problems += (f"{path.name}: the cover {cover.name} is not there",)
        del told["cover"]
    return Told(_metadata(told), problems)


def _metadata(told: Mapping[str, Any]) -> Metadata:
    values = dict(told)
    name, part = values.pop("series", ""), values.pop("series_position", "")
    if name:
        values["series"] = Series(name, part)
    if "release_date" in values:
        values["release_date"], values["year"] = values["release_date"]
    cover = values.pop("cover", None)
    if isinstance(cover, Path):
        values["cover_file"] = cover
    elif cover:
        values["cover_url"] = cover
    if "description" in values:
        html = values["description"]
        values["description"] = plain_text(html)
        values["description_html"] = html if is_markup(html) else ""
    return Metadata(**values)


def _places(folder: Path | None) -> list[Path]:
    return [folder / name for name in NAMES] if folder is not None else []


def _known_name(name: str) -> str:
    """`releaseDate`, `release-date` and `Release_Date` as `release_date`; other names of a field as ours."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("-", "_").replace(" ", "_").lower()
    return _ALSO.get(snake, snake)


def _meant(name: str) -> str:
    near = get_close_matches(name, _READERS, n=1)
    return f": is {near[0]} meant?" if near else ""


def _line(value: Value) -> str:
    if value.many is not None:
        raise Fault(
            f"{value.name} is a list, and is to be one text", f'write "{value.name}: {value.many[0]}"'
        )
    return one_line(value.text)


def _long_text(value: Value) -> str:
    if value.many is not None:
        raise Fault(f"{value.name} is a list, and is to be one text", f'write "{value.name}: |" and the text')
    return value.text


def _names(value: Value) -> tuple[str, ...]:
    """A list, or one name: a comma may belong to it, so it parts nothing."""
    told = value.many if value.many is not None else tuple(value.text.split(";"))
    return tuple(dict.fromkeys(filter(None, map(one_line, told))))


def _part(value: Value) -> str:
    text = _line(value)
    if not part_number(text):
        raise Fault(f"{value.name} is “{text}”, and is to be a number", f'write "{value.name}: 2" or "1-3"')
    return part_number(text)


def _release(value: Value) -> tuple[str, int]:
    """(ISO date, year); the date is empty when only the year is said."""
    text = _line(value)
    if re.fullmatch(r"\d{4}", text):
        return "", int(text)
    try:
        day = date.fromisoformat(text[:10])
    except ValueError as error:
        raise Fault(
            f"{value.name} is “{text}”, and is to be a date", f'write "{value.name}: 2008-08-19", or a year'
        ) from error
    return day.isoformat(), day.year


def _year(value: Value) -> int:
    text = _line(value)
    if not re.fullmatch(r"\d{4}", text):
        raise Fault(f"{value.name} is “{text}”, and is to be a year", f'write "{value.name}: 2008"')
    return int(text)


def _asin(value: Value) -> str:
    text = _line(value).upper()
    if not re.fullmatch(r"[A-Z0-9]{10}", text):
        raise Fault(
            f"{value.name} is “{text}”, and is to have ten letters and digits",
            "copy it from the address of the book's page at Audible",
        )
    return text


def _isbn(value: Value) -> str:
    text = re.sub(r"[\s-]", "", _line(value)).upper()
    if not re.fullmatch(r"\d{9}[\dX]|\d{13}", text):
        raise Fault(f"{value.name} is “{text}”", "an ISBN has ten or thirteen digits")
    return text


def _stars(value: Value) -> float:
    text = _line(value)
    if not re.fullmatch(r"\d(\.\d+)?", text) or float(text) > 5:
        raise Fault(f"{value.name} is “{text}”", f'a rating is from 0 to 5: write "{value.name}: 4.5"')
    return float(text)


def _minutes(value: Value) -> int:
    text = _line(value)
    if not re.fullmatch(r"\d{1,6}", text):
        raise Fault(f"{value.name} is “{text}”, and is to be whole minutes", f'write "{value.name}: 580"')
    return int(text)


def _flag(value: Value) -> bool:
    text = _line(value).lower()
    if text not in (*_TRUE, *_FALSE):
        raise Fault(f"{value.name} is “{text}”, and is to be true or false", f'write "{value.name}: true"')
    return text in _TRUE


def _region(value: Value) -> str:
    text = _line(value).lower()
    if text not in ENDINGS:
        raise Fault(
            f"{value.name} is “{text}”, which is no shop of Audible's", f"one of {', '.join(ENDINGS)}"
        )
    return text


def _address(value: Value) -> str:
    text = _line(value)
    if not re.fullmatch(r"https?://[^\s/]\S*", text):
        raise Fault(f"{value.name} is “{text}”, which is no address", "it starts with https://")
    return text


def _cover(value: Value, folder: Path) -> str | Path:
    """An address, or a picture in the book's folder."""
    text = _line(value)
    if re.match(r"https?://", text):
        return _address(value)
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or path.suffix.lower() not in _PICTURES:
        raise Fault(
            f"{value.name} is “{text}”, and is to be a picture beside the book, or an address",
            f'write "{value.name}: cover.jpg"',
        )
    return folder / path


_READERS: Mapping[str, Callable[[Value], Any]] = {
    "title": _line,
    "subtitle": _line,
    "authors": _names,
    "narrators": _names,
    "series": _line,
    "series_position": _part,
    "publisher": _line,
    "release_date": _release,
    "year": _year,
    "language": lambda value: language_word(_line(value)),
    "genres": _names,
    "description": _long_text,
    "copyright": _line,
    "asin": _asin,
    "isbn": _isbn,
    "rating": _stars,
    "explicit": _flag,
    "format": lambda value: _line(value).lower(),
    "runtime_minutes": _minutes,
    "cover": lambda value: _cover(value, Path()),
    "cover_url": _address,
    "product_url": _address,
    "region": _region,
}
_ALSO = {
    "author": "authors",
    "narrator": "narrators",
    "reader": "narrators",
    "readers": "narrators",
    "genre": "genres",
    "series_name": "series",
    "series_part": "series_position",
    "series_number": "series_position",
    "position": "series_position",
    "date": "release_date",
    "summary": "description",
    "image": "cover",
    "runtime": "runtime_minutes",
    "runtime_length_min": "runtime_minutes",
    "format_type": "format",
    "is_adult": "explicit",
}
