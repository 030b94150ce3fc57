"""What the ledger says of a pipeline's items, in numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, text


@dataclass(frozen=True)
class Counts:
    """Items by state, and what they weigh.

    Attributes:
        ready: to be done, `waiting` among them.
        waiting: ready, but not before a later moment: they are to be tried again.
        files, bytes: of all items.
        files_left, bytes_left: of those that are ready, leased or paused.
    """

    ready: int = 0
    waiting: int = 0
    leased: int = 0
    done: int = 0
    skipped: int = 0
    failed: int = 0
    paused: int = 0
    cancelled: int = 0
    files: int = 0
    bytes: int = 0
    files_left: int = 0
    bytes_left: int = 0

    @property
    def total(self) -> int:
        return self.open + self.done + self.skipped + self.failed + self.cancelled + self.paused

    @property
    def open(self) -> int:
        """Items that workers have still to end."""
        return self.ready + self.leased

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "total": self.total, "open": self.open}


_COUNTS = text(
    """
select state, count(*) as items, sum(weight) as files, sum(bytes) as bytes,
       count(*) filter (where not_before > now()) as later
  from item where pipeline = :pipeline and collection = :collection group by state
"""
)


def counts(connection: Connection, pipeline: str, collection: str) -> Counts:
    """The items of a pipeline by state. It reads all of them: a quarter of a second for a million."""
    rows = {
        row.state: row
        for row in connection.execute(_COUNTS, {"pipeline": pipeline, "collection": collection})
    }
    left = [rows[state] for state in ("ready", "leased", "paused") if state in rows]
    states = {state: int(row.items) for state, row in rows.items()}
    return Counts(
        **states,
        waiting=int(rows["ready"].later) if "ready" in rows else 0,
        files=sum(int(row.files) for row in rows.values()),
        bytes=sum(int(row.bytes) for row in rows.values()),
        files_left=sum(int(row.files) for row in left),
        bytes_left=sum(int(row.bytes) for row in left),
    )


@dataclass(frozen=True)
class Reason:
    """Why items failed or were skipped, and how many for that reason."""

    state: str
    kind: str
    text: str
    items: int


_REASONS = text(
    """
select state, coalesce(error_kind, '') as kind,
       coalesce(error_text, result->>'reason', '') as reason, count(*) as items
  from item
 where pipeline = :pipeline and collection = :collection and state in ('failed', 'skipped', 'cancelled')
 group by 1, 2, 3 order by items desc, 1, 3 limit :limit
"""
)


def reasons(connection: Connection, pipeline: str, collection: str, *, limit: int = 100) -> list[Reason]:
    """Why items were not done, the most frequent reason first. A skipped item tells its own in its result."""
    rows = connection.execute(_REASONS, {"pipeline": pipeline, "collection": collection, "limit": limit})
    return [Reason(row.state, row.kind, row.reason, row.items) for row in rows]


_QUEUES = text(
    """
with recursive walk as (
  (select pipeline, collection from item order by 1, 2 limit 1)
  union all
  select later.pipeline, later.collection from walk, lateral (
    select pipeline, collection from item
     where (pipeline, collection) > (walk.pipeline, walk.collection) order by 1, 2 limit 1) later)
select pipeline, collection from walk
"""
)


def queues(connection: Connection) -> list[tuple[str, str]]:
    """(pipeline, collection) of everything that has items. It walks the index, a step per queue."""
    return [(row.pipeline, row.collection) for row in connection.execute(_QUEUES)]
