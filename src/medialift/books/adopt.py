"""Taking over what the first script did: verified, not trusted.

The script's progress files are wrong in both ways: they name files whose upload failed, and a missing hash
made others "already uploaded". So they only tell where to look first. Each file that they name is hashed as
it is now and the server is asked for it; only then it counts as there, and a book with all its files there
as done. What is not found is left to the migration, which asks the server about each file anyway.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, text

from medialift.books import adopt_files, book_rows
from medialift.books.calibre import Calibre
from medialift.books.calibre_rows import Book, Format, clean_text
from medialift.books.hashing import Hashed, hash_file
from medialift.books.plan import plan
from medialift.books.plan_writing import PIPELINE
from medialift.books.selection import Selection, wanted_by
from medialift.books.server_api import Reading, asking
from medialift.books.server_comparison import Claimed
from medialift.errors import MedialiftError, Transient
from medialift.settings import BooksSettings

_BATCH = 200
_IN_FLIGHT = 8

# Content before items and files, in the order of the hashes, as the workers lock them.
_CONTENT = text("""
insert into content (server, sha1, size, state, origin)
select :server, sha1, size, 'present', 'server'
  from unnest(cast(:sha1 as text[]), cast(:size as bigint[])) as one(sha1, size) order by sha1, size
    on conflict do nothing
""")
_PLANNED = text(
    "select key from item where pipeline = :pipeline and collection = :collection and key = any(:keys)"
)
_ITEM = text("""
select id, payload from item
 where pipeline = :pipeline and collection = :collection and key = :key
   and state in ('ready', 'failed', 'paused') for update skip locked
""")
_FILE = text("""
insert into book_file (item_id, format, path, size, mtime_ns, sha1, state, reason)
values (:item, :format, :path, :size, :mtime_ns, :sha1, 'there', 'adopted from the first script')
on conflict (item_id, format) do update
   set path = excluded.path, size = excluded.size, mtime_ns = excluded.mtime_ns, sha1 = excluded.sha1,
       state = 'there', reason = excluded.reason, error_kind = null, changed = now()
 where book_file.step = '' and book_file.state not in ('uploaded', 'there')
""")
_SETTLED = text("select format from book_file where item_id = :item and state in ('uploaded', 'there')")
_DONE = text("""
update item set state = 'done', result = cast(:result as jsonb), error_kind = null, error_text = null,
       changed = now() where id = :item
""")


@dataclass(frozen=True)
class Adopted:
    """What was found in the progress files and on the server.

    Attributes:
        progress_files, broken: how many files there were, and the names of those that could not be read.
        named: files that they take for done.
        unplaced: of those, such that do not say which file of Calibre they mean.
        gone: of those, such that Calibre has no longer or that cannot be read here.
        there: of those, such that the server has: they are not looked at again.
        absent: of those, such that the server does not have: they are uploaded as if never named.
        adopted: books whose files are all there, so that they are done.
        errors: what the progress files tell of errors; those files are tried again as any other.
        check: nothing was written.
    """

    progress_files: int = 0
    broken: tuple[str, ...] = ()
    named: int = 0
    unplaced: int = 0
    gone: int = 0
    there: int = 0
    absent: int = 0
    adopted: int = 0
    errors: int = 0
    check: bool = False

    def to_dict(self) -> dict[str, Any]:
        """All attributes."""
        return {**vars(self), "broken": list(self.broken)}


def adopt(
    engine: Engine,
    calibre: Calibre,
    settings: BooksSettings,
    progress: Path,
    *,
    check: bool = False,
    tell: Callable[[str], object] = lambda _sentence: None,
    reading: Callable[[], Any] | None = None,
) -> Adopted:
    """Look at each file that the progress files name; count as there what the server has.

    Books that are being worked on, or done, are left alone. Those named that have no item yet get one.

    Args:
        progress: the folder with the progress files, or one of them.
        check: ask, and write nothing.
        tell: is told how far it is.
        reading: what opens the questions to the server; by default a session as the settings say.

    Raises:
        Permanent: there is no progress file, or the server does not let us in.
        Transient: the server or the ledger does not answer. What was adopted until then stays so.
    """
    found = adopt_files.read(progress)
    named: dict[int, set[str]] = defaultdict(set)
    for one in found.named:
        if one.book is not None and one.format is not None:
            named[one.book].add(one.format)
    begun = Adopted(
        progress_files=found.files,
        broken=found.broken,
        named=len(found.named),
        unplaced=sum(not one.placed for one in found.named),
        errors=found.errors,
        check=check,
    )
    if not check:
        _plan_missing(engine, calibre, settings.collection, named)
    opened = reading or asking(
        settings.server, settings.user, settings.password, timeout=float(settings.timeout)
    )
    return asyncio.run(_Adoption(engine, calibre, settings, check, tell).run(begun, named, opened))


def _plan_missing(engine: Engine, calibre: Calibre, collection: str, books: Iterable[int]) -> None:
    """Give those of these books an item that have none."""
    keys = [str(book) for book in books]
    with engine.connect() as connection:
        name = {"pipeline": PIPELINE, "collection": collection, "keys": keys}
        planned = set(connection.execute(_PLANNED, name).scalars())
    if missing := [int(key) for key in keys if key not in planned]:
        plan(engine, calibre, Selection.of({"ids": missing}), collection)


@dataclass
class _Looked:
    """The files of a book that the server has."""

    book: Book
    there: dict[str, tuple[Format, Hashed]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Adoption:
    engine: Engine
    calibre: Calibre
    settings: BooksSettings
    check: bool
    tell: Callable[[str], object]

    async def run(self, done: Adopted, named: Mapping[int, set[str]], opened: Callable[[], Any]) -> Adopted:
        ids = sorted(named)
        async with opened() as reading:
            gate = asyncio.Semaphore(_IN_FLIGHT)
            for start in range(0, len(ids), _BATCH):
                some = ids[start : start + _BATCH]
                books = {book.id: book for book in self.calibre.books(some)}
                looked = {book: _Looked(books[book]) for book in some if book in books}
                answers = await asyncio.gather(
                    *(
                        self._look(reading, gate, looked.get(book), format)
                        for book in some
                        for format in sorted(named[book])
                    )
                )
                done = replace(
                    done,
                    gone=done.gone + answers.count("gone"),
                    there=done.there + answers.count("there"),
                    absent=done.absent + answers.count("absent"),
                    adopted=done.adopted + self._write(looked.values()),
                )
                self.tell(f"{start + len(some)} of {len(ids)} books looked at, {done.there} files are there")
        return done

    async def _look(
        self, reading: Reading, gate: asyncio.Semaphore, looked: _Looked | None, format: str
    ) -> str:
        file = next((one for one in looked.book.formats if one.format == format), None) if looked else None
        if looked is None or file is None:
            return "gone"
        async with gate:
            try:
                hashed = await asyncio.to_thread(hash_file, file.path)
            except Transient:
                return "absent"  # the migration reads it again, with patience
            except MedialiftError:
                return "gone"
            content = Claimed(hashed.sha1, hashed.size, looked.book.id, format, "there")
            # The server refuses to be asked about a file without a byte.
            if hashed.size and await reading.has(content):
                looked.there[format] = (file, hashed)
                return "there"
        return "absent"

    def _write(self, looked: Iterable[_Looked]) -> int:
        """Write down what is there; how many books are done by that."""
        found = [one for one in looked if one.there]
        if not found:
            return 0
        with self.engine.connect() as connection:
            transaction = connection.begin()
            server = book_rows.server_name(connection, self.settings.collection, self.settings.server)
            contents = sorted(
                {(hashed.sha1, hashed.size) for one in found for _, hashed in one.there.values()}
            )
            connection.execute(
                _CONTENT,
                {
                    "server": server,
                    "sha1": [sha1 for sha1, _ in contents],
                    "size": [size for _, size in contents],
                },
            )
            adopted = sum(self._end(connection, one) for one in found)
            if self.check:
                transaction.rollback()
            else:
                transaction.commit()
        return adopted

    def _end(self, connection: Connection, looked: _Looked) -> bool:
        name = {"pipeline": PIPELINE, "collection": self.settings.collection, "key": str(looked.book.id)}
        item = connection.execute(_ITEM, name).one_or_none()
        if item is None:
            # With `check` it may only have no item yet.
            return self.check and {one.format for one in looked.book.formats} <= set(looked.there)
        for format, (file, hashed) in looked.there.items():
            connection.execute(
                _FILE,
                {
                    "item": item.id,
                    "format": format,
                    "path": clean_text(file.path),
                    "size": hashed.size,
                    "mtime_ns": hashed.mtime_ns,
                    "sha1": hashed.sha1,
                },
            )
        wanted = {one.format for one in looked.book.formats if wanted_by(item.payload, one.format)}
        settled = set(connection.execute(_SETTLED, {"item": item.id}).scalars())
        if not wanted <= settled:
            return False
        counts = {"files": len(wanted), "uploaded": 0, "there": len(wanted), "skipped": 0, "failed": 0}
        result = {**counts, "ebook": None, "adopted": True}
        connection.execute(_DONE, {"item": item.id, "result": json.dumps(result)})
        return True
