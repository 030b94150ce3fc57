"""Title, artist, album and number of an audio file, from ID3v2 (mp3) or Vorbis comments (flac)."""

from __future__ import annotations

import struct

ID3_FRAMES = {b"TIT2": "title", b"TPE1": "artist", b"TPE2": "albumartist", b"TALB": "album", b"TRCK": "track"}
VORBIS = {
    "TITLE": "title",
    "ARTIST": "artist",
    "ALBUMARTIST": "albumartist",
    "ALBUM": "album",
    "TRACKNUMBER": "track",
}
ID3_ENCODINGS = {0: "latin-1", 1: "utf-16", 2: "utf-16-be", 3: "utf-8"}


def read(head: bytes) -> dict[str, str]:
    """Tags found in the first bytes of a file; {} when it has none that are understood."""
    try:
        if head[:3] == b"ID3":
            return _id3(head)
        if head[:4] == b"fLaC":
            return _flac(head)
    except (struct.error, UnicodeDecodeError, IndexError, ValueError):
        return {}
    return {}


def _id3(head: bytes) -> dict[str, str]:
    major = head[3]
    end = 10 + _synchsafe(head[6:10])
    at = 10
    found = {}
    while at + 10 <= min(end, len(head)):
        name, raw = head[at : at + 4], head[at + 4 : at + 8]
        size = _synchsafe(raw) if major == 4 else int.from_bytes(raw, "big")
        if not name.strip(b"\0") or size <= 0:
            break
        body = head[at + 10 : at + 10 + size]
        if name in ID3_FRAMES and body:
            text = body[1:].decode(ID3_ENCODINGS[body[0]])
            found[ID3_FRAMES[name]] = text.split("\0")[0].lstrip("\ufeff")
        at += 10 + size
    return found


def _synchsafe(raw: bytes) -> int:
    return raw[0] << 21 | raw[1] << 14 | raw[2] << 7 | raw[3]


def _flac(head: bytes) -> dict[str, str]:
    at = 4
    while at + 4 <= len(head):
        kind, size = head[at] & 0x7F, int.from_bytes(head[at + 1 : at + 4], "big")
        if kind == 4:
            return _vorbis(head[at + 4 : at + 4 + size])
        if head[at] & 0x80:
            break
        at += 4 + size
    return {}


def _vorbis(block: bytes) -> dict[str, str]:
    at = 4 + struct.unpack_from("<I", block, 0)[0]
    count = struct.unpack_from("<I", block, at)[0]
    at += 4
    found = {}
    for _ in range(count):
        size = struct.unpack_from("<I", block, at)[0]
        name, _, value = block[at + 4 : at + 4 + size].decode("utf-8").partition("=")
        if name.upper() in VORBIS:
            found[VORBIS[name.upper()]] = value
        at += 4 + size
    return found
