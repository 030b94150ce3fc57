"""Decoding parts to one stream of samples, and counting how many each of them gave.

Parts of the book's own rate are decoded several at a time by one ffmpeg, whose start costs as much as a
minute of sound; ffmpeg itself says in the end how many samples it decoded of each, and the sum is compared
with what came through the pipe. A part of another rate is decoded, and resampled, alone: what comes through
the pipe is its number of samples. So every number is exact, and no silence is put between two parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from medialift.audiobooks.foreseen import heard
from medialift.audiobooks.programs import Programs
from medialift.audiobooks.source import Source

SAMPLE_BYTES = 4
"""Of one channel: 32-bit floats, as decoders and encoders have them."""
_TOGETHER = 24
"""Parts that one ffmpeg decodes: each of them is open from its start on, and costs memory."""
_QUEUED = "256"
"""Packets that are read ahead of each part: with ffmpeg's own 8, its threads wake each other for each."""
_BATCHED = "asetnsamples=n=16384:p=0"
"""Fewer and larger pieces are written: each costs as much, however small it is."""
_DECODED = re.compile(r"Input stream #(\d+):\d+ \(audio\):.*?frames decoded \((\d+) samples\)")
_ERROR = re.compile(r"\[(?:error|fatal)\] (.*)")
_DAMAGE = re.compile(
    r"Error while decoding|Error submitting packet|CRC mismatch|corrupt|partial file|packet_obj_size"
    r"|Invalid data found|non monotonically increasing dts|Header missing|Input/output error",
    re.IGNORECASE,
)
"""What ffmpeg 5 to 7 say of sound that could not be decoded, or was not there any more."""


@dataclass(frozen=True)
class Format:
    """The samples that everything is decoded to: rate in Hz, number of channels."""

    rate: int
    channels: int

    @property
    def step(self) -> int:
        """Bytes of one sample of all channels."""
        return SAMPLE_BYTES * self.channels


@dataclass(frozen=True)
class Group:
    """Parts that one ffmpeg decodes one after the other: the number of the first one, and all of them."""

    first: int
    sources: tuple[Source, ...]

    @property
    def after(self) -> int:
        """The number of the part that comes after them."""
        return self.first + len(self.sources)


def groups(sources: Sequence[Source], first: int, end: int, form: Format) -> Iterator[Group]:
    """The parts from number `first` up to but without `end`, in groups."""
    at = first
    while at < end:
        after = at + 1
        if sources[at].rate == form.rate:
            while after < min(end, at + _TOGETHER) and sources[after].rate == form.rate:
                after += 1
        yield Group(at, tuple(sources[at:after]))
        at = after


def argv(programs: Programs, group: Group, form: Format, *, until: float | None = None) -> list[str]:
    """The command that writes the samples of a group to its standard output; of `until` seconds at most."""
    words = [programs.ffmpeg, "-hide_banner", "-nostdin", "-nostats", "-v", "level+verbose"]
    chains = []
    layout = "mono" if form.channels == 1 else "stereo"
    for number, source in enumerate(group.sources):
        # Only files, whatever a list that calls itself audio may name.
        ahead = ["-thread_queue_size", _QUEUED] if len(group.sources) > 1 else []
        words += [*ahead, "-protocol_whitelist", "file", "-i", f"file:{source.path}"]
        end = heard(source)
        steps = [
            *([f"atrim=end_sample={end}"] if end else []),
            # ffmpeg's own way from mono to stereo makes a part softer than the others.
            *(["pan=stereo|c0=c0|c1=c0"] if (source.channels, form.channels) == (1, 2) else []),
            f"aformat=sample_fmts=flt:sample_rates={form.rate}:channel_layouts={layout}",
        ]
        chains.append(f"[{number}:{source.stream}]{','.join(steps)}[a{number}]")
    # What ends early must not be decoded further than that.
    batched = f",{_BATCHED}" if until is None else ""
    joined = "".join(f"[a{number}]" for number in range(len(group.sources)))
    chains.append(f"{joined}concat=n={len(group.sources)}:v=0:a=1{batched}[all]")
    limit = [] if until is None else ["-t", f"{until:.6f}"]
    return [*words, "-filter_complex", ";".join(chains), "-map", "[all]", *limit, "-f", "f32le", "pipe:1"]


def counted(group: Group, said: str, through: int) -> tuple[int, ...] | None:
    """How many samples each part gave, from what ffmpeg said in the end and how many came through.

    None when the two do not agree: then the parts have to be counted one by one.
    """
    if len(group.sources) == 1:
        return (through,)
    told = {int(number): int(samples) for number, samples in _DECODED.findall(said)}
    samples = []
    for number, source in enumerate(group.sources):
        decoded, end = told.get(number, -1), heard(source)
        samples.append(min(decoded, end) if end else decoded)
    return tuple(samples) if min(samples) >= 0 and sum(samples) == through else None


def damaged(said: str) -> bool:
    """Whether something could not be decoded; that may be what lies behind the sound: other tags, padding."""
    return any(_DAMAGE.search(error) for error in _ERROR.findall(said))
