"""A worker's memory over a library of 10,000 books and over one of 1,000,000: it must not grow with either.

Each worker is a process of its own that opens the library, has all items planned in its ledger, and works on
the same number of books of it, spread over the whole; what counts is the largest it ever was.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import text

from medialift.books.calibre import Calibre
from medialift.books.plan import plan
from medialift.books.selection import Selection
from medialift.queueing.database import Database
from sandbox.calibre import bulk
from sandbox.mybookshelf import Standin, running
from tests.postgres_world import Postgres, postgres_world

from .figure import Figure

GROUP = "books"

SMALL, LARGE = 10_000, 1_000_000
# Enough that whatever is kept of each book would show, and that each has been through all the code.
WORKED = 2_000
_ROOT = Path(__file__).resolve().parent.parent


def measure() -> Iterator[Figure]:
    with postgres_world() as postgres:
        small, large = (_largest(postgres, books) for books in (SMALL, LARGE))
    yield Figure(
        f"a worker's memory at {LARGE:,} books / at {SMALL:,} ({large / 1e6:.0f} MB)",
        large / small,
        "x",
        "<= 1.1",
    )


def _largest(postgres: Postgres, books: int) -> float:
    """Bytes that a worker had at most."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "server") as standin:
        library = Path(folder) / "library"
        bulk.fill(library, books)
        url = postgres.fresh()
        with Database(url) as database:
            with Calibre.open(library) as calibre:
                plan(database.engine, calibre, Selection(), "calibre")
            _files(library, books)
            with database.engine.begin() as connection:
                # Those of which there are files come first.
                connection.execute(
                    text("update item set priority = 1 where key::bigint % :every = 0"),
                    {"every": books // WORKED},
                )
        largest = _worker(url, library, standin)
        postgres.drop(url)
        return largest


def _files(library: Path, books: int) -> None:
    """Real files for the books that are worked on."""
    with Calibre.open(library) as calibre:
        ids = range(books // WORKED, books + 1, books // WORKED)
        for book in calibre.books(ids):
            for one in book.formats:
                one.path.parent.mkdir(parents=True, exist_ok=True)
                one.path.write_bytes(f"{book.id} {one.format}".encode() * 500)


def _worker(url: str, library: Path, standin: Standin) -> float:
    given = {
        "url": url,
        "name": "memory",
        "books": {
            "library": str(library),
            "server": standin.url,
            "socket": standin.ws_url,
            "user": standin.user,
            "password": standin.password,
        },
        "pace": {"batch": 50, "job_size": 200, "lease": 120, "margin": 15, "heartbeat": 10},
        "bounds": {"items": WORKED},
    }
    # Not `ru_maxrss`: that of a process begins with what the one that started it had.
    code = (
        "from pathlib import Path; from tests.migration_worker import main; main();"
        "print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, json.dumps(given)],
        cwd=_ROOT,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ).stdout.split("\n")
    ended = json.loads(told[0])
    if ended["items"] != WORKED:
        raise AssertionError(f"the worker did not do its part: {ended}")
    return float(told[1]) * 1024
