"""How loud a stretch of a recording is."""

from __future__ import annotations

import re
from pathlib import Path
from threading import Event

from medialift.audiobooks.programs import Programs
from medialift.errors import Permanent
from medialift.foundation import process

SILENCE = -200.0
"""dB of what has no sound at all."""
_MEAN = re.compile(r"mean_volume: (-?[0-9.]+|-inf) dB")
# Decoding from the beginning to a late place of a long file may take minutes.
_SECONDS = 3600.0


def loudness(
    path: Path,
    start: float,
    seconds: float,
    programs: Programs,
    *,
    stream: int | None = None,
    stop: Event | None = None,
    exact: bool = False,
) -> float:
    """The mean level of a stretch, in dB below the loudest there can be; SILENCE when nothing is heard.

    Args:
        start, seconds: of the stretch.
        stream: its number in the file; None: the first one with sound.
        exact: decode from the beginning of the file to the place: jumping in an mp3 of varying rate may miss
            it by seconds.

    Raises:
        Permanent: it cannot be decoded.
        Transient: `stop` was set, or it did not end in time.
    """
    place = ["-ss", f"{start:.6f}"]
    argv = [programs.ffmpeg, "-hide_banner", "-nostdin", "-nostats", "-v", "info"]
    argv += ["-protocol_whitelist", "file", *([] if exact else place), "-i", f"file:{path}"]
    argv += ["-map", "0:a:0" if stream is None else f"0:{stream}", *(place if exact else [])]
    argv += ["-t", f"{seconds:.6f}", "-af", "volumedetect", "-f", "null", "-"]
    done = process.run(argv, timeout=_SECONDS, stop=stop)
    done.checked("A stretch of a recording cannot be decoded")
    found = _MEAN.search(done.err)
    if found is None and not exact:
        # The jump went beyond the end.
        return loudness(path, start, seconds, programs, stream=stream, stop=stop, exact=True)
    if found is None:
        raise Permanent("A stretch of a recording has no sound", str(path), "It may be damaged: get it again")
    return SILENCE if found[1] == "-inf" else max(SILENCE, float(found[1]))
