"""Whether what stopped a worker is still there: one that is paused for it may then go on by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Event

from medialift.healing import space
from medialift.healing.decision import Cause
from medialift.healing.pipeline import Pipeline
from medialift.healing.surroundings import Surroundings, look_around
from medialift.mounts.verdict import HEALTHY
from medialift.settings import Settings


def gone(
    cause: Cause,
    pipeline: Pipeline,
    settings: Settings,
    *,
    around: Surroundings | None = None,
    stop: Event | None = None,
) -> bool:
    """Whether a cause is seen to be gone: only what was looked at, and found well, is.

    Causes within a worker (a crash, an item, its memory, its code) are never seen to be gone: a person looks
    at them, and releases it.

    Args:
        around: what was seen of its surroundings a moment ago; looked at now when it is not given.

    Raises:
        Stopped: `stop` was set. Nothing else.
    """
    well = _WELL.get(cause)
    return well is not None and well(around or look_around(pipeline, settings, stop=stop))


def _mounts(around: Surroundings) -> bool:
    return (
        bool(around.mounts)
        and all(mount.state == HEALTHY for mount in around.mounts)
        and not _missing(around, "mount ")
    )


def _server(around: Surroundings) -> bool:
    return around.server is not None and around.server.ok


def _disks(around: Surroundings) -> bool:
    return bool(around.disks) and all(map(space.has_room, around.disks)) and not _missing(around, "disk ")


def _missing(around: Surroundings, kind: str) -> bool:
    return any(name.startswith(kind) for name in around.missing)


_WELL: Mapping[Cause, Callable[[Surroundings], bool]] = {
    Cause.MOUNT_DOWN: _mounts,
    Cause.SERVER_DOWN: _server,
    Cause.DISK_FULL: _disks,
}

SEEN = frozenset(_WELL)
"""The causes of which can be seen whether they are there."""
