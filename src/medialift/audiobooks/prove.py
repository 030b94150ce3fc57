"""Whether a finished book is what its sources were: nothing passes that lost sound.

One decoding of the finished file tells most of it; of the sources only short stretches are decoded: where the
book is silent, and where a few parts begin.

1. The tables say the length that was counted, to a millisecond, and the sources together claim no more.
2. The whole file decodes without an error, to at least that many samples.
3. Its chapters are those that were planned, each to a millisecond; none is empty or lies behind the end.
4. Where the book is silent for long, its source is silent at the same place.
5. At the beginnings of parts it is as loud as its source.
6. The cover can be shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from threading import Event
from typing import Any

from medialift.audiobooks.chapter import Chapter
from medialift.audiobooks.finish import heard
from medialift.audiobooks.foreseen import foreseen
from medialift.audiobooks.loudness import loudness
from medialift.audiobooks.probe import probe
from medialift.audiobooks.programs import Programs
from medialift.audiobooks.source import Source
from medialift.errors import Permanent, Transient
from medialift.foundation import process

EXACT_SECONDS = 0.001

# Encoders leave less than this of digital silence; what a room leaves between two words is above it.
_SILENT = "-70dB"
_SILENT_SECONDS = 2.0
_SOURCE_HEARD = -50.0
_SILENCES_LOOKED_AT = 12
# The loudness of the same stretch before and after coding differs by less, even at low rates.
_AS_LOUD = 6.0
# Speech is louder; of hiss that is not, an encoder may leave nothing.
_COMPARED = -45.0
_BEGINNING_SECONDS = 4.0
_BEGINNINGS_LOOKED_AT = 4
# What a container claims of a part may hold what primes its decoder and pads its last frame.
_CLAIMED_SECONDS = 0.25
# Containers that count how long they are; the others only guess by their size.
_COUNTING = ("mov", "flac", "ogg", "wav")

_DECODED = re.compile(r"\(audio\):.*?frames decoded \((\d+) samples\)")
_ERROR = re.compile(r"(?:\[(?P<who>[^\]@]+) @ [^\]]+\] )?\[(?:error|fatal)\] (?P<what>.*)")
# What these complain of (a chapter track, times that a muxer of nothing dislikes) is no error of the sound.
_TABLES = ("null", "mov,mp4")
_DAMAGE = re.compile(r"partial|corrupt|truncat|invalid data|input/output", re.IGNORECASE)
_LEVEL = re.compile(r"silence_(start|end): (-?[0-9.]+(?:e-?\d+)?)")


@dataclass(frozen=True)
class Proof:
    """What was proven of a book.

    Attributes:
        seconds, samples: of the whole. decoded: samples that ffmpeg decoded, the padding at the end included.
        chapters: how many of them were compared.
        silences: long ones, which are silent in the sources too.
        beginnings: how many parts are as loud there as their sources.
        cover: whether there is one, which can be shown.
    """

    seconds: float
    samples: int
    decoded: int
    chapters: int
    silences: int
    beginnings: int
    cover: bool

    def to_dict(self) -> dict[str, Any]:
        """All attributes."""
        return asdict(self)


def prove(
    file: Path,
    *,
    rate: int,
    samples: int | Sequence[int],
    chapters: Sequence[Chapter],
    sources: Sequence[Source],
    cover: bool,
    programs: Programs,
    stop: Event | None = None,
    timeout: float = 3600.0,
) -> Proof:
    """Compare a finished book with what it was made of.

    Args:
        rate, samples: as counted when the sources were decoded: of each part, or of all together; without the
            parts it is only known for a single source which place of it a place of the book was.
        cover: whether it should have one.
        timeout: seconds for the decoding of the whole file.

    Raises:
        Permanent: what is wrong with it. The sources are as they were: nothing was lost but time.
        Transient: `stop` was set, or ffmpeg did not end in time.
    """
    parts = [samples] if isinstance(samples, int) else list(samples)
    book = _Book(file, probe(file, programs, stop=stop), rate, parts, sources, programs, stop)
    book.length()
    book.chapters(chapters)
    decoded, silences = book.decoded(timeout)
    placed = len(parts) == len(sources)
    looked = book.silences(silences) if placed else 0
    beginnings = book.beginnings() if placed else 0
    if cover:
        book.cover()
    total = sum(parts)
    return Proof(total / rate, total, decoded, len(chapters), looked, beginnings, cover)


@dataclass(frozen=True)
class _Book:
    file: Path
    found: Source
    rate: int
    parts: Sequence[int]
    sources: Sequence[Source]
    programs: Programs
    stop: Event | None

    @property
    def seconds(self) -> Fraction:
        return Fraction(sum(self.parts), self.rate)

    def wrong(self, what: str, hint: str = "") -> Permanent:
        return Permanent(
            f"The finished book is wrong: {what}",
            str(self.file),
            hint or "The sources are kept: report this, and convert the book again",
        )

    def length(self) -> None:
        told = heard(self.file).seconds
        if abs(told - self.seconds) > EXACT_SECONDS:
            raise self.wrong(f"it is {float(told):.3f} s long, its parts are {float(self.seconds):.3f} s")
        claimed = [_claimed(one) for one in self.sources]
        if len(self.parts) == len(self.sources):
            for source, seconds, samples in zip(self.sources, claimed, self.parts, strict=True):
                lost = (seconds or 0.0) - samples / self.rate
                if lost > _CLAIMED_SECONDS:
                    raise Permanent(
                        f"{lost:.2f} s of a part were lost: it is damaged", str(source.path), "Get it again"
                    )
        elif None not in claimed:
            lost = sum(one or 0.0 for one in claimed) - float(self.seconds)
            if lost > _CLAIMED_SECONDS * len(claimed):
                raise self.wrong(f"{lost:.2f} s of what its sources say are not in it")

    def decoded(self, timeout: float) -> tuple[int, list[tuple[float, float]]]:
        """Samples at the book's rate, and long silences: (start, end) in seconds."""
        argv = [
            self.programs.ffmpeg,
            "-hide_banner",
            "-nostdin",
            "-nostats",
            "-v",
            "level+verbose",
            "-xerror",
        ]
        argv += ["-protocol_whitelist", "file", "-i", f"file:{self.file}", "-map", "0:a:0"]
        argv += ["-af", f"silencedetect=noise={_SILENT}:d={_SILENT_SECONDS}", "-f", "null", "-"]
        if self.stop is not None and self.stop.is_set():
            raise Transient("The proof of a book was stopped", str(self.file))
        done = process.run(argv, timeout=timeout, stop=self.stop)
        if errors := _errors(done):
            raise self.damaged(timeout) or self.wrong(f"it does not decode: {errors[0].rstrip('.')}")
        counted = _DECODED.search(done.err)
        if counted is None:
            raise Permanent(
                "ffmpeg does not say how much it decoded", self.programs.ffmpeg, "Install Debian's ffmpeg"
            )
        # Where the decoder doubles the rate (HE-AAC), its own rate counts.
        decoded = round(Fraction(int(counted[1]) * self.rate, self.found.rate))
        if decoded < sum(self.parts) - EXACT_SECONDS * self.rate:
            lost = (sum(self.parts) - decoded) / self.rate
            raise self.wrong(f"{lost:.3f} s of it cannot be decoded")
        return decoded, list(_silences(done.err, float(self.seconds)))

    def damaged(self, timeout: float) -> Permanent | None:
        """The error of the source whose frames are damaged: they were taken over as they were."""
        for source in self.sources:
            argv = [
                self.programs.ffmpeg,
                "-hide_banner",
                "-nostdin",
                "-nostats",
                "-v",
                "level+error",
                "-xerror",
            ]
            argv += ["-protocol_whitelist", "file", "-i", f"file:{source.path}", "-map", f"0:{source.stream}"]
            errors = _errors(process.run([*argv, "-f", "null", "-"], timeout=timeout, stop=self.stop))
            if errors:
                return Permanent(
                    "A part cannot be decoded wholly",
                    str(source.path),
                    f"Get it again. ffmpeg: {errors[0].rstrip('.')}",
                )
        return None

    def chapters(self, planned: Sequence[Chapter]) -> None:
        there = self.found.chapters
        if len(there) != len(planned):
            raise self.wrong(f"it has {len(there)} chapters, and {len(planned)} were planned")
        for number, (found, one) in enumerate(zip(there, planned, strict=True), start=1):
            if abs(found.start - one.start / self.rate) > EXACT_SECONDS:
                raise self.wrong(
                    f"chapter {number} begins at {found.start:.3f} s, not at {one.start / self.rate:.3f} s"
                )
            if found.title != one.title:
                raise self.wrong(f"chapter {number} is called “{found.title}”, not “{one.title}”")
            if not 0 <= one.start < one.end <= sum(self.parts):
                raise self.wrong(f"chapter {number} is empty, or lies behind the end")

    def silences(self, found: Sequence[tuple[float, float]]) -> int:
        """Look what the sources say where the book says nothing: at the longest silences."""
        longest = sorted(found, key=lambda one: one[0] - one[1])[:_SILENCES_LOOKED_AT]
        for start, end in longest:
            for source, begin, stretch in self._in_sources(start, end):
                if self._heard(source, begin, stretch):
                    raise self.wrong(
                        f"it is silent from {start:.1f} s to {end:.1f} s, where {source.path.name} is not"
                    )
        return len(longest)

    def beginnings(self) -> int:
        """Compare the loudness where parts begin: there no source has to be searched for the place."""
        most = min(_BEGINNINGS_LOOKED_AT, len(self.parts))
        # Evenly, from the first to the last.
        numbers = sorted({round(one * (len(self.parts) - 1) / max(1, most - 1)) for one in range(most)})
        starts = [0, *accumulate(self.parts)]
        for number in numbers:
            source, seconds = self.sources[number], min(_BEGINNING_SECONDS, self.parts[number] / self.rate)
            before = loudness(source.path, 0, seconds, self.programs, stream=source.stream, stop=self.stop)
            after = loudness(self.file, starts[number] / self.rate, seconds, self.programs, stop=self.stop)
            if before > _COMPARED and abs(before - after) > _AS_LOUD:
                raise self.wrong(
                    f"where {source.path.name} begins, it has {after:.0f} dB, its source {before:.0f} dB"
                )
        return len(numbers)

    def cover(self) -> None:
        if self.found.cover is None:
            raise self.wrong("it has no cover")
        argv = [self.programs.ffmpeg, "-v", "error", "-xerror", "-nostdin", "-i", f"file:{self.file}"]
        done = process.run([*argv, "-map", "0:v:0", "-frames:v", "1", "-f", "null", "-"], stop=self.stop)
        if not done.ok or done.err.strip():
            raise self.wrong("its cover cannot be shown")

    def _heard(self, source: Source, begin: float, stretch: float) -> bool:
        """Whether a stretch of a source is heard. Jumping there is fast, and may miss; then it is counted."""
        return all(
            loudness(
                source.path, begin, stretch, self.programs, stream=source.stream, stop=self.stop, exact=exact
            )
            > _SOURCE_HEARD
            for exact in (False, True)
        )

    def _in_sources(self, start: float, end: float) -> Iterator[tuple[Source, float, float]]:
        """(source, where in it, how long), in seconds, of a stretch of the book, a little within it."""
        begin = 0.0
        for source, samples in zip(self.sources, self.parts, strict=True):
            length = samples / self.rate
            first, last = max(start + 0.25, begin), min(end - 0.25, begin + length)
            if last - first > 0.25:
                yield source, first - begin, last - first
            begin += length


def _claimed(source: Source) -> float | None:
    """How long a source says it is, in seconds, when it counts; None when it only guesses."""
    counted = foreseen(source)
    if counted is not None:
        return counted / source.rate
    return source.seconds if source.container.split(",")[0] in _COUNTING else None


def _errors(done: process.Completed) -> list[str]:
    """What ffmpeg says of sound that it could not decode."""
    found = [one.group("who", "what") for one in _ERROR.finditer(done.err)]
    errors = [what for who, what in found if not (who or "").startswith(_TABLES) or _DAMAGE.search(what)]
    return errors if errors or done.ok else ["ffmpeg gave no reason"]


def _silences(said: str, end: float) -> Iterator[tuple[float, float]]:
    start: float | None = None
    for which, at in _LEVEL.findall(said):
        if which == "start":
            start = max(0.0, float(at))
        elif start is not None:
            yield start, float(at)
            start = None
    if start is not None:  # it lasts to the end
        yield start, end
