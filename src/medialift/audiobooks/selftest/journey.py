"""Checks of the whole way to one file: parts of known numbers of samples become a book of exact length."""

from __future__ import annotations

import math
import wave
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medialift.audiobooks import manifest, operations, programs
from medialift.audiobooks.manifest import Manifest
from medialift.foundation import process
from medialift.foundation.selftesting import Check, equal, true
from medialift.settings import Settings

_RATE = 22_050
_FRAME = 1_024
# No multiple of the samples of a frame, and each of another length.
_SAMPLES = (22_051, 30_001, 25_600)
_CODINGS = {
    "flac": ("-c:a", "flac"),
    "m4a": ("-c:a", "aac", "-b:a", "48k"),
}


def _tone(path: Path, samples: int, hertz: float) -> Path:
    sound = array(
        "h", (int(8_000 * math.sin(2 * math.pi * hertz * number / _RATE)) for number in range(samples))
    )
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, _RATE, samples, "NONE", ""))
        file.writeframes(sound.tobytes())
    return path


def _parts(folder: Path, ending: str) -> None:
    folder.mkdir(parents=True)
    ffmpeg = programs.found().ffmpeg
    for number, samples in enumerate(_SAMPLES, start=1):
        whole = _tone(folder.parent / f"{number}.wav", samples, 200.0 * (number + 1))
        target = folder / f"{number:02} - Part {number}.{ending}"
        words = [ffmpeg, "-v", "error", "-i", str(whole), *_CODINGS[ending], str(target)]
        process.run(words, timeout=60).checked("ffmpeg does not code a tone")
        whole.unlink()


def settings_in(scratch: Path) -> Settings:
    """Settings whose folders are all in the scratch folder."""
    places: dict[str, Any] = {
        name: str(scratch / name)
        for name in ("inbox", "converted", "archive", "backup_folder", "failed", "work")
    }
    for path in places.values():
        Path(path).mkdir(exist_ok=True)
    tagging = {"mode": "off", "cache": str(scratch / "cache"), "providers": ["metadata_yml"]}
    told = {**places, "audnexus_chapters": False, "free_space": 0, "health_port": 0, "tagging": tagging}
    return Settings.model_validate({"audiobooks": told})


def _converted(scratch: Path, book: Path, kind: str) -> Manifest:
    done = operations.convert(settings_in(scratch), book)
    equal("books that failed or were refused", [*done["failed"], *done["refused"]], [])
    (made,) = done["books"]
    found = manifest.read(Path(made["folder"]))
    equal("how it was made", found.conversion.kind, kind)
    true("it was proven", bool(found.conversion.proof))
    return found


def _encoded(scratch: Path) -> None:
    book = scratch / "inbox" / "Tones"
    _parts(book, "flac")
    found = _converted(scratch, book, "converted")
    equal("its samples", found.conversion.samples, sum(_SAMPLES))
    _chapters(found, _SAMPLES)


def _spliced(scratch: Path) -> None:
    book = scratch / "inbox" / "Tones"
    _parts(book, "m4a")
    found = _converted(scratch, book, "spliced")
    # The last frame of a part is whole, and stays so: nothing is coded again.
    _chapters(found, [math.ceil(samples / _FRAME) * _FRAME for samples in _SAMPLES])


def _chapters(found: Manifest, lengths: Sequence[int]) -> None:
    starts = [round(one.start * _RATE) for one in found.conversion.chapters]
    equal("chapters", len(starts), len(lengths))
    expected = [sum(lengths[:number]) for number in range(len(lengths))]
    for start, wanted in zip(starts, expected, strict=True):
        true(f"a chapter begins at {wanted} and not at {start}", abs(start - wanted) <= _RATE // 1000)


CHECKS = [
    Check("parts of FLAC become one book to the sample", _encoded),
    Check("parts of AAC are joined as they are", _spliced),
]
