"""The reaper: takes away instances whose time is over, should the run that made them not have done it.

It looks at one project only, and touches only what carries our tags.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from . import instances, tags
from .belongings import resources, servers
from .scaleway import ZONES, Scaleway


@dataclass(frozen=True)
class Overdue:
    """Everything made for one name, all of it past its time.

    Args:
        expired: the latest expiry of its parts.
        parts: sentences such as `server <id> in fr-par-1`.
    """

    name: str
    expired: datetime
    parts: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "expired": self.expired.isoformat(), "parts": list(self.parts)}


def overdue(cloud: Scaleway) -> list[Overdue]:
    """What is past its time, the longest first. A part that tells no time ends with the others of its name.

    Something whose every part lacks an expiry is not ours to judge, and stays.

    Raises:
        Permanent: an expiry tag is no time: nothing is guessed.
    """
    now = datetime.fromtimestamp(cloud.clock.now(), UTC)
    ends: dict[str, list[datetime]] = defaultdict(list)
    parts: dict[str, list[str]] = defaultdict(list)
    found = [("server", one.id, one.zone, one.tags) for one in servers(cloud, ZONES)]
    found += [(one.kind, one.id, one.zone, one.tags) for one in resources(cloud, ZONES)]
    for kind, identifier, zone, its_tags in found:
        name = tags.owner_of(its_tags)
        if name is None:
            continue
        parts[name].append(f"{kind} {identifier} in {zone}")
        end = tags.expiry_of(its_tags)
        if end is not None:
            ends[name].append(end)
    late = [Overdue(name, max(end), tuple(parts[name])) for name, end in ends.items() if max(end) <= now]
    return sorted(late, key=lambda one: one.expired)


def reap(cloud: Scaleway, *, timeout: float = 600.0, poll: float = 2.0) -> list[instances.Removed]:
    """Remove all that is overdue.

    Raises:
        Permanent, Transient: as `instances.absent`, at the first that cannot be removed.
    """
    return [instances.absent(cloud, one.name, timeout=timeout, poll=poll) for one in overdue(cloud)]
