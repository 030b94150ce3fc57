"""Bursts of Plex as they are told: one that went well some days ago, one that failed, one under way."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from medialift.plex.posting import Dashboard, Post
from medialift.plex.report import ReportInputs, build
from medialift.queueing import bursts
from medialift.queueing.bursts import Known, Line
from medialift.queueing.database import Database

GOOD, FAILED, RUNNING = "home-20261120-0200", "home-20261124-0200", "home-tonight"
_HOUR, _DAY = 3600.0, 86400.0

_SECTIONS = (
    {"name": "Movies", "type": "movie", "items_before": 2210, "items_after": 2243},
    {"name": "Series & shows", "type": "show", "items_before": 18_342, "items_after": 18_951},
    {"name": "Music", "type": "artist", "items_before": 456_120, "items_after": 456_534, "newly_deleted": 12},
    {"name": "Photos", "type": "photo", "items_before": 0, "items_after": 0},
)
_PHASES = (
    ("preflight", 9.0),
    ("create the instance", 44.0),
    ("set up Docker, runtime and mount", 71.0),
    ("copy the library", 180.0),
    ("scan Movies", 1260.0),
    ("scan Series & shows", 3905.0),
    ("scan Music", 5400.0),
    ("analyse", 2210.0),
    ("export", 166.0),
    ("import at home", 88.0),
    ("destroy the instance", 21.0),
)


@dataclass(frozen=True)
class Story:
    """One burst as its journals tell it.

    Attributes:
        began: seconds since the epoch.
        phases: (name, seconds) of those that have ended; `now` is the one that has not.
        failed: the phase that failed.
    """

    id: str
    began: float
    phases: Sequence[tuple[str, float]] = _PHASES
    failed: str = ""
    now: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return sum(seconds for _, seconds in self.phases)

    @property
    def instance(self) -> dict[str, Any]:
        return {
            "id": "6f1c2d3e-4b5a-4000-8000-9a0b1c2d3e4f",
            "destroyed": not self.now,
            "seconds": self.seconds,
            "cost_eur": round(self.seconds / 3600 * 0.42, 2),
            "commercial_type": "PRO2-M",
            "zone": "fr-par-2",
            "started": self.began + 9,
            "hourly_eur": 0.42,
            "budget_eur": 3.0,
        }

    def lines(self) -> Iterator[Line]:
        """What the controller wrote."""
        at, number = self.began, 0

        def line(phase: str, event: str, **more: Any) -> Line:
            nonlocal number
            number += 1
            return Line(number, datetime.fromtimestamp(at, UTC), phase, event, **more)

        for name, seconds in self.phases:
            yield line(name, "start")
            if name.startswith("scan"):
                for share in (0.25, 0.5, 0.75):
                    at += seconds / 4
                    yield line(name, "progress", data={"text": f"{round(share * 1200)} of 1200"})
                at += seconds / 4
            else:
                at += seconds
            outcome = "failed" if name == self.failed else "ok"
            yield line(name, "end", outcome=outcome, seconds=seconds)
        if self.now:
            yield line(self.now, "start")
            at += 1
            yield line(self.now, "progress", data={"text": "18,351 of 18,951"})

    def known(self) -> dict[str, Any]:
        """What it told besides."""
        return {
            "library": "home",
            "mode": "delta",
            "zone": "fr-par-2",
            "outcome": "" if self.now else "failed" if self.failed else "ok",
            "cost_eur": self.instance["cost_eur"],
            "budget_eur": 3.0,
            "instance": self.instance,
            "sections": None if self.now else _SECTIONS,
            "report": None if self.now else self.report(),
        }

    def report(self) -> dict[str, Any]:
        """The report, as the burst's own program makes it."""
        at, phases = self.began, []
        for name, seconds in self.phases:
            outcome = "failed" if name == self.failed else "ok"
            phases.append({"name": name, "started": at, "seconds": seconds, "outcome": outcome})
            at += seconds
        inputs = {
            "title": "Delta burst",
            "library": "home",
            "mode": "delta",
            "phases": phases,
            "sections": _SECTIONS,
            "instance": self.instance,
            "mount_reads": [
                {
                    "at": self.began + self.seconds * (0.1 + number / 250),
                    "seconds": 0.012 + number * 37 % 11 / 60 + (1.6 if number == 90 else 0),
                    "ok": number != 90,
                }
                for number in range(200)
            ],
            **self.more,
        }
        made: dict[str, Any] = build(ReportInputs.model_validate(inputs)).model_dump(mode="json")
        return made


def stories() -> tuple[Story, Story, Story]:
    """The three, as seen now."""
    now = time.time()
    archive = {"bytes": 5_370_000_000, "sha256": "9f86d081" * 8, "members": 18_234}
    good = Story(GOOD, now - 9 * _DAY, more={"archive": archive, "import": {"outcome": "ok"}})
    error = {
        "what": "The mount gives nothing any more",
        "subject": "/mnt/cloud/media: 12 of 12 reads failed",
        "hint": "Look at the store; nothing was imported, and the library at home is as it was",
        "kind": "unsafe",
    }
    failed = Story(
        FAILED,
        now - 5 * _DAY,
        (*_PHASES[:5], ("scan Series & shows", 640.0), _PHASES[-1]),
        failed="scan Series & shows",
        more={"error": error, "outcome": "failed", "sections": _SECTIONS[:1]},
    )
    begun = _PHASES[:5]
    running = Story(RUNNING, now - sum(seconds for _, seconds in begun) - 30, begun, now=_PHASES[5][0])
    return good, failed, running


def told(database: Database) -> None:
    """Write the three into a ledger."""
    for story in stories():
        with database.engine.begin() as connection:
            bursts.tell(connection, story.id, "controller", list(story.lines()), Known(**story.known()))


def posted(address: str, token: str) -> int:
    """Tell a dashboard of the three, as their controllers do; how many lines were new to it."""
    with closing(Dashboard.at(address, token)) as dashboard:
        return sum(dashboard.tell(story.id, _post(story)) for story in stories())


def _post(story: Story) -> Post:
    lines = {line.number: {**asdict(line), "at": line.at.timestamp()} for line in story.lines()}
    for line in lines.values():
        del line["journal"]
    # The sections are in the report, and only what is over has an outcome.
    known = {name: value for name, value in story.known().items() if value and name != "sections"}
    return Post(story.id, "controller", lines, known)
