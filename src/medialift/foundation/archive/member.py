"""What goes into an archive and what comes out of one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from medialift.errors import Unsafe

MANIFEST_NAME = "medialift/manifest.json"
CHECKSUMS_NAME = "medialift/checksums"


class Member(NamedTuple):
    """A regular file to be archived.

    Args:
        name: where it goes in the archive: relative, POSIX separators.
        source: a file to read, or the content itself.
        mode: permission bits; None takes the file's own (0o644 for bytes).
        mtime: seconds since the epoch; None takes the file's own (0 for bytes).
    """

    name: str
    source: str | Path | bytes
    mode: int | None = None
    mtime: int | None = None


class Entry(NamedTuple):
    """A regular file met while reading an archive. `size` in bytes, `mtime` in seconds since the epoch."""

    name: str
    size: int
    mode: int
    mtime: int


@dataclass(frozen=True)
class Written:
    """An archive that was written: its size and sha256, how many members of how many bytes it holds.

    `members` and `content_bytes` count what the caller gave, not the manifest and the checksums.
    """

    bytes: int
    sha256: str
    members: int
    content_bytes: int


@dataclass(frozen=True)
class Verified:
    """An archive that was read to its end and found whole.

    `bytes` and `sha256` are of the archive as read; an archive without a manifest (the old `.tar.gz`)
    has an empty one.
    """

    manifest: Mapping[str, Any]
    members: int
    content_bytes: int
    bytes: int
    sha256: str


def checked_name(name: str) -> str:
    """`name`, when it stays inside the folder it is unpacked into.

    Raises:
        Unsafe: it is empty, absolute, climbs with `..`, or holds a NUL or an empty component.
    """
    if not name or "\0" in name or name[0] == "/":
        raise Unsafe("The archive holds a member with a forbidden name", repr(name), "Do not use it")
    # The whole-string tests are quick and settle nearly every name; only odd ones are taken apart.
    if ("./" in name or "//" in name or name.endswith(("/", "."))) and any(
        part in ("", ".", "..") for part in name.split("/")
    ):
        raise Unsafe("The archive holds a member that leaves its folder", repr(name), "Do not use it")
    return name


def checksum_line(digest: str, size: int, name: str) -> bytes:
    """One line of `medialift/checksums`. A newline in a name is written as backslash-n, as sha256sum does."""
    if "\\" in name or "\n" in name:
        name = name.replace("\\", "\\\\").replace("\n", "\\n")
    return b"%s  %d  %s\n" % (digest.encode(), size, os.fsencode(name))
