"""The renames of an import: listed on disk before the first, done in order, undone in reverse.

Every step is one rename within one file system, so it has happened or not. Which of both is read from where
the files are, never remembered: undoing works from any step, and again after it was itself cut short.
"""

from __future__ import annotations

import contextlib
import filecmp
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medialift.errors import Permanent, Unsafe
from medialift.foundation.atomic import replacing, sync_folder
from medialift.plex.data_folder import DATABASES
from medialift.plex.database import BLOBS, LIBRARY
from medialift.plex.restore.layout import OVERLAYS, SIDECARS, LibraryFolder

# folder: make one that is missing. aside: home's file goes to the rollback. in: the new file takes its
# place. sidecars: when undone, what SQLite wrote beside the new database goes with it.
Kind = Literal["folder", "aside", "in", "sidecars"]

LIST = "moves.jsonl"
# Below a rollback: files that stood in the way when it was put back.
FOUND = "found"


@dataclass(frozen=True)
class Move:
    """One step on `path`, which is relative to Plex's data folder."""

    kind: Kind
    path: str


@dataclass(frozen=True)
class Counted:
    """Files of Metadata and Media that an import brings: new ones, and ones that replace a differing one."""

    new: int
    replaced: int


def drop_identical(staging: Path, data: LibraryFolder) -> int:
    """Remove staged metadata that home has byte for byte; how many. Home's stays what it is."""
    dropped = 0
    for path in _overlay(staging):
        mine, theirs = staging / path, data.path / path
        if theirs.is_file() and filecmp.cmp(mine, theirs, shallow=False):
            mine.unlink()
            dropped += 1
    return dropped


def plan(staging: Path, data: LibraryFolder) -> list[Move]:
    """The steps that bring a staged library in. Plex must be stopped: they depend on what is there now."""
    steps: list[Move] = []
    made: set[str] = set()
    for path in _overlay(staging):
        steps += _missing_folders(path, data, made)
        if os.path.lexists(data.path / path):
            steps.append(Move("aside", path))
        steps.append(Move("in", path))
    # The databases last: until then Plex's own view of the library is the old one.
    for name in (BLOBS, LIBRARY):
        path = f"{DATABASES}/{name}"
        steps += _missing_folders(path, data, made)  # in a Plex that never ran
        for suffix in (*SIDECARS, ""):
            if os.path.lexists(data.path / (path + suffix)):
                steps.append(Move("aside", path + suffix))
        steps += [Move("in", path), Move("sidecars", path)]
    return steps


def count(steps: Sequence[Move]) -> Counted:
    """How many files of Metadata and Media the steps bring."""
    asides = {step.path for step in steps if step.kind == "aside"}
    brought = [step.path for step in steps if step.kind == "in" and not step.path.startswith(DATABASES)]
    replaced = sum(1 for path in brought if path in asides)
    return Counted(len(brought) - replaced, replaced)


def write(steps: Sequence[Move], rollback: Path) -> None:
    """Put the list on disk, in the rollback folder, before any of it is done."""
    with replacing(rollback / LIST, mode=0o600) as file:
        for step in steps:
            file.write(json.dumps([step.kind, step.path]).encode() + b"\n")


def read(rollback: Path) -> list[Move]:
    """The list of a rollback folder.

    Raises:
        Permanent: it is missing or damaged.
    """
    try:
        lines = (rollback / LIST).read_bytes().splitlines()
        return [Move(*json.loads(line)) for line in lines]
    except (OSError, ValueError, TypeError) as error:
        raise Permanent(
            "The list of a rollback cannot be read", str(rollback / LIST), "Restore the library by hand"
        ) from error


def perform(
    steps: Sequence[Move],
    data: LibraryFolder,
    staging: Path,
    rollback: Path,
    owner: tuple[int, int],
    *,
    tell: Callable[[int], None] = lambda _done: None,
) -> None:
    """Do the steps.

    Args:
        owner: uid and gid for folders that are made.
        tell: called after each step with the number of steps done.

    Raises:
        Unsafe: something is in the way that was not there when the steps were planned.
        OSError: a rename failed. In both cases `undo` puts everything back.
    """
    for number, step in enumerate(steps, 1):
        there = data.path / step.path
        if step.kind == "folder":
            there.mkdir()
            os.chown(there, *owner)
        elif step.kind == "aside":
            _rename(there, rollback / step.path)
        elif step.kind == "in":
            if os.path.lexists(there):
                raise Unsafe(
                    "A file appeared in Plex's data folder while Plex was stopped",
                    str(there),
                    "See which program writes there, and import again",
                )
            (staging / step.path).rename(there)
        tell(number)
    sync_folder(data.databases)
    sync_folder(rollback)


def undo(
    steps: Sequence[Move],
    data: LibraryFolder,
    into: Path,
    rollback: Path,
    *,
    tell: Callable[[int], None] = lambda _done: None,
) -> None:
    """Put back what was there, from wherever `perform` or an earlier `undo` stopped.

    Args:
        into: takes what was brought in: the staging folder it came from, or a new one.
    """
    asides = {step.path for step in steps if step.kind == "aside"}

    def still_new(path: str) -> bool:
        # A file that replaced another is the new one only while the other one waits in the rollback.
        return path not in asides or os.path.lexists(rollback / path)

    for number, step in enumerate(reversed(steps), 1):
        there = data.path / step.path
        if step.kind == "sidecars":
            # Of whatever database stands there now; home's own went aside before their database did. Left
            # behind they would be replayed into the database that comes back.
            came_in = not os.path.lexists(into / step.path)
            if still_new(step.path) and (came_in or step.path in asides):
                for suffix in SIDECARS:
                    beside = step.path + suffix
                    if os.path.lexists(data.path / beside):
                        _rename(data.path / beside, (into if came_in else rollback / FOUND) / beside)
        elif step.kind == "in":
            if os.path.lexists(there) and not os.path.lexists(into / step.path) and still_new(step.path):
                _rename(there, into / step.path)
        elif step.kind == "aside":
            if os.path.lexists(rollback / step.path):
                if os.path.lexists(there):  # another program put it there: it is kept, out of the way
                    _rename(there, rollback / FOUND / step.path)
                (rollback / step.path).rename(there)
        else:
            with contextlib.suppress(OSError):  # something of Plex's is in it by now: it stays
                there.rmdir()
        tell(number)
    sync_folder(data.databases if data.databases.is_dir() else data.path)


def _rename(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source.rename(target)


def _overlay(staging: Path) -> Iterator[str]:
    """Files of the staged Metadata and Media, relative, in a stable order."""
    for top in OVERLAYS:
        for parent, folders, files in os.walk(staging / top):
            folders.sort()
            relative = Path(parent).relative_to(staging).as_posix()
            yield from (f"{relative}/{name}" for name in sorted(files))


def _missing_folders(path: str, data: LibraryFolder, made: set[str]) -> list[Move]:
    parts = path.split("/")[:-1]
    steps = []
    for depth in range(1, len(parts) + 1):
        folder = "/".join(parts[:depth])
        if folder in made:
            continue
        made.add(folder)  # known now, whether it was there or will be made
        if not (data.path / folder).is_dir():
            steps.append(Move("folder", folder))
    return steps
