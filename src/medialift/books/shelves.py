"""Calibre's books in the order of their ids, with what a plan would take of each now."""

from __future__ import annotations

from collections.abc import Iterator

from medialift.books.calibre import Calibre
from medialift.books.calibre_rows import Planned
from medialift.books.comparison import Shelved
from medialift.books.selection import Selection


def shelves(calibre: Calibre, selection: Selection | None) -> Iterator[Shelved]:
    """Every book that has a file.

    Args:
        selection: the subset that is meant; None: nothing that is in no plan yet is meant.

    Raises:
        Transient, Permanent: as `Calibre.pages`.
    """
    if selection is None:
        chosen: Iterator[Planned] = iter(())
    elif selection.whole:
        for book in _books(calibre, Selection()):
            yield _shelved(book, book)
        return
    else:
        chosen = _books(calibre, selection)
    meant = next(chosen, None)
    for book in _books(calibre, Selection()):
        # A book may come or go between the two readings.
        while meant is not None and meant.id < book.id:
            meant = next(chosen, None)
        yield _shelved(book, meant if meant is not None and meant.id == book.id else None)


def _books(calibre: Calibre, selection: Selection) -> Iterator[Planned]:
    for page in calibre.pages(selection):
        yield from (book for book in page if book.formats)


def _shelved(book: Planned, meant: Planned | None) -> Shelved:
    return Shelved(
        book.id,
        {one.format: one.size for one in book.formats},
        book.modified,
        book.path,
        () if meant is None else tuple(one.format for one in meant.formats),
    )
