"""Headers of files are read without trust: whatever is in them, nothing else than an answer comes out."""

import errno
import os
import random
from pathlib import Path

import pytest

from medialift.audiobooks.claims import claim, missing
from medialift.audiobooks.probe import unreadable
from medialift.audiobooks.protection import protection
from medialift.errors import Permanent, Transient

_STARTS = {
    "mp3": [
        b"ID3\x04\x00\x10\x7f\x7f\x7f\x7f",
        b"ID3\x04\x00\x00\x00\x00\x00\x00",
        b"\xff\xfb\x90\xc4" + bytes(17) + b"Xing",
    ],
    "mov,mp4,m4a,3gp,3g2,mj2": [
        b"\0\0\0\x18ftypM4A \0\0\0\0M4A isom" + b"\0\0\x02\0moov\0\0\x01\0trak\0\0\0\xf0mdia\0\0\0\xe0minf",
        b"\0\0\0\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\0\0\0\0ftyp",
    ],
    "wav": [b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0", b"RIFF\0\0\0\0WAVEdata\xff\xff\xff\x7f"],
    "asf": [
        bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),
        bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"),
    ],
    "ogg": [b"OggS\0\x04" + bytes(20) + b"\xff", b"OggS"],
}


@pytest.mark.parametrize("container", _STARTS)
def test_whatever_a_header_says_an_answer_comes_out(container: str, tmp_path: Path) -> None:
    chance = random.Random(container)
    path = tmp_path / "a"
    for start in (b"", *_STARTS[container]):
        for length in (0, 1, 7, 40, 700):
            path.write_bytes(start + chance.randbytes(length))
            assert missing(path, container) >= 0
            assert isinstance(protection(path), str)
            claim(path, container)


def test_an_mp3_tells_its_bytes_and_frames(tmp_path: Path) -> None:
    frame = b"\xff\xfb\x90\xc4" + bytes(17) + b"Info\0\0\0\x03" + (100).to_bytes(4, "big") + b"\0\1\0\0"
    (tmp_path / "a").write_bytes(frame + bytes(65_536))
    told = claim(tmp_path / "a", "mp3")
    assert (told.bytes, told.samples) == (65_536, 115_200)
    assert missing(tmp_path / "a", "mp3") == 0
    (tmp_path / "a").write_bytes(frame + bytes(60_000))
    assert missing(tmp_path / "a", "mp3") == 65_536 - 60_000 - len(frame)


def test_a_wav_that_was_never_closed_claims_nothing(tmp_path: Path) -> None:
    for length in (0, 0xFFFFFFFF):
        head = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + bytes(16) + b"data" + length.to_bytes(4, "little")
        (tmp_path / "a").write_bytes(head + bytes(10))
        assert missing(tmp_path / "a", "wav") == 0


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EACCES, Permanent),
        (errno.EPERM, Permanent),
        (errno.EISDIR, Permanent),
        (errno.ENOENT, Transient),
        (errno.ESTALE, Transient),
        (errno.ENOTCONN, Transient),
        (errno.EIO, Transient),
    ],
)
def test_a_mount_that_is_away_comes_back_and_a_missing_right_does_not(
    number: int, kind: type[Exception], tmp_path: Path
) -> None:
    told = unreadable(tmp_path / "a.mp3", OSError(number, os.strerror(number)))
    assert type(told) is kind
    assert os.strerror(number) in str(told) and "a.mp3" in str(told)
