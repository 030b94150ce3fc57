"""Taking books up again by hand: one that failed, waits for a person, or is to be done once more."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Row, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from medialift.audiobooks import failures, moving
from medialift.audiobooks.enqueue import BRING_BACK, REFUSED
from medialift.audiobooks.holding import holding
from medialift.audiobooks.stages import CONVERT, PIPELINE, STAGES, key_of, parted
from medialift.errors import Permanent, Transient
from medialift.queueing import doorbell
from medialift.queueing.database import Database
from medialift.settings import AudiobooksSettings

_ALL_FAILED = text(
    "select id, key, state, error_kind, payload from item where pipeline = :pipeline"
    " and collection = :collection and state = 'failed' and error_kind is distinct from :refused order by id"
)
_NAMED = text(
    "select id, key, state, error_kind, payload from item where pipeline = :pipeline"
    " and collection = :collection and key = any(:keys) order by id"
)
_BY_NUMBER = text(
    "select id, key, state, error_kind, payload, result from item where pipeline = :pipeline"
    " and collection = :collection and id = any(:ids) order by id"
)
_CONVERSION = text(
    "select id from item where pipeline = :pipeline and collection = :collection and key like 'convert/%'"
    " and (key = :key or result->>'name' = :name) order by (key = :key) desc, id desc limit 1"
)
# Another order, or the book that the earlier one made would be taken for what is wanted now.
_AGAIN = text(
    """
update item
   set state = 'ready', attempts = 0, not_before = now(), cancel = false, result = null, error_kind = null,
       error_text = null, changed = now(),
       fingerprint = payload->'book'->>'fingerprint',
       payload = (payload - 'put_aside' - 'kept' - 'as_it_is' - 'replaces' - 'bring_back')
                 || jsonb_build_object('order', cast(:order as text)) || cast(:more as jsonb)
 where id = :id and state <> 'leased' returning id
"""
).bindparams(bindparam("more", type_=JSONB()))
_AS_IT_IS = text(
    "update item set payload = payload || '{\"as_it_is\": true}', changed = now()"
    " where id = :id and state in ('ready', 'paused') returning id"
)
_NOT_ASIDE = text("delete from audiobook_todo where item_id = :id and what = 'put_aside'")


@dataclass(frozen=True)
class Retried:
    """How many are taken up again, and which books were moved back into the inbox, by their paths in it."""

    count: int = 0
    moved_back: tuple[str, ...] = ()


def retry(
    settings: AudiobooksSettings,
    database: Database,
    keys: Sequence[str] = (),
    *,
    items: Sequence[int] = (),
    every: bool = False,
) -> Retried:
    """Take up again what is named, or everything that failed.

    Args:
        items: books by the numbers of their items; those that there are not are left out.

    Raises:
        Permanent: nothing is named; a key is not known, or is refused as it lies; its place in the inbox is
            taken by something else; its sources are not there any more.
        Transient: somebody works on a book.
    """
    if not keys and not items and not every:
        raise Permanent("Nothing is named that is to be done again", "", "Name books, or say all")
    names = {"pipeline": PIPELINE, "collection": settings.collection}
    with database.engine.connect() as connection:
        if every:
            rows = list(connection.execute(_ALL_FAILED, {**names, "refused": REFUSED}))
        else:
            rows = [row for key in keys for row in _named(connection, names, key)]
            rows += connection.execute(_BY_NUMBER, {**names, "ids": list(items)})
    return _taken_up(settings, database, rows, {})


def without_conversion(settings: AudiobooksSettings, database: Database, item: int) -> Retried:
    """Have a book taken as it is: an M4B passes through, AAC parts are joined, and anything else is refused.

    Raises:
        Permanent: it is no conversion that is still to be done; or as `retry`.
        Transient: somebody works on the book.
    """
    row = _conversion(settings, database, item)
    if row.state in ("ready", "paused"):
        with database.engine.begin() as connection:
            return Retried(int(connection.execute(_AS_IT_IS, {"id": item}).first() is not None))
    if row.state == "done":
        raise Permanent("This book is converted already", row.key, "Have it made again first")
    return _taken_up(settings, database, [row], {"as_it_is": True})


def from_scratch(settings: AudiobooksSettings, database: Database, item: int) -> Retried:
    """Make a book again from its sources, which come back from the archive or the failed folder.

    What was made of them before is replaced when the new book is proven, and so are its copies in libraries.

    Raises:
        Permanent: it is no conversion; its sources are not there any more; or as `retry`.
        Transient: somebody works on the book.
    """
    row = _conversion(settings, database, item)
    made = (row.result or {}).get("name", "")
    return _taken_up(settings, database, [row], {"replaces": made} if made else {}, archived=True)


def conversion_of(settings: AudiobooksSettings, database: Database, name: str) -> int:
    """The item of a book's conversion, by its path in the inbox or the name of its folder in converted.

    Raises:
        Permanent: there is no such book.
    """
    name = name.removeprefix(f"{CONVERT}/").strip("/")
    names = {"pipeline": PIPELINE, "collection": settings.collection}
    with database.engine.connect() as connection:
        found = connection.execute(_CONVERSION, {**names, "name": name, "key": key_of(CONVERT, name)})
        number = found.scalar_one_or_none()
    if number is None:
        raise Permanent("This book is not known", name, "See what `status` lists")
    return int(number)


def _conversion(settings: AudiobooksSettings, database: Database, item: int) -> Row[Any]:
    given = {"pipeline": PIPELINE, "collection": settings.collection, "ids": [item]}
    with database.engine.connect() as connection:
        row = connection.execute(_BY_NUMBER, given).one_or_none()
    if row is None or parted(row.key)[0] != CONVERT:
        raise Permanent("This is no conversion of this inbox", str(item), "Name the item convert/…")
    if row.state == "leased":
        raise Transient("Somebody works on this book", row.key, "Wait until it has ended, or cancel it")
    return row


def _taken_up(
    settings: AudiobooksSettings,
    database: Database,
    rows: Sequence[Row[Any]],
    more: Mapping[str, Any],
    *,
    archived: bool = False,
) -> Retried:
    count, moved = 0, []
    for row in rows:
        stage, name = parted(row.key)
        with holding(settings, row.key):
            if stage == CONVERT and _bring_back(settings, row, name, archived=archived):
                moved.append(name)
            with database.engine.begin() as connection:
                count += ready(connection, row.id, more)
    with database.engine.begin() as connection:
        doorbell.ring(connection, PIPELINE, settings.collection, job_size=1)
    return Retried(count, tuple(moved))


def _named(connection: Connection, names: dict[str, str], key: str) -> list[Row[Any]]:
    """The items that a person means: by their key, by a path in the inbox, or by a folder in converted."""
    stage = key.partition("/")[0]
    meant = [key] if stage in STAGES else []
    meant += [key_of(CONVERT, key.strip("/"))]
    meant += [key_of(one, key) for one in STAGES if one != CONVERT]
    rows = {row.key: row for row in connection.execute(_NAMED, {**names, "keys": meant})}
    found = [rows[one] for one in meant if one in rows]
    if not found:
        raise Permanent("This book is not known", key, "See what `status` lists")
    # Of several stages of one name, what did not end well is meant.
    open_ones = [row for row in found if row.state in ("failed", "skipped", "cancelled")]
    return (open_ones or found)[:1]


def ready(connection: Connection, item: int, more: Mapping[str, Any]) -> int:
    """Have an item done again, by another order; 1, or 0 when somebody works on it.

    Args:
        more: what is written down with it for the attempt.
    """
    connection.execute(_NOT_ASIDE, {"id": item})
    given = {"id": item, "order": uuid4().hex, "more": dict(more)}
    return int(connection.execute(_AGAIN, given).first() is not None)


def sources_of(payload: Mapping[str, Any], *, archived: bool = False) -> str:
    """Where the ledger says that a book's sources were put; "" when it does not know.

    Args:
        archived: the archive counts, too: the book is to be made again, whatever became of it.
    """
    kept = payload.get("kept") if archived else ""
    # The last one is what an earlier attempt could not bring back.
    return str(kept or payload.get("put_aside") or payload.get(BRING_BACK) or "")


def bring_back(settings: AudiobooksSettings, name: str, place: str) -> bool:
    """Have the sources of a book lie in the inbox; whether they had to be moved there.

    Args:
        name: the book's path in the inbox.
        place: where they were put, as `sources_of` tells; "": nobody knows.

    Raises:
        Permanent: they are not there any more.
        OSError: as the file systems say.
    """
    target = settings.inbox / name
    if os.path.lexists(target):
        return False
    path = Path(os.path.normpath(place)) if place else None
    if path is not None and os.path.lexists(path):
        if path != settings.archive and path.is_relative_to(settings.archive):
            moving.move(path, target)
        else:
            # It refuses every folder that the intake has not made for a book that failed.
            failures.bring_back(path, target)
        return True
    raise Permanent(
        "The sources of this book are not in the inbox", name, "Copy them there: it is taken up by itself"
    )


def _bring_back(settings: AudiobooksSettings, row: Row[Any], name: str, *, archived: bool = False) -> bool:
    if row.error_kind == REFUSED:
        raise refusal(name, row.payload)
    return bring_back(settings, name, sources_of(row.payload, archived=archived))


def refusal(name: str, payload: Mapping[str, Any]) -> Permanent:
    """Why a book that is refused is not tried again."""
    hint = payload.get("hint") or "See what `status` tells"
    return Permanent("This folder cannot be taken as it is", name, str(hint))
