"""What a file claims of its own length, so that one of which the end is missing is seen before any work.

Truncated files decode without a complaint as far as they go, so a book would lose its end in silence. Each
container that writes down its own size is asked:

    mp3   the Xing or Info frame: bytes and frames of the whole stream (LAME, every encoder since)
    mp4   the sizes of the boxes
    wav   the size of the chunk `data`; 0 and 0xFFFFFFFF mean that it was never written
    asf   the file properties object
    ogg   the last page must be whole
    aac   the last frame (ADTS) must be whole
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from medialift.audiobooks.boxes import boxes

_UNKNOWN = (0, 0xFFFFFFFF)
# Two of the largest frames (1441 bytes): some encoders count the Xing frame itself, and some do not.
_MP3_SLACK = 2882
_MP3_FIRST = 4096
_ID3_TAGS = 8  # one is usual; some programs put theirs in front of another's
_MP3_TO_XING = 40  # 4 bytes of header, 2 of its checksum, 32 of side information at most
_OGG_LAST = 1 << 17  # two of the largest pages
_OGG_HEADER = 27
_ASF_HEADER = 1 << 16
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_BROADCAST = 1
_ADTS_LAST = 1 << 16  # eight of the largest frames
_ADTS_HEADER = 7
_ADTS_IN_A_ROW = 3  # so many frames that lie one behind the other are no chance


@dataclass(frozen=True)
class Claim:
    """What a file says of itself: its bytes, and the samples of an mp3; None where it says nothing."""

    bytes: int | None = None
    samples: int | None = None


def claim(path: Path, container: str) -> Claim:
    """What a file claims; `container` as ffprobe calls it.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        if container == "mp3":
            return _of_mp3(file)
        if "mp4" in container:
            return Claim(max((box.end for box in boxes(file, 0, size)), default=None))
        if container == "wav":
            return Claim(_of_wav(file, size))
        if container == "asf":
            return Claim(_of_asf(file))
        if container == "ogg":
            return Claim(_of_ogg(file, size))
        if container == "aac":
            return Claim(_of_adts(file, size))
    return Claim()


def missing(path: Path, container: str) -> int:
    """How many bytes a file lacks of what it claims; 0 when it is whole or claims nothing.

    Raises:
        OSError: it cannot be read.
    """
    claimed = claim(path, container).bytes
    lacking = 0 if claimed is None else claimed - path.stat().st_size
    return lacking if lacking > (_MP3_SLACK if container == "mp3" else 0) else 0


def _of_mp3(file: BinaryIO) -> Claim:
    start = _after_id3(file)
    file.seek(start)
    head = file.read(_MP3_FIRST)
    at = max(head.find(b"Xing"), head.find(b"Info"))
    # It lies in the first frame, behind its header and 9, 17 or 32 bytes: anything later is sound or text.
    first = max(0, at - _MP3_TO_XING)
    frame = max(head.rfind(b"\xff" + bytes([sync]), first, max(at, 0)) for sync in range(0xE2, 0x100))
    if at < 0 or frame < 0:
        return Claim()
    flags = int.from_bytes(head[at + 4 : at + 8], "big")
    fields = [int.from_bytes(head[at + 8 + 4 * one : at + 12 + 4 * one], "big") for one in range(2)]
    # Bit 3 of the header's second byte: MPEG 1, whose frames have 1152 samples; those of MPEG 2 have 576.
    per_frame = 1152 if head[frame + 1] & 0x08 else 576
    frames = fields[0] if flags & 1 else None
    size = fields[1 if flags & 1 else 0] if flags & 2 else None
    return Claim(
        None if not size else start + frame + size,
        None if not frames else frames * per_frame,
    )


def _after_id3(file: BinaryIO) -> int:
    start = 0
    for _ in range(_ID3_TAGS):
        file.seek(start)
        head = file.read(10)
        if len(head) < 10 or head[:3] != b"ID3":
            return start
        size = 0
        for byte in head[6:10]:
            size = size << 7 | byte & 0x7F
        start += 10 + size + (10 if head[5] & 0x10 else 0)
    return start


def _of_wav(file: BinaryIO, size: int) -> int | None:
    at = 12
    while at + 8 <= size:
        file.seek(at)
        head = file.read(8)
        length = int.from_bytes(head[4:8], "little")
        if head[:4] == b"data":
            return None if length in _UNKNOWN else at + 8 + length
        at += 8 + length + length % 2
    return None


def _of_asf(file: BinaryIO) -> int | None:
    file.seek(0)
    head = file.read(_ASF_HEADER)
    at = head.find(_ASF_PROPERTIES)
    if at < 0:
        return None
    # Behind its name and size (24 bytes) and the name of the file (16): the size; 48 bytes later the flags.
    claimed = int.from_bytes(head[at + 40 : at + 48], "little")
    flags = int.from_bytes(head[at + 88 : at + 92], "little")
    return None if flags & _BROADCAST or not claimed else claimed


def _of_ogg(file: BinaryIO, size: int) -> int | None:
    start = max(0, size - _OGG_LAST)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(b"OggS")
    if at < 0:
        return None
    head = tail[at : at + _OGG_HEADER]
    segments = tail[at + _OGG_HEADER : at + _OGG_HEADER + (head[26] if len(head) == _OGG_HEADER else 0)]
    if len(head) < _OGG_HEADER or len(segments) < head[26]:
        return size + 1
    return start + at + _OGG_HEADER + len(segments) + sum(segments)


def _of_adts(file: BinaryIO, size: int) -> int | None:
    start = max(0, size - _ADTS_LAST)
    file.seek(start)
    tail = file.read()
    for first in range(len(tail)):
        at, frames = first, 0
        while at + _ADTS_HEADER <= len(tail) and tail[at] == 0xFF and tail[at + 1] & 0xF6 == 0xF0:
            length = (tail[at + 3] & 0x03) << 11 | tail[at + 4] << 3 | tail[at + 5] >> 5
            if length < _ADTS_HEADER:
                break
            at, frames = at + length, frames + 1
        if frames >= _ADTS_IN_A_ROW:
            if at < len(tail) < at + _ADTS_HEADER and tail[at] == 0xFF:
                return start + at + _ADTS_HEADER
            # Behind the last frame may lie a tag: then nothing is known.
            return start + at if at >= len(tail) else None
    return None
