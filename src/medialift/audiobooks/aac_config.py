"""What a sample entry of an MP4 file says of its AAC, in `esds` (ISO 14496-1, 8.3; ISO 14496-3, 1.6.2)."""

from __future__ import annotations

from medialift.audiobooks.adts import RATES, Coding

_DECODER_CONFIG, _DECODER_SPECIFIC = 4, 5
_AAC = 0x40
_EXPLICIT_RATE = 15
_SYNC_EXTENSION = 0x2B7


def coding_of(entry: bytes) -> Coding | None:
    """The coding of an entry `mp4a`; None when it is none of AAC-LC without anything on top of it."""
    at = entry.find(b"esds")
    if entry[4:8] != b"mp4a" or at < 0:
        return None
    config = _specific(entry[at + 8 :])
    if len(config) < 2:
        return None
    kind, index, channels = config[0] >> 3, (config[0] & 7) << 1 | config[1] >> 7, config[1] >> 3 & 15
    short_frames = config[1] & 4
    if kind != 2 or index >= len(RATES) or short_frames or _sbr(config):
        return None
    return Coding(kind, RATES[index], channels)


def _sbr(config: bytes) -> bool:
    """Whether it says, behind what every decoder reads, that there is SBR (HE-AAC)."""
    if len(config) < 5:
        return False
    bits = int.from_bytes(config[2:5], "big")
    return bits >> 13 == _SYNC_EXTENSION and bool(bits >> 7 & 1)


def _specific(descriptors: bytes) -> bytes:
    """The body of the first DecoderSpecificInfo below a decoder configuration for AAC."""
    at = 0
    while at < len(descriptors):
        tag = descriptors[at]
        at += 1
        length = 0
        for _ in range(4):
            if at >= len(descriptors):
                return b""
            length = length << 7 | descriptors[at] & 0x7F
            at += 1
            if not descriptors[at - 1] & 0x80:
                break
        if tag == 3:  # go into it, over its number and flags
            at += 3
        elif tag == _DECODER_CONFIG:
            if at >= len(descriptors) or descriptors[at] != _AAC:
                return b""
            at += 13
        elif tag == _DECODER_SPECIFIC:
            return descriptors[at : at + length]
        else:
            at += length
    return b""
