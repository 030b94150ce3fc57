"""Checks of what is decided from names alone: what a folder is, which part comes first, where a book lies."""

from __future__ import annotations

from pathlib import Path

from medialift.audiobooks import inbox
from medialift.audiobooks.book import Book
from medialift.audiobooks.delivery import naming
from medialift.foundation.selftesting import Check, equal, true
from medialift.settings import AudiobooksSettings

_TREE = (
    "Flat/10.mp3",
    "Flat/9.mp3",
    "Discs/CD2/01.mp3",
    "Discs/CD1/02.mp3",
    "Discs/CD1/01.mp3",
    "Tales/1 - One/a.mp3",
    "Tales/2 - Two/a.mp3",
)


def _folders(scratch: Path) -> None:
    for name in _TREE:
        path = scratch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"nothing is read of it")
    books: dict[str, Book] = {}
    for entry in ("Flat", "Discs", "Tales"):
        for found in inbox.understand(scratch / entry, scratch, AudiobooksSettings()):
            true(f"{entry} is understood: {found}", isinstance(found, Book))
            if isinstance(found, Book):
                books[found.key] = found
    equal("the books", sorted(books), ["Discs", "Flat", "Tales/1 - One", "Tales/2 - Two"])
    parts = {
        key: [one.path.relative_to(scratch).as_posix() for one in book.parts] for key, book in books.items()
    }
    equal("nine before ten", parts["Flat"], ["Flat/9.mp3", "Flat/10.mp3"])
    equal("disc after disc", parts["Discs"], ["Discs/CD1/01.mp3", "Discs/CD1/02.mp3", "Discs/CD2/01.mp3"])
    series = books["Tales/2 - Two"].series
    equal("its place in the series", (series.name, series.number) if series else None, ("Tales", "2"))


def _places(_: Path) -> None:
    template = "{author}/{series}/{number} - {title}"
    fields = dict.fromkeys(naming.FIELDS, "")
    alone = naming.placed(template, {**fields, "author": "Ann", "title": "Alone", "name": "alone"})
    equal("a book without a series", alone.path.as_posix(), "Ann/Alone/Alone.m4b")
    of_series = {**fields, "author": "Ann", "title": "Two", "series": "Tales", "number": "02", "name": "two"}
    equal(
        "a book of a series",
        naming.placed(template, of_series).path.as_posix(),
        "Ann/Tales/02 - Two/02 - Two.m4b",
    )


CHECKS = [
    Check("folders are taken for what they are", _folders),
    Check("a book has its place in a library", _places),
]
