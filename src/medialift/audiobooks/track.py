"""An audio track as frames: where each lies in which file, how long it is, and which samples are heard.

It is what reading an MP4 or ADTS file gives, what joining and encoding make, and what `mp4_write` takes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Stretch:
    """Frames that lie one after the other in a file, from a byte of it on.

    Attributes:
        header: bytes before each frame that do not belong to it (7 in ADTS; 0 in MP4).
    """

    path: Path
    offset: int
    frames: int
    header: int = 0


@dataclass(frozen=True)
class Track:
    """An audio track.

    Attributes:
        entry: the description of its coding: the sample entry of `stsd`, with its own head.
        timescale: ticks in a second in which durations are; its rate in Hz, in all that is written here.
        sizes: bytes of each frame.
        durations: (number of frames, ticks of each of them), one after the other.
        stretches: where the frames lie, in their order.
        start: the first tick that is heard; those before prime the decoder.
        samples: how many ticks are heard from there.
        items: tags: the body of `ilst`.
    """

    entry: bytes
    timescale: int
    sizes: array[int]
    durations: tuple[tuple[int, int], ...]
    stretches: tuple[Stretch, ...]
    start: int
    samples: int
    items: bytes = b""

    @property
    def frames(self) -> int:
        """How many frames it has."""
        return len(self.sizes)

    @property
    def bytes(self) -> int:
        """Size of all frames."""
        return sum(self.sizes)

    def between(self, first: int, after: int) -> Iterator[Stretch]:
        """The stretches of the frames from number `first` up to but without `after`."""
        at = 0
        for stretch in self.stretches:
            begin, end = max(first, at), min(after, at + stretch.frames)
            if begin < end:
                skipped = sum(self.sizes[at:begin]) + (begin - at) * stretch.header
                yield Stretch(stretch.path, stretch.offset + skipped, end - begin, stretch.header)
            at += stretch.frames

    def without_padding(self) -> Track:
        """The same track without frames at its end of which nothing is heard."""
        left, kept, durations = self.start + self.samples, 0, []
        for count, length in self.durations:
            wanted = min(count, -(-left // length) if length else count)
            if wanted <= 0:
                break
            durations.append((wanted, length))
            kept, left = kept + wanted, left - wanted * length
        if kept == self.frames:
            return self
        stretches = tuple(self.between(0, kept))
        return replace(self, sizes=self.sizes[:kept], durations=tuple(durations), stretches=stretches)
