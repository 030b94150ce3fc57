"""What the sources said of a book, on its way through the manifest: kept at conversion, asked at tagging."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from medialift.audiobooks import tags as atoms
from medialift.audiobooks.manifest import Detected, Manifest
from medialift.audiobooks.metadata.model import Clues, Series

_BETWEEN = "; "


def detected(clues: Clues, tags: Mapping[str, str] | None = None) -> Detected:
    """The record of a book's clues.

    Args:
        tags: those that all its sources share.
    """
    return Detected(
        title=clues.title,
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
    """What the book says of itself: its sources first, then the tags of the finished file.

    Args:
        held: the file's tags. They count until the first tagging: after it they are what we found.
        folder: where local metadata lie.
    """
    said = manifest.sources.detected
    own = held if manifest.tagging.metadata is None else {}

    def of(value: str, *names: str) -> str:
        return value or next((own[name] for name in names if own.get(name)), "")

    series = of(said.series, atoms.FREEFORM + "SERIES", "\xa9mvn")
    part = of(said.series_part, atoms.FREEFORM + "SERIES-PART", "\xa9mvi")
    if not series and manifest.sources.series:
        series, part = manifest.sources.series.name, manifest.sources.series.number
    year = of(said.year, "\xa9day")[:4]
    asin = of(said.asin, atoms.FREEFORM + "ASIN")
    return Clues(
        title=of(said.title, "\xa9alb", "\xa9nam"),
        subtitle=of(said.subtitle, atoms.FREEFORM + "SUBTITLE"),
        authors=_names(of(said.author, atoms.FREEFORM + "ALBUMARTISTS", "aART", "\xa9ART")),
        narrators=_names(of(said.narrator, "\xa9wrt", "\xa9nrt")),
        series=Series(series, part) if series else None,
        year=int(year) if year.isdigit() else None,
        asin=asin,
        asin_from=said.asin_from if said.asin else "tags" if asin else "",
        isbn=of(said.isbn, atoms.FREEFORM + "ISBN"),
        language=of(said.language, atoms.FREEFORM + "LANGUAGE").lower(),
        publisher=of(said.publisher, atoms.FREEFORM + "PUBLISHER"),
        description=of(said.description, "ldes", "desc"),
        abridged=said.abridged,
        seconds=manifest.conversion.seconds or said.runtime,
        folder=folder,
        name=manifest.name,
    )


def _names(text: str) -> tuple[str, ...]:
    # Our own lists are parted by ; as names hold commas ("John Smith, Jr.").
    return tuple(name for one in text.split(";") if (name := one.strip()))
