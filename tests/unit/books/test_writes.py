"""Claims on contents and ebooks: one holder at a time, none for ever, and nothing after a lease is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from medialift.books.committing import Pen
from medialift.books.writes import (
    Busy,
    ClaimContent,
    ClaimEbook,
    DropEbook,
    EndFile,
    EndItem,
    FailItem,
    Fenced,
    FileFacts,
    ForgetEbook,
    NoteEbook,
    NoteSent,
    Ours,
    Present,
    PutOff,
    TakeEmptyEbooks,
    Write,
)
from medialift.errors import Transient
from medialift.queueing.database import Database
from medialift.queueing.leases import Lease
from tests.queue_world import Books

SERVER = "http://books"
FILE = FileFacts("EPUB", "/a.epub", 10, 1, "ab" * 20)


class World:
    """Three items, the first two leased by live workers."""

    def __init__(self, database: Database) -> None:
        self.books = Books(database)
        self.books.add("1", "2", "3")
        self.one, self.two = self.books.claim(2)

    def write(self, *writes: Write) -> object:
        """The outcome of the first of these writes; Fenced is one."""

        async def go() -> object:
            async with Pen(self.books.database.engine) as pen:
                try:
                    return (await pen.write(*writes)).outcome
                except Fenced as error:
                    return error

        return asyncio.run(go())

    def claim(self, lease: Lease, file: FileFacts = FILE, *, anew: bool = False) -> object:
        return self.write(ClaimContent(SERVER, lease, file, "book-1.epub", anew))

    def ebook(self, lease: Lease, *identities: str, mark: int = 0, known: int | None = None) -> object:
        return self.write(ClaimEbook(SERVER, lease, "EPUB", 5, identities, mark, known))

    def lose(self, lease: Lease) -> Lease:
        """The lease ends, and another worker gets the item."""
        self.books.execute(
            "update item set lease_until = now() - interval '1 s' where id = :id", id=lease.item_id
        )
        self.books.sweep()
        return self.books.claim(1)[0]

    def file(self, lease: Lease) -> object:
        with self.books.database.engine.connect() as connection:
            found = connection.execute(
                text("select * from book_file where item_id = :id"), {"id": lease.item_id}
            )
            return found.one_or_none()


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    yield World(database)


def test_a_content_has_one_holder_until_its_lease_is_over(world: World):
    assert world.claim(world.one) == Ours() == world.claim(world.one)
    assert world.claim(world.two) == Busy()
    world.books.execute(
        "update item set lease_until = now() - interval '1 s' where id = :id", id=world.one.item_id
    )
    assert world.claim(world.two) == Ours()
    assert isinstance(world.claim(world.one), Fenced)


def test_the_same_hash_with_another_size_is_another_content(world: World):
    world.claim(world.one)
    assert world.claim(world.two, FileFacts("EPUB", "/b.epub", 11, 1, FILE.sha1)) == Ours()


def test_a_content_is_present_for_all_when_it_was_brought_and_claimed_anew_when_it_is_gone(world: World):
    world.claim(world.one)
    world.write(EndFile(SERVER, world.one, FILE, "uploaded", 7, 8), EndItem(SERVER, world.one, "done", {}))
    found = world.claim(world.two)
    assert isinstance(found, Present) and (found.source_id, found.ebook_id) == (7, 8) and found.age < 60
    assert world.books.state("1") == "done" and world.file(world.one).state == "uploaded"
    assert world.claim(world.two, anew=True) == Ours()


def test_a_file_that_came_to_nothing_frees_its_content(world: World):
    world.claim(world.one)
    world.write(EndFile(SERVER, world.one, FILE, "failed", reason="no\0 way", kind="refused"))
    assert world.claim(world.two) == Ours()
    assert (world.file(world.one).reason, world.file(world.one).error_kind) == ("no way", "refused")


def test_a_step_is_taken_up_by_the_next_holder_of_the_item_and_not_by_the_last(world: World):
    world.claim(world.one)
    world.write(NoteSent(SERVER, world.one, "EPUB", "tmp/book.epub", 3))
    again = world.lose(world.one)
    assert isinstance(world.write(NoteSent(SERVER, world.one, "EPUB", "tmp/other", 4)), Fenced)
    assert world.claim(again) == Ours()
    row = world.file(again)
    assert (row.step, row.server_file, row.upload_mark) == ("sent", "tmp/book.epub", 3)


def test_a_changed_file_begins_anew(world: World):
    world.claim(world.one)
    world.write(NoteSent(SERVER, world.one, "EPUB", "tmp/book.epub", 3))
    world.claim(world.one, FileFacts("EPUB", "/a.epub", 12, 2, "cd" * 20))
    assert (world.file(world.one).step, world.file(world.one).server_file) == ("claimed", None)


def test_what_a_dead_holder_had_sent_goes_over_to_the_next(world: World):
    world.claim(world.one)
    world.write(NoteSent(SERVER, world.one, "EPUB", "tmp/book.epub", 3))
    world.books.execute(
        "update item set lease_until = now() - interval '1 s' where id = :id", id=world.one.item_id
    )
    found = world.claim(world.two)
    assert isinstance(found, Ours) and found.adopted is not None
    assert (found.adopted["step"], found.adopted["server_file"]) == ("sent", "tmp/book.epub")
    assert (world.file(world.one).step, world.file(world.two).step) == ("claimed", "sent")


def test_an_ebook_is_looked_for_by_one_and_then_known_to_all(world: World):
    world.claim(world.one)
    world.claim(world.two, FileFacts("EPUB", "/b.epub", 11, 1, FILE.sha1))
    assert world.ebook(world.one, "a", "b", mark=4) == Ours(4)
    assert world.ebook(world.two, "b", "c") == Busy()
    # Whoever waits keeps nothing: "c" is free for others.
    assert world.books.scalar("select count(*) from ebook where identity = 'c'") == 0
    world.write(NoteEbook(SERVER, world.one, "EPUB", ("a", "b"), 9, True))
    assert world.ebook(world.two, "b", "c") == Present(9)
    assert world.file(world.two).ebook_id == 9
    assert world.books.scalar("select ebook_id from ebook where identity = 'c'") == 9


def test_a_book_stays_with_the_ebook_of_its_other_files(world: World):
    world.claim(world.one)
    assert world.ebook(world.one, "a", known=12) == Present(12)


def test_an_ebook_that_the_server_lost_is_looked_for_again(world: World):
    world.claim(world.one)
    world.ebook(world.one, "a")
    world.write(NoteEbook(SERVER, world.one, "EPUB", ("a",), 9, True))
    world.write(ForgetEbook(SERVER, world.one, 9))
    assert isinstance(world.ebook(world.one, "a"), Ours)


def test_an_ebook_that_stayed_empty_is_taken_by_its_maker_unless_another_book_goes_there(world: World):
    world.claim(world.one)
    world.ebook(world.one, "a")
    world.write(NoteEbook(SERVER, world.one, "EPUB", ("a",), 9, True))
    other = FileFacts("EPUB", "/b.epub", 11, 1, FILE.sha1)
    world.claim(world.two, other)
    world.ebook(world.two, "a")
    assert world.write(TakeEmptyEbooks(SERVER, world.one)).ebooks == ()
    world.write(EndFile(SERVER, world.two, other, "there"))
    assert world.write(TakeEmptyEbooks(SERVER, world.one)).ebooks == (9,)
    assert world.ebook(world.two, "a") == Busy()
    world.write(DropEbook(SERVER, world.one, 9, kept=False))
    assert isinstance(world.ebook(world.two, "a"), Ours)


def test_a_claim_on_an_ebook_that_nobody_lived_to_fill_in_is_found_with_its_mark(world: World):
    world.claim(world.one)
    world.ebook(world.one, "a", "b", mark=4)
    again = world.lose(world.one)
    empty = world.write(TakeEmptyEbooks(SERVER, again))
    assert (empty.ebooks, empty.above) == ((), 4)


def test_a_book_that_is_put_off_waits_and_its_attempt_does_not_count(world: World):
    world.write(PutOff(SERVER, world.one, 60))
    row = world.books.row("1")
    assert (row.state, row.attempts) == ("ready", 0)
    assert [lease.key for lease in world.books.claim(5)] == ["3"]


def test_a_book_that_failed_in_passing_is_tried_again_up_to_its_limit(world: World):
    assert world.write(FailItem(SERVER, world.one, Transient("down"), 0, limit=2)) == "ready"
    again = next(lease for lease in world.books.claim(5) if lease.key == "1")
    assert world.write(FailItem(SERVER, again, Transient("down"), 0, limit=2)) == "failed"
    assert isinstance(world.write(FailItem(SERVER, again, Transient("down"), 0, limit=3)), str)


def test_writes_that_are_asked_for_together_share_a_commit_and_one_bad_one_spoils_none(world: World):
    class Bad(Write):
        def to_item(self, connection: object, cursor: object) -> None:
            cursor.execute("select 1 / 0")  # type: ignore[attr-defined]

    async def go() -> list[object]:
        async with Pen(world.books.database.engine) as pen:
            claims = [ClaimContent(SERVER, lease, FILE, "n") for lease in (world.one, world.two)]
            asked = [*claims, Bad(SERVER, world.one)]
            return await asyncio.gather(*map(pen.write, asked), return_exceptions=True)

    first, second, bad = asyncio.run(go())
    assert {type(first.outcome), type(second.outcome)} == {Ours, Busy}  # type: ignore[union-attr]
    assert isinstance(bad, Exception)
