"""An audio track as frames: where each lies in which file, how long it is, and which samples are heard.

It is what reading an MP4 or ADTS file gives, what joining and encoding make, and what `mp4_write` takes.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
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
