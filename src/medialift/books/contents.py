"""A file's content: its hash and size, and its bytes on the way to the server.

A small file is read once and kept while it is under way. A large one is read twice, in pieces; the second
reading is hashed as well, and ends in an error before its last piece when it is not what was announced.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import stat
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from medialift.books.hashing import hash_file
from medialift.errors import MedialiftError, Permanent, Transient

SMALL = 1024 * 1024
"""Bytes up to which a file is kept in memory while it is under way: a worker holds 4 x `parallel_uploads`."""
_PIECE = 1024 * 1024


class Missing(Permanent):
    """Calibre lists a file that is not there."""


class Empty(Permanent):
    """The file has no bytes: the server fails over such a one."""


class Unreadable(Transient):
    """The disk or what is mounted there gave an error; it may give the bytes later."""


class Changed(Transient):
    """The file is being written to."""


@dataclass(frozen=True)
class Looked:
    """What the file system says of a file."""

    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Content:
    """What is in a file."""

    path: Path
    size: int
    mtime_ns: int
    sha1: str
    whole: bytes | None = field(default=None, repr=False)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Its bytes in pieces, read anew.

        Raises:
            Changed: they are not those that were hashed.
            Unreadable: as `read`.
        """
        digest, left = hashlib.sha1(usedforsecurity=False), self.size
        try:
            with self.path.open("rb", buffering=0) as file:
                while left:
                    piece = await asyncio.to_thread(file.read, min(_PIECE, left))
                    left -= len(piece)
                    await asyncio.to_thread(digest.update, piece)
                    if not piece or (not left and digest.hexdigest() != self.sha1):
                        raise _changed(self.path)
                    yield piece
        except OSError as error:
            raise unreadable(self.path, error) from error


def look(path: Path) -> Looked:
    """Size and time of a file.

    Raises:
        Missing: there is none, or it is a folder or a device.
        Empty: it has no bytes.
        Unreadable: the file system does not say.
    """
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    return _usable(path, found)


def read(path: Path, *, moved: Callable[[int], object] | None = None) -> Content:
    """Hash a file; the bytes of a small one are kept. It blocks: call it in a thread.

    Args:
        moved: told of each piece of a large file that was read, in bytes.

    Raises:
        Missing, Empty: as `look`.
        Changed: it was written to meanwhile.
        Unreadable: the disk gave an error.
    """
    try:
        with path.open("rb", buffering=0) as file:
            before = _usable(path, os.fstat(file.fileno()))
            whole: bytes | None = None
            if before.size <= SMALL:
                whole = file.read(before.size + 1)
                sha1 = hashlib.sha1(whole, usedforsecurity=False).hexdigest()
            else:
                sha1 = _hashed(path, moved)
            after = os.fstat(file.fileno())
    except OSError as error:
        raise unreadable(path, error) from error
    if (after.st_size, after.st_mtime_ns) != (before.size, before.mtime_ns) or (
        whole is not None and len(whole) != before.size
    ):
        raise _changed(path)
    return Content(path, before.size, before.mtime_ns, sha1, whole)


def _hashed(path: Path, moved: Callable[[int], object] | None) -> str:
    """The hash of a large file; what goes wrong is called as it is with a small one."""
    told = 0

    def going_on(so_far: int) -> None:
        nonlocal told
        if moved is not None:
            moved(so_far - told)
        told = so_far

    try:
        return hash_file(path, going_on=going_on).sha1
    except MedialiftError as error:
        if isinstance(error.__cause__, OSError):
            raise unreadable(path, error.__cause__) from error
        raise _changed(path) from error


def shown(path: Path) -> str:
    """A path as text that every database takes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace").replace("\0", "\\0")


def unreadable(path: Path, error: OSError | ValueError) -> Permanent | Transient:
    """An error of the file system as ours."""
    where = shown(path)
    # A name with a NUL in it is a ValueError; there can be no such file.
    if not isinstance(error, OSError) or isinstance(error, _NOT_THERE) or error.errno in _NO_NAME:
        return Missing("The file that Calibre lists is not there", where, _CHECK)
    if isinstance(error, PermissionError):
        return Permanent("The file may not be read", where, "Let the worker's user read the library")
    return Unreadable(f"The file cannot be read ({error.strerror})", where, "Look at the disk and its mount")


_NOT_THERE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_NO_NAME = (errno.ENAMETOOLONG, errno.ELOOP)
_CHECK = "Let Calibre check its library, then plan again"


def _usable(path: Path, found: os.stat_result) -> Looked:
    where = shown(path)
    if not stat.S_ISREG(found.st_mode):
        raise Missing("The file that Calibre lists is no file", where, _CHECK)
    if not found.st_size:
        raise Empty("The file is empty", where, "Replace it in Calibre, or remove the format there")
    return Looked(found.st_size, found.st_mtime_ns)


def _changed(path: Path) -> Changed:
    where = shown(path)
    return Changed("The file changed while it was read", where, "It is tried again later")
