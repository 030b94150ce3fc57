"""The folders of the intake: there, usable, with room, and none within another."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

from medialift.audiobooks.validating.fault import Fault, destination
from medialift.foundation.units import format_size
from medialift.settings import AudiobooksSettings


def folders(audiobooks: AudiobooksSettings) -> list[tuple[str, Path]]:
    """(setting, folder) of those that are used as things are set."""
    found = [("inbox", audiobooks.inbox), ("converted", audiobooks.converted), ("work", audiobooks.work)]
    if audiobooks.on_complete == "archive":
        found.append(("archive", audiobooks.archive))
    if audiobooks.backup:
        found.append(("backup_folder", audiobooks.backup_folder))
    if audiobooks.move_failed:
        found.append(("failed", audiobooks.failed))
    if audiobooks.tagging.mode != "off" and "audible" in audiobooks.tagging.providers:
        found.append(("tagging.cache", audiobooks.tagging.cache))
    return found


def nesting(audiobooks: AudiobooksSettings) -> Iterator[Fault]:
    """Folders that lie in one another: what is unfinished would be taken for a book, or be moved twice."""
    own = [(f"audiobooks.{name}", path) for name, path in folders(audiobooks)]
    libraries = [
        (f"{destination(name)}.path", Path(one.path))
        for name, one in audiobooks.destinations.items()
        if one.path.startswith("/")
    ]
    for (name, path), (other, there) in combinations((*own, *libraries), 2):
        one, two = _real(path), _real(there)
        if one == two:
            # Two destinations may share a library under different names.
            if name.startswith(destination("")) and other.startswith(destination("")):
                continue
            yield Fault(other, f"it is the folder of {name}, {path}", "Give each a folder of its own")
        elif one in two.parents or two in one.parents:
            outer, inner = (
                ((name, path), (other, there)) if one in two.parents else ((other, there), (name, path))
            )
            if inner[0].startswith(destination("")) and outer[0].startswith(destination("")):
                continue
            yield Fault(
                inner[0],
                f"{inner[1]} lies within {outer[0]}, {outer[1]}",
                "Let no folder lie within another: what is unfinished would be taken for a book",
            )


def folder(name: str, path: Path, audiobooks: AudiobooksSettings) -> Iterator[Fault]:
    """What keeps one of them from being used, or will soon."""
    where = f"audiobooks.{name}"
    read_only = name == "inbox" and audiobooks.on_complete == "keep"
    fault = usable(where, path, write=not read_only)
    if fault is not None:
        yield fault
        return
    if name in ("work", "converted"):
        free, wanted = shutil.disk_usage(path).free, audiobooks.free_space
        if free < wanted:
            yield Fault(
                where,
                f"{format_size(free)} are free there, and {format_size(wanted)} are to stay free",
                "Make room, or lower audiobooks.free_space",
                "warning",
            )


def usable(where: str, path: Path, *, write: bool = True) -> Fault | None:
    """Why a folder cannot be used. It is tried: a mode does not tell what a share or a quota refuses."""
    try:
        next(path.iterdir(), None)
        if write:
            with tempfile.TemporaryFile(prefix=".medialift-", dir=path):
                pass
    except FileNotFoundError:
        return Fault(
            where, f"there is no folder {path}", f"Mount it, or make it: mkdir -p {path}", passing=True
        )
    except NotADirectoryError:
        return Fault(where, f"{path} is no folder", "Correct the path")
    except OSError as error:
        verb = "written" if write and os.access(path, os.R_OK | os.X_OK) else "read"
        who = f"user {os.geteuid()}"
        if error.errno in (errno.EACCES, errno.EPERM):
            return Fault(where, f"{path} may not be {verb} by {who}", f"chown or chmod {path} for {who}")
        why = f"{path} cannot be {verb}: {error.strerror}"
        return Fault(where, why, "Look at its disk or mount", passing=error.errno != errno.EROFS)
    return None


def _real(path: Path) -> Path:
    """Without links, also where it is not there yet."""
    return Path(os.path.realpath(path))
