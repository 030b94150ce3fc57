"""Room set aside for the way back: a disk that fills up must not keep the library from before away."""

from __future__ import annotations

import os
from pathlib import Path

from medialift.plex.restore.layout import LibraryFolder

# Lists and journal lines take kilobytes; Plex's first writes to its databases take a few megabytes.
BYTES = 8 << 20


def hold(data: LibraryFolder) -> None:
    """Set the room aside, before anything is exchanged.

    Raises:
        OSError: the disk is full already.
    """
    data.prepare()
    with _file(data).open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, BYTES)


def release(data: LibraryFolder) -> None:
    """Give the room back: to what undoes an exchange, or because there is nothing to undo any more."""
    _file(data).unlink(missing_ok=True)


def _file(data: LibraryFolder) -> Path:
    return data.ours / "ballast"
