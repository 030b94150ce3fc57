"""What remains to be done when an attempt has ended: written in the transaction that ends it, so that a crash
between the two forgets nothing. Each is one that may be done twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from medialift.queueing.claims import clean

Task = Literal["complete", "put_aside", "tell"]

_ADD = text(
    "insert into audiobook_todo (collection, item_id, what, detail)"
    " values (:collection, :item_id, :what, :detail)"
).bindparams(bindparam("detail", type_=JSONB()))
_DUE = text(
    "select id, item_id, what, detail, tries from audiobook_todo"
    " where collection = :collection and not_before <= now() order by id"
)
_STILL = text("select exists (select from audiobook_todo where id = :id)")
_DONE = text("delete from audiobook_todo where id = :id")
_LATER = text(
    "update audiobook_todo set tries = tries + 1, not_before = now() + make_interval(secs => :delay),"
    " error_text = :error where id = :id"
)
_DROP = text("delete from audiobook_todo where item_id = :item_id and what in ('complete', 'put_aside')")
_COUNT = text("select count(*) from audiobook_todo where collection = :collection")
_PENDING = text(
    "select what, tries, error_text, detail from audiobook_todo"
    " where collection = :collection and error_text <> '' order by id limit 20"
)
# A book that has left the inbox is another one when it comes back, whatever its files are called.
_LEFT = text("update item set fingerprint = null, changed = now() where id = :item_id and state <> 'leased'")
_NOTE = text(
    "update item set payload = payload || cast(:note as jsonb) where id = :item_id and state <> 'leased'"
).bindparams(bindparam("note", type_=JSONB()))


@dataclass(frozen=True)
class Todo:
    """One thing to be done, for the book of an item."""

    id: int
    item_id: int
    what: Task
    detail: Mapping[str, Any]
    tries: int = 0


def add(connection: Connection, collection: str, item_id: int, what: Task, detail: Mapping[str, Any]) -> None:
    """Have it done as soon as the transaction counts."""
    connection.execute(
        _ADD, {"collection": collection, "item_id": item_id, "what": what, "detail": dict(detail)}
    )


def due(connection: Connection, collection: str) -> list[Todo]:
    """What is to be done now, the oldest first."""
    rows = connection.execute(_DUE, {"collection": collection})
    return [Todo(row.id, row.item_id, row.what, row.detail, row.tries) for row in rows]


def still(connection: Connection, todo: Todo) -> bool:
    """Whether nobody has done it meanwhile, and it was not called off."""
    return bool(connection.execute(_STILL, {"id": todo.id}).scalar_one())


def done(connection: Connection, todo: Todo, *, left: bool, note: Mapping[str, Any] | None = None) -> None:
    """It is done.

    Args:
        left: the book has left the inbox by it.
        note: what is kept with its item.
    """
    connection.execute(_DONE, {"id": todo.id})
    if left:
        connection.execute(_LEFT, {"item_id": todo.item_id})
    if note:
        connection.execute(_NOTE, {"item_id": todo.item_id, "note": dict(note)})


def later(connection: Connection, todo: Todo, error: str, *, delay: float) -> None:
    """It could not be done now; it is tried again after so many seconds."""
    connection.execute(_LATER, {"id": todo.id, "error": clean(error), "delay": delay})


def drop(connection: Connection, item_id: int) -> None:
    """Its book changed in the inbox: what was to become of its files does not hold any more."""
    connection.execute(_DROP, {"item_id": item_id})


def count(connection: Connection, collection: str) -> int:
    """How many things are to be done, now or later."""
    return int(connection.execute(_COUNT, {"collection": collection}).scalar_one())


def hindered(connection: Connection, collection: str) -> list[dict[str, Any]]:
    """What could not be done so far, and why: [{what, tries, error, detail}]."""
    rows = connection.execute(_PENDING, {"collection": collection})
    return [
        {"what": row.what, "tries": row.tries, "error": row.error_text, "detail": row.detail} for row in rows
    ]
