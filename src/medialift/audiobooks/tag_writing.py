"""Writing tags: into a copy, which takes the file's place only when its sound and chapters are the same.

Whatever happens before the rename (a crash, a full disk, an end of time), the file is as it was.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import mutagen

from medialift.audiobooks import beets, essence
from medialift.audiobooks import tags as atoms
from medialift.audiobooks.programs import Programs
from medialift.audiobooks.time_left import TimeLeft
from medialift.errors import Permanent
from medialift.foundation import process
from medialift.foundation.atomic import sync_folder

_PIECE = 8 << 20
_MOST_PICTURE_SECONDS = 30.0


def write(
    file: Path,
    tags: atoms.Tags | Callable[[Path], atoms.Tags],
    *,
    programs: Programs,
    left: TimeLeft,
    picture: bytes | None = None,
) -> None:
    """Let a file hold these atoms of the table, and no empty ones; its other atoms stay.

    Args:
        tags: the atoms, or what says them when it has done its own to the copy.
        picture: JPEG or PNG that becomes its only picture; None leaves what it has.

    Raises:
        Permanent: it is no M4B; a picture cannot be decoded; or it would not have been the same book.
        Transient: out of time, or stopped.
        OSError: the disk is full, or the file may not be written.
    """
    if picture is not None:
        check_picture(picture, programs, left)

    def edit(copy: Path) -> None:
        wanted = tags(copy) if callable(tags) else tags
        opened = atoms.opened(copy)
        atoms.put(opened, wanted, picture)
        _save(opened, copy)
        if (held := atoms.read(copy)) != dict(wanted):
            different = ", ".join(change.field for change in atoms.changes(wanted, held))
            raise Permanent(f"Tags read back are not those that were written: {different}", str(file))

    replace(file, edit, programs=programs, left=left)


def replace(file: Path, edit: Callable[[Path], object], *, programs: Programs, left: TimeLeft) -> None:
    """Edit a copy of a book, and let it take the file's place when sound and chapters are the same.

    Raises:
        Permanent: they are not, or the copy is no book any more.
        Transient, OSError: as `write`, and what `edit` raises. The file is as it was.
    """
    before = essence.of(file, programs, left)
    with _copy_of(file, left) as copy:
        edit(copy)
        after = essence.of(copy, programs, left)
        for what, old, new in (
            ("sound", before.sound, after.sound),
            ("timing", before.timing, after.timing),
            ("chapters", before.chapters, after.chapters),
        ):
            if old != new:
                raise Permanent(f"Tagging would have changed the book's {what}", str(file), "It is as it was")
        _flush(copy)
        copy.replace(file)
        sync_folder(file.parent)


def check_picture(picture: bytes, programs: Programs, left: TimeLeft) -> None:
    """See that a picture can be decoded.

    Raises:
        Permanent: it cannot, or is neither JPEG nor PNG.
        Transient: out of time, or stopped.
    """
    kind = atoms.picture_format(picture)
    with tempfile.TemporaryDirectory(prefix="medialift-cover-") as folder:
        shown = Path(folder) / f"cover.{kind}"
        shown.write_bytes(picture)
        done = process.run(
            [programs.ffmpeg, "-nostdin", "-v", "error", "-xerror", "-i", str(shown), "-f", "null", "-"],
            timeout=min(_MOST_PICTURE_SECONDS, left.seconds()),
            stop=left.stop,
        )
    if not done.ok or done.err.strip():
        raise Permanent("A cover cannot be decoded", "", "Put a good cover.jpg beside the book")


@contextmanager
def _copy_of(file: Path, left: TimeLeft) -> Iterator[Path]:
    """A copy beside the file, with its mode, and its owner where that is allowed; gone at the end."""
    handle, name = tempfile.mkstemp(prefix=f".{file.name[:100]}.", suffix=".part", dir=file.parent)
    copy = Path(name)
    try:
        with os.fdopen(handle, "wb") as target, file.open("rb") as source:
            while piece := source.read(_PIECE):
                left.seconds()
                target.write(piece)
        shutil.copymode(file, copy)
        owner = file.stat()
        with suppress(PermissionError):
            os.chown(copy, owner.st_uid, owner.st_gid)
        yield copy
    finally:
        copy.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Take away copies that a tagging which was killed left in a book's folder."""
    for leftover in folder.glob(".*.part"):
        leftover.unlink(missing_ok=True)
    for leftover in folder.glob(f"{beets.FOLDER_PREFIX}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _save(opened: Any, copy: Path) -> None:
    try:
        opened.save(copy)
    except mutagen.MutagenError as error:
        if isinstance(error.__context__, OSError):  # mutagen wraps what the disk says
            raise error.__context__ from None
        raise Permanent("The tags could not be written", str(copy)) from error


def _flush(file: Path) -> None:
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
