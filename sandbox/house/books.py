"""A Calibre library that goes into MyBookshelf2: planned, and worked on by workers that are played here.

The workers use what real ones use of the ledger (claim, report, finish, retry), and no server is needed: a
test has in a second what a migration leaves behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, text

from medialift.books.calibre import Calibre
from medialift.books.plan import plan
from medialift.books.plan_writing import PIPELINE
from medialift.books.selection import Selection
from medialift.errors import Permanent, Transient
from medialift.queueing import claims, workers
from medialift.queueing.database import Database
from medialift.queueing.leases import Lease
from medialift.queueing.workers import Me, Totals
from sandbox.calibre import Library, bulk
from sandbox.calibre.odd import add_odd
from sandbox.house import PICTURE, SCRIPT

COLLECTION = "calibre"
_LEASE_SECONDS = 3600.0
_LIMIT = 5
_FORMATS = ("EPUB", "MOBI", "PDF", "FB2", "TXT", "RTF")

_FAILURES = (
    Permanent("The server refuses this file", "Shelley - Frankenstein.epub", "See its log: it is no EPUB"),
    Permanent("The file is gone", "Somebody/The File That Is Gone (47)", "Look at the library's mount"),
    Transient("The server does not answer", "http://127.0.0.1:6006/api/upload", "See whether it runs"),
    Permanent(f"The title is {SCRIPT}", PICTURE, "Correct it in Calibre"),
)


def library(folder: Path, count: int, *, files: bool = False) -> Path:
    """A library of so many books, one of each odd kind, and two whose names are scripts."""
    bulk.fill(folder, count, files=files)
    with Library(folder) as made:
        add_odd(made)
        for name in (SCRIPT, PICTURE):
            made.add(f"Title {name}", [f"Author {name}"], formats={"EPUB": name.encode()})
    return folder


def planned(database: Database, folder: Path) -> int:
    """Write down what is to be brought over; how many books."""
    with Calibre.open(folder) as calibre:
        return plan(database.engine, calibre, Selection(), COLLECTION).books


@dataclass
class Played:
    """A worker that a test or a demo plays."""

    database: Database
    me: Me
    totals: Totals = field(default_factory=Totals)

    @classmethod
    def register(
        cls, database: Database, name: str, *, host: str, pipeline: str = PIPELINE, of: str = COLLECTION
    ) -> Played:
        me = Me(name=name, pipeline=pipeline, collection=of, host=host, settings={"parallel": 4})
        with database.engine.begin() as connection:
            workers.register(connection, me, lives=lambda _life: True)
            workers.beat(connection, me, phase="working")
        return cls(database, me)

    def claim(self, count: int = 1, seconds: float = _LEASE_SECONDS) -> list[Lease]:
        """Take so many items in hand."""
        with self.database.engine.begin() as connection:
            held = claims.claim(
                connection,
                pipeline=self.me.pipeline,
                collection=self.me.collection,
                owner=self.me.name,
                limit=count,
                ttl=seconds,
            )
            current = held[0].item_id if held else None
            workers.beat(connection, self.me, phase="uploading", current_item=current)
        return held

    def finish(self, *held: Lease, seconds: float = 1.5) -> None:
        """They are on the server."""
        with self.database.engine.begin() as connection:
            for lease in held:
                _file(connection, lease, "uploaded", seconds=seconds)
                claims.finish(connection, lease, "done", {"ebook": lease.item_id})
                self.totals += Totals(1, lease.weight, lease.bytes, slow=int(seconds > 120))
            workers.report(connection, self.me, self.totals)

    def skip(self, lease: Lease, kind: str, reason: str) -> None:
        """It will not be sent."""
        with self.database.engine.begin() as connection:
            _file(connection, lease, "skipped", kind=kind, reason=reason)
            claims.finish(connection, lease, "skipped", {"reason": reason})

    def fail(self, lease: Lease, error: Permanent | Transient, *, delay: float = 600.0) -> str:
        """This attempt came to nothing."""
        with self.database.engine.begin() as connection:
            if isinstance(error, Permanent):
                _file(connection, lease, "failed", kind=error.kind, reason=str(error))
            return claims.retry_later(connection, lease, error, delay_seconds=delay, limit=_LIMIT)

    def leave(self) -> None:
        with self.database.engine.begin() as connection:
            workers.leave(connection, self.me)


def worked_on(database: Database, *, done: int, host: str = "attic") -> list[Played]:
    """Workers of two kinds of luck: most books are done, some failed, some wait for another attempt, some
    are in hand, and the rest waits. The workers, which are there still."""
    crew = [Played.register(database, f"{host}-books@{number}", host=host) for number in (1, 2, 3)]
    for number in range(done // 10):
        worker = crew[number % len(crew)]
        worker.finish(*worker.claim(10), seconds=200.0 if number == 1 else 0.4 + number / 10)
    for error in _FAILURES:
        (lease,) = crew[0].claim()
        crew[0].fail(lease, error)
    for kind, reason in (("empty", "The file is empty"), ("too large", "It is larger than 100 MB")):
        (lease,) = crew[1].claim()
        crew[1].skip(lease, kind, reason)
    for worker in crew[:2]:
        worker.claim(2)
    _earlier(database, crew[0].me)
    return crew


def _earlier(database: Database, me: Me, minutes: int = 55) -> None:
    """How fast it went in the hour before: a picture of one minute shows nothing."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    rows: Sequence[dict[str, object]] = [
        {
            "pipeline": me.pipeline,
            "collection": me.collection,
            "minute": now - timedelta(minutes=number),
            "items": (items := 40 + number * 7 % 23 - (30 if number % 17 == 0 else 0)),
            "files": items * 3 // 2,
            "bytes": items * 1_400_000,
        }
        for number in range(1, minutes)
    ]
    with database.engine.begin() as connection:
        connection.execute(
            text(
                "insert into rate (pipeline, collection, minute, items, files, bytes)"
                " values (:pipeline, :collection, :minute, :items, :files, :bytes) on conflict do nothing"
            ),
            rows,
        )


_FILE = text(
    """
insert into book_file (item_id, format, path, size, state, seconds, error_kind, reason)
values (:item, :format, :path, :size, :state, :seconds, :kind, :reason)
on conflict (item_id, format) do update set state = :state, error_kind = :kind, reason = :reason
"""
)


def _file(
    connection: Connection,
    lease: Lease,
    state: str,
    *,
    seconds: float | None = None,
    kind: str | None = None,
    reason: str | None = None,
) -> None:
    given = {"item": lease.item_id, "state": state, "seconds": seconds, "kind": kind, "reason": reason}
    for format in _FORMATS[: lease.weight]:
        path = f"book ({lease.key}).{format.lower()}"
        size = lease.bytes // lease.weight
        connection.execute(_FILE, {**given, "format": format, "path": path, "size": size})
