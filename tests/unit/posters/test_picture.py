"""Pictures by their content: whole ones are taken, and nothing else is."""

from __future__ import annotations

import subprocess

import pytest

from medialift.posters import picture
from medialift.posters.answers import Unusable
from sandbox.jellyfin.faults import damaged
from sandbox.jellyfin.media import png


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """{format: bytes} of the same picture."""
    folder = tmp_path_factory.mktemp("pictures")
    names = {"jpeg": "a.jpg", "png": "a.png", "webp": "a.webp", "gif": "a.gif"}
    outputs = [word for name in names.values() for word in ("-frames:v", "1", str(folder / name))]
    source = ["-f", "lavfi", "-i", "testsrc2=size=120x180"]
    subprocess.run(["ffmpeg", "-v", "error", *source, *outputs], check=True, timeout=60)
    return {format: (folder / name).read_bytes() for format, name in names.items()}


@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "gif"])
def test_a_whole_picture_is_known_by_its_content(pictures, format):
    found = picture.examine_bytes(pictures[format])
    assert (found.format, found.width, found.height) == (format, 120, 180)
    assert found.size == len(pictures[format])


@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "gif"])
def test_a_picture_that_is_cut_off_is_refused(pictures, format):
    body = pictures[format]
    for length in (len(body) // 2, len(body) - 13, 30):
        with pytest.raises(Unusable, match=r"cut off|damaged|no picture"):
            picture.examine_bytes(body[:length])


# A JPEG and a WebP have no checksum: some bytes in them may be others, and it still decodes.
@pytest.mark.parametrize("format", ["png", "gif"])
def test_a_picture_with_other_bytes_in_its_middle_is_refused(pictures, format):
    with pytest.raises(Unusable):
        picture.examine_bytes(damaged(pictures[format]))


def test_a_jpeg_with_a_hole_in_it_is_refused(pictures):
    body = pictures["jpeg"]
    third = len(body) // 3
    with pytest.raises(Unusable, match="damaged"):
        picture.examine_bytes(body[:third] + body[-third:])


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"#EXTM3U\n/etc/passwd", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP", b"GIF89a;"],
    ids=["nothing", "a page", "a list", "a beginning", "an empty webp", "an empty gif"],
)
def test_what_is_none_is_refused(body):
    with pytest.raises(Unusable):
        picture.examine_bytes(body)


def test_bytes_behind_the_end_of_a_jpeg_do_no_harm(pictures):
    assert picture.examine_bytes(pictures["jpeg"] + b"\0" * 100).format == "jpeg"


def test_a_picture_that_would_unfold_into_all_memory_is_refused():
    with pytest.raises(Unusable):
        picture.examine_bytes(png("bomb", 30_000, 1)[:16] + _dimensions(30_000, 30_000))


def _dimensions(width: int, height: int) -> bytes:
    return width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\0\0\0"
