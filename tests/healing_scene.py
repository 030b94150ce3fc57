"""Workers as processes that fail as they are told to, and a healing that makes a round whenever a test asks.

Time is compressed by the settings alone. A round is made by the test when what it waits for has happened, so
a busy machine makes a test slow and not wrong.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from medialift.foundation.waiting import Clock, wait_until
from medialift.healing import assembly, care, history
from medialift.healing.assembly import Asked
from medialift.healing.care import Care
from medialift.healing.editing import Editing
from medialift.healing.evidence import ServerHealth
from medialift.healing.healer import Healer, Round
from medialift.healing.history import Entry
from medialift.healing.journal import LogFiles
from medialift.healing.looking import CGROUPS
from medialift.healing.observed import Observed
from medialift.healing.observing import observe
from medialift.healing.pipeline import Knob, Pipeline
from medialift.healing.pressure import Gauge, Sources
from medialift.healing.standing import Here
from medialift.notify import Notice
from medialift.queueing.database import Database
from medialift.settings import Settings
from tests.healing_fleet import ProcessFleet
from tests.healing_worker import PARALLEL
from tests.queue_world import Books

Life = str | Mapping[str, Any]
"""What a worker does in one life: see `tests.healing_worker`."""
QUICK: Mapping[str, Any] = {
    "every": 0.05,
    "floor": 0.2,
    "progress": 0.8,
    "starting": 0.8,
    "activity": 0.8,
    "silence": 1.5,
    "crashes": 3,
    "cooldown": 0.0,
    "verify": 0.2,
    "drain": 0.8,
    # A Python that starts on a busy machine is not stuck: it has no phase yet.
    "pipelines": {"books": {"phases": {"": 60.0}}},
}
"""Seconds: a worker that hangs is stuck after one, and whether a remedy helped can be asked at once."""
HEALTHY_SECONDS = 20.0
"""A worker that is well and shares a processor with everything else makes some progress in that time."""
_PATIENCE = 90.0


@dataclass(frozen=True)
class _Logs:
    """The log of a unit: the fleet calls it by its worker's name."""

    fleet: ProcessFleet

    def newest(self, unit: str, lines: int = 500) -> Sequence[str]:
        name = self.fleet.name(int(unit.rpartition("-")[2]))
        return LogFiles(self.fleet.folder).newest(name, lines)


@dataclass
class Scene:
    """A ledger, a fleet, and a healing."""

    database: Database
    fleet: ProcessFleet
    folder: Path
    told: list[Notice] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)
    stop: Event = field(default_factory=Event)
    mounts: list[Path] = field(default_factory=list)
    disks: list[Path] = field(default_factory=list)
    server: Callable[[Settings], ServerHealth] | None = None
    sources: Sources | None = None
    clock: Clock | None = None
    model: Asked | None = None
    editing: Editing | None = None
    cgroups: Path = CGROUPS
    more: dict[str, Any] = field(default_factory=dict)
    """Other sections of the settings."""
    here: Here = field(init=False)
    _healer: Healer | None = None
    _treated: dict[str, int] = field(default_factory=dict)
    _verified: dict[str, int] = field(default_factory=dict)

    @property
    def books(self) -> Books:
        return Books(self.database)

    # -- workers -------------------------------------------------------------------------------------------

    def behave(self, number: int, *lives: Life) -> None:
        """What a worker does in each of its lives from now on, the last one for all later ones."""
        told = [{"do": life} if isinstance(life, str) else dict(life) for life in lives]
        file = self.behaviour(self.fleet.name(number))
        file.write_text(json.dumps(told), encoding="utf-8")
        file.with_suffix(".lives").unlink(missing_ok=True)

    def behaviour(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def start(self, *lives: Life, items: int = 500) -> str:
        """One worker that behaves so, with work to do; its name."""
        return self.start_all([lives], items=items)[0]

    def start_all(self, workers: Sequence[Sequence[Life]], *, items: int = 500) -> list[str]:
        """Workers that behave so, with work to do; their names."""
        self.books.add_many(items)
        for number, lives in enumerate(workers, 1):
            self.behave(number, *lives)
        return self.fleet.run(len(workers))

    def seen(self, name: str) -> Observed | None:
        with self.database.engine.connect() as connection:
            found = observe(connection, socket.gethostname(), "books")
        return next((one for one in found if one.name == name), None)

    def care(self, name: str) -> Care:
        with self.database.engine.connect() as connection:
            return care.read(connection, name)

    def log(self, name: str) -> str:
        log = self.fleet.log(name)
        return log.read_text(errors="replace") if log.exists() else ""

    def wait(self, until: Callable[[], object], *, at_most: float = _PATIENCE) -> None:
        assert wait_until(lambda: bool(until()), at_most=at_most, every=0.02), self.story()

    def wait_for_log(self, name: str, words: str, times: int = 1) -> None:
        self.wait(lambda: self.log(name).count(words) >= times)

    def wait_for_progress(self, name: str) -> None:
        """Until its present life has finished something."""
        self.wait(
            lambda: (seen := self.seen(name)) is not None and seen.pid == self.fleet.pid(name) and seen.items
        )

    # -- healing -------------------------------------------------------------------------------------------

    def heals(self, **healing: Any) -> Healer:
        """A healing with these settings instead of the quick ones; what it remembered is forgotten."""
        settings = Settings(healing={"root": self.folder / "root", **QUICK, **healing}, **self.more)
        self.here = Here(settings, self.database, lambda _: self.fleet)
        self._healer = assembly.healer(
            self.here,
            stop=self.stop,
            pipelines=[self.pipeline()],
            log=_Logs(self.fleet),
            tell=self.told.append,
            model=self.model,
            editing=self.editing,
            clock=self.clock,
            cgroups=self.cgroups,
            gauge=Gauge(self.sources, self.clock) if self.sources is not None else None,
        )
        return self._healer

    def pipeline(self) -> Pipeline:
        return Pipeline(
            name="books",
            unit="process-{number}",
            starting=frozenset({"", "logging in", "discovering"}),
            discovering=frozenset({"discovering"}),
            knobs={"parallel_uploads": Knob(PARALLEL, 1, 16)},
            modules=("books/speed.py",),
            mounts=lambda _: self.mounts,
            disks=lambda _: self.disks,
            server=self.server,
        )

    def round(self) -> Round:
        done = (self._healer or self.heals()).round()
        self.rounds.append(done)
        return done

    def rounds_until(self, done: Callable[[Round], object], *, at_most: float = _PATIENCE) -> Round:
        """Rounds until one is as it should be; that one."""
        self.wait(lambda: done(self.round()), at_most=at_most)
        return self.rounds[-1]

    def wait_until_registered(self, name: str) -> None:
        """Until its present process is in the ledger."""
        self.wait(lambda: (seen := self.seen(name)) is not None and seen.pid == self.fleet.pid(name))

    def until_stuck(self, name: str) -> Round:
        return self.rounds_until(lambda one: name in one.stuck)

    def until_treated(self, name: str) -> None:
        """Rounds until one more remedy was applied than at the last call."""
        self._treated[name] = times = self._treated.get(name, 0) + 1
        self.rounds_until(lambda _: self.outcomes(name, "remedy").count("applied") >= times)

    def until_paused(self, name: str) -> None:
        self.rounds_until(lambda _: self.care(name).paused)

    def until_verified(self, name: str, outcome: str) -> None:
        """Rounds until one more remedy was verified than at the last call, with this outcome."""
        self._verified[name] = times = self._verified.get(name, 0) + 1
        self.rounds_until(lambda _: len(self.outcomes(name, "verification")) >= times)
        assert self.outcomes(name, "verification")[times - 1] == outcome, self.story()

    # -- what is kept ------------------------------------------------------------------------------------

    def history(self, name: str = "", what: str = "") -> list[Entry]:
        """The oldest first."""
        with self.database.engine.connect() as connection:
            found = history.latest(connection, limit=1000, worker=name or None, what=what or None)
        return list(reversed(found))

    def outcomes(self, name: str, what: str) -> list[str]:
        return [entry.outcome for entry in self.history(name, what)]

    def decisions(self, name: str) -> list[str]:
        return [entry.detail["by"] for entry in self.history(name, "decision")]

    def untouched(self) -> bool:
        """Nothing was done to any worker."""
        return not self.fleet.done and not [one for one in self.rounds if one.touched]

    def story(self) -> str:
        """What happened, for a test that fails."""
        lines = [f"{one.worker} {one.what} {one.outcome}: {one.subject}" for one in self.history()]
        lines += [f"{one}" for one in self.rounds[-3:]]
        for member in self.fleet.members():
            lines += [f"--- {member}", f"{self.seen(member.name)}", self.log(member.name)[-1500:]]
        return "\n".join(lines)


@contextmanager
def healing_scene(url: str, folder: Path, common: Path | None = None) -> Iterator[Scene]:
    """All processes end with the block.

    Args:
        common: the release that workers run from; that of the tests, unless it is given.
    """

    def command(name: str, number: int, release: Path | None) -> list[str]:
        of = release or common
        program = of / "venv" / "bin" / "python" if of is not None else Path(sys.executable)
        return [str(program), "-m", "tests.healing_worker", url, name, str(folder / f"{name}.json")]

    logs = folder / "logs"
    logs.mkdir()
    with Database(url) as database, ProcessFleet(command, logs, host=socket.gethostname()) as fleet:
        scene = Scene(database, fleet, folder)
        yield scene
        scene.stop.set()


@pytest.fixture
def scene(ledger_url: str, tmp_path: Path) -> Iterator[Scene]:
    with healing_scene(ledger_url, tmp_path) as made:
        yield made
