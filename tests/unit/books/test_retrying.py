"""Taking up again what failed or was skipped, and nothing else."""

import pytest

from medialift.books.retrying import retry
from medialift.books.status import status
from medialift.errors import Permanent
from tests.books_ledger import BooksLedger


@pytest.fixture
def books(database):
    books = BooksLedger(database)
    books.book(1, "done", files={"EPUB": {"state": "uploaded"}})
    books.book(
        2,
        "done",
        files={
            "EPUB": {"state": "uploaded"},
            "PDF": {"state": "skipped", "error_kind": "too large", "reason": "600 MB", "size": 600},
        },
    )
    books.book(3, "skipped", files={"PDF": {"state": "skipped", "error_kind": "too large", "size": 2000}})
    books.book(4, "failed", files={"EPUB": {"state": "failed", "error_kind": "refused"}})
    books.book(5, "failed", weight=1, error=("transient", "The server said 500."))
    books.book(6, "skipped", files={"EPUB": {"state": "skipped", "error_kind": "empty"}})
    books.book(7, "ready", weight=1)
    return books


def again(books, **asked):
    with books.database.engine.begin() as connection:
        return retry(connection, "calibre", **{"largest": 500, **asked})


def states(books):
    return {
        int(key): state
        for key, state in books.run("select key, state from item order by key")
        if state in ("ready", "leased")
    }.keys() - {7}


def test_a_reason_takes_up_every_book_with_a_file_that_has_it(books):
    assert again(books, kinds=["refused"]).books == 1
    assert states(books) == {4}


def test_a_reason_is_known_by_its_letters(books):
    assert again(books, kinds=["Too_Large"], largest=10_000).books == 2
    assert states(books) == {2, 3}


def test_after_the_limit_was_raised_only_what_fits_now_is_taken_up_again(books):
    assert again(books, kinds=["too large"]).to_dict() == {"books": 0, "still_too_large": 2}
    assert again(books, kinds=["too large"], largest=1000).to_dict() == {"books": 1, "still_too_large": 1}
    assert states(books) == {2}


def test_what_was_uploaded_of_a_book_that_is_tried_again_stays_uploaded(books):
    again(books, kinds=["too large"], largest=1000)
    assert books.run(
        "select format, f.state, reason from book_file f join item i on i.id = f.item_id"
        " where key = '2' order by 1"
    ) == [("EPUB", "uploaded", None), ("PDF", "pending", None)]
    with books.database.engine.connect() as connection:
        assert status(connection, "calibre").accounts.of("waiting").files == 2


def test_all_is_everything_that_failed_or_was_skipped(books):
    assert again(books, every=True, largest=10_000).books == 5
    assert states(books) == {2, 3, 4, 5, 6}


def test_a_book_that_failed_before_any_of_its_files_was_looked_at_has_its_books_reason(books):
    assert again(books, kinds=["transient"]).books == 1
    assert states(books) == {5}


def test_a_named_book_is_tried_again_whatever_became_of_it(books):
    assert again(books, ids=[1, 6]).books == 2
    assert states(books) == {1, 6}


def test_a_book_that_nobody_knows_or_whose_turn_comes_anyway_is_named(books):
    with pytest.raises(Permanent, match="These books cannot be tried again: 7, 99"):
        again(books, ids=[1, 7, 99])
    assert states(books) == set()


def test_check_counts_and_changes_nothing(books):
    assert again(books, every=True, largest=10_000, check=True).books == 5
    assert states(books) == set()
    assert books.run("select count(*) from event") == [(0,)]


def test_who_retried_what_is_kept(books):
    again(books, kinds=["refused"])
    ((what, subject, after),) = books.run("select what, subject, after from event")
    assert (what, subject) == ("retry", "books:calibre")
    assert after == {"ids": [], "kinds": ["refused"], "all": False, "books": 1}


def test_nothing_named_is_refused(books):
    with pytest.raises(Permanent, match="Nothing is named"):
        again(books)


def test_files_of_a_book_that_is_being_worked_on_are_left_to_its_worker(books):
    books.book(8, "leased", files={"PDF": {"state": "skipped", "error_kind": "empty"}})
    assert again(books, kinds=["empty"]).books == 1
    written = "select f.state from book_file f join item i on i.id = f.item_id where i.key = '{}'"
    assert [tuple(row) for row in books.run(written.format(8))] == [("skipped",)]
    assert [tuple(row) for row in books.run(written.format(6))] == [("pending",)]
