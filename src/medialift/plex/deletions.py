"""What a scan has taken away: counted, item by item, and judged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from medialift.foundation.sqlite import open_readonly
from medialift.plex.database import LEAF_TYPES
from medialift.plex.server import Section

# More items than this marked deleted, as a number and as a share of the section, are a sign that the scan
# saw something else than the library. Single files do go.
DELETED_NUMBER = 3
DELETED_SHARE = 0.02


@dataclass(frozen=True)
class Comparison:
    """One section before and after.

    Attributes:
        items_before, items_after: movies, episodes, tracks or photos that are not marked deleted.
        newly_deleted: of those before, how many are now marked deleted or gone.
        reasons: why an archive of this must not be trusted; empty when it may be.
    """

    items_before: int
    items_after: int
    newly_deleted: int
    reasons: tuple[str, ...]


def alive(database: Path, sections: Iterable[Section]) -> dict[str, frozenset[int]]:
    """Ids of each section's items that are not marked deleted: movies, episodes, tracks, photos; by its key.

    Raises:
        Transient, Permanent: the database could not be read. That is an error, and never an empty library.
    """
    with open_readonly(database) as con:
        return {
            section.key: frozenset(
                row[0]
                for row in con.execute(
                    "SELECT id FROM metadata_items "
                    "WHERE library_section_id = ? AND metadata_type = ? AND deleted_at IS NULL",
                    (int(section.key), LEAF_TYPES[section.type]),
                )
            )
            for section in sections
            if section.type in LEAF_TYPES
        }


def compare(name: str, before: frozenset[int], after: frozenset[int]) -> Comparison:
    """Compare a section's items before and after a run."""
    lost = len(before - after)
    reasons = []
    allowed = max(DELETED_NUMBER, DELETED_SHARE * len(before))
    if lost > allowed:
        reasons.append(
            f"{name}: {lost} of {len(before)} items were marked deleted, more than the {allowed:g} "
            "that single lost files explain"
        )
    if before and not after:
        reasons.append(f"{name}: no item is left of {len(before)}")
    return Comparison(len(before), len(after), lost, tuple(reasons))
