"""Splitting a book into pieces that are encoded at once, so that joined they equal what one pass gives.

AAC codes frames of 1024 samples, each with half of the one before. All pieces are cut on one grid of such
frames; each begins some frames earlier than it is wanted, so that its encoder has come to where a single one
would be, and is fed a little more than it is wanted for. What is too much is thrown away: nothing is heard
where two pieces meet.

The encoder is given `lead` silent samples before the book, so that the book ends exactly where a frame does:
a decoder that knows nothing of ends then plays no sample too many. The edit list leaves them away again.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from medialift.audiobooks.adts import FRAME_SAMPLES

_OVERLAP_FRAMES = 64
"""A second and a half: after eight a decoder hears no seam, after these hardly a sample differs near it."""
_MARGIN_FRAMES = 4
"""What an encoder looks ahead (a frame or two), and what it holds back."""
_LEAST_SECONDS = 30
"""Of a piece: below it, starting one more encoder costs more than it gains."""


@dataclass(frozen=True)
class Grid:
    """A book on the grid of its frames.

    Attributes:
        samples: of each part, at the book's rate.
        priming: samples that the encoder puts before what it is given.
        lead: silent samples that it is given before the book.
        frames: how many frames the whole takes.
    """

    samples: tuple[int, ...]
    priming: int
    lead: int
    frames: int

    @property
    def total(self) -> int:
        """Samples of the book."""
        return sum(self.samples)

    @property
    def start(self) -> int:
        """The first sample that is heard, counted from the first one that is decoded."""
        return self.priming + self.lead


@dataclass(frozen=True)
class Piece:
    """What one encoder does.

    Attributes:
        lead: silent samples that it is given first.
        part: the first part that it is given, from the sample `skip` of it on.
        after: the first part that the next piece counts: those before are counted in this one.
        length: samples of the book that it is given; None: all to the end.
        drop: frames at its beginning that are thrown away. keep: how many are kept then.
    """

    lead: int
    part: int
    skip: int
    after: int
    length: int | None
    drop: int
    keep: int


def grid(samples: Sequence[int], priming: int) -> Grid:
    """The grid of a book of these parts."""
    whole = sum(samples) + priming
    lead = -whole % FRAME_SAMPLES
    return Grid(tuple(samples), priming, lead, (whole + lead) // FRAME_SAMPLES)


def split(on: Grid, rate: int, cores: int) -> tuple[Piece, ...]:
    """As many pieces of about the same length as there are cores, fewer when the book is short."""
    starts = [0, *accumulate(on.samples)]
    number = max(1, min(cores, on.total // (_LEAST_SECONDS * rate)))
    cuts = [on.frames * piece // number for piece in range(number)]
    places = [_place(starts, on, cut) for cut in cuts]
    ends = [*cuts[1:], on.frames]
    pieces = []
    for index, (cut, (lead, part, at)) in enumerate(zip(cuts, places, strict=True)):
        last = index + 1 == number
        fed = min(on.total, (ends[index] + _MARGIN_FRAMES) * FRAME_SAMPLES - on.lead)
        pieces.append(
            Piece(
                lead,
                part,
                at - starts[part],
                len(on.samples) if last else places[index + 1][1],
                None if last else fed - at,
                _OVERLAP_FRAMES if cut else 0,
                ends[index] - cut,
            )
        )
    return tuple(pieces)


def _place(starts: Sequence[int], on: Grid, cut: int) -> tuple[int, int, int]:
    """(silence to give, part, sample of the book) where the encoder of the frames from `cut` on begins."""
    if not cut:
        return on.lead, 0, 0
    at = (cut - _OVERLAP_FRAMES) * FRAME_SAMPLES - on.lead
    # Of parts without samples that begin at the same place, the last: it is the one that is there.
    return 0, min(bisect_right(starts, at) - 1, len(on.samples) - 1), at
