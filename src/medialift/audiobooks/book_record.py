"""A book as the ledger keeps it with its item: by paths below the inbox, so an inbox may be moved."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medialift.audiobooks.book import Book, InSeries, Part, Structure


def to_record(book: Book, inbox: Path) -> dict[str, Any]:
    """What `of_record` makes the book from again, for JSON."""
    return {
        "key": book.key,
        "root": _below(book.root, inbox),
        "structure": book.structure.value,
        "parts": [
            [_below(part.path, inbox), part.name, part.size, part.disc, part.modified] for part in book.parts
        ],
        "extras": [_below(extra, inbox) for extra in book.extras],
        "fingerprint": book.fingerprint,
        "series": None if book.series is None else [book.series.name, book.series.number],
    }


def of_record(record: Mapping[str, Any], inbox: Path) -> Book:
    """The book that was written down, where the inbox is now."""
    series = record["series"]
    return Book(
        key=record["key"],
        root=inbox / record["root"],
        structure=Structure(record["structure"]),
        parts=tuple(Part(inbox / path, *rest) for path, *rest in record["parts"]),
        extras=tuple(inbox / extra for extra in record["extras"]),
        fingerprint=record["fingerprint"],
        series=None if series is None else InSeries(*series),
    )


def _below(path: Path, inbox: Path) -> str:
    return str(path.relative_to(inbox))
