"""The picture of a book: the best one that lies beside it or in its parts, and that can really be shown.

A picture counts only when ffmpeg decodes the whole of it. JPEG and PNG are taken as they are; any other one
(WebP, GIF, BMP) becomes a JPEG, since players show only these two.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Literal

from medialift.audiobooks.book import Book
from medialift.audiobooks.programs import Programs
from medialift.audiobooks.source import Source
from medialift.errors import Permanent
from medialift.foundation import process

_ENDINGS = frozenset((".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"))
_PICTURES = "jpeg_pipe,png_pipe,webp_pipe,gif,gif_pipe,bmp_pipe,image2,image2pipe"
_FRONT = re.compile(
    r"(?:cover|folder|front|album|albumart|poster|artwork|thumb)(?:[\W_].*)?\Z", re.IGNORECASE
)
# Players read the whole picture into memory, and some give up on more.
_LARGEST = 30_000_000
_SECONDS = 60.0
_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Picture:
    """A picture that was decoded: its file, and where it came from ("cover.jpg", "embedded in 01.mp3")."""

    path: Path
    origin: str
    format: Literal["jpeg", "png"]
    size: int
    sha256: str


def best(
    book: Book,
    sources: Sequence[Source],
    programs: Programs,
    work: Path,
    *,
    stop: Event | None = None,
    tell: Callable[[str], object] = lambda _sentence: None,
) -> Picture | None:
    """The cover of a book; None when it has none that can be shown.

    A file called cover, folder or front (or as the book) goes before the picture in a part, and that before
    any other picture in the folder; among equals the largest file.

    Args:
        work: an empty folder of ours: what is taken out of a part or made a JPEG lies in its folder `cover`.
        tell: is told of each picture that was left out, a sentence.

    Raises:
        Transient: `stop` was set, or ffmpeg did not answer in time.
    """
    named, others = _beside(book)
    for path in named:
        if found := _tried(path, path.name, programs, work, stop, tell):
            return found
    for source in sources:
        if source.cover is not None:
            if found := _embedded(source, programs, work, stop, tell):
                return found
            break  # all parts carry the same one
    for path in others:
        if found := _tried(path, path.name, programs, work, stop, tell):
            return found
    return None


def shown(path: Path, programs: Programs, *, stop: Event | None = None) -> None:
    """Decode a picture, to its last line.

    Raises:
        Permanent: it is no picture, or a broken one.
        Transient: `stop` was set, or ffmpeg did not answer in time.
    """
    argv = [programs.ffmpeg, "-v", "error", "-xerror", "-nostdin", "-format_whitelist", _PICTURES]
    done = process.run(
        [*argv, "-protocol_whitelist", "file", "-i", f"file:{path}", "-frames:v", "1", "-f", "null", "-"],
        timeout=_SECONDS,
        stop=stop,
    )
    if not done.ok or done.err.strip():
        raise Permanent("The picture cannot be shown", str(path), "Put another one in its place")


def _beside(book: Book) -> tuple[list[Path], list[Path]]:
    pictures = [path for path in book.extras if path.suffix.casefold() in _ENDINGS]
    pictures.sort(key=lambda path: (-_size(path), path.name))
    called = book.name.casefold()
    named = [path for path in pictures if _FRONT.match(path.stem) or path.stem.casefold() == called]
    return named, [path for path in pictures if path not in named]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _tried(
    path: Path,
    origin: str,
    programs: Programs,
    work: Path,
    stop: Event | None,
    tell: Callable[[str], object],
) -> Picture | None:
    try:
        if _size(path) > _LARGEST:
            raise Permanent("The picture is too large for a book", str(path), "Make it smaller")
        shown(path, programs, stop=stop)
        form = _format(path)
        if form is None:
            path, form = _as_jpeg(path, programs, work, stop), "jpeg"
        content = path.read_bytes()
    except (Permanent, OSError) as error:
        tell(f"{origin} is not taken as the cover: {error}")
        return None
    return Picture(path, origin, form, len(content), hashlib.sha256(content).hexdigest())


def _embedded(
    source: Source, programs: Programs, work: Path, stop: Event | None, tell: Callable[[str], object]
) -> Picture | None:
    origin = f"embedded in {source.path.name}"
    target = _folder(work) / "embedded"
    argv = [programs.ffmpeg, "-v", "error", "-nostdin", "-y", "-i", f"file:{source.path}"]
    argv += [
        "-map",
        f"0:{source.cover}",
        "-frames:v",
        "1",
        "-c",
        "copy",
        "-f",
        "image2pipe",
        f"file:{target}",
    ]
    try:
        process.run(argv, timeout=_SECONDS, stop=stop).checked("The picture in a part cannot be taken out")
    except Permanent as error:
        tell(f"The picture {origin} is not taken: {error}")
        return None
    return _tried(target, origin, programs, work, stop, tell)


def _as_jpeg(path: Path, programs: Programs, work: Path, stop: Event | None) -> Path:
    target = _folder(work) / "cover.jpg"
    argv = [programs.ffmpeg, "-v", "error", "-nostdin", "-y", "-format_whitelist", _PICTURES]
    argv += ["-i", f"file:{path}", "-frames:v", "1", "-c:v", "mjpeg", "-q:v", "2", "-f", "image2pipe"]
    process.run([*argv, f"file:{target}"], timeout=_SECONDS, stop=stop).checked("No JPEG can be made of it")
    return target


def _folder(work: Path) -> Path:
    folder = work / "cover"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _format(path: Path) -> Literal["jpeg", "png"] | None:
    with path.open("rb") as file:
        head = file.read(8)
    return "jpeg" if head.startswith(_JPEG) else "png" if head == _PNG else None
