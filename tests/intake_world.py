"""An intake for tests: real folders, a real ledger, spoken books, and a library to deliver them to."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from medialift.audiobooks import manifest, operations
from medialift.audiobooks.manifest import Manifest
from medialift.foundation.waiting import wait_until
from medialift.queueing.database import Database
from medialift.queueing.supervisor import Supervisor
from medialift.settings import Settings
from sandbox.audiobooks import recordings
from tests.hands import Hands

OF = "audiobooks"
FOLDERS = ("inbox", "converted", "archive", "backup", "failed", "work", "cache", "library")
SECONDS = 2.0
"""How long a part of a book plays: a test waits for it."""


class IntakeWorld:
    """One intake. Nothing of it is of the network: books are recognised by the metadata.yml beside them.

    Attributes:
        over: values of [audiobooks] in place of those of these tests.
        ended: how the last service ended.
    """

    def __init__(self, root: Path, url: str, hands: Hands, **over: Any) -> None:
        self.root, self.url, self.hands, self.over = root, url, hands, over
        self.ended: int | None = None
        for name in FOLDERS:
            (root / name).mkdir(parents=True, exist_ok=True)
        self.database = Database(url)

    # -- its parts -------------------------------------------------------------------------------------

    def path(self, *parts: str) -> Path:
        return self.root.joinpath(*parts)

    def told(self, **over: Any) -> dict[str, Any]:
        """The settings, as JSON takes them."""
        audiobooks: dict[str, Any] = {
            **{name: str(self.root / name) for name in ("inbox", "converted", "archive", "failed", "work")},
            "backup_folder": str(self.root / "backup"),
            "wait": 0,
            "rescan": 0.3,
            "free_space": 0,
            "health_port": 0,
            "cores": 2,
            "encoder": "aac",
            "audnexus_chapters": False,
            "retry_base": 0.1,
            "tagging": {
                "providers": ["metadata_yml"],
                "cache": str(self.root / "cache"),
                "retry_base": 0.1,
            },
            "destinations": {"shelf": {"path": str(self.root / "library")}},
        }
        return {
            "database": {"url": self.url},
            "workers": {"lease": 4.0, "heartbeat": 1.0, "sweep": 0.5},
            "audiobooks": {**audiobooks, **self.over, **over},
        }

    def settings(self, **over: Any) -> Settings:
        return Settings(**self.told(**over))

    # -- books ---------------------------------------------------------------------------------------------

    def drop(
        self, name: str, *, parts: int = 2, codec: str = "mp3", described: bool = True, **more: Any
    ) -> Path:
        """Put a book into the inbox: so many parts that say their number."""
        folder = self.path("inbox", name)
        for number in range(1, parts + 1):
            recordings.speak(
                f"{name}, part {number} of {parts}.",
                folder / f"{number:02} Chapter {number}.{codec}",
                codec=codec,
                seconds=SECONDS,
                tags={"title": f"Chapter {number}", "album": name, "track": str(number)},
                **more,
            )
        if described:
            self.describe(folder)
        return folder

    def describe(self, folder: Path) -> None:
        """Say what the book is, so that no catalogue is needed."""
        (folder / "metadata.yml").write_text(
            f"title: {json.dumps(folder.name)}\nauthors: [Ann Author]\nnarrators: [Ben Reader]\n"
            "asin: B000000001\nrelease_date: 2020-01-01\nlanguage: english\n"
        )

    # -- working -------------------------------------------------------------------------------------------

    def once(self, **over: Any) -> dict[str, Any]:
        """Take what is there, here and now."""
        return operations.once(self.settings(**over))

    def start(self, *, mode: str = "once", faults: Mapping[str, Any] | None = None, **over: Any) -> int:
        """The same in a process of its own, with faults (see `tests.intake_worker`); its number."""
        line = {"settings": self.told(**over), "mode": mode, "log": str(self.root / "worker.log")}
        return self.hands.ask({**line, **(faults or {})})

    def process(self, *, faults: Mapping[str, Any] | None = None, **over: Any) -> int:
        """`once` in a process of its own: how it ended."""
        return self.wait(self.start(faults=faults, **over))

    def wait(self, process: int) -> int:
        """Until it has ended: its exit code, or the negative number of the signal that ended it."""
        return os.waitstatus_to_exitcode(self.hands.ask({"wait": process}))

    def killed(self, stage: str, step: str, **over: Any) -> None:
        """Work until this step, and no further."""
        ended = self.process(faults={"kill": [stage, step]}, **over)
        assert ended == -signal.SIGKILL, (ended, stage, step, self.log())
        self.give_back()

    def give_back(self) -> None:
        """What dead ones held is ready again, as it is when their leases have ended."""
        with self.database.engine.begin() as connection:
            connection.execute(
                text("update item set lease_until = now() - interval '1 s' where state = 'leased'")
            )
        Supervisor(self.database, silence=0.0).round()
        # What was lost several times comes back after a while.
        self.hurry()

    def hurry(self) -> None:
        """What is to be tried again later, and what is put off, may be tried now."""
        with self.database.engine.begin() as connection:
            connection.execute(text("update item set not_before = now() where state = 'ready'"))
            connection.execute(text("update audiobook_todo set not_before = now()"))

    @contextmanager
    def running(self, **over: Any) -> Iterator[int]:
        """The service in a process of its own, drained at the end of the block; its number."""
        process = self.start(mode="run", **over)
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)
            self.ended = self.wait(process)

    # -- looking -------------------------------------------------------------------------------------------

    def rows(self, statement: str, **given: Any) -> list[Any]:
        with self.database.engine.connect() as connection:
            return list(connection.execute(text(statement), given))

    def states(self) -> dict[str, str]:
        """Every item of the ledger, by its key."""
        return {row.key: row.state for row in self.rows("select key, state from item order by key")}

    def item(self, key: str) -> Any:
        (row,) = self.rows("select * from item where key = :key", key=key)
        return row

    def finished(self, *names: str) -> Mapping[str, Manifest]:
        """The manifests of all finished books; these and no others must be there."""
        found = sorted(path.name for path in self.path("converted").iterdir())
        assert found == sorted(names), (found, self.log())
        return {name: manifest.read(self.path("converted", name)) for name in names}

    def in_library(self) -> list[str]:
        """The M4Bs of the library, by their paths in it."""
        library = self.path("library")
        return sorted(str(path.relative_to(library)) for path in library.rglob("*.m4b"))

    def left_over(self) -> list[str]:
        """Everything in the work folder, or dot-named among the finished books."""
        work = [path.name for path in self.path("work").iterdir() if path.name not in ("locks", "deliveries")]
        return sorted([*work, *(path.name for path in self.path("converted").glob(".*"))])

    def tree(self, folder: str) -> dict[str, bytes]:
        """Every file below a folder, with what is in it."""
        base = self.path(folder)
        return {
            str(path.relative_to(base)): path.read_bytes()
            for path in sorted(base.rglob("*"))
            if path.is_file()
        }

    def until(self, true: Callable[[], bool], *, at_most: float = 60) -> None:
        assert wait_until(true, at_most=at_most, every=0.1), self.log()

    def log(self) -> str:
        file = self.root / "worker.log"
        return "\n".join(file.read_text().splitlines()[-40:]) if file.exists() else ""


@pytest.fixture(scope="session")
def intake_hands() -> Iterator[Hands]:
    """What begins processes, one for all tests."""
    hands = Hands("tests.intake_worker")
    yield hands
    hands.end()


@pytest.fixture
def intake(tmp_path: Path, ledger_url: str, intake_hands: Hands) -> Iterator[IntakeWorld]:
    """An intake with an empty inbox."""
    world = IntakeWorld(tmp_path, ledger_url, intake_hands)
    yield world
    world.database.close()
