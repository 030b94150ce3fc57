"""Files read straight to where zstd will see them: header, content, padding, and their hashes."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from medialift.errors import Permanent, Transient
from medialift.foundation.archive.header import encode, padding
from medialift.foundation.archive.member import Member, checksum_line

# Where the byte goes that a file must not have.
_ONE_MORE = bytearray(1)


class Packed(NamedTuple):
    """So many members end at `end` of what they were put in; their contents have `content_bytes`, and
    `lines` are their checksums.
    """

    members: int
    end: int
    content_bytes: int
    lines: bytes


def pack(members: Iterable[Member], room: memoryview, at: int) -> Packed:
    """Put small files in `room`, from `at` on, until one does not fit or has its content in memory.

    They are read one after the other and then hashed, again one after the other: a processor that goes to
    and fro between the two takes a fifth longer.

    Raises:
        Transient, Permanent: as `open_file` and `head`, or a file changed while it was read.
    """
    contents: list[tuple[str, memoryview]] = []
    for member in members:
        path = member.source
        if isinstance(path, bytes):
            break
        handle = open_file(path)
        try:
            header, size = head(handle, member)
            start = at + len(header)
            end = start + size
            padded = end + padding(size)
            if padded > len(room):
                break
            content = room[start:end]
            # One byte more than there should be is asked for: a file that grew shows it.
            if os.readv(handle, (content, _ONE_MORE)) != size:
                raise changed(path)
        finally:
            os.close(handle)
        room[at:start] = header
        room[end:padded] = bytes(padded - end)
        contents.append((member.name, content))
        at = padded
    sha256 = hashlib.sha256
    lines = [checksum_line(sha256(content).hexdigest(), len(content), name) for name, content in contents]
    return Packed(len(lines), at, sum(len(content) for _, content in contents), b"".join(lines))


def head(handle: int, member: Member) -> tuple[bytes, int]:
    """The header of an open file, and its size.

    Raises:
        Permanent: it is not a regular file.
    """
    # The tuple's own numbers are whole; its attributes are made anew, the times as fractions.
    facts: tuple[int, ...] = os.fstat(handle)  # type: ignore[assignment]
    own_mode, _, _, _, _, _, size, _, own_mtime, _ = facts
    if not stat.S_ISREG(own_mode):
        raise Permanent(
            "This is not a regular file and cannot be archived", os.fspath(_path(member)), "Remove it"
        )
    header = encode(
        member.name,
        size,
        own_mode & 0o7777 if member.mode is None else member.mode,
        own_mtime if member.mtime is None else member.mtime,
    )
    return header, size


# O_NONBLOCK: a pipe, which is refused afterwards, must not hold us up. Files know no such thing.
_READING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def open_file(path: str | Path) -> int:
    """A handle to read from.

    Raises:
        Transient: the file is gone.
        Permanent: it may not be read, or is a link.
    """
    try:
        return os.open(path, _READING)
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
