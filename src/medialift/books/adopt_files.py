"""The progress files of the first script, read for what they may mean: which files it took for done.

`migration_progress_worker*.json` holds {"completed_files": …, "last_processed_book_id": …, "errors": …}. Over
time `completed_files` was {hash: {…}}, {hash: path}, {path: {…}}, a list of either, and a list of {…}. Its
cursor was written before the uploads that it stood for, so it is not read; its errors are only counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medialift.errors import Permanent

_PATTERN = "migration_progress*.json"
_SHA1 = re.compile(r"[0-9a-f]{40}", re.IGNORECASE)
# Calibre's folder of a book ends in its id: "Author/Title (12)/Title - Author.epub".
_PLACE = re.compile(r"\((\d+)\)[/\\][^/\\]+\.(\w+)\s*$")
_BOOK = ("book_id", "calibre_id", "calibre_book_id", "id")
_FORMAT = ("format", "extension", "ext")


@dataclass(frozen=True)
class Named:
    """A file that was taken for done: the book in Calibre and its format; both None when that is not told."""

    book: int | None = None
    format: str | None = None

    @property
    def placed(self) -> bool:
        return self.book is not None and self.format is not None


@dataclass(frozen=True)
class Progress:
    """What all progress files of a folder say.

    Attributes:
        files: how many there were.
        broken: names of those that could not be read; the script left such behind when its disk was full.
        named: what they name, each once.
        errors: how many errors they tell.
    """

    files: int
    broken: tuple[str, ...]
    named: tuple[Named, ...]
    errors: int


def read(folder: Path) -> Progress:
    """Read the progress files of a folder, or one that is named.

    Raises:
        Permanent: there is none.
    """
    files = sorted(folder.glob(_PATTERN)) if folder.is_dir() else [folder] if folder.is_file() else []
    if not files:
        raise Permanent(
            "There is no progress file of the first script", str(folder), f"Name the folder with {_PATTERN}"
        )
    named: dict[Named, None] = {}
    broken, errors, unplaced = [], 0, 0
    for file in files:
        try:
            told = json.loads(file.read_bytes())
        except (OSError, ValueError):
            broken.append(file.name)
            continue
        if not isinstance(told, dict):
            broken.append(file.name)
            continue
        errors += _count(told.get("errors"))
        for one in _completed(told.get("completed_files")):
            if one.placed:
                named[one] = None
            else:
                unplaced += 1
    return Progress(len(files), tuple(broken), (*named, *[Named()] * unplaced), errors)


def _completed(told: Any) -> Iterator[Named]:
    if isinstance(told, Mapping):
        for name, value in told.items():
            yield _named(str(name), value)
    elif isinstance(told, list):
        for value in told:
            yield _named("", value)


def _named(name: str, value: Any) -> Named:
    told = value if isinstance(value, Mapping) else {}
    texts = [text for text in (name, value, *told.values()) if isinstance(text, str)]
    for text in texts:
        place = None if _SHA1.fullmatch(text) else _PLACE.search(text)
        if place:
            return Named(int(place[1]), place[2].upper())
    book = next((told[key] for key in _BOOK if str(told.get(key, "")).isdecimal()), None)
    format = next((told[key] for key in _FORMAT if isinstance(told.get(key), str)), None)
    if format is None:
        suffixes = [Path(text).suffix for text in texts if not _SHA1.fullmatch(text)]
        format = next((suffix for suffix in suffixes if suffix), None)
    if book is None or format is None:
        return Named()
    return Named(int(book), format.lstrip(".").upper())


def _count(errors: Any) -> int:
    return len(errors) if isinstance(errors, (Mapping, list)) else 0
