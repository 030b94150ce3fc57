"""Books that are converted and tagged, as delivery finds them: a real M4B of two seconds, its manifest."""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from mutagen.mp4 import MP4, MP4Cover

from medialift.audiobooks import manifest as intake
from medialift.audiobooks.book import Structure
from medialift.audiobooks.manifest import Conversion, Manifest, Sources, Tagging
from medialift.audiobooks.metadata.model import Metadata, Series
from medialift.settings import AudiobooksSettings, DestinationSettings
from sandbox.audiobooks.recordings import picture, speak


@cache
def _spoken() -> Path:
    """One book for all tests of a process."""
    folder = Path(tempfile.mkdtemp(prefix="medialift-delivery-"))
    return speak(
        "The lighthouse keeper opened the ledger.", folder / "book.m4b", codec="m4b", seconds=2.0
    ).path


@cache
def cover() -> bytes:
    """A picture, as JPEG."""
    return picture(Path(tempfile.mkdtemp(prefix="medialift-cover-")) / "cover.jpg").read_bytes()


def converted(
    folder: Path,
    *,
    title: str = "The Lighthouse Ledger",
    authors: tuple[str, ...] = ("Ada Example",),
    narrators: tuple[str, ...] = ("Nora Voice",),
    series: tuple[str, str] | None = ("Harbour Tales", "2"),
    **metadata: Any,
) -> Path:
    """A book's folder in `folder`, named after its title, tagged so."""
    name = title.replace("/", "-")
    home = folder / name
    home.mkdir(parents=True)
    book = home / "book.m4b"
    shutil.copyfile(_spoken(), book)
    named = Series(*series) if series else None
    tell(book, title=title, author=", ".join(authors), series=series[0] if series else "")
    known = Metadata(
        title=title, authors=authors, narrators=narrators, series=named, **{"asin": "B0TEST0001", **metadata}
    )
    intake.write(
        home,
        Manifest(
            name=name,
            state="tagged",
            next_action="deliver",
            sources=Sources(key=name, structure=Structure.FLAT),
            conversion=Conversion(kind="converted", file=book.name),
            tagging=Tagging(metadata=known),
        ),
    )
    return home


def tell(book: Path, *, title: str, author: str = "Ada Example", series: str = "") -> None:
    """Write tags, and a cover, into a book."""
    tags = MP4(book)
    tags["\xa9alb"] = tags["\xa9nam"] = [title]
    tags["\xa9ART"] = tags["aART"] = [author]
    if series:
        tags["----:com.apple.iTunes:SERIES"] = [series.encode()]
    tags["covr"] = [MP4Cover(cover(), imageformat=MP4Cover.FORMAT_JPEG)]
    tags.save()


def renamed(home: Path, title: str) -> None:
    """Another title in the manifest."""
    now = intake.read(home)
    known = Metadata.from_dict({**now.tagging.metadata.to_dict(), "title": title})
    intake.write(home, now.changed(tagging=now.tagging.model_copy(update={"metadata": known})))


def settings(tmp_path: Path, **destinations: dict[str, Any]) -> AudiobooksSettings:
    """Settings with these destinations, and work in a folder of the test's."""
    wanted = {name: DestinationSettings(**one) for name, one in destinations.items()}
    return AudiobooksSettings(work=tmp_path / "work", destinations=wanted)
