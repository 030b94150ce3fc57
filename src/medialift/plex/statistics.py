"""What the sections of a library hold: items of each type, files, bytes, and how much is analysed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from medialift.plex.database import Database, SectionFacts, by_type, reading, sections

# metadata_items.metadata_type. Source: the types that Plex's API takes.
_NAMES = {
    1: "movie",
    2: "show",
    3: "season",
    4: "episode",
    8: "artist",
    9: "album",
    10: "track",
    12: "extra",
    13: "photo",
    14: "photo album",
    15: "playlist",
    18: "collection",
}

# Every part with its media item, whose rows follow each other in the same order: both tables are read once.
_FILES = """
    SELECT media.library_section_id AS section, count(*), total(part.size),
           total(media.media_analysis_version > 0)
    FROM media_parts AS part NOT INDEXED CROSS JOIN media_items AS media ON media.id = part.media_item_id
    WHERE part.deleted_at IS NULL AND media.deleted_at IS NULL AND section IS NOT NULL
    GROUP BY section
"""


@dataclass(frozen=True)
class SectionStatistics:
    """One section and what it holds; what is marked deleted counts only where that is said.

    Attributes:
        facts: the section and its items, as `medialift.plex.database.sections` counts them.
        types: items by the name of their type: {"show": 3, "season": 5, "episode": 40}.
        deleted_types: the same of items that are marked deleted.
        parts: files.
        bytes: their sizes together.
        analysed: files that Plex has analysed (codecs, duration, streams).
    """

    facts: SectionFacts
    types: dict[str, int] = field(default_factory=dict)
    deleted_types: dict[str, int] = field(default_factory=dict)
    parts: int = 0
    bytes: int = 0
    analysed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The facts, and beside them {types, deleted_types, parts, bytes, analysed}."""
        return {
            **self.facts.to_dict(),
            "types": dict(self.types),
            "deleted_types": dict(self.deleted_types),
            "parts": self.parts,
            "bytes": self.bytes,
            "analysed": self.analysed,
        }


def statistics(database: Database) -> list[SectionStatistics]:
    """Every section with what it holds, in order of id.

    Costs one scan of media_parts with media_items beside it, and of metadata_items what `sections` reads.
    """
    with reading(database) as con:
        kinds: dict[int, dict[str, tuple[int, int]]] = {}
        for (section, kind), counts in by_type(con).items():
            kinds.setdefault(section, {})[_NAMES.get(kind, f"type {kind}")] = counts
        files = {section: (int(n), int(size), int(done)) for section, n, size, done in con.execute(_FILES)}
        found = []
        for facts in sections(con):
            parts, size, analysed = files.get(facts.id, (0, 0, 0))
            types = kinds.get(facts.id, {})
            found.append(
                SectionStatistics(
                    facts,
                    {name: there for name, (there, _) in types.items() if there},
                    {name: deleted for name, (_, deleted) in types.items() if deleted},
                    parts,
                    size,
                    analysed,
                )
            )
        return found
