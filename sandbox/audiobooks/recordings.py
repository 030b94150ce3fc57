"""Books that are spoken here: espeak-ng says a known text, ffmpeg codes it, and every sample is counted.

The spoken PCM is exact: `Recording.samples` is how many samples went into the encoder, whatever the container
then says. What a file becomes is cut and compared on that grid, so an error of a millisecond is seen.
What was spoken or coded once in a process is not spoken or coded again.
"""

from __future__ import annotations

import functools
import math
import subprocess
import sys
import tempfile
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import mul
from pathlib import Path

CODECS = ("mp3", "m4a", "m4b", "aac", "alac", "flac", "ogg", "opus", "wma", "wav")
"""The kinds of file: by default one ends in its own name (`.m4a` for alac)."""

_CODING: Mapping[str, tuple[str, ...]] = {
    "mp3": ("-c:a", "libmp3lame", "-id3v2_version", "3", "-f", "mp3"),
    "m4a": ("-c:a", "aac", "-aac_coder", "fast", "-f", "ipod"),
    "m4b": ("-c:a", "aac", "-aac_coder", "fast", "-f", "ipod"),
    "aac": ("-c:a", "aac", "-aac_coder", "fast", "-f", "adts"),
    "alac": ("-c:a", "alac", "-f", "ipod"),
    "flac": ("-c:a", "flac", "-f", "flac"),
    "ogg": ("-c:a", "libvorbis", "-f", "ogg"),
    "opus": ("-c:a", "libopus", "-f", "opus"),
    "wma": ("-c:a", "wmav2", "-f", "asf"),
    "wav": ("-c:a", "pcm_s16le", "-f", "wav"),
}
_LOSSLESS = ("alac", "flac", "wav")
_OPUS_RATE = 48_000
_SECONDS = 120.0


@dataclass(frozen=True)
class Recording:
    """A spoken file: what it says, its rate in Hz, and how many samples per channel were coded."""

    path: Path
    text: str
    samples: int
    rate: int

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.samples / self.rate


def speak(
    text: str,
    path: Path,
    *,
    codec: str = "mp3",
    rate: int = 44_100,
    channels: int = 1,
    bitrate: str = "64k",
    tags: Mapping[str, str] | None = None,
    vbr: bool = False,
    seconds: float | None = None,
    chapters: Sequence[tuple[float, str]] = (),
    cover: Path | None = None,
) -> Recording:
    """Write `text` as speech to `path`, whose ending may be any: the codec alone decides what it becomes.

    Args:
        codec: one of CODECS. Opus is always of 48000 Hz, whatever `rate` says.
        tags: names as ffmpeg knows them: title, album, artist, album_artist, composer, track, disc, …
        vbr: a variable rate of bits, for mp3 and ogg, in place of `bitrate`.
        seconds: exactly so long: cut, or said again and again (numbered, so that no stretch equals another).
        chapters: (second at which it begins, title), in order; the last one ends with the file.
        cover: a picture to embed (mp3, m4a, m4b, alac, flac).
    """
    rate = _OPUS_RATE if codec == "opus" else rate
    spoken = _spoken(text, rate, channels, seconds)
    samples = len(spoken) // (2 * channels)
    coding = [*_CODING[codec]]
    if vbr:
        coding += ["-q:a", "5" if codec == "mp3" else "2"]
    elif codec not in _LOSSLESS:
        coding += ["-b:a", bitrate]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        _coded(
            spoken,
            rate,
            channels,
            tuple(coding),
            tuple((tags or {}).items()),
            _chapter_text(chapters, samples / rate),
            cover.read_bytes() if cover is not None else b"",
        )
    )
    return Recording(path, text, samples, rate)


def silence(
    path: Path, *, seconds: float, codec: str = "mp3", rate: int = 44_100, channels: int = 1
) -> Recording:
    """A file in which nothing is heard."""
    samples = round(seconds * rate)
    coding = (*_CODING[codec], *(() if codec in _LOSSLESS else ("-b:a", "64k")))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_coded(bytes(2 * channels * samples), rate, channels, coding, (), "", b""))
    return Recording(path, "", samples, rate)


def picture(path: Path, *, size: int = 64, colour: str = "teal") -> Path:
    """A square cover, JPEG or PNG by the ending of its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    source = f"color=c={colour}:s={size}x{size}:d=1"
    path.write_bytes(_run("ffmpeg", "-f", "lavfi", "-i", source, "-frames:v", "1", *_still(path), "-"))
    return path


def pcm(path: Path, *, rate: int | None = None, channels: int | None = None) -> array[int]:
    """All samples of a file as a player hears them, 16 bit, those of its channels in turn."""
    argv = ["ffmpeg", "-i", str(path), "-map", "0:a:0", "-f", "s16le", "-c:a", "pcm_s16le"]
    argv += ["-ar", str(rate)] if rate else []
    argv += ["-ac", str(channels)] if channels else []
    return _samples(_run(*argv, "-"))


def spoken(text: str, *, rate: int = 44_100, channels: int = 1, seconds: float | None = None) -> array[int]:
    """The PCM that `speak` codes, before any coding: what a finished book is compared with."""
    return _samples(_spoken(text, rate, channels, seconds))


def lag(whole: Sequence[int], at: int, part: Sequence[int], *, within: int = 1500, length: int = 3000) -> int:
    """By how many samples `part` (mono) begins later in `whole` than at `at`: by cross-correlation.

    Its loudest stretch of `length` samples (of the first ten) is looked for, `within` samples to both sides.

    Raises:
        ValueError: nothing there sounds like it (a correlation under 0.7).
    """
    step = max(1, length // 4)
    starts = range(0, max(1, min(len(part) - length, 10 * length)), step)
    loudest = max(starts, key=lambda one: sum(map(mul, part[one : one + length], part[one : one + length])))
    needle = part[loudest : loudest + length]
    first = max(0, at + loudest - within)
    stretch = whole[first : at + loudest + within + len(needle)]
    energies = [0, *accumulate(map(mul, stretch, stretch))]
    own = math.sqrt(sum(map(mul, needle, needle)))

    def alike(shift: int) -> float:
        energy = math.sqrt(energies[shift + len(needle)] - energies[shift])
        return sum(map(mul, needle, stretch[shift : shift + len(needle)])) / (own * energy) if energy else 0.0

    shifts = range(len(stretch) - len(needle) + 1)
    best = max(shifts, key=alike, default=0)
    if not shifts or alike(best) < 0.7:
        raise ValueError(f"Nothing within {within} samples of {at} sounds like the part")
    return first + best - (at + loudest)


@functools.lru_cache(maxsize=256)
def _spoken(text: str, rate: int, channels: int, seconds: float | None) -> bytes:
    wanted = None if seconds is None else round(seconds * rate) * 2 * channels
    said = _said(text, rate, channels)
    number = 1
    while wanted is not None and len(said) < wanted:
        number += 1
        said += _said(f"{number}. {text}", rate, channels)
    return said if wanted is None else said[:wanted]


def _said(text: str, rate: int, channels: int) -> bytes:
    wav = _run("espeak-ng", "-v", "en", "--stdout", "--stdin", given=text.encode())
    form = ("-f", "s16le", "-ar", str(rate), "-ac", str(channels))
    return _run("ffmpeg", "-f", "wav", "-ignore_length", "1", "-i", "-", *form, "-", given=wav)


@functools.lru_cache(maxsize=256)
def _coded(
    spoken: bytes,
    rate: int,
    channels: int,
    coding: tuple[str, ...],
    tags: tuple[tuple[str, str], ...],
    chapters: str,
    cover: bytes,
) -> bytes:
    argv = ["ffmpeg", "-f", "s16le", "-ar", str(rate), "-ac", str(channels), "-i", "-"]
    with tempfile.TemporaryDirectory() as folder:
        maps = ["-map", "0:a"]
        if chapters:
            (Path(folder) / "chapters").write_text(chapters)
            argv += ["-f", "ffmetadata", "-i", f"{folder}/chapters"]
            maps += ["-map_chapters", "1"]
        if cover:
            (Path(folder) / "cover").write_bytes(cover)
            argv += ["-i", f"{folder}/cover"]
            maps += ["-map", f"{1 + bool(chapters)}:v", "-c:v", "copy", "-disposition:v", "attached_pic"]
        named = [word for name, value in tags for word in ("-metadata", f"{name}={value}")]
        # Into a file: the headers of most containers are completed at the end.
        _run(*argv, *maps, *named, *coding, "-ar", str(rate), f"{folder}/coded", given=spoken)
        return (Path(folder) / "coded").read_bytes()


def _chapter_text(chapters: Sequence[tuple[float, str]], seconds: float) -> str:
    ends = [*(start for start, _ in chapters[1:]), seconds]
    told = [
        f"[CHAPTER]\nTIMEBASE=1/1000000\nSTART={round(start * 1e6)}\nEND={round(end * 1e6)}\ntitle={title}\n"
        for (start, title), end in zip(chapters, ends, strict=False)
    ]
    return ";FFMETADATA1\n" + "".join(told) if told else ""


def _still(path: Path) -> tuple[str, ...]:
    return ("-c:v", "png" if path.suffix.lower() == ".png" else "mjpeg", "-f", "image2pipe")


def _samples(raw: bytes) -> array[int]:
    samples = array("h")
    samples.frombytes(raw)
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def _run(program: str, *arguments: str, given: bytes = b"") -> bytes:
    quiet = ("-v", "error", "-y") if program == "ffmpeg" else ()
    done = subprocess.run(
        [program, *quiet, *arguments], input=given, capture_output=True, timeout=_SECONDS, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{program}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
