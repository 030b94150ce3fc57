"""Whether bytes are a picture: by what they begin with, whether they are whole, and whether they decode.

JPEG and WebP have no checksum: a few other bytes in one may decode all the same, and are not seen here.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from medialift.errors import Permanent
from medialift.foundation import process
from medialift.posters.answers import Unusable

Format = Literal["jpeg", "png", "webp", "gif"]
FFPROBE = "ffprobe"
_SECONDS = 60.0
# A small file can unfold into all of a machine's memory.
_MOST_PIXELS = 200_000_000
_DEMUXERS = {"jpeg": "jpeg_pipe", "png": "png_pipe", "webp": "webp_pipe", "gif": "gif"}
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Picture:
    """What a picture is: its hash is of its bytes, its size in bytes, its edges in pixels."""

    format: Format
    sha256: str
    size: int
    width: int
    height: int


def program() -> str:
    """Where ffprobe is.

    Raises:
        Permanent: it is not installed.
    """
    found = shutil.which(FFPROBE)
    if found is None:
        raise Permanent("A program is missing", FFPROBE, "Install the package ffmpeg")
    return found


def digest(body: bytes) -> str:
    """The hash that pictures are compared by."""
    return hashlib.sha256(body).hexdigest()


def format_of(body: bytes) -> Format | None:
    """What the bytes begin as; what a server or a name calls them is not asked."""
    if body.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if body.startswith(_PNG):
        return "png"
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "webp"
    return "gif" if body[:6] in (b"GIF87a", b"GIF89a") else None


def whole(body: bytes, format: Format) -> bool:
    """Whether they end as they must."""
    if format == "jpeg":
        # Some cameras and shops add bytes behind the end.
        return b"\xff\xd9" in body[-4096:]
    if format == "png":
        return _whole_png(body)
    if format == "webp":
        return len(body) >= int.from_bytes(body[4:8], "little") + 8
    return body.rstrip(b"\0").endswith(b";")


def examine(file: Path, body: bytes) -> Picture:
    """Look at a picture that lies in a file: it is decoded once, whole.

    Args:
        body: what the file holds.

    Raises:
        Unusable: it is no picture, cut off, or damaged.
        Permanent: ffprobe is missing.
    """
    format = format_of(body)
    if format is None:
        raise Unusable("What came is no picture", _begins(body), "See what the server says to a browser")
    if not whole(body, format):
        raise Unusable(
            "A picture is cut off",
            f"{format}, {len(body)} bytes",
            "See the picture in Jellyfin; a proxy may cut what it sends",
        )
    width, height = _decoded(file, format)
    return Picture(format, digest(body), len(body), width, height)


def examine_bytes(body: bytes) -> Picture:
    """The same for one that lies nowhere.

    Raises:
        Unusable, Permanent: as `examine`.
    """
    with tempfile.NamedTemporaryFile(prefix="medialift-") as file:
        file.write(body)
        file.flush()
        return examine(Path(file.name), body)


def _decoded(file: Path, format: Format) -> tuple[int, int]:
    # The reader is named, so that no text file is taken for a list of others; and no other place is read.
    told = process.run(
        [
            *(program(), "-v", "error", "-protocol_whitelist", "file", "-max_pixels", str(_MOST_PIXELS)),
            *("-f", _DEMUXERS[format], "-count_frames", "-select_streams", "v:0"),
            *("-show_entries", "stream=width,height,nb_read_frames", "-of", "json", f"file:{file}"),
        ],
        timeout=_SECONDS,
    )
    wrong = [line.strip() for line in told.err.splitlines() if line.strip()]
    stream = _stream(told.out)
    width, height = (_number(stream.get(name)) for name in ("width", "height"))
    if not told.ok or wrong or not (width and height and _number(stream.get("nb_read_frames"))):
        why = wrong[0].split("] ", 1)[-1][:200] if wrong else "nothing of it could be decoded"
        raise Unusable(
            "A picture is damaged",
            f"{format}: {why}",
            "See the picture in Jellyfin; a proxy may cut what it sends",
        )
    return width, height


def _stream(out: str) -> dict[str, Any]:
    try:
        found = json.loads(out)["streams"][0]
    except (ValueError, LookupError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _number(value: object) -> int:
    text = str(value)
    return int(text) if text.isdecimal() else 0


def _whole_png(body: bytes) -> bool:
    """Each part of a PNG says how long it is, and has a checksum."""
    at = len(_PNG)
    while at + 12 <= len(body):
        length = int.from_bytes(body[at : at + 4], "big")
        end = at + 12 + length
        if end > len(body) or zlib.crc32(body[at + 4 : end - 4]) != int.from_bytes(
            body[end - 4 : end], "big"
        ):
            return False
        if body[at + 4 : at + 8] == b"IEND":
            return True
        at = end
    return False


def _begins(body: bytes) -> str:
    shown = "".join(one if one.isprintable() else "." for one in body[:40].decode("ascii", "replace"))
    return f"{len(body)} bytes that begin with {shown!r}" if body else "it is empty"
