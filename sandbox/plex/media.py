"""Media files as the scanner meets them: listed, read at head and tail, hashed as Plex hashes them."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

BLOCK = 64 * 1024


@dataclass(frozen=True)
class Reading:
    """What reading a file told: size in bytes, mtime in seconds, Plex's part hash, and its first 64 KiB."""

    size: int
    mtime: int
    part_hash: str
    head: bytes


@dataclass(frozen=True)
class Listing:
    """Files below a root, or that the root cannot be listed."""

    root: str
    reachable: bool
    media: tuple[str, ...] = ()
    beside: dict[str, tuple[str, ...]] | None = None


def walk(root: str, extensions: set[str], beside: set[str]) -> Listing:
    """List media files below a root in order, and per folder the subtitle files.

    An unreachable root is told from an empty one: only the former keeps its items.
    """
    try:
        with os.scandir(root):
            pass
    except OSError:
        return Listing(root, reachable=False)
    media: list[str] = []
    companions: dict[str, tuple[str, ...]] = {}
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        names = sorted(name for name in files if not name.startswith(".") and _is_text(name))
        media += [f"{folder}/{name}" for name in names if _suffix(name) in extensions]
        found = tuple(f"{folder}/{name}" for name in names if _suffix(name) in beside)
        if found:
            companions[folder] = found
    return Listing(root, True, tuple(media), companions)


def read(path: str, fault: Callable[[str], OSError | None]) -> Reading:
    """Open a file and read its first and last 64 KiB.

    part_hash = SHA1(size in ASCII + hex SHA1 of the head + hex SHA1 of the tail when larger than 64 KiB).

    Raises:
        OSError: it cannot be read, or ended before its size.
    """
    failure = fault(path)
    if failure is not None:
        raise failure
    descriptor = os.open(path, os.O_RDONLY)
    try:
        facts = os.fstat(descriptor)
        head = _exactly(descriptor, min(BLOCK, facts.st_size), 0, path)
        text = str(facts.st_size) + hashlib.sha1(head).hexdigest()
        if facts.st_size > BLOCK:
            text += hashlib.sha1(_exactly(descriptor, BLOCK, facts.st_size - BLOCK, path)).hexdigest()
    finally:
        os.close(descriptor)
    return Reading(facts.st_size, int(facts.st_mtime), hashlib.sha1(text.encode()).hexdigest(), head)


def _exactly(descriptor: int, count: int, offset: int, path: str) -> bytes:
    data = b""
    while len(data) < count:
        more = os.pread(descriptor, count - len(data), offset + len(data))
        if not more:
            raise OSError(errno.EIO, "the file ends before its size", path)
        data += more
    return data


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _is_text(name: str) -> bool:
    # Names that are no UTF-8 cannot be stored in the database; Plex skips such files.
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
