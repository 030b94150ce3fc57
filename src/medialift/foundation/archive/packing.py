"""One file read straight to where zstd will see it: header, content, padding, and its hash."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from medialift.errors import Permanent, Transient
from medialift.foundation.archive.header import encode, padding
from medialift.foundation.archive.member import Member


@dataclass(frozen=True, slots=True)
class Packed:
    """A member that fills `filled` bytes of an archive, `size` of them its content."""

    filled: int
    size: int
    sha256: str


def pack(member: Member, room: memoryview) -> Packed | None:
    """Put a small file in `room`; None when it does not fit.

    Raises:
        Transient, Permanent: as `opened`, or the file changed while it was read.
    """
    path = member.source
    assert not isinstance(path, bytes)  # noqa: S101  contents in memory are written where they are
    handle = open_file(path)
    try:
        header, size = head(handle, member)
        start = len(header)
        end = start + size
        filled = end + padding(size)
        if filled > len(room):
            return None
        room[:start] = header
        content = room[start:end]
        # One byte more than there should be is asked for: a file that grew shows it.
        if os.readv(handle, [content, bytearray(1)]) != size:
            raise changed(path)
        room[end:filled] = bytes(filled - end)
        return Packed(filled, size, hashlib.sha256(content).hexdigest())
    finally:
        os.close(handle)


def head(handle: int, member: Member) -> tuple[bytes, int]:
    """The header of an open file, and its size.

    Raises:
        Permanent: it is not a regular file.
    """
    facts = os.fstat(handle)
    if not stat.S_ISREG(facts.st_mode):
        raise Permanent(
            "This is not a regular file and cannot be archived", os.fspath(_path(member)), "Remove it"
        )
    header = encode(
        member.name,
        facts.st_size,
        stat.S_IMODE(facts.st_mode) if member.mode is None else member.mode,
        int(facts.st_mtime) if member.mtime is None else member.mtime,
    )
    return header, facts.st_size


def open_file(path: str | Path) -> int:
    """A handle to read from.

    Raises:
        Transient: the file is gone.
        Permanent: it may not be read, or is a link.
    """
    try:
        # O_NONBLOCK: a pipe, which is refused afterwards, must not hold us up. Files know no such thing.
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise changed(path) from error
    except OSError as error:
        raise Permanent(
            f"A file cannot be read ({error.strerror})", str(path), "Run as its owner or root"
        ) from error


def changed(path: str | Path) -> Transient:
    """The error of a file that is no longer what it was when it was opened or listed."""
    return Transient(
        "A file changed while it was being archived", str(path), "Wait until Plex is idle, or stop it first"
    )


def _path(member: Member) -> str | Path:
    assert not isinstance(member.source, bytes)  # noqa: S101  only files have handles
    return member.source
