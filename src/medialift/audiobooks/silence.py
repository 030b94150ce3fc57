"""Silences of a recording, and chapters that are split at them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from medialift.audiobooks.chapter import Chapter
from medialift.audiobooks.programs import Programs
from medialift.foundation import process

# What a narrator leaves between two sentences lies under this, what is left of the room above it.
_NOISE = "-40dB"
_SECONDS = 0.4
_LINE = re.compile(r"silence_(start|end): (-?[0-9.]+(?:e-?\d+)?)")


@dataclass(frozen=True)
class Silence:
    """Nothing is heard from `start` to `end`, in seconds."""

    start: float
    end: float

    @property
    def middle(self) -> float:
        return (self.start + self.end) / 2

    @property
    def length(self) -> float:
        return self.end - self.start


def find(
    path: Path, programs: Programs, *, timeout: float, stop: Event | None = None, threads: int = 1
) -> list[Silence]:
    """The silences of a recording, in order. The whole of it is decoded.

    Raises:
        Permanent: it cannot be decoded.
        Transient: it took longer than `timeout` seconds, or `stop` was set.
    """
    argv = [programs.ffmpeg, "-hide_banner", "-nostats", "-nostdin", "-v", "info", "-threads", str(threads)]
    argv += ["-i", f"file:{path}", "-map", "0:a:0", "-af", f"silencedetect=noise={_NOISE}:d={_SECONDS}"]
    done = process.run([*argv, "-f", "null", "-"], timeout=timeout, stop=stop)
    done.checked("The silences of a recording cannot be found")
    silences: list[Silence] = []
    start: float | None = None
    for which, at in _LINE.findall(done.err):
        if which == "start":
            start = max(0.0, float(at))
        elif start is not None:
            silences.append(Silence(start, float(at)))
            start = None
    return silences


def split(
    chapters: Sequence[Chapter], silences: Sequence[Silence], rate: int, *, longest: int, wanted: int
) -> list[Chapter]:
    """Chapters of more than `longest` samples in pieces of about `wanted`, each from silence to silence.

    Of the silences near the place where a piece should end the longest is taken: there a thought ends. Where
    there is none, a piece stays longer. Pieces are called "Title (1)", "Title (2)", …
    """
    return [
        piece
        for one in chapters
        for piece in (_pieces(one, silences, rate, wanted) if one.end - one.start > longest else [one])
    ]


def _pieces(chapter: Chapter, silences: Sequence[Silence], rate: int, wanted: int) -> list[Chapter]:
    count = max(2, math.ceil((chapter.end - chapter.start) / wanted))
    size = (chapter.end - chapter.start) / count
    cuts = [chapter.start]
    for number in range(1, count):
        target = chapter.start + number * size
        # A quarter of a piece to both sides: no piece is shorter than half of what it should be.
        near = [one for one in silences if abs(one.middle * rate - target) <= size / 4]
        if near:
            cuts.append(round(max(near, key=lambda one: one.length).middle * rate))
    if len(cuts) == 1:
        return [chapter]
    ends = [*cuts[1:], chapter.end]
    return [
        Chapter(start, end, f"{chapter.title} ({number})")
        for number, (start, end) in enumerate(zip(cuts, ends, strict=True), start=1)
    ]
