"""The last step of the sound: its chapters and its cover are put into the book, and nothing else changes.

The frames of the sound are taken over as they are, and so is what of them is heard, to the sample. Chapters
are written twice, since players differ: as the list of Nero and as a text track of QuickTime.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from threading import Event

from medialift.audiobooks import copying, mp4_read, mp4_write
from medialift.audiobooks.chapter import Chapter
from medialift.audiobooks.probe import probe
from medialift.audiobooks.programs import Programs
from medialift.audiobooks.source import EmbeddedChapter

_SAME_SECONDS = 0.001


@dataclass(frozen=True)
class Heard:
    """How much of a book is heard: its samples (or ticks of its clock), and how many are in a second."""

    samples: int
    rate: int

    @property
    def seconds(self) -> Fraction:
        """Exactly so long."""
        return Fraction(self.samples, self.rate)


def finish(
    audio: Path,
    chapters: Sequence[Chapter],
    rate: int,
    cover: Path | None,
    target: Path,
    programs: Programs,
    *,
    stop: Event | None = None,
) -> None:
    """Write `audio` with its chapters and cover to `target`; `audio` stays as it is.

    A book that has these chapters already and needs no other cover is copied byte for byte.

    Args:
        chapters: on the grid of `rate` (Hz), without a gap.
        cover: a JPEG or PNG; None: the one that the sound may have stays.

    Raises:
        Permanent: `audio` is no MP4 that can be read.
        Transient: `stop` was set.
        OSError: `target` cannot be written (disk full).
    """
    picture = cover.read_bytes() if cover is not None else None
    if _has(audio, chapters, rate, picture, programs):
        copying.copy(audio, target, stop)
        return
    write_chapters(audio, chapters, rate, target, cover=picture, stop=stop)


def write_chapters(
    book: Path,
    chapters: Sequence[Chapter],
    rate: int,
    target: Path,
    *,
    cover: bytes | None = None,
    stop: Event | None = None,
) -> None:
    """Write a book with these chapters in the place of its own; `target` may be the book itself.

    Tags and cover stay. Raises as `finish`.
    """
    track = mp4_read.read(book)
    # A book of another program may count in another clock than its samples.
    ticks = Fraction(track.timescale, rate)
    on_its_clock = [Chapter(round(one.start * ticks), round(one.end * ticks), one.title) for one in chapters]
    mp4_write.write(track, target, chapters=on_its_clock, cover=cover, stop=stop)


def read_chapters(path: Path, programs: Programs, *, stop: Event | None = None) -> list[EmbeddedChapter]:
    """The chapters of a book, in seconds.

    Raises:
        Permanent, Transient: as `probe`.
    """
    return list(probe(path, programs, stop=stop).chapters)


def heard(path: Path) -> Heard:
    """How much of a book is heard, by its tables.

    Raises:
        Permanent: it is no MP4 that can be read.
    """
    track = mp4_read.read(path)
    return Heard(track.samples, track.timescale)


def _has(
    audio: Path, chapters: Sequence[Chapter], rate: int, picture: bytes | None, programs: Programs
) -> bool:
    there = read_chapters(audio, programs)
    if len(there) != len(chapters) or (picture is not None and picture not in mp4_read.read(audio).items):
        return False
    return all(
        one.title == other.title and abs(one.start - other.start / rate) < _SAME_SECONDS
        for one, other in zip(there, chapters, strict=True)
    )
