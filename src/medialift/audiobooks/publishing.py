"""Where a book is put together and how it appears in the folder of finished books: whole, by one rename.

Each attempt has a folder of its own in the work folder, and one beside the finished books, so that the rename
stays within one file system. Their names say which attempt they are of: what dead ones left is swept.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from medialift.audiobooks import manifest as manifests
from medialift.audiobooks.manifest import Manifest
from medialift.errors import MedialiftError, Permanent
from medialift.foundation import atomic

_STAGED, _OLD = ".medialift-new-", ".medialift-old-"
# A file's name may have 255 bytes; beside it lie ones that are longer by a few, while they are written.
_LONGEST_NAME = 220
_HIGHEST_NUMBER = 1000
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST)


def attempt_name(collection: str, item: int, token: int) -> str:
    """The name of an attempt: of the ledger's item and of the token of its lease."""
    return f"{collection}.{item}.{token}"


@contextmanager
def staged(work: Path, converted: Path, attempt: str) -> Iterator[tuple[Path, Path]]:
    """(scratch, stage): two empty folders of an attempt; what is left in them at the end of the block goes.

    Raises:
        OSError: one cannot be made.
    """
    scratch, stage = work / attempt, converted / f"{_STAGED}{attempt}"
    try:
        for folder in (scratch, stage):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        yield scratch, stage
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.rmtree(stage, ignore_errors=True)


def file_name(name: str) -> str:
    """The name that a book's folder and file get: as it is, cut where a file system could not hold it."""
    cut = name.encode()[:_LONGEST_NAME].decode(errors="ignore").rstrip(" .")
    return cut.replace("/", "_").replace("\0", "").lstrip(".") or "book"


def published(converted: Path, name: str, order: str) -> Manifest | None:
    """The manifest of the book that was made by this order already; None when there is none."""
    wanted = re.compile(re.escape(name) + r"(?: \(\d+\))?\Z")
    for entry in sorted(converted.iterdir()):
        if order and wanted.match(entry.name):
            with suppress(MedialiftError, OSError):
                found = manifests.read(entry)
                if found.order == order and found.name == entry.name:
                    return found
    return None


def publish(stage: Path, converted: Path, manifest: Manifest, *, overwrite: bool) -> Manifest:
    """Let the folder appear as `converted/<name>`, where name is the manifest's or, when that is taken, has a
    number; the manifest as it is there.

    Args:
        stage: the whole book, its file named as the manifest says; its own manifest is written here.
        overwrite: a book of this name is replaced.

    Raises:
        OSError: the disk is full, or a folder may not be written.
        Permanent: a thousand books have this name.
    """
    old = _make_room(stage, converted / manifest.name) if overwrite else None
    try:
        named = _appear(stage, converted, manifest)
    except BaseException:
        if old is not None:
            old.rename(converted / manifest.name)
        raise
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)
    return named


def attempts(work: Path, converted: Path, collection: str) -> set[str]:
    """The names of all attempts that have a folder now, dead or alive."""
    return {attempt for attempt, _, _ in _folders(work, converted, collection)}


def sweep(work: Path, converted: Path, collection: str, dead: Collection[str]) -> int:
    """Take away what dead attempts left, and put back a book that one had only begun to replace; how many."""
    swept = 0
    for attempt, entry, aside in _folders(work, converted, collection):
        if attempt in dead:
            if aside:
                _put_back(entry, converted)
            shutil.rmtree(entry, ignore_errors=True)
            swept += 1
    return swept


def _folders(work: Path, converted: Path, collection: str) -> Iterator[tuple[str, Path, bool]]:
    """(attempt, folder, whether it holds a book that was moved aside) of all attempts."""
    for folder, before in ((work, ""), (converted, _STAGED), (converted, _OLD)):
        for entry in _entries(folder):
            if entry.name.startswith(f"{before}{collection}."):
                yield entry.name.removeprefix(before), entry, before == _OLD


def _appear(stage: Path, converted: Path, manifest: Manifest) -> Manifest:
    for number in range(1, _HIGHEST_NUMBER):
        named = _named(stage, manifest, manifest.name if number == 1 else f"{manifest.name} ({number})")
        target = converted / named.name
        # A folder that is there is never renamed over, not even an empty one: somebody may just fill it.
        if os.path.lexists(target):
            continue
        manifests.write(stage, named)
        _flush(stage)
        try:
            stage.rename(target)
        except OSError as error:
            if error.errno in _TAKEN:
                continue
            raise
        atomic.sync_folder(converted)
        return named
    raise Permanent("Too many books have this name", manifest.name, "Take some of them out of the folder")


def _named(stage: Path, manifest: Manifest, name: str) -> Manifest:
    """The manifest under another name, and the file of the book renamed to it."""
    file = f"{name}.m4b"
    if manifest.conversion.file != file:
        current = stage / manifest.conversion.file
        if current.exists():
            current.rename(stage / file)
        else:  # it has the name of the number that was tried before
            next(stage.glob("*.m4b")).rename(stage / file)
    conversion = manifest.conversion.model_copy(update={"file": file})
    return manifest.changed(name=name, conversion=conversion)


def _make_room(stage: Path, target: Path) -> Path | None:
    """Move the book that is to be replaced aside; where it is now."""
    if not target.is_dir():
        return None
    old = target.parent / stage.name.replace(_STAGED, _OLD, 1)
    target.rename(old)
    return old


def _put_back(old: Path, converted: Path) -> None:
    with suppress(MedialiftError, OSError):
        target = converted / manifests.read(old).name
        if not os.path.lexists(target):
            old.rename(target)


def _flush(folder: Path) -> None:
    for file in folder.iterdir():
        if file.is_file():
            handle = os.open(file, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
    atomic.sync_folder(folder)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.is_symlink())
    except FileNotFoundError:
        return []
