"""Files beside a book in a library, for servers that do not read all of its tags.

Audiobookshelf reads cover.*, desc.txt, reader.txt and metadata.json; Plex and Jellyfin read cover.jpg. All
three read the tags of the book first or as well, so only the cover is written unless more is asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

import mutagen
from mutagen.mp4 import MP4, MP4Cover

from medialift.audiobooks.delivery.naming import padded, series_name
from medialift.audiobooks.manifest import Manifest
from medialift.audiobooks.metadata.model import Metadata, Series
from medialift.foundation import atomic

KINDS = ("cover", "description", "narrator", "metadata_json", "manifest")


def write(kinds: Iterable[str], book: Path, manifest: Manifest, folder: Path) -> list[Path]:
    """Write those that have something to say into `folder`, and return them.

    Raises:
        OSError: the book cannot be read, or the folder not be written.
    """
    made: list[Path] = []
    known = manifest.tagging.metadata or Metadata()
    for kind in kinds:
        if kind == "cover":
            if picture := cover(book):
                made.append(_put(folder / picture[0], picture[1]))
        elif kind == "description" and known.description:
            made.append(_put(folder / "desc.txt", f"{known.description}\n".encode()))
        elif kind == "narrator" and known.narrators:
            made.append(_put(folder / "reader.txt", f"{', '.join(known.narrators)}\n".encode()))
        elif kind == "metadata_json" and known.filled():
            made.append(_put(folder / "metadata.json", _audiobookshelf(known, manifest)))
        elif kind == "manifest":
            content = manifest.model_dump_json(indent=2, exclude={"deliveries", "approval"})
            made.append(_put(folder / "intake.json", f"{content}\n".encode()))
    return made


def cover(book: Path) -> tuple[str, bytes] | None:
    """The picture in a book, and what its file is called; None when it has none that can be read."""
    try:
        pictures = (MP4(book).tags or {}).get("covr") or []
    except mutagen.MutagenError:
        return None
    for picture in pictures:
        if picture:
            png = getattr(picture, "imageformat", None) == MP4Cover.FORMAT_PNG
            return ("cover.png" if png else "cover.jpg"), bytes(picture)
    return None


def _audiobookshelf(known: Metadata, manifest: Manifest) -> bytes:
    """What Audiobookshelf writes itself beside a book, and believes before anything else."""

    def series(one: Series) -> str:
        number = re.sub(r"^0+(?=\d)", "", padded(one.part, 1))
        return f"{series_name(one.name)} #{number}" if number else series_name(one.name)

    chapters = [
        {"id": number, "start": one.start, "end": one.end, "title": one.title}
        for number, one in enumerate(manifest.conversion.chapters)
    ]
    told = {
        "tags": [],
        "chapters": chapters,
        "title": known.title or None,
        "subtitle": known.subtitle or None,
        "authors": list(known.authors),
        "narrators": list(known.narrators),
        "series": [series(one) for one in (known.series, *known.more_series) if one is not None],
        "genres": list(known.genres),
        "publishedYear": str(known.year) if known.year else None,
        "publishedDate": known.release_date or None,
        "publisher": known.publisher or None,
        "description": known.description or None,
        "isbn": known.isbn or None,
        "asin": known.asin or None,
        "language": known.language or None,
        "explicit": bool(known.explicit),
        "abridged": known.format == "abridged",
    }
    return (json.dumps(told, indent=2, ensure_ascii=False) + "\n").encode()


def _put(file: Path, content: bytes) -> Path:
    atomic.write_bytes(file, content, mode=None)
    return file
