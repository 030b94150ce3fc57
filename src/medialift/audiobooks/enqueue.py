"""From what lies in the inbox to items in the ledger: new books are entered, changed ones entered anew.

A book with the same fingerprint is the same book: one that failed stays failed, one that is done stays done.
Its fingerprint is forgotten when it leaves the inbox, so what is dropped there again is done again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Row, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from medialift.audiobooks import book_record, notices, todo
from medialift.audiobooks.book import Book, Refused
from medialift.audiobooks.stages import CONVERT, CONVERT_PRIORITY, PIPELINE, key_of
from medialift.queueing import doorbell
from medialift.queueing.claims import clean

REFUSED, GONE = "refused", "gone"
"""Kinds of error: nobody can tell what it is, and it is not in the inbox any more."""
BRING_BACK = "bring_back"
"""In an item's payload: from where the attempt has to bring its sources back into the inbox."""

_KNOWN = text(
    """
select id, key, state, fingerprint, error_kind, payload->>'why' as why, payload ? 'bring_back' as comes
  from item
 where pipeline = :pipeline and collection = :collection and key like 'convert/%'
   and (key = any(:keys) or state in ('ready', 'paused') or (state = 'failed' and error_kind = 'refused'))
"""
)
_ADD = text(
    """
insert into item (pipeline, collection, key, priority, weight, bytes, fingerprint, payload)
values (:pipeline, :collection, :key, :priority, :weight, :bytes, :fingerprint, :payload)
on conflict (pipeline, collection, key) do nothing returning id
"""
).bindparams(bindparam("payload", type_=JSONB()))
_ANEW = text(
    """
update item
   set state = case when state = 'paused' then 'paused' else 'ready' end, attempts = 0, not_before = now(),
       cancel = false, weight = :weight, bytes = :bytes, fingerprint = :fingerprint, payload = :payload,
       priority = :priority, result = null, error_kind = null, error_text = null, changed = now()
 where id = :id and state <> 'leased' returning id
"""
).bindparams(bindparam("payload", type_=JSONB()))
_REFUSE = text(
    """
insert into item (pipeline, collection, key, state, fingerprint, error_kind, error_text, payload)
values (:pipeline, :collection, :key, 'failed', :fingerprint, 'refused', :why, :payload)
on conflict (pipeline, collection, key) do update
   set state = 'failed', fingerprint = :fingerprint, error_kind = 'refused', error_text = :why,
       payload = :payload, changed = now()
 where item.state <> 'leased'
returning id
"""
).bindparams(bindparam("payload", type_=JSONB()))
_FORGET = text(
    """
update item set state = 'cancelled', error_kind = 'gone', error_text = 'It is not in the inbox any more',
       changed = now()
 where id = any(:ids) and state in ('ready', 'paused', 'failed')
"""
)
# Nobody works on it, and it was not put off by hand.
_OPEN = ("ready", "paused")
# One that is left alone as long as its files are the same.
_SETTLED = ("ready", "leased", "done", "skipped", "failed", "paused")


@dataclass(frozen=True)
class Entered:
    """What a look into the inbox came to, by the books' paths in it.

    Attributes:
        added: new books. changed: known ones whose files are others than before, or that came back.
        refused: what was refused now for the first time, or for another reason than before.
        gone: books that were to be done and are not in the inbox any more.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    refused: tuple[Refused, ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def anything(self) -> bool:
        return bool(self.added or self.changed or self.refused or self.gone)


def enter(
    connection: Connection,
    collection: str,
    inbox: Path,
    books: Iterable[Book],
    refused: Iterable[Refused] = (),
    *,
    present: Callable[[str], bool] | None = None,
) -> Entered:
    """Write down what is to be done, and ring the bell; part of the caller's transaction.

    Args:
        present: whether something of this path lies in the inbox; to be asked of a whole inbox only: of one
            whose disk is away nothing may be entered at all.
    """
    there = present or (lambda key: os.path.lexists(inbox / key))
    names = {"pipeline": PIPELINE, "collection": collection}
    books, refused = list(books), list(refused)
    keys = [key_of(CONVERT, key) for key in (*(one.key for one in books), *(one.key for one in refused))]
    known = {row.key: row for row in connection.execute(_KNOWN, {**names, "keys": keys})}
    added, changed, seen = [], [], set()
    for book in books:
        key = key_of(CONVERT, book.key)
        seen.add(key)
        given = {**names, "key": key, **_values(book, inbox)}
        row = known.get(key)
        if row is None:
            if connection.execute(_ADD, given).first() is not None:
                added.append(book.key)
        elif row.fingerprint is None and not there(book.key):
            continue  # it was put away after it was seen
        elif _is_new(row, book.fingerprint) and connection.execute(_ANEW, {**given, "id": row.id}).first():
            todo.drop(connection, row.id)
            changed.append(book.key)
    told = [one for one in refused if _refuse(connection, names, known.get(key_of(CONVERT, one.key)), one)]
    seen.update(key_of(CONVERT, one.key) for one in refused)
    gone = _forget(connection, [row for row in known.values() if row.key not in seen], there)
    if added or changed:
        doorbell.ring(connection, PIPELINE, collection, job_size=1)
    return Entered(tuple(added), tuple(changed), tuple(told), tuple(gone))


def _values(book: Book, inbox: Path) -> dict[str, Any]:
    return {
        "priority": CONVERT_PRIORITY,
        "weight": max(1, len(book.parts)),
        "bytes": book.bytes,
        "fingerprint": book.fingerprint,
        # By the order a finished book is known again whose worker did not live to say that it is finished.
        "payload": {"book": book_record.to_record(book, inbox), "order": uuid4().hex},
    }


def _is_new(row: Row[Any], fingerprint: str) -> bool:
    if row.fingerprint != fingerprint:
        return True
    refused_before = row.state == "failed" and row.error_kind == REFUSED
    came_back = row.state == "cancelled" and row.error_kind == GONE
    return bool(refused_before or came_back)


def _refuse(connection: Connection, names: Mapping[str, str], row: Row[Any] | None, refused: Refused) -> bool:
    """Whether it is news."""
    why = clean(f"{refused.why}. {refused.hint}")
    same = row is not None and row.fingerprint == refused.fingerprint
    if same and row is not None and row.state in _SETTLED:
        told_so = bool(row.error_kind == REFUSED) and row.why == refused.why
        if told_so or row.state != "failed":
            return False
    given = {
        **names,
        "key": key_of(CONVERT, refused.key),
        "fingerprint": refused.fingerprint,
        "why": why,
        "payload": {"why": refused.why, "hint": refused.hint, "tree": refused.tree},
    }
    written = connection.execute(_REFUSE, given).scalar_one_or_none()
    if written is None:
        return False
    told = notices.refused(refused.key, refused.why, refused.hint, refused.tree)
    todo.add(connection, names["collection"], written, "tell", told)
    return True


def _forget(connection: Connection, rows: Sequence[Row[Any]], there: Callable[[str], bool]) -> list[str]:
    """Take off the list what was to be done, or was refused, and lies there no more."""
    gone = [
        row
        for row in rows
        if (row.state in _OPEN and not row.comes) or (row.state == "failed" and row.error_kind == REFUSED)
        if not there(row.key.removeprefix("convert/"))
    ]
    if gone:
        connection.execute(_FORGET, {"ids": [row.id for row in gone]})
    return [row.key.removeprefix("convert/") for row in gone]
