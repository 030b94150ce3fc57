"""Several providers' metadata as one: for each field the first that says something wins.

Fields that belong together come from one provider: a date and its year, an ASIN and its shop, a description
and its HTML, a series and the others of the same list. Else a year of one edition would stand beside the day
of another.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from medialift.audiobooks.metadata.model import Metadata

_TOGETHER = (
    ("release_date", "year"),
    ("description", "description_html"),
    ("asin", "region", "product_url"),
    ("cover_file", "cover_url"),
    ("series", "more_series"),
)
_GROUPS = {name: group for group in _TOGETHER for name in group}


def merge(told: Iterable[tuple[str, Metadata]]) -> Metadata:
    """One from many: (name of the provider, what it says), the most trusted one first.

    What already has an origin keeps it; the rest is from the provider that is named.
    """
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for provider, one in told:
        filled = one.filled()
        free = [name for name in filled if _free(name, one, values)]
        for name in free:
            values[name] = filled[name]
            origin[name] = one.origin.get(name, provider)
    return Metadata(**values, origin=origin)


def _free(name: str, one: Metadata, values: dict[str, Any]) -> bool:
    """Whether nobody has said this field yet, nor anything that `one` contradicts of what belongs to it."""
    return name not in values and all(
        values[other] == getattr(one, other) for other in _GROUPS.get(name, ()) if other in values
    )
