"""Planning a library of a million books: times SQLite's own reading of it, its memory, and doing it again."""

from __future__ import annotations

import contextlib
import multiprocessing
import re
import sqlite3
import statistics
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from medialift.books.calibre import Calibre
from medialift.books.plan import plan
from medialift.books.selection import Selection
from medialift.queueing.database import Database
from medialift.queueing.embedded import Server, make_database
from sandbox.calibre import bulk

from .figure import Figure, seconds

GROUP = "books"

_BOOKS = 1_000_000
_PAIRS = 3
_TEMPLATE = "planning_template"


def measure() -> Iterator[Figure]:
    """One library for all, in the page cache on either side; a fresh ledger for each first plan."""
    with tempfile.TemporaryDirectory() as folder, _ledgers() as ledgers:
        library = bulk.fill(Path(folder), _BOOKS).parent
        _bare(library)
        times, agains = [], []
        for _ in range(_PAIRS):
            with Database(next(ledgers)) as ledger:
                first = seconds(lambda: _plan(ledger, library))
                again = seconds(lambda: _plan(ledger, library))
            times.append(first / seconds(lambda: _bare(library)))
            agains.append(again / first)
        yield Figure(
            "planning 1,000,000 books into an empty ledger: times a bare sqlite3 read of the same rows",
            statistics.median(times),
            "x",
            "<= 6",
        )
        yield Figure(
            "planning the same library again with nothing new: times the first plan",
            statistics.median(agains),
            "x",
            "<= 0.15",
        )
        yield Figure("planning 1,000,000 books: peak memory", _peak(next(ledgers), library), "MB", "<= 300")


def _plan(ledger: Database, library: Path) -> None:
    with Calibre(library) as calibre:
        plan(ledger.engine, calibre, Selection(), "calibre")


def _bare(library: Path) -> None:
    """Read what a plan needs of every row, and do nothing with it."""
    database = f"{(library / 'metadata.db').as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(database, uri=True)) as con:
        for _ in con.execute("SELECT id, path, last_modified, timestamp FROM books ORDER BY id"):
            pass
        for _ in con.execute("SELECT book, format, uncompressed_size, name FROM data ORDER BY book, format"):
            pass


def _peak(url: str, library: Path) -> float:
    """Megabytes of a process that plans and does nothing else."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_planned_alone, (url, str(library)))


def _planned_alone(url: str, library: str) -> float:
    with Database(url) as ledger:
        _plan(ledger, Path(library))
    # Not getrusage: its peak is that of the parent, where a process began as a copy of one.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(peak[1]) * 1024 / 1e6 if peak else float("inf")


@contextlib.contextmanager
def _ledgers() -> Iterator[Iterator[str]]:
    """Addresses of empty ledgers in a PostgreSQL of its own."""
    with tempfile.TemporaryDirectory(prefix="medialift-pg-") as folder:
        server = Server(Path(folder))
        server.start()
        try:
            make_database(server.url("postgres"), _TEMPLATE)
            with Database(server.url(_TEMPLATE)) as template:
                template.migrate()
            yield _fresh(server)
        finally:
            server.stop()


def _fresh(server: Server) -> Iterator[str]:
    for number in count(1):
        make_database(server.url("postgres"), f"planning_{number}", template=_TEMPLATE)
        yield server.url(f"planning_{number}")
