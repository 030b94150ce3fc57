"""What lies in the inbox becomes items: once, anew when it changed, and never by a look that saw nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from medialift.audiobooks import book_record, enqueue, todo
from medialift.audiobooks.book import Book, InSeries, Part, Refused, Structure
from medialift.audiobooks.enqueue import Entered
from medialift.audiobooks.stages import PIPELINE
from medialift.queueing import claims
from medialift.queueing.database import Database
from medialift.queueing.leases import Lease

INBOX = Path("/srv/inbox")
OF = "audiobooks"


class Inbox:
    """An inbox that is looked into, and its ledger."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.there: set[str] = set()

    def look(self, *books: Book, refused: tuple[Refused, ...] = ()) -> Entered:
        self.there = {book.key for book in books} | {one.key for one in refused}
        with self.database.engine.begin() as connection:
            return enqueue.enter(connection, OF, INBOX, books, refused, present=lambda key: key in self.there)

    def row(self, key: str) -> Any:
        return self.rows("select * from item where key = :key", key=f"convert/{key}")[0]

    def rows(self, statement: str, **given: Any) -> Any:
        with self.database.engine.connect() as connection:
            return connection.execute(text(statement), given).all()

    def claim(self) -> Lease:
        with self.database.engine.begin() as connection:
            (lease,) = claims.claim(
                connection, pipeline=PIPELINE, collection=OF, owner="one", limit=1, ttl=60
            )
            return lease

    def finish(self, lease: Lease) -> None:
        with self.database.engine.begin() as connection:
            assert claims.finish(connection, lease, "done", {"name": "x"})

    def leave(self, lease: Lease) -> None:
        """Its sources were put away."""
        with self.database.engine.begin() as connection:
            todo.add(connection, OF, lease.item_id, "complete", {})
            (one,) = todo.due(connection, OF)
            todo.done(connection, one, left=True, note={"kept": "/srv/archive/x"})


@pytest.fixture
def inbox(database: Database) -> Inbox:
    return Inbox(database)


def book(key: str = "Ann/Tales", fingerprint: str = "a") -> Book:
    root = INBOX / key
    parts = tuple(Part(root / name, name, 1000 + len(name)) for name in ("1.mp3", "2 – zwei.mp3"))
    return Book(key, root, Structure.FLAT, parts, (root / "cover.jpg",), fingerprint, InSeries("Tales", "2"))


def unclear(fingerprint: str = "a", why: str = "It could be two things") -> Refused:
    return Refused("Odd", INBOX / "Odd", why, "Odd/\n  1.mp3", "Rename it", fingerprint)


def test_a_new_book_is_entered_whole_and_the_bell_rings(inbox: Inbox) -> None:
    assert inbox.look(book()).added == ("Ann/Tales",)
    row = inbox.row("Ann/Tales")
    assert (row.state, row.weight, row.bytes, row.fingerprint) == ("ready", 2, book().bytes, "a")
    assert book_record.of_record(row.payload["book"], INBOX) == book()
    assert inbox.rows("select from procrastinate_jobs where status = 'todo'")


def test_several_books_ring_so_often_that_several_are_begun_at_once(inbox: Inbox) -> None:
    inbox.look(*(book(f"book {number}") for number in range(4)))
    assert len(inbox.rows("select from procrastinate_jobs where status = 'todo'")) == 4


def test_another_look_at_the_same_changes_nothing(inbox: Inbox) -> None:
    inbox.look(book())
    before = inbox.row("Ann/Tales")
    assert not inbox.look(book()).anything
    assert inbox.row("Ann/Tales") == before


@pytest.mark.parametrize("state", ["failed", "done", "paused"])
def test_what_is_settled_stays_so_as_long_as_its_files_are_the_same(inbox: Inbox, state: str) -> None:
    inbox.look(book())
    with inbox.database.engine.begin() as connection:
        connection.execute(text("update item set state = :state, attempts = 4"), {"state": state})
    assert not inbox.look(book()).anything
    assert (inbox.row("Ann/Tales").state, inbox.row("Ann/Tales").attempts) == (state, 4)


def test_changed_files_give_a_failed_book_all_its_attempts_again_by_another_order(inbox: Inbox) -> None:
    inbox.look(book())
    order = inbox.row("Ann/Tales").payload["order"]
    with inbox.database.engine.begin() as connection:
        connection.execute(text("update item set state = 'failed', attempts = 4, error_text = 'broken'"))
    assert inbox.look(book(fingerprint="b")).changed == ("Ann/Tales",)
    row = inbox.row("Ann/Tales")
    assert (row.state, row.attempts, row.error_text, row.fingerprint) == ("ready", 0, None, "b")
    assert row.payload["order"] != order


def test_a_book_that_is_worked_on_is_left_alone_until_the_next_look(inbox: Inbox) -> None:
    inbox.look(book())
    lease = inbox.claim()
    assert not inbox.look(book(fingerprint="b")).anything
    inbox.finish(lease)
    assert inbox.look(book(fingerprint="b")).changed == ("Ann/Tales",)


def test_the_same_book_dropped_again_after_it_left_the_inbox_is_done_again(inbox: Inbox) -> None:
    inbox.look(book())
    lease = inbox.claim()
    inbox.finish(lease)
    assert not inbox.look(book()).anything
    inbox.leave(lease)
    assert inbox.row("Ann/Tales").payload["kept"] == "/srv/archive/x"
    assert inbox.look(book()).changed == ("Ann/Tales",)


def test_a_book_that_was_put_away_between_a_look_and_its_entry_is_not_done_again(inbox: Inbox) -> None:
    inbox.look(book())
    lease = inbox.claim()
    inbox.finish(lease)
    inbox.leave(lease)
    with inbox.database.engine.begin() as connection:
        entered = enqueue.enter(connection, OF, INBOX, [book()], present=lambda _key: False)
    assert not entered.anything and inbox.row("Ann/Tales").state == "done"


def test_what_was_to_become_of_the_old_files_is_called_off_when_they_change(inbox: Inbox) -> None:
    inbox.look(book())
    lease = inbox.claim()
    inbox.finish(lease)
    with inbox.database.engine.begin() as connection:
        todo.add(connection, OF, lease.item_id, "complete", {})
        todo.add(connection, OF, lease.item_id, "tell", {})
    inbox.look(book(fingerprint="b"))
    assert [row.what for row in inbox.rows("select what from audiobook_todo")] == ["tell"]


def test_a_book_that_is_gone_is_taken_off_the_list_and_comes_back_with_it(inbox: Inbox) -> None:
    inbox.look(book())
    assert inbox.look().gone == ("Ann/Tales",)
    assert inbox.row("Ann/Tales").state == "cancelled"
    assert inbox.look(book()).changed == ("Ann/Tales",)


def test_a_book_that_is_there_and_only_not_seen_stays(inbox: Inbox) -> None:
    inbox.look(book())
    with inbox.database.engine.begin() as connection:
        entered = enqueue.enter(connection, OF, INBOX, [], present=lambda _key: True)
    assert not entered.anything and inbox.row("Ann/Tales").state == "ready"


def test_a_failed_book_that_was_moved_aside_stays_known(inbox: Inbox) -> None:
    inbox.look(book())
    with inbox.database.engine.begin() as connection:
        connection.execute(text("update item set state = 'failed', error_kind = 'permanent'"))
    assert not inbox.look().anything
    assert inbox.row("Ann/Tales").state == "failed"


def test_a_refused_folder_is_told_once_and_again_when_the_reason_is_another(inbox: Inbox) -> None:
    assert [one.key for one in inbox.look(refused=(unclear(),)).refused] == ["Odd"]
    assert inbox.look(refused=(unclear(),)).refused == ()
    assert inbox.look(refused=(unclear(fingerprint="b", why="Something else"),)).refused != ()
    row = inbox.row("Odd")
    assert (row.state, row.error_kind) == ("failed", "refused") and "Rename it" in row.error_text
    told = inbox.rows("select detail from audiobook_todo")
    assert len(told) == 2 and "Odd/" in told[0].detail["body"]


def test_a_refused_folder_that_is_understood_now_is_taken(inbox: Inbox) -> None:
    inbox.look(refused=(unclear(),))
    understood = replace(book("Odd"), fingerprint="a")
    assert inbox.look(understood).changed == ("Odd",)
    assert inbox.row("Odd").state == "ready" and inbox.row("Odd").error_kind is None


def test_a_refused_folder_that_was_taken_away_is_forgotten(inbox: Inbox) -> None:
    inbox.look(refused=(unclear(),))
    assert inbox.look().gone == ("Odd",)
