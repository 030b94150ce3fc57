"""How a migration stands, out of a real ledger; status, verify's stream and the metrics count alike."""

import itertools

import pytest
from prometheus_client.parser import text_string_to_metric_families

from medialift.books import ledger_files, metrics
from medialift.books.accounts import ACCOUNTS
from medialift.books.status import status
from medialift.queueing import control
from tests.books_ledger import BooksLedger


@pytest.fixture
def books(database):
    return BooksLedger(database)


def now(books):
    with books.database.engine.connect() as connection:
        return status(connection, "calibre")


def test_nothing_planned_is_an_empty_migration(books):
    found = now(books)
    assert (found.state, found.finished, found.accounts.total().files) == ("empty", False, 0)
    assert found.to_dict()["speed"]["sentence"] == "nothing moves"


def test_each_file_counts_once_whatever_its_book_says(books):
    books.book(1, "done", files={"EPUB": {"state": "uploaded"}, "PDF": {"state": "there"}})
    books.book(
        2,
        "done",
        files={"EPUB": {"state": "uploaded"}, "PDF": {"state": "skipped", "error_kind": "too large"}},
    )
    books.book(
        3, "leased", files={"EPUB": {"state": "uploaded"}, "PDF": {"state": "pending"}}, weight=3, size=300
    )
    books.book(4, "ready", weight=2, size=500)
    books.book(5, "failed", files={"EPUB": {"state": "pending"}}, error=("transient", "The server said 500."))
    books.book(6, "failed", weight=2, size=50, error=("permanent", "Unreadable."))
    books.book(7, "cancelled", weight=1, size=10, error=("permanent", "removed from Calibre"))
    found = now(books)
    assert {one: found.accounts.of(one).files for one in ACCOUNTS} == {
        "uploaded": 3,
        "there": 1,
        "skipped": 1,
        "failed": 3,
        "cancelled": 1,
        "waiting": 4,
        "unaccounted": 0,
    }
    assert found.accounts.of("waiting").bytes == 100 + 100 + 500
    assert found.accounts.to_dict()["failed"]["reasons"] == {"permanent": 2, "transient": 1}
    assert found.accounts.to_dict()["skipped"]["reasons"] == {"too large": 1}
    assert not found.finished


def test_the_stream_that_verify_walks_through_counts_like_status(books):
    file_states = [None, "pending", "uploaded", "there", "skipped", "failed"]
    item_states = ["ready", "leased", "done", "skipped", "failed", "paused", "cancelled"]
    for book, (item, file) in enumerate(itertools.product(item_states, file_states), 1):
        files = {} if file is None else {"EPUB": {"state": file, "error_kind": f"kind of {book % 3}"}}
        books.book(book, item, files=files, weight=2, size=200, error=("permanent", "because"))
    counted = now(books).accounts
    with books.database.engine.connect() as connection:
        streamed = list(ledger_files.streamed(connection, "calibre"))
    assert [one.id for one in streamed] == list(range(1, 43))
    for account in ACCOUNTS:
        rows = sum(file.account == account for one in streamed for file in one.files)
        rest = sum(one.weight - len(one.files) for one in streamed if one.rest == account)
        assert rows + rest == counted.of(account).files, account


def test_books_come_in_the_order_of_numbers_and_not_of_letters(books):
    for book in (100, 9, 20):
        books.book(book, "ready", weight=1)
    with books.database.engine.connect() as connection:
        assert [one.id for one in ledger_files.streamed(connection, "calibre")] == [9, 20, 100]


def test_another_library_in_the_same_ledger_is_not_counted(books):
    books.book(1, "ready", weight=1)
    BooksLedger(books.database, "second").book(1, "ready", weight=7)
    assert now(books).accounts.of("waiting").files == 1


def test_skipped_and_failed_files_are_listed_with_their_reasons(books):
    books.book(
        1,
        "done",
        files={
            "EPUB": {
                "state": "skipped",
                "error_kind": "too large",
                "reason": "600 MB",
                "path": "A/B (1)/b.epub",
            },
            "PDF": {"state": "uploaded"},
        },
    )
    books.book(2, "failed", weight=1, size=10, error=("transient", "The server said 500."))
    with books.database.engine.connect() as connection:
        lines = ledger_files.listed(connection, "calibre", ["skipped", "failed"])
        too_large = ledger_files.listed(connection, "calibre", ["skipped", "failed"], kind="too large")
    assert [(one["book"], one["format"], one["kind"], one["reason"]) for one in lines] == [
        (1, "EPUB", "too large", "600 MB"),
        (2, "", "transient", "The server said 500."),
    ]
    assert [one["path"] for one in too_large] == ["A/B (1)/b.epub"]


def test_slow_uploads_are_counted_and_listed_the_slowest_first(books):
    books.book(1, "done", files={"EPUB": {"state": "uploaded", "seconds": 2.0}})
    books.book(2, "done", files={"EPUB": {"state": "uploaded", "seconds": 125.0}})
    books.book(3, "done", files={"PDF": {"state": "uploaded", "seconds": 700.0, "size": 400_000_000}})
    books.run(
        "insert into rate (pipeline, collection, minute, items, files, bytes, slow)"
        " values ('books', 'calibre', date_trunc('minute', now()) - interval '2 minutes', 3, 3, 400000200, 2)"
    )
    found = now(books)
    assert [str(one) for one in found.slow] == [
        "book 3 (PDF): 400 MB in 11 min 40 s",
        "book 2 (EPUB): 100 bytes in 2 min 5 s",
    ]
    assert found.speed.slow == 2
    assert found.seconds_per_file == pytest.approx(827 / 3)
    assert 1 <= found.speed.files_per_minute <= 1.5


def test_a_pause_and_closed_hours_are_told_with_the_reason(books):
    books.book(1, "ready", weight=1)
    assert now(books).state == "waiting"
    with books.database.engine.begin() as connection:
        control.pause(connection, "books", "calibre", why="the line is needed")
    assert (now(books).state, now(books).control.why) == ("paused", "the line is needed")


def test_the_metrics_are_the_numbers_of_status(books):
    books.book(
        1, "done", files={"EPUB": {"state": "uploaded"}, "PDF": {"state": "skipped", "error_kind": "empty"}}
    )
    books.book(2, "ready", weight=3, size=30)
    found = now(books)
    shown = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.text([found]).decode())
        for sample in family.samples
    }
    of = ("collection", "calibre")
    for account in ACCOUNTS:
        name = ("medialift_books_files", ("account", account), of)
        assert shown[name] == found.accounts.of(account).files
    assert shown["medialift_books_items", of, ("state", "ready")] == 1
    reason = ("medialift_books_files_by_reason", ("account", "skipped"), of, ("reason", "empty"))
    assert shown[reason] == 1
    assert shown["medialift_books_seconds_left", of] == -1
