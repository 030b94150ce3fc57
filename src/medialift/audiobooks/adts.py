"""ADTS: AAC frames one after the other, each with a short header (ISO 13818-7, 6.2; ISO 14496-3, 1.A.2.2)."""

from __future__ import annotations

import mmap
import struct
from array import array
from dataclasses import dataclass
from pathlib import Path

from medialift.audiobooks.mp4_boxes import box, full
from medialift.errors import Permanent

RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
"""The rates that AAC has numbers for, in the order of these numbers, in Hz."""
FRAME_SAMPLES = 1024
LOW_COMPLEXITY = 2
_HEADER, _HEADER_WITH_CHECKSUM = 7, 9


@dataclass(frozen=True)
class Coding:
    """What a decoder must know: the kind of AAC (2: LC, 5: HE), the rate in Hz, the number of channels."""

    kind: int
    rate: int
    channels: int

    def config(self) -> bytes:
        """It as AudioSpecificConfig (ISO 14496-3, 1.6.2.1)."""
        return struct.pack(">H", self.kind << 11 | RATES.index(self.rate) << 7 | self.channels << 3)

    def entry(self, bitrate: int) -> bytes:
        """It as sample entry of an MP4 file, with the mean rate in bit/s."""
        config = self.config()
        decoder = _descriptor(
            4, struct.pack(">BBHBII", 0x40, 0x15, 0, 0, bitrate, bitrate), _descriptor(5, config)
        )
        elementary = _descriptor(3, struct.pack(">HB", 1, 0), decoder, _descriptor(6, b"\2"))
        head = struct.pack(">6xHQHHHHI", 1, 0, self.channels, 16, 0, 0, min(self.rate, 0xFFFF) << 16)
        return box(b"mp4a", head, full(b"esds", 0, 0, elementary))


@dataclass(frozen=True)
class Frames:
    """The frames of an ADTS file: their coding, the bytes of each without its header, and that header's."""

    coding: Coding
    sizes: array[int]
    header: int


def scan(path: Path) -> Frames:
    """The frames of a file that begins with one; no audio is decoded.

    Raises:
        Permanent: it holds something else between or after the frames, its frames are of several codings, or
            the last one is incomplete.
        OSError: it cannot be read.
    """
    if not path.stat().st_size:
        raise Permanent("An AAC file is empty", str(path))
    sizes = array("I")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        end, at = len(data), 0
        if end < _HEADER:
            raise Permanent("An AAC file is truncated", str(path), "Get it again")
        fixed = data[:2], data[2] & 0xFD, data[3] & 0xC0
        coding, header = _coding(data[:4], path), _HEADER if data[1] & 1 else _HEADER_WITH_CHECKSUM
        while at + _HEADER <= end:
            head = data[at : at + _HEADER]
            length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
            same = (head[:2], head[2] & 0xFD, head[3] & 0xC0) == fixed
            if not same or length <= header or at + length > end or head[6] & 3:
                break
            sizes.append(length - header)
            at += length
    if at != end:
        raise Permanent("An AAC file holds something that is no frame", f"{path} at byte {at}")
    return Frames(coding, sizes, header)


def _coding(head: bytes, path: Path) -> Coding:
    if head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or (head[2] >> 2 & 15) >= len(RATES):
        raise Permanent("This is no AAC file", str(path))
    return Coding((head[2] >> 6) + 1, RATES[head[2] >> 2 & 15], (head[2] & 1) << 2 | head[3] >> 6)


def _descriptor(tag: int, *bodies: bytes) -> bytes:
    """A descriptor of MPEG-4 (ISO 14496-1, 8.3.3), its length always in four bytes as others write it."""
    length = sum(map(len, bodies))
    sizes = bytes(
        (0x80 | length >> 21 & 0x7F, 0x80 | length >> 14 & 0x7F, 0x80 | length >> 7 & 0x7F, length & 0x7F)
    )
    return b"".join((bytes((tag,)), sizes, *bodies))
