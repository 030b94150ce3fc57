"""The boxes of an MP4 file, walked without reading what is in them (ISO/IEC 14496-12)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_HEADER, _LONG_HEADER = 8, 16


@dataclass(frozen=True)
class Box:
    """A box: its four letters, where its contents begin, and where it ends (both in bytes of the file)."""

    kind: bytes
    body: int
    end: int


def boxes(file: BinaryIO, start: int, end: int) -> Iterator[Box]:
    """The boxes between two places, in order; what a box claims beyond `end` is told as it claims it.

    It ends where something is no box. A box that says it goes "to the end" ends at `end`.
    """
    at = start
    while at + _HEADER <= end:
        file.seek(at)
        head = file.read(_LONG_HEADER)
        if len(head) < _HEADER:
            return
        size, kind, body = int.from_bytes(head[:4], "big"), head[4:8], at + _HEADER
        if size == 1 and len(head) == _LONG_HEADER:
            size, body = int.from_bytes(head[8:16], "big"), at + _LONG_HEADER
        elif size == 0:
            size = end - at
        if size < body - at:
            return
        yield Box(kind, body, at + size)
        at += size


def within(file: BinaryIO, box: Box, *path: bytes) -> Iterator[Box]:
    """All boxes that lie at `path` within a box: `within(file, moov, b"trak", b"mdia")`."""
    if not path:
        yield box
        return
    for inner in boxes(file, box.body, box.end):
        if inner.kind == path[0]:
            yield from within(file, inner, *path[1:])
