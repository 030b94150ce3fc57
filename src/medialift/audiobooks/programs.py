"""The programs that code and examine audio, and what this machine's ffmpeg can do."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from threading import Event

from medialift.errors import Permanent
from medialift.foundation import process

_SECONDS = 30.0
_ENCODER = re.compile(r"^ A[A-Z.]{5} (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Programs:
    """Where ffmpeg and ffprobe are."""

    ffmpeg: str
    ffprobe: str


def found() -> Programs:
    """The programs that the search path leads to.

    Raises:
        Permanent: one is missing.
    """
    paths = {name: shutil.which(name) for name in ("ffmpeg", "ffprobe")}
    missing = [name for name, path in paths.items() if path is None]
    if missing:
        raise Permanent("A program is missing", " and ".join(missing), "Install the package ffmpeg")
    return Programs(*(str(path) for path in paths.values()))


def encoders(programs: Programs, *, stop: Event | None = None) -> frozenset[str]:
    """The names of the audio encoders that this ffmpeg has: aac, libfdk_aac, …

    Raises:
        Permanent: ffmpeg does not answer as it should.
        Transient: it did not answer in time, or `stop` was set.
    """
    told = process.run([programs.ffmpeg, "-hide_banner", "-encoders"], timeout=_SECONDS, stop=stop)
    names = frozenset(_ENCODER.findall(told.checked("ffmpeg does not tell its encoders").out))
    if not names:
        raise Permanent("ffmpeg has no audio encoder", programs.ffmpeg, "Install Debian's package ffmpeg")
    return names
