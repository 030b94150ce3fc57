"""A map of a migration: all books of a library in their order, as a few hundred cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from medialift.books.plan_writing import PIPELINE

CELLS = 240

# Books are numbered by Calibre in the order in which they were added; a cell has as many as any other.
_MAP = text(
    """
with book as (
  select key::bigint as number, state,
         ntile(least(:cells, (select count(*) from item
                               where pipeline = :pipeline and collection = :collection)::int))
           over (order by key::bigint) as cell
    from item where pipeline = :pipeline and collection = :collection)
select min(number) as first, max(number) as last, count(*) as books,
       count(*) filter (where state = 'done') as done, count(*) filter (where state = 'leased') as running,
       count(*) filter (where state in ('ready', 'paused')) as left,
       count(*) filter (where state in ('skipped', 'cancelled')) as skipped,
       count(*) filter (where state = 'failed') as failed
  from book group by cell order by cell
"""
)


@dataclass(frozen=True)
class Cell:
    """Some books that follow each other, from number `first` to `last`, and how they are."""

    first: int
    last: int
    books: int
    done: int
    running: int
    left: int
    skipped: int
    failed: int

    @property
    def kind(self) -> str:
        """In a word: failed (some of it), running, done, skipped (some of it), begun, left."""
        if self.failed:
            return "failed"
        if self.running:
            return "running"
        if self.left == self.books:
            return "left"
        if self.left:
            return "begun"
        return "skipped" if self.skipped else "done"


def cells(connection: Connection, collection: str, *, count: int = CELLS) -> list[Cell]:
    """All books in so many cells, or one for each book if there are fewer. A second for a million books."""
    rows = connection.execute(_MAP, {"pipeline": PIPELINE, "collection": collection, "cells": count})
    return [Cell(**row._asdict()) for row in rows]


def coarse(found: list[Cell], count: int = 12) -> list[Cell]:
    """The same in fewer cells, for who reads them out."""
    size = max(1, -(-len(found) // count))
    return [_joined(found[start : start + size]) for start in range(0, len(found), size)]


def _joined(some: list[Cell]) -> Cell:
    counts: dict[str, Any] = {
        name: sum(getattr(one, name) for one in some)
        for name in ("books", "done", "running", "left", "skipped", "failed")
    }
    return Cell(some[0].first, some[-1].last, **counts)
