"""Where things lie in Plex's data folder, ours among them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from medialift.errors import Permanent
from medialift.foundation.units import format_size
from medialift.plex.data_folder import DATABASES, DataFolder
from medialift.plex.database import BLOBS, LIBRARY

# Written by SQLite beside a database; each belongs to just the database it was written for.
SIDECARS = ("-wal", "-shm", "-journal")
OVERLAYS = ("Metadata", "Media")

FreeSpace = Callable[[Path], int]


@dataclass(frozen=True)
class LibraryFolder(DataFolder):
    """Plex's data folder as one whose library is exchanged.

    All that we add is in `.medialift` in it, on the same file system, so that everything moves by rename.
    """

    @property
    def ours(self) -> Path:
        return self.path / ".medialift"

    def staging(self, name: str) -> Path:
        """Where the archive `name` is unpacked and proven."""
        return self.ours / f"staging-{name}"

    def rollback(self, name: str) -> Path:
        """Where the library from before the import `name` is kept."""
        return self.ours / f"rollback-{name}"

    def undone(self, name: str) -> Path:
        """Where an imported library goes when the import `name` is rolled back."""
        return self.ours / f"undone-{name}"

    def prepare(self) -> None:
        """Make our folder, closed to others."""
        self.ours.mkdir(mode=0o700, exist_ok=True)

    def owner(self) -> tuple[int, int]:
        """uid and gid of the library: what everything brought in must have."""
        stat = self.library.stat()
        return stat.st_uid, stat.st_gid

    def check_home(self) -> None:
        """See that a library is here, on one file system.

        Raises:
            Permanent: there is none, or parts of it lie on other file systems.
        """
        for database in (self.library, self.blobs):
            if not database.is_file():
                raise Permanent(
                    "There is no Plex library here",
                    str(database),
                    "Check plex.data; start Plex once if it is new",
                )
        here = self.path.stat().st_dev
        for part in (self.databases, *(self.path / name for name in OVERLAYS)):
            if part.exists() and part.stat().st_dev != here:
                raise Permanent(
                    "A part of Plex's data folder lies on another file system, so no rename reaches it",
                    str(part),
                    "Put the whole data folder on one file system",
                )


def wanted(name: str) -> bool:
    """Whether a member of an archive may enter a library: databases, metadata and media, nothing else.

    Preferences.xml above all never does: it is a server's identity.
    """
    folder, _, file = name.rpartition("/")
    if folder == DATABASES:
        # The old kind of archive was taken from a running Plex: part of its databases is in their logs.
        return file.removesuffix("-wal") in (LIBRARY, BLOBS)
    return name.startswith(tuple(f"{overlay}/" for overlay in OVERLAYS))


def free_space(folder: Path) -> int:
    """Bytes that can be written to the file system of `folder`."""
    return shutil.disk_usage(folder).free


def refuse_small_disk(folder: Path, needed: int, reserve: int, free: FreeSpace) -> None:
    """See that `needed` bytes can be written and `reserve` bytes are free even then.

    Raises:
        Permanent: they cannot.
    """
    have = free(folder)
    if have < needed + reserve:
        raise Permanent(
            f"The disk is too small: {format_size(needed + reserve)} needed, {format_size(have)} free",
            str(folder),
            "Make room: old rollbacks and other files on this disk, or use a larger one",
        )


def own(folder: Path, owner: tuple[int, int]) -> None:
    """Give a tree to a user: folders 0755, files 0644. Symbolic links are not followed."""
    for parent, folders, files in os.walk(folder):
        for name in (".", *folders):
            _own(Path(parent) / name, owner, 0o755)
        for name in files:
            _own(Path(parent) / name, owner, 0o644)


def _own(path: Path, owner: tuple[int, int], mode: int) -> None:
    if path.is_symlink():
        return
    stat = path.stat()
    if (stat.st_uid, stat.st_gid) != owner:
        os.chown(path, *owner)
    path.chmod(mode)
