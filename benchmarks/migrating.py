"""Migrating books against a stand-in whose metadata tasks cost nothing: what the ledger and all care cost.

Ours is a whole worker: ledger, leases, claims, hashes, everything. It is held against a bare client that does
nothing but the same requests, as many at a time, with what it sends made beforehand; and against one process,
login and socket per file, as the server's own command line is used.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from medialift.books.calibre import Calibre
from medialift.books.handler import BooksHandler
from medialift.books.plan import plan
from medialift.books.selection import Selection
from medialift.queueing.database import Database
from medialift.queueing.worker import Bounds, Pace, Worker
from medialift.settings import BooksSettings
from sandbox.calibre import Library, content
from sandbox.mybookshelf import Standin, running
from tests.postgres_world import Postgres, postgres_world

from .bare_client import Book, bring_all
from .figure import Figure, paired_ratio

GROUP = "books"

BOOKS = 1000
PROCESSES = 12
PARALLEL = 4
_ROOT = Path(__file__).resolve().parent.parent


def measure() -> Iterator[Figure]:
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres_world() as postgres,
        running(Path(folder) / "server") as standin,
    ):
        bench = _Bench(Path(folder), postgres, standin)
        ratio = paired_ratio(bench.bare, bench.ours, pairs=5)
        yield Figure(
            f"migrating {BOOKS} books, {PARALLEL} at a time, rate / rate of a bare client",
            100 * ratio,
            "%",
            ">= 85",
        )
        per_file = paired_ratio(
            lambda: bench.one_process_each() / PROCESSES, lambda: bench.ours() / BOOKS, pairs=3
        )
        yield Figure(
            "migrating, rate / rate of one process, login and socket per file", per_file, "x", ">= 5"
        )


class _Bench:
    def __init__(self, folder: Path, postgres: Postgres, standin: Standin) -> None:
        self._postgres, self._standin, self._folder = postgres, standin, folder / "library"
        self._books = []
        with Library(self._folder) as library:
            for number in range(BOOKS):
                title, author = f"Book {number}", f"Ann Author{number % 50}"
                made = content.of("EPUB", title, author, f"{number} " * 20_000)
                library.add(title, [author], formats={"EPUB": made})
                sha1 = hashlib.sha1(made, usedforsecurity=False).hexdigest()
                self._books.append(Book(title, author.split()[1], "Ann", made, sha1))

    def bare(self) -> float:
        """Seconds that the bare client takes, login included."""
        self._standin.empty()
        began = time.perf_counter()
        asyncio.run(bring_all(self._standin.url, self._standin.ws_url, self._books, PARALLEL))
        self._whole(BOOKS)
        return time.perf_counter() - began

    def ours(self) -> float:
        """Seconds from the worker's start until the last book is done."""
        self._standin.empty()
        url = self._postgres.fresh()
        with Database(url) as database:
            with Calibre.open(self._folder) as calibre:
                plan(database.engine, calibre, Selection(), "calibre")
            settings = BooksSettings(
                library=self._folder,
                server=self._standin.url,
                socket=self._standin.ws_url,
                user=self._standin.user,
                password=self._standin.password,
                parallel_uploads=PARALLEL,
            )
            worker = Worker(
                database,
                BooksHandler(settings),
                "bench",
                "books",
                "calibre",
                Pace(poll=0.2),
                Bounds(items=BOOKS),
            )
            began = time.perf_counter()
            worker.run_alone()
            took = time.perf_counter() - began
        self._whole(BOOKS)
        self._postgres.drop(url)
        return took

    def one_process_each(self) -> float:
        """Seconds for a few files, each by a process of its own."""
        self._standin.empty()
        began = time.perf_counter()
        for book in self._books[:PROCESSES]:
            given = [self._standin.url, self._standin.ws_url, book.title, book.last, book.first, book.sha1]
            subprocess.run(
                [sys.executable, "-m", "benchmarks.bare_client", json.dumps(given)],
                input=book.content,
                cwd=_ROOT,
                check=True,
            )
        took = time.perf_counter() - began
        self._whole(PROCESSES)
        return took

    def _whole(self, books: int) -> None:
        facts = self._standin.facts()
        if (facts["ebooks"], facts["sources"], facts["orphan_ebooks"]) != (books, books, 0):
            raise AssertionError(f"not all was brought, so the time says nothing: {facts}")
