"""The monitored mounts of this host, as their monitors published them, for the ledger and the dashboard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from medialift.errors import MedialiftError
from medialift.foundation.text import redact
from medialift.mounts import published
from medialift.mounts.published import Published
from medialift.mounts.watch_options import FOLDER, Place
from medialift.queueing.mount_states import MountState

_TOLD = (
    "seconds",
    "failures",
    "in_grace",
    "failed",
    "last_success",
    "recovering",
    "recoveries",
    "recovery_failures",
    "recovered_at",
    "waiting",
    "release",
)


def mounts_here(host: str, folder: Path = FOLDER) -> list[MountState]:
    """How they stand; none where nothing is monitored. Nothing here touches a mount, which may hang.

    What cannot be read is left out: a monitor that says nothing is as none.
    """
    try:
        places = sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:
        return []
    return list(_read(host, places, folder))


def _read(host: str, places: list[Path], folder: Path) -> Iterator[MountState]:
    for path in places:
        # Damaged, of another release, or no monitor's folder at all.
        with suppress(OSError, ValueError, TypeError, OverflowError, MedialiftError):
            told = published.read(Place(path.name, folder).state)
            if told is not None:
                yield _state(host, told)


def _state(host: str, told: Published) -> MountState:
    at = told.at or told.started_at
    every = told.to_dict()
    return MountState(
        host=host,
        point=told.mountpoint,
        name=told.name,
        state=told.state,
        since=datetime.fromtimestamp(told.since or at, UTC),
        at=datetime.fromtimestamp(at, UTC),
        detail={
            **{name: every[name] for name in _TOLD},
            "reason": redact(told.reason),
            "note": redact(told.note),
            "monitored": told.pid > 0,
        },
    )
