"""The places of the dashboard, in the order in which they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from medialift.web.access.gate import Scope


@dataclass(frozen=True)
class Place:
    """One entry of the navigation; `scope`: who sees it."""

    title: str
    path: str
    group: str = ""
    scope: Scope = "read"


PLACES = (
    Place("Overview", "/"),
    Place("Queue", "/queue"),
    Place("Failed", "/failed"),
    Place("Books", "/books", "Pipelines"),
    Place("Audiobooks", "/audiobooks", "Pipelines"),
    Place("Posters", "/posters", "Pipelines"),
    Place("Bursts", "/bursts", "Pipelines"),
    Place("Mounts", "/mounts", "Machines"),
    Place("Workers", "/workers", "Machines"),
    Place("Diagnostics", "/diagnostics", "Machines"),
    Place("Audit", "/audit", "House"),
    Place("Notifications", "/notifications", "House"),
    Place("Access", "/access", "House", "admin"),
)


def current(path: str) -> Place | None:
    """The place that a path belongs to."""
    inside = [place for place in PLACES if path == place.path or path.startswith(f"{place.path}/")]
    return max(inside, key=lambda place: len(place.path), default=None)


def grouped() -> list[tuple[str, list[Place]]]:
    """The places by the groups that they stand in; "" for those without one."""
    return [(name, list(inside)) for name, inside in groupby(PLACES, key=lambda place: place.group)]
