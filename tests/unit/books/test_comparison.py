"""Calibre beside the ledger: every file is in one account, in no plan, or gone."""

import itertools

import pytest

from medialift.books.comparison import EXAMPLES, Booked, BookedFile, Shelved, compare


def shelved(book, *formats, modified="2020", others=()):
    files = dict.fromkeys(sorted([*formats, *others]), 100)
    return Shelved(book, files, modified, f"A/B ({book})", formats)


def booked(book, rest, *files, had=None, weight=0, rest_kind="", payload=None):
    """A book that had these formats when it was planned, or those of its files."""
    written = tuple(BookedFile(*one[:1], 100, *one[1:]) for one in files)
    had = sorted(one[0] for one in files) if had is None else had.split()
    mark = shelved(book, *had).fingerprint(had)
    return Booked(book, rest, rest_kind, weight or len(written), 100 * weight, mark, written, payload or {})


def test_every_file_is_counted_in_the_account_that_the_ledger_says():
    found = compare(
        [shelved(1, "EPUB", "PDF"), shelved(2, "EPUB"), shelved(3, "MOBI"), shelved(4, "PDF")],
        [
            booked(1, "unaccounted", ("EPUB", "uploaded"), ("PDF", "there")),
            booked(2, "unaccounted", ("EPUB", "skipped", "too large")),
            booked(3, "waiting", had="MOBI", weight=1),
            booked(4, "failed", had="PDF", weight=1, rest_kind="server"),
        ],
    )
    accounts = found.accounts.to_dict()
    assert {name: one["files"] for name, one in accounts.items() if one["files"]} == {
        "uploaded": 1,
        "there": 1,
        "skipped": 1,
        "waiting": 1,
        "failed": 1,
    }
    assert accounts["skipped"]["reasons"] == {"too large": 1}
    assert accounts["failed"]["reasons"] == {"server": 1}
    assert found.adds_up
    assert found.changed == 0


def test_a_book_that_is_only_in_calibre_is_in_no_plan_or_outside_the_subset():
    found = compare([shelved(1, "EPUB"), shelved(2, others=["EPUB", "PDF"])], [])
    assert (found.unplanned.files, found.unselected.files) == (1, 2)
    assert found.examples == {"unplanned": ["1 EPUB"]}
    assert found.adds_up


def test_a_format_outside_the_subset_is_not_selected_unless_an_earlier_plan_took_it():
    found = compare(
        [shelved(1, "EPUB", others=["PDF", "MOBI"])],
        [
            booked(
                1,
                "unaccounted",
                ("EPUB", "uploaded"),
                ("MOBI", "there"),
                had="EPUB",
                payload={"formats": ["EPUB"]},
            )
        ],
    )
    assert (found.unselected.files, found.accounts.of("there").files, found.changed) == (1, 1, 0)
    assert found.adds_up


def test_a_book_that_left_calibre_keeps_its_account_beside_the_others():
    found = compare(
        [shelved(2, "EPUB")],
        [
            booked(1, "cancelled", weight=2),
            booked(2, "unaccounted", ("EPUB", "uploaded")),
            booked(3, "unaccounted", ("EPUB", "uploaded")),
        ],
    )
    assert found.files.files == 1
    assert (found.gone.of("cancelled").files, found.gone.of("uploaded").files) == (2, 1)
    assert found.adds_up


def test_a_format_that_was_added_after_the_book_was_done_is_in_no_plan_yet():
    found = compare(
        [shelved(1, "EPUB", "PDF", modified="2021")], [booked(1, "unaccounted", ("EPUB", "uploaded"))]
    )
    assert (found.unplanned.files, found.changed) == (1, 1)
    assert found.accounts.of("unaccounted").files == 0


def test_a_format_of_an_unchanged_book_of_which_nothing_is_written_is_told_as_unaccounted():
    found = compare(
        [shelved(1, "EPUB", "PDF")], [booked(1, "unaccounted", ("EPUB", "uploaded"), had="EPUB PDF")]
    )
    assert found.accounts.of("unaccounted").files == 1
    assert found.examples["unaccounted"] == ["1 PDF"]


def test_a_format_that_left_calibre_is_gone_though_its_book_stays():
    found = compare(
        [shelved(1, "EPUB", modified="2021")],
        [booked(1, "unaccounted", ("EPUB", "uploaded"), ("PDF", "uploaded"))],
    )
    assert found.gone.of("uploaded").files == 1
    assert found.accounts.of("uploaded").files == 1


def test_examples_stay_few_however_many_files_are_wrong():
    found = compare((shelved(book, "EPUB") for book in range(1, 1000)), [])
    assert found.unplanned.files == 999
    assert len(found.examples["unplanned"]) == EXAMPLES


def test_it_walks_through_both_once_and_holds_neither():
    held = []

    def watched(rows):
        for row in rows:
            held.append(row.id)
            yield row

    calibre = watched(shelved(book, "EPUB") for book in range(1, 5001))
    furthest = []

    def ledger():
        for book in range(1, 5001):
            furthest.append(held[-1] - book if held else 0)
            yield booked(book, "waiting", weight=1)

    assert compare(calibre, ledger()).accounts.of("waiting").files == 5000
    assert max(furthest) <= 1


def test_rows_that_come_in_no_order_are_never_compared():
    with pytest.raises(AssertionError, match="The books of Calibre come in no order"):
        compare([shelved(2, "EPUB"), shelved(1, "EPUB")], [])


def test_the_sum_of_all_accounts_is_the_sum_of_all_files_for_any_mixture():
    states = ["uploaded", "there", "skipped", "failed", "waiting"]
    books = list(itertools.product(states, repeat=3))
    found = compare(
        (shelved(n, "EPUB", "MOBI", "PDF") for n, _ in enumerate(books, 1)),
        (
            booked(n, "unaccounted", *zip(["EPUB", "MOBI", "PDF"], files, strict=True))
            for n, files in enumerate(books, 1)
        ),
    )
    assert found.adds_up
    assert {found.accounts.of(one).files for one in states} == {3 * 5**3 // 5}
