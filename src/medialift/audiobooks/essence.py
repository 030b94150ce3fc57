"""What makes a file the same book as before: its coded sound, when it plays, and its chapters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medialift.audiobooks.programs import Programs
from medialift.audiobooks.time_left import TimeLeft
from medialift.foundation import process


@dataclass(frozen=True)
class Essence:
    """What tagging must never change.

    Attributes:
        sound: hashes of the packets. timing: what headers say of rates and lengths.
        chapters: (begin, end, title), in order.
    """

    sound: str
    timing: tuple[tuple[str, str], ...]
    chapters: tuple[tuple[str, str, str], ...]


def of(file: Path, programs: Programs, left: TimeLeft) -> Essence:
    """Read it; the file is read through once, nothing is decoded.

    Raises:
        Permanent: it cannot be read as audio.
        Transient: out of time, or stopped.
    """
    shown = _run(
        [
            programs.ffprobe,
            "-v",
            "error",
            "-print_format",
            "json",
            "-show_format",
            "-show_streams",
            "-show_chapters",
        ],
        file,
        left,
    )
    told: Mapping[str, Any] = json.loads(shown)
    audio = [one for one in told.get("streams", ()) if one.get("codec_type") == "audio"]
    timing = [
        (name, str(one.get(name, "")))
        for one in audio
        for name in (
            "codec_name",
            "sample_rate",
            "channels",
            "time_base",
            "start_pts",
            "duration_ts",
            "nb_frames",
        )
    ]
    timing += [(name, str(told["format"].get(name, ""))) for name in ("start_time", "duration")]
    hashed = _run(
        [programs.ffmpeg, "-nostdin", "-v", "error", "-i"],
        file,
        left,
        ("-map", "0:a", "-c", "copy", "-f", "streamhash", "-hash", "md5", "-"),
    )
    return Essence(
        hashed.strip(),
        tuple(timing),
        tuple(
            (one["start_time"], one["end_time"], one.get("tags", {}).get("title", ""))
            for one in told.get("chapters", ())
        ),
    )


def _run(before: list[str], file: Path, left: TimeLeft, after: tuple[str, ...] = ()) -> str:
    # file: is said, so that a name with a colon or a dash in front is no protocol and no option.
    done = process.run([*before, f"file:{file}", *after], timeout=left.seconds(), stop=left.stop)
    return done.checked("A book cannot be read", "Convert it again").out
