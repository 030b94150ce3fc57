"""Folders of an inbox as people leave them: real files, whose contents do not matter."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from medialift.settings import AudiobooksSettings

Tree: TypeAlias = "Mapping[str, Tree | int] | Sequence[str]"
"""Names below a folder: of each file its size, or a mere list of files, which are 100 bytes each."""

LONG_AGO = 3600.0
_NOBODY = 65534


def lay(folder: Path, tree: Tree) -> Path:
    """Make these files below a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = tree if isinstance(tree, Mapping) else dict.fromkeys(tree, 100)
    for name, what in entries.items():
        if isinstance(what, int):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(os.fsencode(name)[-1:] * what)
        else:
            lay(folder / name, what)
    return folder


def tracks(*numbers: int, ending: str = ".mp3") -> list[str]:
    """ "01 Track.mp3", "02 Track.mp3", …"""
    return [f"{number:02} Track{ending}" for number in numbers]


def settings_of(folder: Path, **changes: Any) -> AudiobooksSettings:
    """Settings with all folders below one, and an inbox that is there."""
    names = ("inbox", "converted", "archive", "backup_folder", "failed", "work")
    made = AudiobooksSettings(**{name: folder / name for name in names}, **{"free_space": 0, **changes})
    made.inbox.mkdir(exist_ok=True)
    return made


def later() -> float:
    """A time at which everything that was laid has been quiet for an hour."""
    return time.time() + LONG_AGO


@contextmanager
def being_nobody() -> Iterator[None]:
    """Work as a user without rights, since nothing may be forbidden to root."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(_NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def reachable(path: Path) -> None:
    """Let everybody pass through a test's own folders, which pytest makes private."""
    for one in (path, *path.parents):
        if one.name.startswith(("pytest", "popen", "test_")):
            one.chmod(0o755)
