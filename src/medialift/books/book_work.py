"""One Calibre book: all its files, one after the other, into one ebook; and how its item ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from medialift.books import contents, ebooks
from medialift.books.calibre_rows import Book, Format
from medialift.books.contents import Changed, Missing
from medialift.books.description import Description, describe
from medialift.books.file_work import FileWork, Landed
from medialift.books.means import SKIPPED, Down, Held, Means, kind_of
from medialift.books.selection import wanted_by
from medialift.books.writes import CancelItem, EndFile, EndItem, FailItem, FileFacts, PutOff, Write
from medialift.errors import MedialiftError, Transient
from medialift.foundation.text import redact
from medialift.queueing.leases import Lease

Row = Mapping[str, Any]
_SETTLED = ("uploaded", "there")
_ASK_AGAIN_SECONDS = 0.25
# A book that is put off is hashed again each time: the longer that takes, the longer it is put off.
_PUT_OFF_SECONDS, _PUT_OFF_LONGEST, _PUT_OFF_TIMES = 5.0, 60.0, 4.0


@dataclass(frozen=True)
class Brought:
    """A file that was brought just now: its format, bytes, and how long it took."""

    format: str
    size: int
    seconds: float


@dataclass
class BookWork:
    """The work on one book.

    Args:
        book: as it is in Calibre now; None: it is gone.
        rows: what the ledger has of its files, by format.
        now: reads the book anew; it was read some while ago, with others.
        delay: seconds until a next attempt after so many.
        wanted: whether work goes on with this book; False when somebody cancelled it.

    Attributes:
        brought: what was sent.
        ended: the item is at an end; else it was put off.
    """

    means: Means
    lease: Lease
    book: Book | None
    rows: Mapping[str, Row]
    now: Callable[[], Awaitable[Book | None]]
    delay: Callable[[int], float]
    wanted: Callable[[], bool] = lambda: True
    brought: list[Brought] = field(default_factory=list)
    ended: bool = False
    _ends: dict[str, str] = field(default_factory=dict)
    _reasons: dict[str, MedialiftError] = field(default_factory=dict)
    _unwritten: list[Write] = field(default_factory=list)
    _ebook: int | None = None
    _tried_for_ebook: bool = False

    async def run(self) -> None:
        """Bring what is missing, and end the item.

        Raises:
            Fenced: the lease is lost; nothing more may be done.
            Down: the server is down; the item is to be given back.
        """
        files = self._files()
        if self.book is None or not files:
            await self._write(CancelItem(self.means.name, self.lease))
            self.ended = True
            return
        told = describe(self.book, self.means.words)
        for row in self.rows.values():
            if row["state"] == "uploaded" and row["ebook_id"] is not None:
                self._ebook = self._ebook or row["ebook_id"]
        began = time.monotonic()
        held: list[FileWork] = []
        works = [
            FileWork(self.means, self.lease, file, told, before=self.rows.get(file.format)) for file in files
        ]
        for work in works:
            if not self.wanted():
                await self._write(PutOff(self.means.name, self.lease, 0.0))
                return
            if not await self._settled(work):
                held += [work] if not await self._bring(work) else []
        took = time.monotonic() - began
        if held and not await self._wait_for(held):
            delay = min(max(_PUT_OFF_SECONDS, _PUT_OFF_TIMES * took), _PUT_OFF_LONGEST)
            await self._write(
                PutOff(self.means.name, self.lease, delay * self.means.random.uniform(0.5, 1.5))
            )
            return
        await self._end(told)

    def _files(self) -> Sequence[Format]:
        if self.book is None:
            return ()
        return [file for file in self.book.formats if wanted_by(self.lease.payload, file.format)]

    async def _settled(self, work: FileWork) -> bool:
        """Whether a file was brought before and is the same since."""
        row = self.rows.get(work.file.format)
        if row is None or row["state"] not in _SETTLED:
            return False
        try:
            looked = await asyncio.to_thread(contents.look, work.file.path)
        except MedialiftError:
            same = True  # its bytes are on the server, and gone here
        else:
            same = (looked.size, looked.mtime_ns) == (row["size"], row["mtime_ns"])
        if same:
            self._ends[work.file.format] = row["state"]
        return same

    async def _bring(self, work: FileWork) -> bool:
        """Bring one file, whatever comes of it; False when another worker is at it."""
        began = time.monotonic()
        work.known_ebook = self._ebook
        try:
            landed = await work.bring()
        except Held:
            return False
        except Down:
            raise
        except Missing as error:
            await self._missed(work, await self._moved(work.file) or error)
            return True
        except MedialiftError as error:
            await self._missed(work, error)
            return True
        finally:
            self._tried_for_ebook = self._tried_for_ebook or work.went_for_an_ebook
        await self._landed(work, landed, time.monotonic() - began)
        return True

    async def _moved(self, file: Format) -> Changed | None:
        """A file that is missing since Calibre renamed, replaced or removed it after the book was read."""
        try:
            book = await self.now()
        except MedialiftError as error:
            raise Down(error.what, error.subject, error.hint) from error
        if book is not None and file in book.formats:
            return None
        return Changed("The book was changed in Calibre meanwhile", contents.shown(file.path), "")

    async def _landed(self, work: FileWork, landed: Landed, seconds: float) -> None:
        state = "uploaded" if landed.ours else "there"
        remark = None
        if landed.ours:
            self._ebook = self._ebook or landed.ebook_id
            remark = await work.link(landed)
            self.brought.append(Brought(work.file.format, work.facts.size, seconds))
        await self._ended(
            work.facts,
            state,
            source_id=landed.source_id,
            ebook_id=landed.ebook_id,
            reason=remark,
            seconds=seconds if landed.ours else None,
        )

    async def _missed(self, work: FileWork, error: MedialiftError) -> None:
        kind = kind_of(error)
        if isinstance(error, Transient):
            state = "failed" if self.lease.attempts >= self.means.rules.limit else "pending"
        else:
            state = "skipped" if kind in SKIPPED else "failed"
        self._reasons[work.file.format] = error
        await self._ended(work.facts, state, reason=redact(str(error)), kind=kind)

    async def _ended(self, facts: FileFacts, state: Any, **more: Any) -> None:
        """Write down what became of a file; of the last one together with the end of the book."""
        self._ends[facts.format] = state
        write = EndFile(self.means.name, self.lease, facts, state, **more)
        if len(self._ends) < len(self._files()):
            await self._write(write)
        else:
            self._unwritten.append(write)

    async def _wait_for(self, held: list[FileWork]) -> bool:
        """Ask again for what others have; False when they still have it after a while."""
        until = time.monotonic() + self.means.rules.held_wait
        while held:
            if time.monotonic() >= until:
                return False
            await self.means.sleep(_ASK_AGAIN_SECONDS * self.means.random.uniform(0.5, 1.5))
            held = [work for work in held if not await self._bring(work)]
        return True

    async def _end(self, told: Description) -> None:
        """End the item by what became of its files."""
        again = [error for error in self._reasons.values() if isinstance(error, Transient)]
        final = not again or self.lease.attempts >= self.means.rules.limit
        # Before the last file is written down: whoever finds it so need not look for what was left behind.
        if final and (self._tried_for_ebook or self.rows) and "uploaded" not in self._ends.values():
            await self._remove_empty(told)
        await self._write_all(*self._unwritten, self._item_end(again))
        self.ended = True

    def _item_end(self, again: list[Transient]) -> Write:
        means, lease, counts = self.means, self.lease, self._counts()
        if again:
            return FailItem(means.name, lease, again[0], self.delay(lease.attempts), limit=means.rules.limit)
        if counts["failed"]:
            failed = next(error for format, error in self._reasons.items() if self._ends[format] == "failed")
            return FailItem(means.name, lease, failed, 0.0, limit=means.rules.limit)
        result: dict[str, Any] = {**counts, "ebook": self._ebook}
        if counts["skipped"]:
            result["reason"] = "; ".join(dict.fromkeys(kind_of(one) for one in self._reasons.values()))
        landed = counts["uploaded"] + counts["there"]
        return EndItem(means.name, lease, "done" if landed else "skipped", result)

    def _counts(self) -> dict[str, int]:
        ends = list(self._ends.values())
        return {
            "files": len(ends),
            **{state: ends.count(state) for state in ("uploaded", "there", "skipped", "failed")},
        }

    async def _remove_empty(self, told: Description) -> None:
        means, lease = self.means, self.lease
        try:
            await means.patiently(lease.item_id, lambda: ebooks.remove_empty(means, lease, told))
        except Down:
            raise
        except MedialiftError as error:
            # It is not this book's fault, and an empty ebook loses nothing. Its claim stays written down, so
            # that it is looked for once more when the book is taken up again.
            means.warn(f"An ebook that stayed empty could not be deleted: {error}")

    async def _write(self, write: Write) -> None:
        await self.means.pen.write(write)

    async def _write_all(self, *writes: Write) -> None:
        if writes:
            await self.means.pen.write(*writes)
