"""Writing an M4B: one audio track, its chapters twice (Nero's list and QuickTime's text track), cover, tags.

Everything is counted in samples: the clocks of the movie and of both tracks run at the rate of the audio, so
no time is rounded, and the end is exact: the edit list says which samples are heard, and the last frame lasts
only as long as it is heard. (ffmpeg's own writer rounds to milliseconds and lets the padding be heard.)

The tables come before the audio, so a player can begin at once. The file is written from its start to its
end; it takes the place of what was there only when it is whole.

Source of the boxes: ISO 14496-12, ISO 14496-14, the QuickTime File Format (text media, chapter lists), and
libavformat/movenc.c for what players expect of `chpl` and of the text track.
"""

from __future__ import annotations

import mmap
import struct
import sys
from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from threading import Event
from typing import BinaryIO

from medialift.audiobooks.chapter import Chapter
from medialift.audiobooks.mp4_boxes import LARGEST_32, box, full
from medialift.audiobooks.track import Stretch, Track
from medialift.errors import Transient
from medialift.foundation import atomic

_CHUNK_FRAMES = 64
"""Frames per chunk: about a second and a half, so that a player need not read far to begin anywhere."""
_BATCH_FRAMES = 4096
_COPY_BYTES = 1 << 22
_TAG_ROOM = 8192
"""Free bytes after the tags, so that a tag more does not move the whole book."""
_NERO_CHAPTERS = 255
"""The list has one byte for their number; the text track has no limit."""
_NERO_TITLE_BYTES = 255
_TITLE_BYTES = 65_535
_MATRIX = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_UNDETERMINED = 0x55C4
"""The language "und", five bits for each letter."""
_AUDIO, _TEXT = 1, 2
"""The numbers of the two tracks."""
_JPEG, _PNG = 13, 14
_LARGEST_TABLES = 1 << 27
"""Bytes that the tables take at most: 4 for each frame of 300 hours, and chapters beside."""
_PNG_START = b"\x89PNG\r\n\x1a\n"


def write(
    track: Track,
    target: Path,
    *,
    chapters: Sequence[Chapter] = (),
    cover: bytes | None = None,
    stop: Event | None = None,
    done_with: Sequence[Path] = (),
) -> None:
    """Write a track as M4B.

    Args:
        chapters: on the grid of `track.timescale`, in order; each lasts until the next one begins, the last
            one to the end. Empty: a file without chapters.
        cover: a JPEG or PNG; it takes the place of one among the tags of the track. None: that one stays.
        done_with: files of the track that are removed as soon as their frames are written, so that the audio
            does not lie there twice.

    Raises:
        Transient: `stop` was set.
        OSError: it cannot be written (disk full), or a source cannot be read.
    """
    track = track.without_padding()
    texts = [_text(chapter.title) for chapter in chapters]
    with atomic.replacing(target, mode=None) as file:
        file.write(head(track, chapters=chapters, cover=cover))
        file.writelines(texts)
        _copy(track, file, stop or Event(), frozenset(done_with))


def head(track: Track, *, chapters: Sequence[Chapter] = (), cover: bytes | None = None) -> bytes:
    """All that comes before the texts of the chapters and the frames: tables that tell where those lie."""
    texts = [_text(chapter.title) for chapter in chapters]
    items = _with_cover(track.items, cover)
    ftyp = box(b"ftyp", b"M4B ", struct.pack(">I", 512), b"M4B ", b"M4A ", b"mp42", b"isom", b"iso2")
    payload = sum(map(len, texts)) + track.bytes
    mdat = _mdat_head(payload)
    # The tables tell offsets that depend on their own length, which depends on how wide offsets are.
    wide = len(ftyp) + _LARGEST_TABLES + len(items) + len(mdat) + payload > LARGEST_32
    length = len(_moov(track, chapters, texts, items, 0, wide))
    return ftyp + _moov(track, chapters, texts, items, len(ftyp) + length + len(mdat), wide) + mdat


def _mdat_head(payload: int) -> bytes:
    if payload + 8 > LARGEST_32:
        return struct.pack(">I4sQ", 1, b"mdat", payload + 16)
    return struct.pack(">I4s", payload + 8, b"mdat")


def _moov(
    track: Track, chapters: Sequence[Chapter], texts: Sequence[bytes], items: bytes, begin: int, wide: bool
) -> bytes:
    """All tables, for frames that begin at the byte `begin` of the file (the texts before the audio)."""
    text_bytes = sum(map(len, texts))
    parts = [_mvhd(track), _audio(track, begin + text_bytes, wide, bool(chapters))]
    if chapters:
        parts.append(_text_track(track, chapters, texts, begin, wide))
    parts.append(_udta(chapters, track.timescale, items))
    return box(b"moov", *parts)


def _mvhd(track: Track) -> bytes:
    version, times = _times(track.timescale, track.samples)
    rest = struct.pack(">iH10x", 0x10000, 0x100) + _MATRIX + bytes(24) + struct.pack(">I", _TEXT + 1)
    return full(b"mvhd", version, 0, times, rest)


def _times(timescale: int, duration: int) -> tuple[int, bytes]:
    """(version, created + modified + timescale + duration) of `mvhd` and `mdhd`: wide when it must be."""
    if duration > LARGEST_32:
        return 1, struct.pack(">QQIQ", 0, 0, timescale, duration)
    return 0, struct.pack(">IIII", 0, 0, timescale, duration)


def _tkhd(number: int, flags: int, duration: int, volume: int) -> bytes:
    wide = duration > LARGEST_32
    times = struct.pack(">QQI4xQ" if wide else ">III4xI", 0, 0, number, duration)
    rest = struct.pack(">8xhhH2x", 0, 0 if volume else 1, volume) + _MATRIX + bytes(8)
    return full(b"tkhd", int(wide), flags, times, rest)


def _edits(start: int, samples: int) -> bytes:
    wide = max(start, samples) > 0x7FFFFFFF
    entry = struct.pack(">Qqi" if wide else ">Iii", samples, start, 0x10000)
    return box(b"edts", full(b"elst", int(wide), 0, struct.pack(">I", 1), entry))


def _audio(track: Track, begin: int, wide: bool, chaptered: bool) -> bytes:
    durations = _ending(track)
    version, times = _times(track.timescale, sum(count * length for count, length in durations))
    stbl = box(
        b"stbl",
        full(b"stsd", 0, 0, struct.pack(">I", 1), track.entry),
        _stts(durations),
        _stsc(track.frames),
        full(b"stsz", 0, 0, struct.pack(">II", 0, track.frames), _big_endian(track.sizes)),
        _chunks(begin, track.sizes, wide),
        # Each frame needs the one before it: a player that seeks begins one earlier.
        full(b"sgpd", 1, 0, b"roll", struct.pack(">IIh", 2, 1, -1)),
        full(b"sbgp", 0, 0, b"roll", struct.pack(">III", 1, track.frames, 1)),
    )
    minf = box(b"minf", full(b"smhd", 0, 0, bytes(4)), _here(), stbl)
    mdia = box(
        b"mdia",
        full(b"mdhd", version, 0, times, struct.pack(">HH", _UNDETERMINED, 0)),
        full(b"hdlr", 0, 0, bytes(4), b"soun", bytes(12), b"SoundHandler\0"),
        minf,
    )
    tref = box(b"tref", box(b"chap", struct.pack(">I", _TEXT))) if chaptered else b""
    return box(
        b"trak", _tkhd(_AUDIO, 3, track.samples, 0x100), _edits(track.start, track.samples), tref, mdia
    )


def _ending(track: Track) -> tuple[tuple[int, int], ...]:
    """The durations of its frames, the last one no longer than it is heard."""
    durations = list(track.durations)
    surplus = sum(count * length for count, length in durations) - (track.start + track.samples)
    count, length = durations.pop()
    if not 0 <= surplus < length:
        raise ValueError(f"{surplus} samples of frames are beyond the end")
    if not surplus:
        return (*durations, (count, length))
    return (*durations, *(((count - 1, length),) if count > 1 else ()), (1, length - surplus))


def _stts(durations: Sequence[tuple[int, int]]) -> bytes:
    table = b"".join(struct.pack(">II", *run) for run in durations)
    return full(b"stts", 0, 0, struct.pack(">I", len(durations)), table)


def _stsc(frames: int) -> bytes:
    runs = [(1, _CHUNK_FRAMES)] if frames >= _CHUNK_FRAMES else []
    if frames % _CHUNK_FRAMES:
        runs.append((frames // _CHUNK_FRAMES + 1, frames % _CHUNK_FRAMES))
    table = b"".join(struct.pack(">III", first, each, 1) for first, each in runs)
    return full(b"stsc", 0, 0, struct.pack(">I", len(runs)), table)


def _chunks(begin: int, sizes: array[int], wide: bool) -> bytes:
    """Where each chunk begins."""
    lengths = (sum(sizes[at : at + _CHUNK_FRAMES]) for at in range(0, len(sizes), _CHUNK_FRAMES))
    offsets = array("Q" if wide else "I", list(accumulate(lengths, initial=begin))[:-1])
    return full(b"co64" if wide else b"stco", 0, 0, struct.pack(">I", len(offsets)), _big_endian(offsets))


def _here() -> bytes:
    """That the frames are in this file itself."""
    return box(b"dinf", full(b"dref", 0, 0, struct.pack(">I", 1), full(b"url ", 0, 1)))


def _text_track(
    track: Track, chapters: Sequence[Chapter], texts: Sequence[bytes], begin: int, wide: bool
) -> bytes:
    starts = [*(chapter.start for chapter in chapters), track.samples]
    lengths = [after - start for start, after in pairwise(starts)]
    # Ticks of 32 bits: a chapter of more than a day is told in milliseconds.
    scale = track.timescale if max(lengths) <= LARGEST_32 else 1000
    marks = [start * scale // track.timescale for start in starts]
    durations = [(1, after - mark) for mark, after in pairwise(marks)]
    version, times = _times(scale, marks[-1] - marks[0])
    sizes = array("I", [len(text) for text in texts])
    offsets = array("Q" if wide else "I", list(accumulate(sizes, initial=begin))[:-1])
    plain = struct.pack(">IbbI4hHH", 0, 1, -1, 0, 0, 0, 0, 0, 0, 0) + struct.pack(
        ">HBBI", 1, 0, 0x12, 0xFFFFFFFF
    )
    font = struct.pack(">I4sHHB", 13, b"ftab", 1, 1, 0)
    stbl = box(
        b"stbl",
        full(b"stsd", 0, 0, struct.pack(">I", 1), box(b"text", bytes(6), b"\0\1", plain, font)),
        _stts(durations),
        full(b"stsc", 0, 0, struct.pack(">I", 1), struct.pack(">III", 1, 1, 1)),
        full(b"stsz", 0, 0, struct.pack(">II", 0, len(sizes)), _big_endian(sizes)),
        full(b"co64" if wide else b"stco", 0, 0, struct.pack(">I", len(offsets)), _big_endian(offsets)),
    )
    gmin = full(b"gmin", 0, 0, struct.pack(">H3HhH", 0x40, 0x8000, 0x8000, 0x8000, 0, 0))
    minf = box(b"minf", box(b"gmhd", gmin, box(b"text", _MATRIX)), _here(), stbl)
    mdia = box(
        b"mdia",
        full(b"mdhd", version, 0, times, struct.pack(">HH", _UNDETERMINED, 0)),
        full(b"hdlr", 0, 0, bytes(4), b"text", bytes(12), b"SubtitleHandler\0"),
        minf,
    )
    edits = _edits(0, track.samples - starts[0]) if not starts[0] else _late(starts[0], track.samples)
    return box(b"trak", _tkhd(_TEXT, 2, track.samples, 0), edits, mdia)


def _late(start: int, samples: int) -> bytes:
    """The edit list of a text track whose first chapter begins only at `start`."""
    entries = struct.pack(">Qqi", start, -1, 0x10000) + struct.pack(">Qqi", samples - start, 0, 0x10000)
    return box(b"edts", full(b"elst", 1, 0, struct.pack(">I", 2), entries))


def _text(title: str) -> bytes:
    """A frame of the text track: the title, and that it is UTF-8."""
    said = _cut(title, _TITLE_BYTES)
    return struct.pack(">H", len(said)) + said + struct.pack(">I4sI", 12, b"encd", 0x100)


def _udta(chapters: Sequence[Chapter], timescale: int, items: bytes) -> bytes:
    meta = full(
        b"meta",
        0,
        0,
        full(b"hdlr", 0, 0, bytes(4), b"mdir", b"appl", bytes(9)),
        box(b"ilst", items),
        box(b"free", bytes(_TAG_ROOM)),
    )
    return box(b"udta", meta, _chpl(chapters, timescale) if chapters else b"")


def _chpl(chapters: Sequence[Chapter], timescale: int) -> bytes:
    """Nero's list: starts in units of 100 ns."""
    listed = chapters[:_NERO_CHAPTERS]
    entries = []
    for chapter in listed:
        title = _cut(chapter.title, _NERO_TITLE_BYTES)
        at = (chapter.start * 10_000_000 + timescale // 2) // timescale
        entries.append(struct.pack(">QB", at, len(title)) + title)
    return full(b"chpl", 1, 0, struct.pack(">IB", 0, len(listed)), *entries)


def _cut(title: str, at_most: int) -> bytes:
    """UTF-8 of at most so many bytes; no letter is cut in two."""
    return title.encode()[:at_most].decode(errors="ignore").encode()


def _with_cover(items: bytes, cover: bytes | None) -> bytes:
    if cover is None:
        return items
    kind = _PNG if cover.startswith(_PNG_START) else _JPEG
    kept, at = [], 0
    while at + 8 <= len(items):
        size, name = struct.unpack_from(">I4s", items, at)
        if size < 8 or at + size > len(items):
            break
        if name != b"covr":
            kept.append(items[at : at + size])
        at += size
    return b"".join((*kept, box(b"covr", box(b"data", struct.pack(">II", kind, 0), cover))))


def _copy(track: Track, to: BinaryIO, stop: Event, done_with: frozenset[Path]) -> None:
    """Write all frames, without what lies before each of them in ADTS."""
    at = 0
    later = [stretch.path for stretch in track.stretches]
    for number, stretch in enumerate(track.stretches, 1):
        sizes = track.sizes[at : at + stretch.frames]
        at += stretch.frames
        for piece in _bare(stretch, sizes) if stretch.header else _whole(stretch, sum(sizes)):
            if stop.is_set():
                raise Transient("Writing a book was stopped", str(to.name))
            to.write(piece)
        if stretch.path in done_with and stretch.path not in later[number:]:
            stretch.path.unlink(missing_ok=True)


def _whole(stretch: Stretch, length: int) -> Iterator[bytes]:
    with stretch.path.open("rb") as file:
        file.seek(stretch.offset)
        while length:
            piece = file.read(min(length, _COPY_BYTES))
            if not piece:
                raise OSError(f"{stretch.path} became shorter while it was read")
            length -= len(piece)
            yield piece


def _bare(stretch: Stretch, sizes: array[int]) -> Iterator[bytes]:
    with stretch.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        at = stretch.offset + stretch.header
        for first in range(0, len(sizes), _BATCH_FRAMES):
            frames = []
            for size in sizes[first : first + _BATCH_FRAMES]:
                frames.append(mapped[at : at + size])
                at += size + stretch.header
            yield b"".join(frames)


def _big_endian(values: array[int]) -> bytes:
    if sys.byteorder == "little":
        values = values[:]
        values.byteswap()
    return values.tobytes()
