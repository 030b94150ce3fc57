"""Files that are no good: protected, cut off, damaged, empty. Made by hand, or from a spoken recording."""

from __future__ import annotations

from pathlib import Path

from sandbox.audiobooks.recordings import Recording


def protected(path: Path, entry: bytes = b"drms", brand: bytes = b"M4P ") -> Path:
    """An MP4 whose sound has a protected sample entry: `drms` of iTunes, `aavd` of Audible, `enca`."""
    described = bytes(6) + b"\0\1" + bytes(8) + b"\0\2\0\x10" + bytes(4) + (44_100 << 16).to_bytes(4, "big")
    entries = _box(b"stsd", bytes(4) + (1).to_bytes(4, "big") + _box(entry, described))
    tables = entries + b"".join(_box(name, bytes(8)) for name in (b"stts", b"stsc", b"stco"))
    tables += _box(b"stsz", bytes(12))
    handler = _box(b"hdlr", bytes(8) + b"soun" + bytes(13))
    media = _box(b"mdhd", bytes(12) + (44_100).to_bytes(4, "big") + bytes(8)) + handler
    track = _box(b"mdia", media + _box(b"minf", _box(b"smhd", bytes(8)) + _box(b"stbl", tables)))
    movie = _box(b"moov", _box(b"mvhd", bytes(100)) + _box(b"trak", _box(b"tkhd", bytes(84)) + track))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_box(b"ftyp", brand + bytes(4) + brand + b"isom") + movie + _box(b"mdat", bytes(4096)))
    return path


def cut_off(recording: Recording, path: Path, keep: float = 0.6) -> Path:
    """The first part of a recording, as an interrupted copy leaves it."""
    content = recording.path.read_bytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content[: int(len(content) * keep)])
    return path


def damaged(recording: Recording, path: Path, at: float = 0.5, size: int = 4096) -> Path:
    """A recording whose middle was overwritten; its length and its headers are right."""
    content = bytearray(recording.path.read_bytes())
    start = int(len(content) * at)
    content[start : start + size] = bytes(one * 89 % 251 for one in range(len(content[start : start + size])))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def text(path: Path) -> Path:
    """A page of text under the name of a recording."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("<html><body>404 Not Found</body></html>\n" * 100)
    return path


def _box(kind: bytes, body: bytes) -> bytes:
    return (8 + len(body)).to_bytes(4, "big") + kind + body
