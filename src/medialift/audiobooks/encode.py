"""A book's parts become one M4B: as they are, joined frame by frame, or decoded and encoded in one stream.

Encoding goes decoders → samples → one encoder per piece → frames → M4B. No part is ever encoded by itself, so
there is nothing between two parts that was not in them, and every number of samples is counted, not read from
a header. A book that has several cores to itself is encoded in pieces that fit together (`pieces`).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from medialift.audiobooks import adts, counting, decoding, mp4_read, mp4_write, pieces, splice
from medialift.audiobooks import plan as planning
from medialift.audiobooks.decoding import Format, Group
from medialift.audiobooks.pieces import Grid, Piece
from medialift.audiobooks.plan import Kind, Plan
from medialift.audiobooks.programs import Programs
from medialift.audiobooks.relay import GivenUp, Program, Watch, pour, running, start
from medialift.audiobooks.source import Source
from medialift.audiobooks.track import Stretch, Track
from medialift.errors import MedialiftError, Permanent, Transient
from medialift.foundation import process
from medialift.foundation.waiting import SystemClock

_TELL_SECONDS = 0.5
_NATIVE_PRIMING = 1024
"""Samples that ffmpeg's own encoder puts before what it is given: one frame (libavcodec/aacenc.c)."""
_SHORT_SECONDS = 30.0
_PACKET_BYTES = 1 << 16
_FLOATS = 3
"""The number of 32-bit floats in the head of a WAV file."""
_SPARE_BYTES = 16_000_000
_SPARE_SHARE = 1.15


@dataclass(frozen=True)
class Converted:
    """An M4B without chapters and tags.

    Attributes:
        rate: samples per second in which all numbers of samples are.
        samples: of each part, exactly as they lie in the file: part k begins at the sum of those before it.
        kind: what was done; "encode" also where frames that were to be joined did not fit each other.
    """

    path: Path
    rate: int
    channels: int
    samples: tuple[int, ...]
    kind: Kind

    @property
    def total(self) -> int:
        """Samples of the book."""
        return sum(self.samples)


def convert(
    sources: Sequence[Source],
    plan: Plan,
    target: Path,
    *,
    work: Path,
    cores: int,
    programs: Programs,
    stop: Event,
    timeout: float,
    tell: Callable[[float], object] | None = None,
) -> Converted:
    """Make one M4B of all parts.

    Args:
        target: the file to write; it is there only when all went well.
        work: an empty folder for intermediate files; they are removed as they are used.
        cores: how many pieces of the book may be encoded at once.
        timeout: seconds after which everything that runs is killed.
        tell: is told the share that is done, 0 to 1, from the thread of the caller.

    Raises:
        Permanent: a part cannot be decoded wholly or is truncated (it is named), or a program is missing.
        Transient: `stop` was set, it did not end in time, or a program died.
        OSError: a disk is full, or a file cannot be read or written.
    """
    clock = SystemClock()
    watch = Watch(stop, clock.monotonic() + timeout, clock)
    tell = tell or _untold
    work.mkdir(parents=True, exist_ok=True)
    if plan.kind != "encode":
        try:
            track, samples = splice.joined(sources)
        except splice.Unfit:
            plan = planning.encoding(sources, plan)
        else:
            if plan.kind == "pass_through":
                splice.pass_through(sources[0].path, target, stop)
            else:
                mp4_write.write(track, target, stop=stop)
            tell(1.0)
            return Converted(target, track.timescale, plan.channels, samples, plan.kind)
    return _encoded(sources, plan, target, work, max(1, cores), programs, watch, tell)


def space_needed(sources: Sequence[Source], plan: Plan) -> int:
    """Bytes that `convert` needs at most, in `work` and beside `target` together."""
    if plan.kind != "encode":
        return sum(source.path.stat().st_size for source in sources) + _SPARE_BYTES
    seconds = sum(source.seconds for source in sources)
    # All frames lie in `work` when the book is written, and are removed piece by piece.
    return 2 * int(seconds * plan.bitrate / 8 * _SPARE_SHARE) + _SPARE_BYTES


def _encoded(
    sources: Sequence[Source],
    plan: Plan,
    target: Path,
    work: Path,
    cores: int,
    programs: Programs,
    watch: Watch,
    tell: Callable[[float], object],
) -> Converted:
    form = Format(plan.rate, plan.channels)
    samples = counting.expected(sources, form, programs, watch, cores)
    priming = _priming(plan, work, programs, watch)
    # What headers foresee is not always what is decoded: then it is known now, and the second go is right.
    for last in (False, True):
        grid = pieces.grid(samples, priming)
        goes = [
            _Go(number, piece, sources, plan, form, work, programs, watch)
            for number, piece in enumerate(pieces.split(grid, form.rate, cores))
        ]
        counted = _run(goes, grid, watch, tell)
        if counted == tuple(samples):
            break
        if last:
            raise Transient("The parts decode to another length each time", str(sources[0].path))
        samples = list(counted)
    track = _track(goes, grid, plan)
    mp4_write.write(track, target, stop=watch.stop, done_with=[go.path for go in goes])
    tell(1.0)
    return Converted(target, form.rate, form.channels, grid.samples, "encode")


class _Go:
    """One piece on its way through decoders and encoder; runs in a thread of its own."""

    def __init__(
        self,
        number: int,
        piece: Piece,
        sources: Sequence[Source],
        plan: Plan,
        form: Format,
        work: Path,
        programs: Programs,
        watch: Watch,
    ) -> None:
        self.piece, self.path = piece, work / f"piece-{number}.aac"
        self.poured = 0
        """Samples that the encoder got so far."""
        self._sources, self._plan, self._form = sources, plan, form
        self._programs, self._watch = programs, watch

    def run(self) -> tuple[int, ...]:
        """Encode it; the samples of each part that is counted in it."""
        argv = _encoder(self._programs, self._plan, self.path)
        with running(argv, self._watch, reads=True) as encoder:
            try:
                os.write(encoder.input, _wave_head(self._form) + bytes(self.piece.lead * self._form.step))
                samples = self._pour_parts(encoder.input)
                rc = encoder.ended()
            except BrokenPipeError:
                rc = encoder.ended() or -1
            if rc:
                raise _encoder_failed(self._plan, rc, encoder.said())
        return samples

    def _pour_parts(self, sink: int) -> tuple[int, ...]:
        samples: list[int] = []
        skip, left = self.piece.skip, self.piece.length
        with ExitStack() as stack:
            nowhere = stack.enter_context(open(os.devnull, "wb")).fileno()  # noqa: PTH123 - no file
            for group, decoder in self._decoders(stack):
                through = self._pour(decoder.output, nowhere, skip) if skip else 0
                skip -= through
                given = self._pour(decoder.output, sink, left)
                self.poured += given
                left = None if left is None else left - given
                if group.first < self.piece.after:
                    # It is counted here to its end, also when it is longer than was foreseen.
                    rest = 0 if left is None else self._pour(decoder.output, nowhere, None)
                    samples += counting.concluded(
                        group, decoder, through + given + rest, self._form, self._programs, self._watch
                    )
                decoder.end()
                if left == 0 and group.after >= self.piece.after:
                    break
        return tuple(samples)

    def _pour(self, source: int, sink: int, samples: int | None) -> int:
        step = self._form.step
        return pour(source, sink, self._watch, None if samples is None else samples * step) // step

    def _decoders(self, stack: ExitStack) -> Iterator[tuple[Group, Program]]:
        """Each group with its decoder; the next one's is started ahead, and fills its pipe meanwhile."""
        ahead: tuple[Group, Program] | None = None
        for group in self._groups():
            decoder = start(decoding.argv(self._programs, group, self._form), self._watch, writes=True)
            stack.callback(decoder.end)
            if ahead is not None:
                yield ahead
            ahead = group, decoder
        if ahead is not None:
            yield ahead

    def _groups(self) -> Iterator[Group]:
        """The parts that it counts; then, one by one, those of which it needs only the beginning."""
        yield from decoding.groups(self._sources, self.piece.part, self.piece.after, self._form)
        if self.piece.length is not None:
            for number in range(self.piece.after, len(self._sources)):
                yield Group(number, (self._sources[number],))


def _untold(share: float) -> None:
    """For a caller who does not want to know: no share is told."""


def _run(goes: Sequence[_Go], grid: Grid, watch: Watch, tell: Callable[[float], object]) -> tuple[int, ...]:
    """All pieces at once; the samples of all parts."""
    with ThreadPoolExecutor(len(goes), "encode") as pool:
        running_ones: list[Future[tuple[int, ...]]] = [pool.submit(go.run) for go in goes]
        try:
            while True:
                done, left = wait(running_ones, _TELL_SECONDS, FIRST_EXCEPTION)
                broken = [one for one in done if one.exception() is not None]
                if broken or not left:
                    break
                tell(min(0.99, sum(go.poured for go in goes) / grid.total))
        finally:
            if any(not one.done() for one in running_ones):
                watch.failed.set()
    errors = [error for one in running_ones if (error := one.exception()) is not None]
    if errors:
        raise next((error for error in errors if not isinstance(error, GivenUp)), errors[0])
    return tuple(samples for one in running_ones for samples in one.result())


def _encoder(programs: Programs, plan: Plan, path: Path) -> list[str]:
    form = ("-f", "wav", "-ignore_length", "1", "-max_size", str(_PACKET_BYTES))
    coding = ("-c:a", plan.codec, "-b:a", str(plan.bitrate))
    words = [programs.ffmpeg, "-hide_banner", "-nostdin", "-nostats", "-v", "error", "-y"]
    return [*words, *form, "-i", "pipe:0", *coding, "-f", "adts", f"file:{path}"]


def _wave_head(form: Format) -> bytes:
    """The head of an endless WAV of floats: of WAV, unlike of raw samples, ffmpeg reads large packets."""
    coding = struct.pack(
        "<HHIIHH",
        _FLOATS,
        form.channels,
        form.rate,
        form.rate * form.step,
        form.step,
        8 * decoding.SAMPLE_BYTES,
    )
    endless = struct.pack("<I", 0xFFFFFFFF)
    return b"RIFF" + endless + b"WAVEfmt " + struct.pack("<I", len(coding)) + coding + b"data" + endless


def _encoder_failed(plan: Plan, rc: int, said: str) -> MedialiftError | OSError:
    if "No space left" in said:
        return OSError(28, "No space left on device")
    last = (said.strip().splitlines() or [f"it ended with {rc}"])[-1].rstrip(".")
    return Transient(f"The encoder {plan.codec} failed", "ffmpeg", last)


def _priming(plan: Plan, work: Path, programs: Programs, watch: Watch) -> int:
    """Samples that the encoder puts before the first one: as it tells the MP4 writer of ffmpeg."""
    if plan.codec == planning.NATIVE:
        return _NATIVE_PRIMING
    trial = work / "priming.m4a"
    source = f"anullsrc=r={plan.rate}:cl={'mono' if plan.channels == 1 else 'stereo'}:d=1"
    coding = ["-c:a", plan.codec, "-b:a", str(plan.bitrate), "-f", "ipod", f"file:{trial}"]
    argv = [programs.ffmpeg, "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", source, *coding]
    process.run(argv, timeout=_SHORT_SECONDS, stop=watch.stop).checked(
        f"The encoder {plan.codec} does not work"
    )
    priming = mp4_read.read(trial).start
    trial.unlink()
    return priming


def _track(goes: Sequence[_Go], grid: Grid, plan: Plan) -> Track:
    """The frames that are kept of all pieces, as one track."""
    scanned = [adts.scan(go.path) for go in goes]
    sizes = scanned[0].sizes[:0]
    stretches = []
    for go, frames in zip(goes, scanned, strict=True):
        first, after = go.piece.drop, go.piece.drop + go.piece.keep
        if len(frames.sizes) < after or frames.coding != scanned[0].coding:
            raise Transient("The encoder wrote fewer frames than it was given sound for", str(go.path))
        offset = sum(frames.sizes[:first]) + first * frames.header
        stretches.append(Stretch(go.path, offset, after - first, frames.header))
        sizes += frames.sizes[first:after]
    if len(sizes) != grid.frames:
        raise Permanent("The pieces of a book do not fit each other", str(goes[0].path))
    bitrate = sum(sizes) * 8 * plan.rate // (grid.frames * adts.FRAME_SAMPLES)
    entry = scanned[0].coding.entry(bitrate)
    durations = ((grid.frames, adts.FRAME_SAMPLES),)
    return Track(entry, plan.rate, sizes, durations, tuple(stretches), grid.start, grid.total)
