"""A Calibre library, a ledger and a MyBookshelf2 stand-in, and workers between them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from medialift.books.calibre import Calibre
from medialift.books.plan import Plan, plan
from medialift.books.selection import Selection
from medialift.foundation.waiting import wait_until
from medialift.queueing import items, sweeping
from medialift.queueing.database import Database
from medialift.queueing.items import Which
from medialift.queueing.outcome import Ended
from sandbox.calibre import Library, content
from sandbox.mybookshelf import Standin
from tests import migration_worker

ROOT = Path(__file__).resolve().parent.parent


class Migration:
    """One library on its way into one server."""

    def __init__(self, folder: Path, database: Database, standin: Standin) -> None:
        self.folder, self.database, self.standin = folder, database, standin
        self.library = Library(folder / "library")
        self.processes: list[subprocess.Popen[str]] = []
        self._numbers = 0

    def add(
        self,
        title: str,
        author: str | Iterable[str] = "Ann Author",
        formats: str = "EPUB",
        *,
        words: str = "",
        **more: Any,
    ) -> int:
        """A book with a file of each of these formats; those with the same `words` have the same content."""
        self._numbers += 1
        authors = [author] if isinstance(author, str) else list(author)
        told = ("A Book", "Somebody", words) if words else (title, authors[0], str(self._numbers))
        made = {one: content.of(one, *told) for one in formats.split()}
        return self.library.add(title, authors, formats=made, **more)

    def add_many(self, count: int, formats: str = "EPUB") -> list[int]:
        return [self.add(f"Book {n}", f"Ann Author{n % 7}", formats) for n in range(1, count + 1)]

    def plan(self, selection: Selection | None = None) -> Plan:
        with Calibre.open(self.library.folder) as calibre:
            return plan(self.database.engine, calibre, selection or Selection(), "calibre")

    def given(self, name: str = "one", **more: Any) -> dict[str, Any]:
        """What a worker is told."""
        books = {
            "library": str(self.library.folder),
            "server": self.standin.url,
            "socket": self.standin.ws_url,
            "user": self.standin.user,
            "password": self.standin.password,
            "timeout": 10,
            **more.pop("books", {}),
        }
        return {"url": self.database.url, "name": name, "books": books, **more}

    def run(self, *, at_most: float = 60.0, **more: Any) -> Ended:
        """Work in this process until all is done."""
        work = migration_worker.work(self.given(**more), self.database)
        return asyncio.run(asyncio.wait_for(work, at_most))

    def migrate(self, **more: Any) -> Ended:
        """Plan, and work until all is done."""
        self.plan()
        return self.run(**more)

    def killed(self, when: str, step: str, calls: int = 1, **more: Any) -> None:
        """Work in a child that is killed at a step; see `migration_worker.STEPS`."""
        child = os.fork()
        if not child:
            try:
                given = self.given(die=(when, step, calls), **more)
                with Database(self.database.url) as database:
                    asyncio.run(migration_worker.work(given, database))
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), f"the worker ended before it came to {when} {step}"
        # The server still deals with what was on its way.
        seen = [self.standin.facts()]
        wait_until(lambda: seen.append(self.standin.facts()) or seen[-1] == seen[-2], at_most=5, every=0.3)

    def spawn(self, name: str, host: str = "", **more: Any) -> subprocess.Popen[str]:
        """A worker as a process of its own, on a host of this name."""
        log = (self.folder / f"{name}.log").open("a")
        words = [sys.executable, "-m", "tests.migration_worker", json.dumps(self.given(name, **more))]
        process = subprocess.Popen(
            ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', host, *words] if host else words,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=ROOT,
        )
        self.processes.append(process)
        return process

    def wait(self, *processes: subprocess.Popen[str], at_most: float = 90.0) -> list[dict[str, Any]]:
        """How these workers ended."""
        return [json.loads(one.communicate(timeout=at_most)[0].splitlines()[-1]) for one in processes]

    def end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        self.library.close()

    def until(self, done: Callable[[], bool], at_most: float = 60.0) -> None:
        assert wait_until(done, at_most=at_most, every=0.05), (self.states(), self.files())

    def sweep(self) -> None:
        with self.database.engine.begin() as connection:
            sweeping.sweep(connection)

    def retry(self, *keys: int) -> None:
        """Take books up again, as by hand."""
        with self.database.engine.begin() as connection:
            items.retry(connection, "books", "calibre", Which.named(map(str, keys)))

    def rows(self, statement: str, **values: Any) -> list[Any]:
        with self.database.engine.connect() as connection:
            return list(connection.execute(text(statement), values))

    def states(self) -> dict[str, int]:
        """{state: how many items}."""
        return dict(tuple(row) for row in self.rows("select state, count(*) from item group by 1"))

    def files(self) -> dict[str, int]:
        """{state: how many files}."""
        return dict(tuple(row) for row in self.rows("select state, count(*) from book_file group by 1"))

    def file(self, book: int, format: str = "EPUB") -> Any:
        found = self.rows(
            "select f.* from book_file f join item i on i.id = item_id where key = :key and format = :format",
            key=str(book),
            format=format,
        )
        return found[0] if found else None

    def item(self, book: int) -> Any:
        return self.rows("select * from item where key = :key", key=str(book))[0]

    def shelves(self) -> dict[str, list[str]]:
        """{title: formats of its sources} of all ebooks on the server; a second one of a title adds to it."""
        found: dict[str, list[str]] = {}
        for ebook in self.standin.books():
            found.setdefault(ebook["title"], []).extend(sorted(one["format"] for one in ebook["sources"]))
        return found

    def clean(self) -> bool:
        """Whether nothing is on the server twice, half or without a use."""
        facts = self.standin.facts()
        names = ("orphan_ebooks", "duplicate_sources", "duplicate_ebooks", "uploads", "leftover_folders")
        return not any(facts[name] for name in names) and not facts["missing_files"]

    def uploads_sent(self) -> int:
        return self.standin.switches.requests().get("POST /api/upload", 0)


@pytest.fixture
def migration(tmp_path: Path, database: Database, bookshelf: Standin) -> Iterator[Migration]:
    """With the stand-in that all tests of a process share."""
    made = Migration(tmp_path, database, bookshelf)
    yield made
    made.end()


@pytest.fixture
def migration_alone(tmp_path: Path, database: Database, bookshelf_of_test: Standin) -> Iterator[Migration]:
    """With a stand-in that this test may stop, kill and start."""
    made = Migration(tmp_path, database, bookshelf_of_test)
    yield made
    made.end()
