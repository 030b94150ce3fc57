"""A ledger with something of everything in it, and a dashboard over it: for browsers and for pictures.

What is in it was written by the program's own functions. Some names are scripts: a page that does not escape
one of them runs it, and its title says so.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import text

from filter_plugins.toml import to_toml
from medialift.audiobooks import operations
from medialift.queueing.database import Database
from medialift.settings import Settings, load
from medialift.web.access import people
from medialift.web.server import serving
from sandbox.bookservers import BookServer
from sandbox.house import audiobooks, books, bursts, healing, notices, posters
from sandbox.house.books import Played

PASSWORD = "correct horse battery"
PEOPLE = {"ada": "admin", "ben": "act", "cora": "read"}
BOOKS, DONE = 400, 150


@dataclass
class House:
    """Everything that runs, and where it is shown. `heard` is whom notices go to."""

    folder: Path
    database: Database
    settings: Settings
    heard: BookServer
    address: str = ""
    crew: list[Played] = field(default_factory=list)

    def rows(self, statement: str, **given: Any) -> list[Any]:
        with self.database.engine.begin() as connection:
            done = connection.execute(text(statement), given)
            return list(done) if done.returns_rows else []

    def one(self, statement: str, **given: Any) -> Any:
        """The first column of the one row."""
        ((found, *_),) = self.rows(statement, **given)
        return found

    def item(self, key: str) -> int:
        """The id of an item."""
        return int(self.one("select id from item where key = :key", key=key))

    def command(self, *words: str) -> str:
        """Run a command of medialift with the settings of this house; what it said."""
        done = subprocess.run(
            self._line(*words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def running(self, *words: str) -> Iterator[None]:
        """Have a command run for the length of a block, and end in order."""
        log = self.folder / "running.log"
        with log.open("a") as said:
            process = subprocess.Popen(self._line(*words), stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        try:
            yield
            process.terminate()
            assert process.wait(60) == 0, log.read_text()
        finally:
            process.kill()
            process.wait()

    def _line(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "medialift", "--config", str(self.folder / "medialift.toml"), *words]

    def state(self, item: int) -> str:
        return str(self.one("select state from item where id = :item", item=item))


@contextmanager
def filled(url: str, folder: Path) -> Iterator[House]:
    """A house whose ledger is at this address; it is shut at the end of the block."""
    with ExitStack() as stack:
        database = stack.enter_context(Database(url))
        catalogue = stack.enter_context(audiobooks.catalogue())
        jellyfin, address = stack.enter_context(posters.server())
        library = books.library(folder / "calibre", BOOKS)
        heard, notify = stack.enter_context(notices.listener())
        told = {
            "database": {"url": url},
            "dashboard": {"port": 0},
            "diagnostics": {"folder": str(folder / "diagnostics")},
            "books": {"library": str(library), "collection": books.COLLECTION},
            "audiobooks": audiobooks.settings(folder / "audiobooks", catalogue),
            "posters": posters.settings(folder / "posters", address),
            "notify": notify,
        }
        house = House(folder, database, _settings(folder / "medialift.toml", told), heard)
        settings = house.settings
        books.planned(database, library)
        house.crew = books.worked_on(database, done=DONE)
        healing.history_of(database, house.crew)
        bursts.told(database)
        audiobooks.stock(folder / "audiobooks/inbox")
        operations.once(_recorded(settings))
        posters.brought(_recorded(settings), jellyfin)
        with database.engine.begin() as connection:
            for name, scope in PEOPLE.items():
                people.add(connection, name, PASSWORD, scope, who="the owner")
        house.address = stack.enter_context(serving(settings, database))
        yield house


def _settings(file: Path, told: Mapping[str, Any]) -> Settings:
    """As a settings file has them, so that commands have the same."""
    file.touch(mode=0o600)
    file.write_text(to_toml(told), encoding="utf-8")
    return load(file).settings


def _recorded(settings: Settings) -> Settings:
    """The same with every job's traffic kept, so that there is something to look at."""
    diagnostics = settings.diagnostics.model_copy(update={"batch_debug": True})
    return settings.model_copy(update={"diagnostics": diagnostics})
