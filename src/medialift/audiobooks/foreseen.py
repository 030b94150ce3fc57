"""How many samples a file will decode to, by what its own header counts; nothing is decoded.

Only what a decoder is known to keep to is believed, and only until it has decoded: then what it gave counts.
A header's "duration" is never used: that of an MP3 is 28 to 51 ms too long.
"""

from __future__ import annotations

import struct
from pathlib import Path

from medialift.audiobooks import mp4_read
from medialift.audiobooks.source import Source
from medialift.errors import Permanent

_HEAD_BYTES = 4096
_ID3 = struct.Struct(">3s3x4B")


def foreseen(source: Source) -> int | None:
    """Samples per channel at the file's own rate; None when its header does not count them exactly."""
    try:
        if source.codec == "mp3" and source.container == "mp3":
            return _mp3(source.path)
        if source.codec == "aac" and source.profile == "LC":
            return heard(source)
        if source.codec == "flac" and source.container == "flac":
            return _flac(source.path)
    except (OSError, Permanent, struct.error, IndexError):
        pass  # whoever decodes it will say what is wrong
    return None


def heard(source: Source) -> int | None:
    """Samples that are heard of AAC in MP4, by its edit list; None for all else.

    ffmpeg decodes what pads the last frame too: whoever joins parts has to leave it away.
    """
    if source.codec != "aac" or "mp4" not in source.container:
        return None
    try:
        track = mp4_read.read(source.path)
    except (OSError, Permanent):
        return None
    return track.samples * source.rate // track.timescale


def _mp3(path: Path) -> int | None:
    """By the frame of Xing and LAME that comes first (gabriel.mp3-tech.org/mp3infotag.html)."""
    with path.open("rb") as file:
        start = 0
        head = file.read(10)
        while head[:3] == b"ID3":
            _, *sevens = _ID3.unpack(head)
            start += 10 + (sevens[0] << 21 | sevens[1] << 14 | sevens[2] << 7 | sevens[3])
            file.seek(start)
            head = file.read(10)
        file.seek(start)
        frame = file.read(_HEAD_BYTES)
    if frame[0] != 0xFF or frame[1] & 0xE6 != 0xE2:  # layer III, or it is no frame
        return None
    first_version, mono = frame[1] & 0x18 == 0x18, frame[3] & 0xC0 == 0xC0
    at = 4 + ((17 if mono else 32) if first_version else (9 if mono else 17))
    if frame[at : at + 4] not in (b"Xing", b"Info"):
        return None
    flags, frames = struct.unpack_from(">II", frame, at + 4)
    if not flags & 1:
        return None
    lame = at + 8 + sum(size for bit, size in ((1, 4), (2, 4), (4, 100), (8, 4)) if flags & bit)
    if frame[lame : lame + 4] not in (b"LAME", b"Lavf", b"Lavc"):
        return None
    pads = int.from_bytes(frame[lame + 21 : lame + 24], "big")
    return int(frames) * (1152 if first_version else 576) - (pads >> 12) - (pads & 0xFFF)


def _flac(path: Path) -> int | None:
    """By STREAMINFO (RFC 9639, 8.2); 0 there means that it is unknown."""
    with path.open("rb") as file:
        head = file.read(42)
    if head[:4] != b"fLaC" or head[4] & 0x7F:
        return None
    return (int.from_bytes(head[18:26], "big") & 0xFFFFFFFFF) or None
