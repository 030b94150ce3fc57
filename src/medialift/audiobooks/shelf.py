"""The books that were converted, the latest first, as lists show them; out of the ledger alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from medialift.audiobooks import brief
from medialift.audiobooks.stages import PIPELINE

# The items of tagging and delivery have the name of the folder that the conversion made.
_SHELF = text(
    """
select i.id, i.key, i.changed, i.result, i.payload->>'kept' as kept,
       coalesce(t.result->'book', i.result->'book') as book,
       coalesce(t.state, '') as tag_state, coalesce(d.state, '') as deliver_state
  from (select id, key, changed, result, payload from item
         where pipeline = :pipeline and collection = :collection and state = 'done'
           and state in ('done', 'skipped', 'failed', 'cancelled', 'paused') and key like 'convert/%'
           and (cast(:changed as timestamptz) is null or (changed, id) < (:changed, :id))
         order by changed desc, id desc limit :limit) i
  left join item t on t.pipeline = :pipeline and t.collection = :collection
                  and t.key = 'tag/' || (i.result->>'name')
  left join item d on d.pipeline = :pipeline and d.collection = :collection
                  and d.key = 'deliver/' || (i.result->>'name')
 order by i.changed desc, i.id desc
"""
)


@dataclass(frozen=True)
class Shelved:
    """A book that was converted.

    Attributes:
        source: its path in the inbox. name: of its folder in converted.
        kind: converted, spliced or passed_through.
        kept: where its sources are; "" when they were deleted or are not put away yet.
        book: {title, authors, series, part, asin, seconds}, as far as the ledger knows it.
        tag_state, deliver_state: of its items; "" when there is none.
    """

    id: int
    source: str
    name: str
    kind: str
    chapters: int
    changed: datetime
    kept: str
    book: Mapping[str, Any]
    tag_state: str
    deliver_state: str


def shelf(
    connection: Connection,
    collection: str,
    *,
    after: tuple[datetime, int] | None = None,
    limit: int = 50,
) -> list[Shelved]:
    """The books that are converted.

    Args:
        after: (changed, id) of the last one of the page before.
    """
    changed, number = after or (None, 0)
    given = {"pipeline": PIPELINE, "collection": collection, "changed": changed, "id": number}
    return [_shelved(row) for row in connection.execute(_SHELF, {**given, "limit": limit})]


def _shelved(row: Any) -> Shelved:
    result = row.result or {}
    return Shelved(
        row.id,
        row.key.removeprefix("convert/"),
        str(result.get("name") or ""),
        str(result.get("kind") or ""),
        int(result.get("chapters") or 0),
        row.changed,
        row.kept or "",
        {**brief.NOTHING, **(row.book or {})},
        row.tag_state,
        row.deliver_state,
    )
