"""Planning: every wanted book of a library as an item of the ledger, and nothing else changed.

A plan only says what there is to do. What was done is known by the ledger's items and files, so a plan may be
made again at any time: it adds what is new, wakes what changed, takes off what is gone, and leaves the rest.

A plan that finds the library as it was reads nothing of it. One that finds changed books and no book gone
reads those. Otherwise all rows are read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from medialift.books import plan_mark
from medialift.books.calibre import Calibre, Rows, Sums
from medialift.books.calibre_rows import fingerprint, moment, size_of
from medialift.books.plan_mark import Mark
from medialift.books.plan_writing import PIPELINE, Writer, Written
from medialift.books.selection import Selection, payload_of
from medialift.errors import Transient
from medialift.queueing.database import unreachable

Tell = Callable[[str, int, int], object]
"""Told while it goes on: what is done ("reading"), how many books so far, of how many."""

_PAGE = 1000
_PAGES_PER_CHUNK = 20
# A library that Calibre changes all the time is read again for what changed meanwhile, so often.
_ROUNDS = 3

_TRY_LOCK = text("select pg_try_advisory_lock(hashtextextended(:name, 0))")
_LOCK = text("select pg_advisory_lock(hashtextextended(:name, 0))")
_UNLOCK = text("select pg_advisory_unlock(hashtextextended(:name, 0))")


@dataclass(frozen=True)
class Plan:
    """What a plan found and did, or would do.

    Attributes:
        books, files, bytes: of the selection, as it is in Calibre now; books without any file do not count.
        without_files: books that have none, or none of the wanted formats.
        new, changed, unchanged: those books by what became of their items.
        removed: items that were open and whose books are gone.
        busy: changed books that are being worked on; the next plan looks at them again.
        by_format: {"EPUB": {"files": 3, "bytes": 4711}}.
        read: how much of the library was read: "nothing", "changes" or "all".
        settled: the library stood still, so the next plan reads only what changes from now on.
        check: nothing was written.
    """

    books: int = 0
    files: int = 0
    bytes: int = 0
    without_files: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    busy: int = 0
    by_format: dict[str, dict[str, int]] = field(default_factory=dict)
    read: str = "all"
    settled: bool = True
    check: bool = False

    @property
    def changes(self) -> int:
        """How many items were written, or would be."""
        return self.new + self.changed + self.removed

    def to_dict(self) -> dict[str, Any]:
        """All attributes, and `changes`."""
        return {**vars(self), "changes": self.changes}


def plan(
    engine: Engine,
    calibre: Calibre,
    selection: Selection,
    collection: str,
    *,
    check: bool = False,
    tell: Tell | None = None,
) -> Plan:
    """Bring the items of a collection in line with the library.

    Killed at any moment it leaves a part of the items, which the next plan completes. Two plans of one
    collection take turns.

    Args:
        engine: of the ledger.
        selection: which books; items of others stay as they are, unless their books are gone from Calibre.
        collection: the library's name in the ledger.
        check: predict only.

    Raises:
        Transient: the ledger's database does not answer, or the library cannot be read now.
        Permanent: the library cannot be read, or the selection names what no book has.
    """
    try:
        with engine.connect() as connection, _alone(connection, collection, tell or _silent):
            return _Planning(connection, calibre, selection, collection, check, tell or _silent).run()
    except OperationalError as error:
        raise unreachable(error) from error
    except psycopg.OperationalError as error:  # while a COPY went on
        raise Transient(
            "The database does not answer", str(error).strip(), "Plan again when it does"
        ) from error


class _Planning:
    """One plan, with what it needs."""

    def __init__(
        self,
        connection: Connection,
        calibre: Calibre,
        selection: Selection,
        collection: str,
        check: bool,
        tell: Tell,
    ) -> None:
        self._connection = connection
        self._calibre = calibre
        self._selection = selection
        self._collection = collection
        self._check = check
        self._tell = tell
        self._writer = Writer(connection, collection, payload_of(selection), selection.newest_first, check)

    def run(self) -> Plan:
        stamp, items, mark = self._calibre.stamp(), self._writer.items(), self._mark()
        if mark is not None and items < mark.items:
            mark = None  # somebody deleted some
        if mark is not None and mark.stamp and mark.stamp == stamp.to_dict():
            return Plan(**mark.totals, unchanged=mark.totals["books"], read="nothing", check=self._check)
        self._writer = replace(self._writer, empty=items == 0)
        self._writer.prepare()
        if not self._check:
            # From here on the items may be ahead of the mark.
            plan_mark.write(self._connection, self._collection, self._selection.digest(), None)
        sums = self._calibre.sums()
        done = self._round(mark, sums)
        for _ in range(_ROUNDS):
            now = self._calibre.stamp()
            if now.same_as(stamp):
                break
            before, stamp, sums = self._as_mark(done, {}, sums), now, self._calibre.sums()
            done = self._together(done, self._round(before, sums))
        else:
            done = replace(done, settled=False)
        done = replace(done, settled=done.settled and not done.busy)
        if not self._check:
            self._finish(done, stamp.to_dict(), sums)
        return done

    def _finish(self, done: Plan, stamp: dict[str, int], sums: Sums) -> None:
        if done.settled:
            mark = replace(self._as_mark(done, stamp, sums), items=self._writer.items())
            plan_mark.write(self._connection, self._collection, self._selection.digest(), mark)
        if done.new + done.changed:
            self._writer.ring()

    def _mark(self) -> Mark | None:
        mark = plan_mark.read(self._connection, self._collection, self._selection.digest())
        return mark if mark is not None and mark.library == self._calibre.library_id else None

    def _as_mark(self, done: Plan, stamp: dict[str, int], sums: Sums) -> Mark:
        names = ("books", "files", "bytes", "without_files", "by_format")
        totals = {name: getattr(done, name) for name in names}
        return Mark(self._calibre.library_id, stamp, sums, totals=totals)

    def _round(self, mark: Mark | None, sums: Sums) -> Plan:
        """Read what changed since the mark, or all if that is not enough to know everything."""
        if (
            mark is None
            or mark.sums is None
            or not self._selection.whole
            or self._calibre.count_up_to(mark.sums.highest) != mark.sums[:3]
        ):
            return self._all(sums)
        changes = self._pass((mark.sums.last, mark.sums.highest), sums.books)
        files = mark.totals["files"] + changes.files - changes.written.was_files
        size = mark.totals["bytes"] + changes.bytes - changes.written.was_bytes
        done = changes.plan("changes", check=self._check)
        # A book that lost its last file, or a file that came or went while its book says it did not change.
        if changes.without or (files, size) != (sums.files, sums.bytes):
            return self._together(done, self._all(sums))
        formats, without = self._calibre.formats()
        books = sums.books - without
        return replace(
            done,
            books=books,
            files=files,
            bytes=size,
            without_files=without,
            unchanged=books - done.new - done.changed - done.busy,
            by_format=formats,
        )

    def _all(self, sums: Sums) -> Plan:
        """Read every book of the selection, then look for items whose books are gone."""
        tally = self._pass(None, sums.books)
        ours = tally.written.known + (0 if self._check else tally.written.added)
        removed = self._remove_strays() if self._writer.items() > ours else 0
        return replace(tally.plan("all", check=self._check), removed=removed)

    def _together(self, first: Plan, again: Plan) -> Plan:
        """What two rounds did; the second knows how it is now. Where nothing is written it knows all."""
        if self._check:
            return again
        new, changed = first.new + again.new, first.changed + again.changed
        unchanged = max(0, again.books - new - changed - again.busy)
        removed = first.removed + again.removed
        return replace(again, new=new, changed=changed, unchanged=unchanged, removed=removed)

    def _pass(self, since: tuple[str, int] | None, of: int) -> _Tally:
        """Read books and write their items: a chunk is written while the next one is read."""
        tally = _Tally()
        with ThreadPoolExecutor(1, "plan-writer") as beside:
            writing: Future[Written] | None = None
            for lines in self._chunks(tally, since):
                if writing is not None:
                    tally.written += writing.result()
                self._tell("planning", tally.read, of)
                writing = beside.submit(self._writer.write, lines)
            if writing is not None:
                tally.written += writing.result()
        return tally

    def _chunks(self, tally: _Tally, since: tuple[str, int] | None) -> Iterator[list[str]]:
        lines: list[str] = []
        pages = self._calibre.rows(self._selection, size=_PAGE, since=since)
        for number, page in enumerate(pages, 1):
            tally.add(page, lines, ordered=self._selection.newest_first)
            if number % _PAGES_PER_CHUNK == 0 and lines:
                yield lines
                lines = []
        if lines:
            yield lines

    def _remove_strays(self) -> int:
        """Cancel open items whose books are no longer in Calibre, or have no file any more; how many."""
        removed = after = 0
        while found := self._writer.open_items(after):
            after = found[-1][0]
            self._tell("looking for removed books", removed, 0)
            items = {int(key): item for item, key in found if key.isdecimal()}
            there = self._calibre.existing(list(items))
            removed += self._writer.remove([item for book, item in items.items() if book not in there])
        return removed


@dataclass
class _Tally:
    """What was read in one pass, and what became of it."""

    read: int = 0
    books: int = 0
    files: int = 0
    bytes: int = 0
    without: int = 0
    written: Written = field(default_factory=Written)
    count_of: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    bytes_of: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, page: Rows, lines: list[str], *, ordered: bool) -> None:
        """Count the books of a page, and append a line for each that has files."""
        files, at, end = page.files, 0, len(page.files)
        for book, path, modified, added in page.books:
            words, size = [], 0
            while at < end and files[at][0] == book:
                _, format, bytes_, _ = files[at]
                if bytes_.__class__ is not int or bytes_ < 0:
                    bytes_ = size_of(bytes_)
                words.append(f"{format}:{bytes_}")
                size += bytes_
                self.count_of[format] += 1
                self.bytes_of[format] += bytes_
                at += 1
            if not words:
                self.without += 1
                continue
            priority = _seconds(added) if ordered else 0
            print_ = fingerprint(modified, path, words)
            lines.append(f"{book}\t{print_}\t{len(words)}\t{size}\t{priority}")
            self.bytes += size
        self.read += len(page.books)
        self.files += end
        self.books = self.read - self.without

    def plan(self, read: str, *, check: bool) -> Plan:
        written = self.written
        return Plan(
            books=self.books,
            files=self.files,
            bytes=self.bytes,
            without_files=self.without,
            new=written.added,
            changed=written.changed,
            unchanged=self.books - written.added - written.changed - written.busy,
            busy=written.busy,
            by_format={
                format: {"files": count, "bytes": self.bytes_of[format]}
                for format, count in sorted(self.count_of.items())
            },
            read=read,
            check=check,
        )


def _seconds(added: str) -> int:
    found = moment(added)
    return int(found.timestamp()) if found else 0


@contextmanager
def _alone(connection: Connection, collection: str, tell: Tell) -> Iterator[None]:
    """The only plan of a collection, among those of all hosts."""
    name = {"name": f"plan of {PIPELINE}:{collection}"}
    if not connection.execute(_TRY_LOCK, name).scalar_one():
        tell("waiting for another plan", 0, 0)
        connection.execute(_LOCK, name)
    connection.commit()
    try:
        yield
    finally:
        # A connection that broke holds no lock any more.
        with suppress(SQLAlchemyError):
            connection.rollback()
            connection.execute(_UNLOCK, name)
            connection.commit()


def _silent(_doing: str, _books: int, _of: int) -> None:
    """Nobody wants to know."""
