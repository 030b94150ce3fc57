"""The map of a library has every book once, in Calibre's order, however many cells there are."""

from __future__ import annotations

import pytest

from medialift.books import map as mapping
from medialift.books.map import Cell
from medialift.queueing.database import Database
from tests.books_ledger import BooksLedger


def cells(database: Database, count: int) -> list[Cell]:
    with database.engine.connect() as connection:
        return mapping.cells(connection, "calibre", count=count)


def test_each_cell_has_as_many_books_as_any_other_and_none_is_left_out(database: Database) -> None:
    ledger = BooksLedger(database)
    # By their numbers and not by their letters: 9 comes before 10.
    for book in (9, 10, 2, 100, 1, 33, 11):
        ledger.book(book, "done")
    BooksLedger(database, "other").book(5, "failed")
    found = cells(database, 3)
    assert [(one.first, one.last, one.books) for one in found] == [(1, 9, 3), (10, 11, 2), (33, 100, 2)]
    assert [one.done for one in found] == [3, 2, 2]
    assert [(one.first, one.books) for one in cells(database, 240)] == [
        (book, 1) for book in (1, 2, 9, 10, 11, 33, 100)
    ]


def test_an_empty_library_has_no_cells(database: Database) -> None:
    assert cells(database, 10) == [] and mapping.coarse([]) == []


@pytest.mark.parametrize(
    ("states", "kind"),
    [
        ("done done", "done"),
        ("done ready", "begun"),
        ("ready paused", "left"),
        ("done leased ready", "running"),
        ("done skipped", "skipped"),
        ("done cancelled", "skipped"),
        ("done leased failed", "failed"),
    ],
)
def test_a_cell_says_the_worst_of_its_books(database: Database, states: str, kind: str) -> None:
    ledger = BooksLedger(database)
    for book, state in enumerate(states.split(), 1):
        ledger.book(book, state)
    (cell,) = cells(database, 1)
    assert cell.kind == kind and cell.books == len(states.split())


def test_a_coarse_map_tells_of_the_same_books(database: Database) -> None:
    ledger = BooksLedger(database)
    for book in range(1, 31):
        ledger.book(book, "done" if book % 3 else "failed")
    fine = cells(database, 240)
    coarse = mapping.coarse(fine, 4)
    assert [(one.first, one.last) for one in coarse] == [(1, 8), (9, 16), (17, 24), (25, 30)]
    assert sum(one.failed for one in coarse) == 10 and sum(one.books for one in coarse) == 30
