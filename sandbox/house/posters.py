"""Posters of a Jellyfin with troubles: it is down for a moment, hangs up, and some pictures are damaged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medialift.posters import operations
from medialift.posters.selection import Selection
from medialift.settings import Settings
from sandbox import jellyfin
from sandbox.bookservers import served
from sandbox.house import PICTURE
from sandbox.jellyfin.faults import Fault
from sandbox.jellyfin.media import Media
from sandbox.jellyfin.server import Jellyfin

DAMAGED = 2
"""So many pictures stay damaged."""


@contextmanager
def server(movies: int = 24, series: int = 6) -> Iterator[tuple[Jellyfin, str]]:
    """The stand-in with two libraries, and its address."""
    media = Media().filled(movies, series)
    (films,) = (id for id, (name, _) in media.libraries.items() if name == "Movies")
    media.add(f"Film {PICTURE}", films, "Movie", 2001)
    made = Jellyfin(media=media)
    with served(made) as address:
        yield made, address


def settings(folder: Path, address: str) -> dict[str, Any]:
    """The section [posters]."""
    folder.mkdir(parents=True, exist_ok=True)
    key = folder / "jellyfin.key"
    key.touch(mode=0o600)
    key.write_text(jellyfin.API_KEY)
    (folder / "posters").mkdir(exist_ok=True)
    return {
        "url": address,
        "key_file": str(key),
        "folder": str(folder / "posters"),
        "interval": 0,
        "timeout": 5,
        "max_retries": 2,
        "retry_base": 0.05,
    }


def brought(given: Settings, made: Jellyfin, *, busy: bool = False) -> dict[str, Any]:
    """Have all posters brought here, with what is wrong on the way; how it ended. In the main thread only.

    Args:
        busy: for a moment it has too much to do, and is asked slowly from then on.
    """
    wrong = [one.id for one in made.media.items.values() if one.kind == "Series"][:DAMAGED]
    made.faults.set(
        *(Fault("truncated", id=one) for one in wrong),
        *([Fault("status", status=503, times=1)] if busy else []),
        Fault("reset", times=1),
        Fault("corrupt", times=1),
    )
    operations.download(given, Selection.of(libraries=["Movies", "Shows"]))
    return operations.run(given)
