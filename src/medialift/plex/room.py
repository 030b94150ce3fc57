"""Room for an export: enough of it on every disk, proven beforehand, and a private folder to copy into."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from medialift.errors import Permanent
from medialift.foundation.units import format_size
from medialift.plex.data_folder import DataFolder, Size
from medialift.plex.places import FolderPlace, Place

# zstd at level 3 brings a Plex database to a third or less; artwork stays as it is.
_DATABASE_SHRINKS_TO = 0.5
_PREFIX = ".medialift-export-"


def work_parent(places: Sequence[Place], wanted: Path | None) -> Path:
    """Where the databases are copied to: as wanted, or beside the archive, or where temporary files go.

    Raises:
        Permanent: it cannot be made.
    """
    folder = wanted or next(
        (place.path for place in places if isinstance(place, FolderPlace)), Path(tempfile.gettempdir())
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Permanent(
            f"The folder for the copies cannot be made ({error.strerror})", str(folder), "Name another"
        ) from error
    return folder


def prove(
    data: DataFolder,
    size: Size,
    places: Sequence[Place],
    work: Path,
    *,
    keep_free: int,
    free: Callable[[Path], int],
) -> None:
    """Sum up what each disk has to take, before anything is written. A store has room.

    Raises:
        Permanent: one is too small.
    """
    logs = (path.with_name(f"{path.name}-wal") for path in (data.library, data.blobs))
    copies = size.databases + sum(log.stat().st_size for log in logs if log.exists())
    packed = int(size.databases * _DATABASE_SHRINKS_TO) + size.bytes - size.databases
    folders = [place.path for place in places if isinstance(place, FolderPlace)]
    disks: dict[int, tuple[Path, int]] = {}
    for path, need in [(work, copies), *((folder, packed) for folder in folders)]:
        first, others = disks.get(path.stat().st_dev, (path, 0))
        disks[path.stat().st_dev] = (first, others + need)
    for path, need in disks.values():
        there = free(path)
        if there < need + keep_free:
            raise Permanent(
                "The disk is too small for the export",
                f"{path}: {format_size(need)} are needed, {format_size(keep_free)} must stay free, "
                f"{format_size(there)} are there",
                "Make room, or name another folder",
            )


@contextmanager
def private_folder(parent: Path) -> Iterator[Path]:
    """A folder that only its owner can enter, removed afterwards: copies of a library are private.

    It is locked while it is in use. One that nobody holds is left from a killed export, and is removed here.
    """
    for left in parent.glob(f"{_PREFIX}*"):
        if _held(left) is not None:
            shutil.rmtree(left)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    lock = _held(folder, keep=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
        if lock is not None:
            os.close(lock)


def _held(folder: Path, *, keep: bool = False) -> int | None:
    """The lock of a folder, or None when somebody else has it; given back at once unless `keep`."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    if not keep:
        os.close(handle)
    return handle
