"""A home to which faults are done, and the three questions that are asked after each."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medialift.errors import MedialiftError
from medialift.foundation.journal import START, Entry, Journal
from medialift.plex.restore import ArchiveSource, Outcome, import_library
from tests.restore_world import OPTIONS, World, tree

# What an import keeps for good: its lock, its history, and the library from before.
KEPT = ("lock", "imported.json", "rollback-")


class Interrupting(Journal):
    """A journal that does something the moment a phase first begins."""

    def __init__(self, path: Path, phase: str, act: Callable[[], None], **more: Any) -> None:
        super().__init__(path, **more)
        self.awaited, self.act = phase, act

    def add(self, phase: str, event: str, **more: Any) -> Entry:
        entry = super().add(phase, event, **more)
        if (phase, event) == (self.awaited, START):
            self.awaited = ""
            self.act()
        return entry


def take(world: World, source: ArchiveSource, **more: Any) -> Outcome:
    return import_library(
        world.home, source, OPTIONS, **{"journal": world.journal, "clock": world.clock, **more}
    )


def attempt(world: World, source: ArchiveSource, **more: Any) -> MedialiftError | OSError | None:
    """An import that may fail, and what it failed with."""
    try:
        take(world, source, **more)
    except (MedialiftError, OSError) as error:
        return error
    return None


def leftovers(world: World) -> list[str]:
    """What of ours is in home's folder and has no business there."""
    if not world.home.data.ours.exists():
        return []
    return sorted(entry.name for entry in world.home.data.ours.iterdir() if not entry.name.startswith(KEPT))


def whole(world: World, before: dict[str, str]) -> bool:
    """Whether home serves exactly the library from before, and nothing is left behind."""
    return tree(world.home.data) == before and world.plex.running() and leftovers(world) == []


def grown(world: World) -> bool:
    """Whether home serves the burst's library: its own films and two new ones, all at home's paths."""
    serving = world.serving()
    films = [file for file in serving["files"] if "/Movies/" in file]
    return (
        len(films) == 8
        and all(file.startswith("/library/media/") for file in serving["files"])
        and world.plex.running()
        and leftovers(world) == []
    )


@contextmanager
def small_disk(place: Path, size: str = "64m") -> Iterator[Path]:
    """A disk of its own at `place`."""
    place.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def fill_up(disk: Path, leaving: int = 0) -> Path:
    """Somebody else's file takes the room that is left, but for `leaving` bytes; the file."""
    other = disk / "somebody else's"
    with other.open("wb") as file:
        try:
            while True:
                file.write(b"\0" * 65536)
                file.flush()
        except OSError:
            pass
    if leaving:
        with other.open("r+b") as file:
            file.truncate(max(0, other.stat().st_size - leaving))
    return other
