"""Joining AAC parts frame by frame: nothing is decoded, nothing is lost.

Frames that only prime the decoder are left away at the beginning of every part but the first, and frames
that hold only padding at the end of every part. What remains lies on the grid of frames, so the end of a part
may still be padded by less than one frame (23 ms at 44100 Hz). Where a part begins is exact to the sample
nevertheless, for it is counted in the frames that are there; so is the end of the book, for it is in the edit
list.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from medialift.audiobooks import adts, copying, mp4_read
from medialift.audiobooks.aac_config import coding_of
from medialift.audiobooks.adts import FRAME_SAMPLES
from medialift.audiobooks.source import Source
from medialift.audiobooks.track import Stretch, Track
from medialift.errors import Permanent


class Unfit(Exception):
    """The frames of the parts do not fit each other: they have to be encoded."""


@dataclass(frozen=True)
class _Kept:
    """What is kept of a part: frames, and where among their samples it begins to be heard and ends."""

    sizes: array[int]
    stretches: tuple[Stretch, ...]
    begins: int
    ends: int


def joined(sources: Sequence[Source]) -> tuple[Track, tuple[int, ...]]:
    """One track of all parts, and how many samples lie from the beginning of each to that of the next.

    Raises:
        Unfit: they have different codings, or one cannot be taken frame by frame.
        OSError: one cannot be read.
    """
    try:
        tracks = [_part(source) for source in sources]
    except Permanent as error:
        raise Unfit(str(error)) from error
    if len(tracks) == 1:
        return tracks[0], (tracks[0].samples,)
    codings = {coding_of(track.entry) for track in tracks}
    if len(codings) > 1 or None in codings or any(not _on_grid(track) for track in tracks):
        raise Unfit("the parts have different codings")
    kept = [_kept(track, at == 0) for at, track in enumerate(tracks)]
    sizes: array[int] = array("I")
    stretches: list[Stretch] = []
    begins = []
    for part in kept:
        begins.append(len(sizes) * FRAME_SAMPLES + part.begins)
        end = len(sizes) * FRAME_SAMPLES + part.ends
        sizes += part.sizes
        stretches += part.stretches
    samples = tuple(after - begin for begin, after in zip(begins, [*begins[1:], end], strict=True))
    durations = ((len(sizes), FRAME_SAMPLES),)
    first = tracks[0]
    return (
        Track(first.entry, first.timescale, sizes, durations, tuple(stretches), begins[0], end - begins[0]),
        samples,
    )


def pass_through(source: Path, target: Path, stop: Event) -> None:
    """Copy a file as it is, by the kernel (and without copying at all where the file system can).

    Raises:
        Transient: `stop` was set.
        OSError: it cannot be read or written.
    """
    copying.copy(source, target, stop)


def _part(source: Source) -> Track:
    if source.container == "aac":
        found = adts.scan(source.path)
        sizes, frames = found.sizes, len(found.sizes)
        if not frames:
            raise Permanent("A part has no sound", str(source.path))
        stretch = Stretch(source.path, 0, frames, found.header)
        entry = found.coding.entry(source.bitrate)
        total = frames * FRAME_SAMPLES
        return Track(entry, found.coding.rate, sizes, ((frames, FRAME_SAMPLES),), (stretch,), 0, total)
    return mp4_read.read(source.path)


def _on_grid(track: Track) -> bool:
    """Whether each frame is of 1024 samples; the last one may be told to be shorter."""
    lengths = {length for _, length in track.durations[:-1]}
    count, last = track.durations[-1]
    return lengths <= {FRAME_SAMPLES} and (last == FRAME_SAMPLES or (count == 1 and last < FRAME_SAMPLES))


def _kept(track: Track, first: bool) -> _Kept:
    drop = 0 if first else track.start // FRAME_SAMPLES
    after = -(-(track.start + track.samples) // FRAME_SAMPLES)
    if after > track.frames or drop >= after:
        raise Unfit("a part is shorter than it says")
    begins = track.start - drop * FRAME_SAMPLES
    ends = track.start + track.samples - drop * FRAME_SAMPLES
    return _Kept(track.sizes[drop:after], tuple(track.between(drop, after)), begins, ends)
