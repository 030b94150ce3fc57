"""What the sources said of a book, on its way through the manifest: kept at conversion, asked at tagging."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from medialift.audiobooks import tags as atoms
from medialift.audiobooks.book import Structure
from medialift.audiobooks.manifest import Detected, Manifest
from medialift.audiobooks.metadata.clues import of_tags
from medialift.audiobooks.metadata.model import Clues, Series

_BETWEEN = "; "


def detected(clues: Clues, tags: Mapping[str, str] | None = None) -> Detected:
    """The record of a book's clues.

    Args:
        tags: those that all its sources share.
    """
    return Detected(
        title=clues.title,
        other_titles=clues.other_titles,
        subtitle=clues.subtitle,
        author=_BETWEEN.join(clues.authors),
        narrator=_BETWEEN.join(clues.narrators),
        series=clues.series.name if clues.series else "",
        series_part=clues.series.part if clues.series else "",
        year=str(clues.year or ""),
        asin=clues.asin,
        asin_from=clues.asin_from,
        isbn=clues.isbn,
        language=clues.language,
        publisher=clues.publisher,
        description=clues.description,
        abridged=clues.abridged,
        runtime=clues.seconds,
        tags=dict(tags or {}),
    )


def clues(manifest: Manifest, held: atoms.Tags, folder: Path) -> Clues:
    """What the book says of itself: its sources first, then the tags and the name of the finished file.

    Args:
        held: the file's tags. They count until the first tagging: after it they are what we found.
        folder: where local metadata lie.
    """
    sources, said = manifest.sources, manifest.sources.detected
    names = list(PurePosixPath(sources.key).parts)
    if names and sources.structure is Structure.STANDALONE:
        names[-1] = PurePosixPath(names[-1]).stem
    own = held if manifest.tagging.metadata is None else {}
    read = of_tags(
        {line.field: own[line.atom] for line in reversed(atoms.TABLE) if line.atom in own},
        names=names,
        seconds=manifest.conversion.seconds or said.runtime,
        folder=folder,
        series=sources.series,
    )
    told: dict[str, Any] = {
        "title": said.title,
        "other_titles": said.other_titles,
        "subtitle": said.subtitle,
        "authors": _names(said.author),
        "narrators": _names(said.narrator),
        "series": Series(said.series, said.series_part) if said.series else None,
        "year": int(said.year) if said.year.isdigit() else None,
        "isbn": said.isbn,
        "language": said.language,
        "publisher": said.publisher,
        "description": said.description,
        "abridged": said.abridged,
        "name": manifest.name,
        **({"asin": said.asin, "asin_from": said.asin_from or "tags"} if said.asin else {}),
    }
    return replace(read, **{name: value for name, value in told.items() if value not in ("", (), None)})


def _names(text: str) -> tuple[str, ...]:
    # Our own lists are parted by ; as names hold commas ("John Smith, Jr.").
    return tuple(name for one in text.split(";") if (name := one.strip()))
