"""Whether a file is protected against copying (DRM): seen in its contents, so that a new name hides nothing.

MP4: the sample entries `drms` (FairPlay), `aavd` (Audible AAX, AAXC), `enca` (common encryption), and brands
of Audible. ASF: the objects of content encryption. Audible's first format (.aa) has a number of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from medialift.audiobooks.boxes import boxes, within

_ENTRIES = {
    b"drms": "FairPlay",
    b"aavd": "Audible AAX",
    b"enca": "common encryption",
}
_BRANDS = {b"aax ": "Audible AAX", b"aaxc": "Audible AAXC"}
_AA = bytes.fromhex("57907536")
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_ENCRYPTED = (
    bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e"),
    bytes.fromhex("14e68a292226174cb935dae07ee9289c"),
)
# The header of an ASF file lies in front; it is small even with a cover.
_ASF_HEADER = 1 << 20
_ENTRY_LIST = 8  # version, flags and the number of entries, in front of the sample entries


def protection(path: Path) -> str:
    """What protects a file: a name for people; "" when nothing does or it is no such container.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(16)
        if head[4:8] == _AA:
            return "Audible AA"
        if head == _ASF:
            file.seek(0)
            start = file.read(_ASF_HEADER)
            return "Windows Media DRM" if any(one in start for one in _ASF_ENCRYPTED) else ""
        if head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"):
            return _of_mp4(file)
    return ""


def _of_mp4(file: BinaryIO) -> str:
    size = file.seek(0, 2)
    for box in boxes(file, 0, size):
        if box.kind == b"ftyp":
            file.seek(box.body)
            brand = file.read(4).lower()
            if brand in _BRANDS:
                return _BRANDS[brand]
        if box.kind == b"moov":
            for table in within(file, box, b"trak", b"mdia", b"minf", b"stbl", b"stsd"):
                for entry in boxes(file, table.body + _ENTRY_LIST, min(table.end, size)):
                    if entry.kind in _ENTRIES:
                        return _ENTRIES[entry.kind]
    return ""
