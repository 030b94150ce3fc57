"""A Jellyfin stand-in with pictures, a ledger, a folder, and workers between them."""

from __future__ import annotations

import asyncio
import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from medialift.foundation.waiting import wait_until
from medialift.posters import operations
from medialift.posters.handler import PostersHandler
from medialift.posters.selection import Selection
from medialift.queueing import sweeping
from medialift.queueing.crew import Backoff
from medialift.queueing.database import Database
from medialift.queueing.outcome import Bounds, Ended
from medialift.queueing.supervisor import Supervisor
from medialift.queueing.worker import Pace, Worker
from medialift.settings import PostersSettings, Settings
from sandbox import jellyfin
from sandbox.bookservers import served
from sandbox.jellyfin.faults import Fault
from sandbox.jellyfin.media import Media
from sandbox.jellyfin.server import Jellyfin
from tests.hands import Hands
from tests.poster_worker import QUICK

USUAL = {"interval": 0, "concurrency": 4, "timeout": 5, "max_retries": 2, "retry_base": 0.05}


_STATES = """
    select state, count(*) from item join poster_item on item_id = id
     where batch_id = coalesce(:batch, (select max(id) from poster_batch)) group by state"""


class Process:
    """A worker that `tests.hands` began."""

    def __init__(self, hands: Hands, line: dict[str, Any]) -> None:
        self._hands = hands
        self._ended: int | None = None
        self.number = hands.ask(line)

    def send_signal(self, number: int) -> None:
        if self._ended is None:
            os.kill(self.number, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, at_most: float = 30.0) -> int:
        """Until it has ended: its exit code, or the negative number of the signal that ended it."""
        if self._ended is None:
            handle = os.pidfd_open(self.number)
            ended = select.select([handle], [], [], at_most)[0]
            os.close(handle)
            assert ended, f"it does not end within {at_most:g} s"
            self._ended = os.waitstatus_to_exitcode(self._hands.ask({"wait": self.number}))
        return self._ended


class Posters:
    """One server, one folder, one ledger.

    Attributes:
        server: the stand-in; `media` is what it has.
    """

    def __init__(
        self, folder: Path, database: Database, server: Jellyfin, url: str, hands: Hands | None = None
    ) -> None:
        self.hands = hands
        self.root, self.database, self.server, self.media = folder, database, server, server.media
        self.folder = folder / "posters"
        self.folder.mkdir(exist_ok=True)
        key = folder / "key"
        key.write_text(jellyfin.API_KEY)
        key.chmod(0o600)
        self.given: dict[str, Any] = {
            **USUAL,
            "url": url,
            "key_file": str(key),
            "folder": str(self.folder),
        }
        self.processes: list[Process] = []

    @property
    def settings(self) -> Settings:
        return Settings(database={"url": self.database.url}, posters=self.given)

    # -- what a person does ----------------------------------------------------------------------------

    def download(self, **more: Any) -> dict[str, Any]:
        """Begin to download; what is not said of the selection means everything."""
        options = {name: more.pop(name) for name in ("replace", "options", "image") if name in more}
        return operations.download(self.settings, Selection.of(**more), **options)["batch"]

    def upload(self, pictures: dict[str, bytes], **more: Any) -> dict[str, Any]:
        """Lay pictures in `upload` by their ids, and begin."""
        place = self.folder / "upload"
        place.mkdir(exist_ok=True)
        for id, body in pictures.items():
            (place / f"Mine [{id}].png").write_bytes(body)
        return operations.upload(self.settings, **more)["batch"]

    def run(self, *, at_most: float = 30.0, **bounds: Any) -> Ended:
        """Work in this process until all is done."""
        work = self.worker(bounds=Bounds(**(bounds or {"until_done": True}))).run()
        return asyncio.run(asyncio.wait_for(work, at_most))

    def worker(self, name: str = "one", bounds: Bounds | None = None) -> Worker:
        posters = PostersSettings(**self.given)
        return Worker(
            self.database,
            PostersHandler(posters, backoff=Backoff(posters.retry_base, 0.2)),
            name,
            "posters",
            posters.collection,
            Pace(**QUICK),
            bounds or Bounds(),
        )

    def spawn(self, name: str = "one", **faults: Any) -> Process:
        """A worker as a process of its own, until it is told to end; `faults`: see `tests.poster_worker`."""
        assert self.hands is not None, "this world has none"
        line = {"url": self.database.url, "name": name, "posters": self.given}
        process = Process(self.hands, {**line, **faults, "log": str(self.root / f"{name}.log")})
        self.processes.append(process)
        return process

    def killed(self, step: str, when: str, calls: int = 1) -> None:
        """Work until right before, or right after, a step, and no further."""
        ended = self.spawn("killed", die=[step, when, calls], until="done").wait()
        assert ended == -signal.SIGKILL, (ended, step, when, self.log("killed"))
        self.give_back()

    def give_back(self) -> None:
        """What dead ones held is ready again, as it is when their leases have ended."""
        with self.database.engine.begin() as connection:
            connection.execute(
                text("update item set lease_until = now() - interval '1 s' where state = 'leased'")
            )
        Supervisor(self.database, silence=0.0).round()
        with self.database.engine.begin() as connection:
            connection.execute(text("update item set not_before = now() where state = 'ready'"))

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()

    # -- what came of it -------------------------------------------------------------------------------

    def faults(self, *faults: Fault) -> None:
        self.server.faults.set(*faults)

    def asked(self, method: str = "", path: str = "/Images/") -> int:
        """How many requests of this kind came in."""
        return sum(
            path in one.path and (not method or one.method == method) for one in list(self.server.calls)
        )

    def files(self) -> dict[str, bytes]:
        """{id: bytes} of what was downloaded."""
        return {
            one.stem[-33:-1]: one.read_bytes()
            for one in sorted((self.folder / "pictures").rglob("*[!t]"))
            if one.is_file()
        }

    def states(self, batch: int | None = None) -> dict[str, int]:
        """{state: how many} of a batch, the newest without one. Asked often, so without a command's way."""
        found = self.rows(_STATES, batch=batch)
        return {row.state: row.count for row in found}

    def failed(self, batch: int | None = None) -> list[dict[str, Any]]:
        return operations.listing(self.settings, batch=batch)

    def rows(self, statement: str, **values: Any) -> list[Any]:
        with self.database.engine.connect() as connection:
            return list(connection.execute(text(statement), values))

    def kept(self) -> set[bytes]:
        """What was kept before it was replaced."""
        return {one.read_bytes() for one in self.folder.glob("kept/*/*") if one.name[0] != "."}

    def log(self, name: str = "one") -> str:
        return "\n".join((self.root / f"{name}.log").read_text().splitlines()[-40:])

    def sweep(self) -> None:
        with self.database.engine.begin() as connection:
            sweeping.sweep(connection)

    def until(self, done: Callable[[], bool], at_most: float = 60.0) -> None:
        assert wait_until(done, at_most=at_most, every=0.05), (self.states(), self.failed())


@contextmanager
def poster_world(
    folder: Path, database: Database, media: Media | None = None, hands: Hands | None = None
) -> Iterator[Posters]:
    """A world for the length of a block: six films and two series unless it is given something else."""
    server = Jellyfin(media=media or Media().filled(6, 2))
    with served(server) as url:
        made = Posters(folder, database, server, url, hands)
        try:
            yield made
        finally:
            made.end()


@pytest.fixture(scope="session")
def poster_hands() -> Iterator[Hands]:
    """What begins processes, one for all tests."""
    hands = Hands("tests.poster_worker")
    yield hands
    hands.end()


@pytest.fixture
def posters(tmp_path: Path, database: Database, poster_hands: Hands) -> Iterator[Posters]:
    with poster_world(tmp_path, database, hands=poster_hands) as made:
        yield made
