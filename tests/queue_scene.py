"""Workers of the queue as processes, a supervisor beside them, and proof that nothing is lost or twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from medialift.foundation.waiting import wait_until
from medialift.queueing.database import Database
from medialift.queueing.supervisor import Supervisor
from tests.queue_worker import make_table
from tests.queue_world import Books

ROOT = Path(__file__).parents[1]

SILENCE = 4.0
"""Seconds without a sign of life after which the scene's supervisor takes a worker for dead."""


class Scene:
    """A ledger with `count` items, and processes that work on them."""

    def __init__(self, url: str, folder: Path, count: int) -> None:
        self.url, self.folder, self.count = url, folder, count
        make_table(url)
        self.database = Database(url)
        self.books = Books(self.database)
        self.books.add_many(count)
        self.workers: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, **options: object) -> subprocess.Popen[bytes]:
        words = [
            f"--{option.replace('_', '-')}" + ("" if value is True else f"={value}")
            for option, value in options.items()
        ]
        with (self.folder / f"{name}.out").open("ab") as said:
            self.workers[name] = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.queue_worker", self.url, name),
                    *(f"--log={self.folder / f'{name}.log'}", *words),
                ],
                cwd=ROOT,
                stdout=said,
                stderr=said,
            )
        return self.workers[name]

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.out").read_text()

    def log(self, name: str) -> str:
        """What it logged; nothing until it has begun to."""
        log = self.folder / f"{name}.log"
        return log.read_text() if log.exists() else ""

    def signal(self, name: str, number: int) -> None:
        self.workers[name].send_signal(number)

    def finished(self) -> int:
        with suppress(DBAPIError):  # the database may be away just now
            return int(self.books.scalar("select count(*) from finished"))
        return 0

    def holding(self, name: str) -> int:
        return int(
            self.books.scalar(
                "select count(*) from item where state = 'leased' and lease_owner = :name", name=name
            )
        )

    def wait(self, until: Callable[[], bool], *, at_most: float = 90.0) -> None:
        assert wait_until(until, at_most=at_most, every=0.02), self.told()

    def wait_for(self, finished: int, *, at_most: float = 90.0) -> None:
        self.wait(lambda: self.finished() >= finished, at_most=at_most)

    def told(self) -> str:
        return "\n".join(
            f"--- {name}: {process.poll()}\n{self.said(name)[-500:]}\n{self.log(name)[-3000:]}"
            for name, process in self.workers.items()
        )

    def all_is_done_once(self) -> bool:
        """Nothing is lost, nothing is finished twice, and each result is that of the last lease."""
        counts = self.books.counts()
        assert (counts.done, counts.total) == (self.count, self.count), self.told()
        with self.database.engine.connect() as connection:
            rows = connection.execute(
                text("select f.key from finished f join item i on i.key = f.key and i.lease_token = f.token")
            ).scalars()
            assert sorted(rows) == sorted(map(str, range(1, self.count + 1)))
            return connection.execute(text("select count(*) from finished")).scalar_one() == self.count

    def close(self) -> None:
        for process in self.workers.values():
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGCONT)
            process.kill()
            process.wait()
        self.database.close()


@contextmanager
def scene(url: str, folder: Path, count: int) -> Iterator[Scene]:
    """The workers end with the block."""
    made = Scene(url, folder, count)
    stop = Event()
    watching = Supervisor(made.database, every=0.3, silence=SILENCE, job_size=20)
    thread = Thread(target=watching.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        stop.set()
        thread.join(30)
        made.close()
