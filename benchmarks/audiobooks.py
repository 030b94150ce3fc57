"""A book of twelve spoken parts, against one pass of ffmpeg over a list of them with the same encoder.

The single pass is what most tools do: the concat demuxer, one encoder. What is timed of ours is the whole
conversion (counting, encoding, writing the M4B); probing and proving come before and after it. Errors are
measured by cross-correlation of the finished book with its sources, at the beginning of every part and in its
middle, and the end by what a decoder plays.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import accumulate
from pathlib import Path
from threading import Event

from medialift.audiobooks import encode, mp4_read, plan, probe, programs
from medialift.audiobooks.encode import Converted
from medialift.audiobooks.source import Source
from medialift.settings import AudiobooksSettings
from sandbox.audiobooks.recordings import lag, pcm, speak

from .figure import Figure, paired_ratio, seconds

GROUP = "audiobooks"

_PARTS, _BOOKS, _CORES = 12, 4, 2
_PAIRS = 5
_STRETCH = 40_000
"""Samples around a place that are compared."""
_TEXT = (
    "The keeper wrote in his ledger that the harbour lay still, and that no ship had passed since the tide. "
    "By evening the wind had turned, the lamps were lit along the quay, and somebody sang behind the nets."
)
_PROGRAMS = programs.found()


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        mp3, aac = _spoken(room / "mp3", "mp3"), _spoken(room / "aac", "m4a")
        single = partial(seconds, partial(_single, mp3, room / "single.m4a"))
        one = partial(_ours, mp3, room / "one", cores=_CORES)
        ratio = paired_ratio(single, partial(seconds, one), pairs=_PAIRS, warm_ups=1)
        yield Figure("one book on 2 cores: times as fast as one ffmpeg pass", ratio, "x", ">= 1.35")
        yield Figure(
            "one book: largest error of a part, a position or the end", _error(one(), mp3), "ms", "<= 1"
        )
        queue = partial(seconds, partial(_queue, mp3, room))
        ratio = _BOOKS * paired_ratio(single, queue, pairs=_PAIRS)
        yield Figure(f"{_BOOKS} books on 2 cores: throughput of one ffmpeg pass", ratio, "x", ">= 1.85")
        single_aac = partial(seconds, partial(_single, aac, room / "single.m4a"))
        joined = partial(_ours, aac, room / "joined", cores=1)
        ratio = paired_ratio(single_aac, partial(seconds, joined), pairs=_PAIRS)
        yield Figure("AAC parts joined: times as fast as one ffmpeg pass that encodes", ratio, "x", ">= 8")
        yield Figure("AAC parts joined: largest error", _error(joined(), aac), "ms", "<= 1")


def _spoken(folder: Path, codec: str) -> list[Source]:
    """Parts of about a minute, no two of one length."""
    made = [
        speak(f"Chapter {number}. {_TEXT}", folder / f"{number:02}.{codec}", codec=codec, seconds=length)
        for number, length in enumerate(57.3 + 0.293 * part for part in range(_PARTS))
    ]
    return probe.probe_all([one.path for one in made], _PROGRAMS)


def _decided(sources: Sequence[Source]) -> plan.Plan:
    return plan.decide(sources, AudiobooksSettings(encoder="aac"), encoders=frozenset({"aac"}))


def _ours(sources: Sequence[Source], folder: Path, *, cores: int) -> Converted:
    folder.mkdir(exist_ok=True)
    return encode.convert(
        sources,
        _decided(sources),
        folder / "book.m4b",
        work=folder / "work",
        cores=cores,
        programs=_PROGRAMS,
        stop=Event(),
        timeout=3600,
    )


def _queue(sources: Sequence[Source], room: Path) -> None:
    """Several books, as many at once as there are cores, each with one core."""
    with ThreadPoolExecutor(_CORES) as crew:
        list(crew.map(lambda book: _ours(sources, room / f"queue-{book}", cores=1), range(_BOOKS)))


def _single(sources: Sequence[Source], target: Path) -> None:
    listed = target.with_suffix(".txt")
    listed.write_text("".join(f"file '{source.path}'\n" for source in sources), encoding="utf-8")
    bitrate = str(_decided(sources).bitrate if sources[0].codec == "mp3" else 64_000)
    argv = [
        _PROGRAMS.ffmpeg,
        "-v",
        "error",
        "-nostdin",
        "-y",
        "-f",
        "concat",
        "-safe",
        "0",
        "-i",
        str(listed),
    ]
    argv += ["-map", "0:a", "-c:a", "aac", "-b:a", bitrate, "-f", "ipod", str(target)]
    subprocess.run(argv, check=True)


def _error(done: Converted, sources: Sequence[Source]) -> float:
    """Milliseconds by which the worst place of a book is not where its numbers of samples say."""
    whole = pcm(done.path)
    begins = [0, *accumulate(done.samples)]
    worst = abs(mp4_read.read(done.path).samples - begins[-1])
    if done.kind == "encode":
        worst = max(worst, abs(len(whole) - begins[-1]))
    for source, begin in zip(sources, begins, strict=False):
        part = pcm(source.path)
        for place in (0, len(part) // 2, len(part) - _STRETCH):
            found = lag(whole, begin + place, part[place : place + _STRETCH])
            worst = max(worst, abs(found))
    return 1000.0 * worst / done.rate
