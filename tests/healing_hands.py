"""A host whose workers a person handles: a ledger, a settings file, and real workers as processes."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import text

from medialift.foundation.waiting import wait_until
from medialift.healing import care
from medialift.healing.history import Entry, latest
from medialift.healing.pipeline import Pipeline
from medialift.queueing import workers
from medialift.queueing.database import Database
from tests.healing_fleet import ProcessFleet
from tests.queue_worker import make_table
from tests.queue_world import Books

HOST = socket.gethostname()


class Host:
    """Workers of the pipeline books, named as their units would name them."""

    def __init__(self, folder: Path, database: Database, fleet: ProcessFleet, others: ProcessFleet) -> None:
        self.folder, self.database, self.fleet, self._others = folder, database, fleet, others
        self.books = Books(database)
        self.config = folder / "healing.toml"
        self.settings()

    def settings(self, **sections: str) -> None:
        """Write the settings file; `healing="every = 60"` adds lines to a section."""
        lines = [f'[database]\nurl = "{self.database.url}"', "[healing]", sections.pop("healing", "")]
        lines += [f"[{name.replace('__', '.')}]\n{values}" for name, values in sections.items()]
        self.config.write_text("\n".join(lines) + "\n")
        self.config.chmod(0o600)

    def run(self, count: int) -> list[str]:
        """Have workers 1 to `count` run and know that they are in the ledger."""
        names = self.fleet.run(count)
        self.until(lambda: {one.name for one in self.listed() if one.state == "running"} >= {*names})
        return names

    def listed(self) -> list[workers.Worker]:
        return self.books.read(workers.listed)

    def pause(self, name: str, why: str, cause: str = "") -> None:
        """As the healing does when nothing helps."""
        self.books.read(care.pause, name, why=why, cause=cause)
        self.fleet.disable(name)
        self.fleet.stop(name, at_most=20)

    def fleet_of(self, pipeline: Pipeline) -> ProcessFleet:
        """Its workers are those of the books; of every other pipeline it has none."""
        return self.fleet if pipeline.name == "books" else self._others

    def active(self) -> list[str]:
        return [one.name for one in self.fleet.members() if one.active]

    def enabled(self) -> list[str]:
        return [one.name for one in self.fleet.members() if one.enabled]

    def entries(self, **wanted: Any) -> list[Entry]:
        return self.books.read(latest, **wanted)

    def noted(self) -> list[tuple[str, str]]:
        """(what, subject) of the queue's events, the oldest first."""
        with self.database.engine.connect() as connection:
            return [
                (row.what, row.subject) for row in connection.execute(text("select * from event order by id"))
            ]

    @staticmethod
    def until(done: Callable[[], bool], at_most: float = 60.0) -> None:
        assert wait_until(done, at_most=at_most, every=0.05)


@contextmanager
def host(folder: Path, database: Database) -> Iterator[Host]:
    """A host with no workers yet; they are gone at the end."""
    make_table(database.url)

    def command(name: str, number: int, release: Path | None) -> list[str]:
        return [sys.executable, "-m", "tests.queue_worker", database.url, name, "--heartbeat", "0.2"]

    with ProcessFleet(command, folder, host=HOST) as fleet, ProcessFleet(command, folder) as others:
        yield Host(folder, database, fleet, others)
