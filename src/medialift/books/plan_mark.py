"""What the library looked like when it was planned last, so that a plan with nothing new reads nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from medialift.books.calibre import Sums
from medialift.books.schema import plan_mark


@dataclass(frozen=True)
class Mark:
    """A finished plan of one selection.

    Attributes:
        library: whose plan it was (`Calibre.library_id`).
        stamp: of the database file, before and after the reading alike; empty when that was not sure.
        sums: of the whole library then; None when the library changed during the plan.
        items: how many items the collection had.
        totals: what the plan told.
    """

    library: str
    stamp: Mapping[str, int] = field(default_factory=dict)
    sums: Sums | None = None
    items: int = 0
    totals: Mapping[str, Any] = field(default_factory=dict)


def read(connection: Connection, collection: str, selection: str) -> Mark | None:
    """The mark of a selection, if no other selection of this collection was planned after it."""
    rows = connection.execute(
        select(plan_mark.c.selection, plan_mark.c.mark)
        .where(plan_mark.c.collection == collection)
        .order_by(plan_mark.c.planned.desc())
        .limit(1)
    ).all()
    connection.commit()
    if not rows or rows[0].selection != selection or not rows[0].mark:
        return None
    told = rows[0].mark
    sums = told.get("sums")
    return Mark(
        library=told.get("library", ""),
        stamp=told.get("stamp") or {},
        sums=Sums(**sums) if sums else None,
        items=int(told.get("items", 0)),
        totals=told.get("totals") or {},
    )


def write(connection: Connection, collection: str, selection: str, mark: Mark | None) -> None:
    """Keep a mark; None: whatever was planned before no longer holds. Commits."""
    told = {} if mark is None else {**vars(mark), "sums": mark.sums and mark.sums._asdict()}
    statement = insert(plan_mark).values(collection=collection, selection=selection, mark=told)
    # Not now(): two plans of one moment would not tell which came last.
    moment = func.clock_timestamp()
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["collection", "selection"], set_={"mark": told, "planned": moment}
        )
    )
    connection.commit()
