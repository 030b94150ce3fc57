"""How each worker of this host stands: what systemd, the ledger and the healing know of it, as one row."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from medialift import settings as settings_room
from medialift.errors import Permanent
from medialift.foundation.units import format_duration
from medialift.healing import care, pipelines
from medialift.healing.care import Care
from medialift.healing.detect import judge, limits_of
from medialift.healing.fleet import Fleet, Member
from medialift.healing.observed import Observed, Verdict
from medialift.healing.observing import observe
from medialift.healing.pipeline import Pipeline
from medialift.healing.systemd_fleet import SystemdFleet
from medialift.queueing.database import Database
from medialift.settings import Settings

fleets: Callable[[Pipeline], Fleet] = SystemdFleet
"""What handles the workers of a pipeline on this host."""


@dataclass(frozen=True)
class Here:
    """What everything that is asked of the healing needs.

    Attributes:
        fleet_of: what handles the workers of a pipeline here.
        host: as the workers have registered with it.
    """

    settings: Settings
    database: Database
    fleet_of: Callable[[Pipeline], Fleet]
    host: str = field(default_factory=socket.gethostname)

    def fleet(self, pipeline: str) -> Fleet:
        """Raises Permanent when there is no such pipeline."""
        return self.fleet_of(pipelines.of(pipeline))

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Raises Transient when the database does not answer."""
        with self.database.transaction() as connection:
            yield connection


def unready(config: Path) -> str:
    """Why nothing can be told here yet, as before the first run of a role; "" when it can.

    Raises: as `opened`.
    """
    if not config.exists():
        return f"there is no {config} yet"
    with Database.open(settings_room.load(config).settings.database) as database:
        return "" if _has_care(database) else "the ledger was made by an older medialift"


@contextmanager
def opened(config: Path | None = None, *, given: Settings | None = None) -> Iterator[Here]:
    """This host by its settings file; None: the one in use.

    Args:
        given: settings that were read already, instead.

    Raises:
        Permanent: the settings are wrong, or the database holds no ledger.
        Transient: the database does not answer.
    """
    found = given or settings_room.load(config).settings
    with Database.open(found.database) as database:
        if not _has_care(database):
            raise Permanent("The ledger is an older one", "care", "Run `medialift queue migrate`")
        yield Here(found, database, fleets)


def _has_care(database: Database) -> bool:
    """Whether the ledger knows of the healing."""
    database.check()
    with database.engine.connect() as connection:
        return bool(connection.execute(text("select to_regclass('care') is not null")).scalar_one())


@dataclass(frozen=True)
class Standing:
    """One worker.

    Attributes:
        number: of the unit that runs it here; 0 for one that was started by hand.
        member: what runs it here; None: nothing does.
        seen: what the ledger knows; None: it never registered.
        verdict: what is thought of it; None when the ledger knows nothing.
        care: what was done to it.
        attempts_allowed: remedies that may fail before it is paused.
    """

    name: str
    pipeline: str
    number: int
    member: Member | None
    seen: Observed | None
    verdict: Verdict | None
    care: Care
    attempts_allowed: int

    @property
    def is_to_run(self) -> bool:
        """It runs with its target, also after a restart of the machine."""
        return self.member is not None and self.member.enabled

    @property
    def runs(self) -> bool:
        """Its unit runs now."""
        return self.member is not None and self.member.active

    @property
    def mode(self) -> str:
        """What it is to do, whatever it does: paused, running, stopped, or off: it is not to run."""
        if self.care.paused:
            return "paused"
        return "running" if self.runs and self.is_to_run else "stopped" if self.is_to_run else "off"

    @property
    def state(self) -> str:
        """paused; off: it is not to run; stopped; stuck; verifying: a remedy was applied; or well."""
        if self.care.paused:
            return "paused"
        by_hand = self.member is None and self.seen is not None and self.seen.state != "gone"
        if not self.runs and not by_hand:
            return "stopped" if self.is_to_run else "off"
        if self.verdict is not None and self.verdict.stuck:
            return "stuck"
        return "verifying" if self.care.state == care.VERIFYING else "well"

    @property
    def why(self) -> str:
        """Why it is paused, or what is thought of it."""
        return self.care.paused_why if self.care.paused else self.verdict.why if self.verdict else ""

    @property
    def sentence(self) -> str:
        """The whole of it for people."""
        told = f"{self.name}: {self.state}"
        if self.why and self.state not in ("off", "stopped"):
            told += f" ({self.why})"
        if self.care.remedy and not self.care.paused and self.care.since_remedy < inf:
            told += f"; last {self.care.remedy} {format_duration(self.care.since_remedy)} ago"
        if self.care.attempts and not self.care.paused:
            told += f"; {self.care.attempts} of {self.attempts_allowed} remedies did not help"
        return told

    def to_dict(self) -> dict[str, Any]:
        """For modules and `--json`."""
        seen = asdict(self.seen) if self.seen is not None else {}
        ages = {name: _finite(seen.get(name)) for name in ("uptime", "silence", "idle")}
        return {
            "name": self.name,
            "number": self.number,
            "pipeline": self.pipeline,
            "collection": seen.get("collection", self.care.collection),
            "unit": self.member.unit if self.member else "",
            "state": self.state,
            "why": self.why,
            "sentence": self.sentence,
            "enabled": self.is_to_run,
            "running": self.runs,
            "pid": self.member.pid if self.member else seen.get("pid", 0),
            "stuck": self.state == "stuck",
            "trouble": self.verdict.trouble.value if self.verdict and self.verdict.trouble else "",
            "paused": self.care.paused,
            "phase": seen.get("phase", ""),
            **ages,
            "items": seen.get("items", 0),
            "files": seen.get("files", 0),
            "bytes": seen.get("bytes", 0),
            "attempts": self.care.attempts,
            "remedy": self.care.remedy,
            "cause": self.care.cause,
            "since_remedy": _finite(self.care.since_remedy),
            "settings": dict(self.member.settings) if self.member else {},
            "release": str(self.member.release) if self.member and self.member.release else "",
        }


def standing(here: Here, pipeline: str = "") -> list[Standing]:
    """The workers of this host, of one pipeline or of all, by pipeline and number.

    Raises:
        Permanent: there is no such pipeline, or no systemd here.
        Transient: the database or systemd does not answer.
    """
    known = [pipelines.of(pipeline)] if pipeline else list(pipelines.PIPELINES.values())
    return [one for line in known for one in _of_pipeline(here, line)]


def _of_pipeline(here: Here, pipeline: Pipeline) -> list[Standing]:
    members = {one.name: one for one in here.fleet_of(pipeline).members()}
    with here.transaction() as connection:
        seen = {one.name: one for one in observe(connection, here.host, pipeline)}
        cares = {one.worker: one for one in care.listed(connection, here.host, pipeline.name)}
    # One that ended for good and that nobody runs any more is no worker of now.
    there = {name for name, one in seen.items() if one.state != "gone"}
    paused = {name for name, one in cares.items() if one.paused}
    rows = [
        _of_worker(here, pipeline, name, members.get(name), seen.get(name), cares.get(name, Care(name)))
        for name in members.keys() | there | paused
    ]
    return sorted(rows, key=lambda one: (one.number or inf, one.name))


def _of_worker(
    here: Here, pipeline: Pipeline, name: str, member: Member | None, seen: Observed | None, given: Care
) -> Standing:
    verdict = None
    if seen is not None:
        verdict = judge(seen, limits_of(here.settings.healing, pipeline, seen.phase, seen), member)
    return Standing(
        name=name,
        pipeline=pipeline.name,
        number=member.number if member else number_of(name, f"{here.host}{pipeline.label}"),
        member=member,
        seen=seen,
        verdict=verdict,
        care=given,
        attempts_allowed=here.settings.healing.attempts,
    )


def number_of(name: str, before_it: str) -> int:
    """The number in HOST@NUMBER; 0 for a worker that is named otherwise, which no unit runs."""
    before, _, number = name.rpartition("@")
    return int(number) if before == before_it and number.isdigit() else 0


def _finite(age: float | None) -> float | None:
    return None if age is None or age == inf else age
