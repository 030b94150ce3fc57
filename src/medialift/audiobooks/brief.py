"""What lists say of a book: kept with its items, so that no list has to open a manifest for each row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medialift.audiobooks.manifest import Manifest

NOTHING: Mapping[str, Any] = {
    "title": "",
    "authors": (),
    "series": "",
    "part": "",
    "asin": "",
    "seconds": 0.0,
}
"""What is said of a book of which nothing is known."""


def of(manifest: Manifest) -> dict[str, Any]:
    """{title, authors, series, part, asin, seconds}: as it was tagged, or as its sources say.

    What is not known is "".
    """
    known, detected = manifest.tagging.metadata, manifest.sources.detected
    if known is not None:
        series = known.series
        told: dict[str, Any] = {
            "title": known.title,
            "authors": list(known.authors),
            "series": series.name if series else "",
            "part": series.part if series else "",
            "asin": known.asin,
        }
    else:
        told = {
            "title": detected.title,
            "authors": [name for name in detected.author.split("; ") if name],
            "series": detected.series,
            "part": detected.series_part,
            "asin": detected.asin,
        }
    return {**told, "seconds": round(manifest.conversion.seconds, 3)}
