"""AAC frames with their headers."""

import struct
from pathlib import Path

import pytest

from medialift.audiobooks import adts
from medialift.audiobooks.adts import Coding
from medialift.errors import Permanent

LC = Coding(2, 44_100, 2)


def frame(size: int, *, coding: Coding = LC, checksum: bool = False) -> bytes:
    header = 9 if checksum else 7
    length = header + size
    first = 0xFFF0 | (0 if checksum else 1)
    rest = (coding.kind - 1) << 14 | adts.RATES.index(coding.rate) << 10 | coding.channels << 6 | length >> 11
    tail = struct.pack(">HB", (length & 0x7FF) << 5 | 0x1F, 0xFC)
    return struct.pack(">HH", first, rest) + tail + bytes(header - 7) + b"x" * size


@pytest.mark.parametrize("checksum", [False, True])
def test_the_sizes_of_all_frames_are_found(tmp_path: Path, checksum: bool) -> None:
    sizes = [1, 200, 2000, 8000]
    (tmp_path / "a.aac").write_bytes(b"".join(frame(size, checksum=checksum) for size in sizes))
    found = adts.scan(tmp_path / "a.aac")
    assert (found.coding, list(found.sizes), found.header) == (LC, sizes, 9 if checksum else 7)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xf1",
        b"ID3 no frame at all",
        frame(100)[:-1],
        frame(100) + b"\xff\xf1",
        frame(100) + b"TAG" + bytes(125),
        frame(100) + frame(100, coding=Coding(2, 48_000, 2)),
        frame(100) + b"\xff\xf1" + bytes(50),
    ],
    ids=["empty", "two bytes", "no frame", "cut", "cut header", "a tag", "two rates", "a frame of no length"],
)
def test_what_is_not_all_frames_of_one_coding_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.aac").write_bytes(content)
    with pytest.raises(Permanent):
        adts.scan(tmp_path / "a.aac")
