"""Calibre's books as verify walks through them: all of them, and which of them are meant."""

import pytest

from medialift.books.calibre import Calibre
from medialift.books.selection import Selection
from medialift.books.shelves import shelves
from sandbox.calibre import Library


@pytest.fixture
def found(tmp_path):
    with Library(tmp_path / "library") as library:
        library.add("One", ["Ann"], formats={"EPUB": b"1", "PDF": b"22"}, tags=["Fiction"])
        library.add("Two", ["Bob"], formats={"MOBI": 30})
        library.add("Three", ["Ann"], formats={"PDF": b"4444"})
        library.add("Nothing", ["Ann"])

    def _found(selection):
        with Calibre.open(tmp_path / "library") as calibre:
            return [(one.id, dict(one.files), one.wanted) for one in shelves(calibre, selection)]

    return _found


def test_every_book_with_a_file_comes_in_order_with_its_sizes(found):
    assert found(Selection()) == [
        (1, {"EPUB": 1, "PDF": 2}, ("EPUB", "PDF")),
        (2, {"MOBI": 30}, ("MOBI",)),
        (3, {"PDF": 4}, ("PDF",)),
    ]


def test_those_outside_of_the_subset_come_too_and_nothing_of_them_is_wanted(found):
    assert [(one[0], one[2]) for one in found(Selection.of({"authors": ["Ann"], "formats": ["PDF"]}))] == [
        (1, ("PDF",)),
        (2, ()),
        (3, ("PDF",)),
    ]


def test_newest_first_is_an_order_of_work_and_not_of_looking(found):
    assert [one[0] for one in found(Selection.of({"newest_first": True, "tags": ["Fiction"]}))] == [1, 2, 3]


def test_without_a_subset_nothing_new_is_meant(found):
    assert {one[2] for one in found(None)} == {()}
