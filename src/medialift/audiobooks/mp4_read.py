"""Reading the audio track of an MP4 file: where its frames lie, and which of their samples are heard.

Only tables are read, no audio. Source of the boxes: ISO 14496-12 (8.3 to 8.7), ISO 14496-14 (esds).
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from medialift.audiobooks.boxes import Box
from medialift.audiobooks.mp4_boxes import content, find, walk
from medialift.audiobooks.track import Stretch, Track
from medialift.errors import Permanent

_MOST_FRAMES = 1 << 27
"""Of a table that takes no bytes of its own for each of them, and could claim any number."""
_CLOSE_TICKS = 1
"""An edit that ends within so many ticks of the movie of where the frames end was rounded to these ticks."""


def read(path: Path) -> Track:
    """The first audio track of an MP4, M4A or M4B file.

    The samples that are heard are those of its edit list. ffmpeg and others round that to milliseconds but
    shorten the last frame exactly: where both agree within the rounding, the frames are right.

    Raises:
        Permanent: it is no MP4 file, it is truncated, or it has no audio track that can be taken frame by
            frame (a fragmented file, one with several passages cut together, one that is encrypted).
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        whole = Box(b"", 0, size)
        moov = find(file, whole, b"moov")
        if moov is None:
            raise Permanent("This is no complete MP4 file", str(path), "Get it again")
        movie = find(file, moov, b"mvhd")
        for trak in walk(file, moov.body, moov.end):
            if trak.kind == b"trak" and _handler(file, trak) == b"soun" and movie is not None:
                try:
                    return _track(path, file, trak, _timescale(content(file, movie)), _items(file, moov))
                except (struct.error, IndexError, ZeroDivisionError) as error:
                    raise Permanent("The tables of this MP4 file are damaged", str(path)) from error
    raise Permanent("This MP4 file has no audio track", str(path))


def _track(path: Path, file: BinaryIO, trak: Box, movie_scale: int, items: bytes) -> Track:
    def table(*names: bytes) -> bytes:
        found = find(file, trak, *names)
        if found is None:
            raise Permanent(
                "The audio of this MP4 file has no table of its frames", str(path), str(names[-1])
            )
        return content(file, found)

    stbl = (b"mdia", b"minf", b"stbl")
    entry = table(*stbl, b"stsd")[8:]
    timescale = _timescale(table(b"mdia", b"mdhd"))
    sizes = _sizes(table(*stbl, b"stsz"))
    durations = _pairs(table(*stbl, b"stts"))
    if not len(sizes) or sum(count for count, _ in durations) != len(sizes) or not timescale:
        raise Permanent("The audio of this MP4 file is in fragments or damaged", str(path))
    offsets = _offsets(file, trak, stbl)
    stretches = tuple(_stretches(path, sizes, offsets, table(*stbl, b"stsc")))
    if sum(stretch.frames for stretch in stretches) != len(sizes):
        raise Permanent("The tables of this MP4 file contradict each other", str(path))
    if stretches[-1].offset + sum(sizes[-stretches[-1].frames :]) > path.stat().st_size:
        raise Permanent("The MP4 file is truncated", str(path), "Get it again")
    total = sum(count * length for count, length in durations)
    edits = find(file, trak, b"edts", b"elst")
    start, samples = (
        _heard(path, content(file, edits), movie_scale, timescale, total) if edits else (0, total)
    )
    if samples <= 0:
        raise Permanent("Nothing of this MP4 file is heard, by its own edit list", str(path))
    return Track(entry, timescale, sizes, durations, stretches, start, samples, items)


def _heard(path: Path, elst: bytes, movie_scale: int, timescale: int, total: int) -> tuple[int, int]:
    """(first sample that is heard, how many are) by the edit list."""
    wide = elst[0] == 1
    form = struct.Struct(">Qqi" if wide else ">Iii")
    count = struct.unpack_from(">I", elst, 4)[0]
    if len(elst) < 8 + count * form.size:
        raise Permanent("The edit list of this MP4 file is damaged", str(path))
    edits = [form.unpack_from(elst, 8 + at * form.size)[:2] for at in range(count)]
    edits = [(length, media) for length, media in edits if media >= 0]
    if len(edits) > 1:
        raise Permanent("The audio of this MP4 file is cut together from several passages", str(path))
    if not edits:
        return 0, total
    ticks, start = edits[0]
    rest = max(0, total - start)
    samples = round(ticks * timescale / movie_scale) if ticks else rest
    tick = timescale / movie_scale
    return start, rest if abs(samples - rest) <= _CLOSE_TICKS * tick else min(samples, rest)


def _stretches(path: Path, sizes: array[int], offsets: array[int], stsc: bytes) -> Iterator[Stretch]:
    """Frames that lie one after the other, as long as possible."""
    runs = _triples(stsc)
    at, begin, frames, end = 0, -1, 0, -1
    for index, (first, each, _) in enumerate(runs):
        last = runs[index + 1][0] - 1 if index + 1 < len(runs) else len(offsets)
        for chunk in range(first - 1, min(last, len(offsets))):
            if offsets[chunk] != end:
                if frames:
                    yield Stretch(path, begin, frames)
                begin, frames, end = offsets[chunk], 0, offsets[chunk]
            frames += each
            end += sum(sizes[at : at + each])
            at += each
    if frames:
        yield Stretch(path, begin, frames)


def _handler(file: BinaryIO, trak: Box) -> bytes:
    hdlr = find(file, trak, b"mdia", b"hdlr")
    return content(file, hdlr)[8:12] if hdlr else b""


def _items(file: BinaryIO, moov: Box) -> bytes:
    """The tags as they are: the body of `ilst`."""
    ilst = find(file, moov, b"udta", b"meta", b"ilst")
    return content(file, ilst) if ilst else b""


def _timescale(header: bytes) -> int:
    """That of `mvhd` or `mdhd`: ticks in a second."""
    return int(struct.unpack_from(">I", header, 20 if header[0] == 1 else 12)[0])


def _sizes(stsz: bytes) -> array[int]:
    same, count = struct.unpack_from(">II", stsz, 4)
    if count > _MOST_FRAMES:
        raise IndexError("more frames than a month of audio has")
    return array("I", [same]) * count if same else _big_endian("I", stsz[12 : 12 + 4 * count])


def _offsets(file: BinaryIO, trak: Box, stbl: tuple[bytes, ...]) -> array[int]:
    for name, code, width in ((b"stco", "I", 4), (b"co64", "Q", 8)):
        found = find(file, trak, *stbl, name)
        if found is not None:
            table = content(file, found)
            return _big_endian(code, table[8 : 8 + width * struct.unpack_from(">I", table, 4)[0]])
    return array("I")


def _big_endian(code: str, raw: bytes) -> array[int]:
    values: array[int] = array(code)
    values.frombytes(raw)
    if sys.byteorder == "little":
        values.byteswap()
    return values


def _pairs(stts: bytes) -> tuple[tuple[int, int], ...]:
    return tuple(
        struct.unpack_from(">II", stts, 8 + 8 * at) for at in range(struct.unpack_from(">I", stts, 4)[0])
    )


def _triples(stsc: bytes) -> list[tuple[int, int, int]]:
    return [
        struct.unpack_from(">III", stsc, 8 + 12 * at) for at in range(struct.unpack_from(">I", stsc, 4)[0])
    ]
