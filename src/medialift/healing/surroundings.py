"""What a pipeline's workers depend on: is the mount there, does the server answer, has the disk space?

It is the same for all workers of a pipeline on a host: looked at once, it is part of the evidence about each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from medialift.healing import space
from medialift.healing.evidence import DiskSpace, MountHealth, ServerHealth
from medialift.healing.parts import Parts
from medialift.healing.pipeline import Pipeline
from medialift.mounts.probe import RCLONE, probe
from medialift.settings import Settings

SERVER_SECONDS = 45.0
"""A pipeline gives up its question sooner by itself; a name that cannot be looked up may take longer."""
# One probe reads a file, and up to as many again as it needs to be sure; it ends by itself at its deadline.
_PROBES_END = 5.0
_SAMPLE = 1


@dataclass(frozen=True)
class Surroundings:
    """What was found; what could not be found out says so in `missing`."""

    mounts: tuple[MountHealth, ...] = ()
    server: ServerHealth | None = None
    disks: tuple[DiskSpace, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)


def look_around(pipeline: Pipeline, settings: Settings, *, stop: Event | None = None) -> Surroundings:
    """Look at everything that a pipeline depends on, all at once; it takes as long as the slowest.

    Raises:
        Stopped: `stop` was set. Nothing else.
    """
    stop = stop or Event()
    parts = Parts(stop)
    most = settings.mounts.deadline + _PROBES_END
    none = MountHealth("", "")
    probes = [
        parts.begin(f"mount {path}", most, lambda path=path: mount(path, settings, stop=stop), none)  # type: ignore[misc]
        for path in dict.fromkeys(pipeline.mounts(settings))
    ]
    looks = [
        parts.begin(f"disk {path}", space.SECONDS + 1, lambda path=path: space.free(path, stop=stop), None)  # type: ignore[misc]
        for path in dict.fromkeys(pipeline.disks(settings))
    ]
    ask = pipeline.server
    answer = None if ask is None else parts.begin("server", SERVER_SECONDS, lambda: ask(settings), None)
    mounts = tuple(health for awaited in probes if (health := awaited()) != none)
    disks = tuple(disk for awaited in looks if (disk := awaited()) is not None)
    server = None if answer is None else answer()
    return Surroundings(mounts, server, disks, parts.missing)


def mount(path: Path, settings: Settings, *, stop: Event | None = None) -> MountHealth:
    """Whether files can be read there, by a child that may hang.

    Below a mount point of the settings they must come from a mount, elsewhere a plain folder will do.

    Raises:
        Stopped: `stop` was set.
    """
    above = [point for point in settings.mounts.points if point == path or point in path.parents]
    point = max(above, key=lambda one: len(one.parts), default=None)
    verdict = probe(
        path if point is None else point,
        roots=[str(path)],
        sample=_SAMPLE,
        deadline=settings.mounts.deadline,
        filesystem="" if point is None else RCLONE,
        stop=stop,
    )
    return MountHealth(str(path), verdict.state, verdict.reason)
