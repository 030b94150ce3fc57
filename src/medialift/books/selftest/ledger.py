"""The ledger of the self-test: what a worker writes about books, answered from memory as the ledger would.

There is one worker, so nothing is ever busy, and no lease is ever lost.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

from sqlalchemy import Engine

from medialift.books import writes
from medialift.books.committing import Pen
from medialift.books.writes import Empty, Ours, Present, Write

_W = TypeVar("_W", bound=Write)


class MemoryPen(Pen):
    """Keeps what is written.

    Attributes:
        files: what became of each file, by (book, format).
        items: how each book ended.
    """

    def __init__(self) -> None:
        super().__init__(cast(Engine, None))  # nothing here asks it
        self.files: dict[tuple[str, str], writes.EndFile] = {}
        self.items: dict[str, Write] = {}
        self._contents: dict[tuple[str, int], Present | None] = {}
        self._ebooks: dict[str, int] = {}
        self._made: dict[int, str] = {}

    async def write(self, write: _W, *more: Write) -> _W:
        """Keep these writes; the first of them, with its outcome."""
        every: tuple[Write, ...] = (write, *more)
        for one in every:
            one.outcome = self._outcome(one)
        return write

    def _outcome(self, write: Write) -> Any:
        key = write.lease.key
        match write:
            case writes.ClaimContent():
                found = self._contents.get(write.content_key or ("", 0))
                return found if found is not None and not write.anew else Ours()
            case writes.ClaimEbook():
                known = write.known or min(
                    (self._ebooks[one] for one in write.identities if one in self._ebooks), default=None
                )
                return Ours(write.mark) if known is None else self._join(write.identities, known)
            case writes.NoteEbook():
                self._join(write.identities, write.ebook_id)
                if write.made:
                    self._made[write.ebook_id] = key
            case writes.TakeEmptyEbooks():
                used = {one.ebook_id for one in self.files.values() if one.state == "uploaded"}
                return Empty(
                    tuple(one for one, by in self._made.items() if by == key and one not in used), None
                )
            case writes.DropEbook():
                if not write.kept:
                    self._ebooks = {name: one for name, one in self._ebooks.items() if one != write.ebook_id}
            case writes.EndFile():
                self.files[key, write.file.format] = write
                if write.content_key and write.state in ("uploaded", "there"):
                    self._contents[write.content_key] = Present(write.ebook_id, write.source_id)
            case writes.EndItem() | writes.FailItem() | writes.CancelItem() | writes.PutOff():
                self.items[key] = write
        return None

    def _join(self, identities: tuple[str, ...], ebook: int) -> Present:
        self._ebooks.update(dict.fromkeys(identities, ebook))
        return Present(ebook)
