"""What lists say of a book: kept with its items, so that no list has to open a manifest for each row."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from medialift.audiobooks.manifest import Manifest
from medialift.audiobooks.metadata.names import read_name

_ENDING = re.compile(r"\.[A-Za-z0-9]{2,4}\Z")

NOTHING: Mapping[str, Any] = {
    "title": "",
    "authors": (),
    "series": "",
    "part": "",
    "asin": "",
    "seconds": 0.0,
}
"""What is said of a book of which nothing is known."""


def of_source(key: str, series: Sequence[str] | None = None) -> dict[str, Any]:
    """The same of a book that was never converted, as the name of its folder or file says.

    Args:
        key: its path in the inbox.
        series: (name, number) as its folders say.
    """
    name = PurePosixPath(key).name
    said = read_name(name.rpartition(".")[0] if _ENDING.search(name) else name)
    named, part = (*series, "")[:2] if series else (said.series, said.number)
    told = {"title": said.title, "authors": list(said.authors), "asin": said.asin}
    return {**NOTHING, **told, "series": named, "part": part}


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
