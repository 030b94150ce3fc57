"""The boxes of MP4 (ISO 14496-12) built, and found by their names.

No box is trusted: a length that does not fit its surroundings ends the walk with an error, so that a damaged
or truncated file can make nobody read beyond it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from medialift.audiobooks.boxes import Box, boxes
from medialift.errors import Permanent

LARGEST_32 = 0xFFFFFFFF


def box(kind: bytes, *bodies: bytes) -> bytes:
    """A box of these bodies, one after the other."""
    size = 8 + sum(map(len, bodies))
    return b"".join((struct.pack(">I4s", size, kind), *bodies))


def full(kind: bytes, version: int, flags: int, *bodies: bytes) -> bytes:
    """A box with a version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *bodies)


def walk(file: BinaryIO, start: int, end: int) -> Iterator[Box]:
    """The boxes that lie side by side in these bytes.

    Raises:
        Permanent: one is longer than the space it lies in: the file is truncated or damaged.
    """
    for one in boxes(file, start, end):
        if one.end > end:
            raise Permanent(
                "The MP4 file is truncated or damaged", str(getattr(file, "name", "")), "Get it again"
            )
        yield one


def find(file: BinaryIO, within: Box, *path: bytes) -> Box | None:
    """The first box that is reached by these names, one within the other."""
    at: Box | None = within
    for kind in path:
        if at is None:
            return None
        # The body of `meta` has a version before its boxes, that of QuickTime has none.
        start = at.body + (4 if at.kind == b"meta" and _versioned(file, at) else 0)
        at = next((one for one in walk(file, start, at.end) if one.kind == kind), None)
    return at


def content(file: BinaryIO, of: Box, *, at_most: int = 1 << 30) -> bytes:
    """The body of a box.

    Raises:
        Permanent: it is larger than `at_most` bytes, which no table of a real book is.
    """
    if of.end - of.body > at_most:
        raise Permanent("The MP4 file is damaged: a table of it is too large", str(getattr(file, "name", "")))
    file.seek(of.body)
    return file.read(of.end - of.body)


def _versioned(file: BinaryIO, meta: Box) -> bool:
    file.seek(meta.body)
    return file.read(8)[4:] != b"hdlr"
