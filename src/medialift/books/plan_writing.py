"""Planned books into the ledger, twenty thousand at a time: a COPY, and a statement that compares and writes.

What becomes of a book's item:

    none yet                        ready
    as it was                       as it was, whatever its state
    changed                         ready, with all its attempts; a held one stays held
    changed, cancelled by hand      cancelled still
    gone from Calibre, came back    ready
    changed, being worked on        as it was: this plan does not know what of it the worker saw. The plan is
                                    told, and does not count as one after which nothing is left to do
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, LiteralString, NamedTuple

import psycopg
from sqlalchemy import Connection, text

from medialift.queueing import doorbell

PIPELINE = "books"
REMOVED = "removed"
"""The kind of error of items whose book is gone from Calibre."""
REMOVED_WHY = "The book is gone from Calibre, or has no file any more."

_NOTHING = text("select")
_TABLE = text("""
create temp table if not exists planned_book
  (key text, fingerprint text, weight int, bytes bigint, priority bigint) on commit delete rows""")
_COPY = "copy planned_book from stdin"
# Into a collection that has nothing yet: half the work of a comparison that finds nothing.
_FILL = "copy item (key, fingerprint, weight, bytes, priority, pipeline, collection, payload) from stdin"

# The lookup is kept a lookup by `offset 0`: a plan made for an empty table would read all items each time.
_KNOWN = """
known as materialized (
  select i.id, i.state, p.key, p.fingerprint, p.weight, p.bytes, p.priority, i.weight was_weight,
         i.bytes was_bytes,
         i.fingerprint is distinct from p.fingerprint
           or (i.state = 'cancelled' and i.error_kind is not distinct from cast(:removed as text)) as differs,
         i.state = 'cancelled' and i.error_kind is distinct from cast(:removed as text) as by_hand
    from planned_book p cross join lateral (
      select * from item
       where pipeline = :pipeline and collection = :collection and key = p.key offset 0) i)"""
_RESULT = """
  (select count(*) from known) as known, (select count(*) from wanted) as wanted,
  (select coalesce(sum(was_weight), 0) from known) as was_files,
  (select coalesce(sum(was_bytes), 0) from known) as was_bytes"""
# Locked in the order of their ids, as everywhere: two statements over many never wait for each other.
_WRITE = text(f"""
with {_KNOWN},
wanted as (select * from known where differs),
locked as materialized (
  select i.id from item i where i.id in (select id from wanted) and i.state <> 'leased'
   order by i.id for update),
written as (
  update item i
     set fingerprint = w.fingerprint, weight = w.weight, bytes = w.bytes, payload = cast(:payload as jsonb),
         state = case when i.state = 'paused' then 'paused' when w.by_hand then 'cancelled' else 'ready' end,
         error_kind = case when w.by_hand then i.error_kind end,
         error_text = case when w.by_hand then i.error_text end,
         priority = case when cast(:ordered as bool) then w.priority else i.priority end,
         attempts = 0, not_before = now(), cancel = false, changed = now()
    from wanted w join locked using (id)
   where i.id = w.id and i.state <> 'leased' returning i.state),
added as (
  insert into item (pipeline, collection, key, fingerprint, weight, bytes, priority, payload)
  select cast(:pipeline as text), cast(:collection as text), key, fingerprint, weight, bytes, priority,
         cast(:payload as jsonb) from planned_book p
   where not exists (select from known k where k.key = p.key)
      on conflict do nothing returning id)
select (select count(*) from added) as added,
  (select count(*) from written where state <> 'cancelled') as changed,
  (select count(*) from wanted) - (select count(*) from written) as busy, {_RESULT}
""")  # noqa: S608
_PREDICT = text(f"""
with {_KNOWN}, wanted as (select * from known where differs)
select (select count(*) from planned_book) - (select count(*) from known) as added,
  (select count(*) from wanted where state <> 'leased' and not by_hand) as changed,
  (select count(*) from wanted where state = 'leased') as busy, {_RESULT}
""")  # noqa: S608
_ORDER = text("""
with chosen as materialized (
  select i.id, p.priority from planned_book p cross join lateral (
    select id, priority from item where pipeline = :pipeline and collection = :collection and key = p.key
       and state in ('ready', 'paused', 'failed') offset 0) i
   where i.priority <> p.priority),
locked as materialized (
  select i.id from item i where i.id in (select id from chosen) order by i.id for update)
update item i set priority = c.priority from chosen c join locked using (id) where i.id = c.id
""")

_OPEN = ("ready", "paused", "failed", "leased")
_STRAYS = text("""
select id, key from item where pipeline = :pipeline and collection = :collection and id > :after
   and state = any(:states) and not cancel order by id limit :limit
""")
_REMOVE = text("""
with chosen as materialized (
  select id from item where id = any(:ids) and state = any(:states) and not cancel order by id for update)
update item i
   set state = case when state = 'leased' then 'leased' else 'cancelled' end, cancel = state = 'leased',
       error_kind = :removed, error_text = :why, changed = now()
  from chosen where i.id = chosen.id returning i.id
""")
_COUNT = text("select count(*) from item where pipeline = :pipeline and collection = :collection")
_STRAY_BATCH = 5000


class Written(NamedTuple):
    """What became of a chunk.

    Attributes:
        added, changed: items that are new, or ready again.
        busy: changed books that are being worked on: their items were left alone.
        known: items that were there before.
        was_files, was_bytes: what those held.
    """

    added: int = 0
    changed: int = 0
    busy: int = 0
    known: int = 0
    was_files: int = 0
    was_bytes: int = 0

    def __add__(self, other: Any) -> Written:
        return Written(*(ours + theirs for ours, theirs in zip(self, other, strict=True)))


@dataclass(frozen=True)
class Writer:
    """Writes the books of one collection; with `check` it only compares. One thread at a time.

    Attributes:
        connection: of its own, outside of a transaction between two calls.
        payload: what is left with every item.
        ordered: priorities count, also those of items that did not change.
        empty: the collection had no item when this began, so there is nothing to compare with.
    """

    connection: Connection
    collection: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    ordered: bool = False
    check: bool = False
    empty: bool = False

    def prepare(self) -> None:
        """Make what the writing needs on its connection."""
        self.connection.execute(_TABLE)
        self.connection.commit()

    def write(self, lines: Sequence[str]) -> Written:
        """Write a chunk: lines of key, fingerprint, files, bytes and priority, parted by tabs. Commits."""
        if self.empty and not self.check:
            try:
                return self._fill(lines)
            except psycopg.errors.UniqueViolation:
                # Somebody added items meanwhile: nothing of this chunk was written, it is compared instead.
                self.connection.rollback()
        self._copy(_COPY, "\n".join(lines))
        written = self._predict() if self.check else self._compare()
        self.connection.commit()
        return written

    def ring(self) -> None:
        """Let workers know that there is work. Commits."""
        doorbell.ring(self.connection, PIPELINE, self.collection)
        self.connection.commit()

    def items(self) -> int:
        """How many items the collection has."""
        found = self.connection.execute(_COUNT, self._names()).scalar_one()
        self.connection.commit()
        return int(found)

    def open_items(self, after: int) -> list[tuple[int, str]]:
        """(id, key) of items that are not ended, in rising order of ids: a batch, empty at the end."""
        found = self.connection.execute(
            _STRAYS, {**self._names(), "after": after, "states": list(_OPEN), "limit": _STRAY_BATCH}
        ).all()
        self.connection.commit()
        return [(row.id, row.key) for row in found]

    def remove(self, ids: Sequence[int]) -> int:
        """Cancel items whose books are gone: those in work, as soon as their workers hear of it."""
        if self.check or not ids:
            return len(ids)
        gone = self.connection.execute(
            _REMOVE, {"ids": list(ids), "states": list(_OPEN), "removed": REMOVED, "why": REMOVED_WHY}
        ).all()
        self.connection.commit()
        return len(gone)

    def _fill(self, lines: Sequence[str]) -> Written:
        rest = "".join(f"\t{_quoted(one)}" for one in (PIPELINE, self.collection, self._payload()))
        self._copy(_FILL, f"{rest}\n".join(lines) + rest)
        self.connection.commit()
        return Written(added=len(lines))

    def _copy(self, statement: LiteralString, text: str) -> None:
        # SQLAlchemy begins a transaction of its own only for what it executes itself.
        self.connection.execute(_NOTHING)
        driver: Any = self.connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(text)

    def _compare(self) -> Written:
        given = {**self._names(), "payload": self._payload(), "removed": REMOVED, "ordered": self.ordered}
        row = self.connection.execute(_WRITE, given).one()
        if self.ordered:
            self.connection.execute(_ORDER, self._names())
        return Written(row.added, row.changed, row.busy, row.known, int(row.was_files), int(row.was_bytes))

    def _predict(self) -> Written:
        row = self.connection.execute(_PREDICT, {**self._names(), "removed": REMOVED}).one()
        return Written(row.added, row.changed, row.busy, row.known, int(row.was_files), int(row.was_bytes))

    def _names(self) -> dict[str, Any]:
        return {"pipeline": PIPELINE, "collection": self.collection}

    def _payload(self) -> str:
        return json.dumps(dict(self.payload))


def _quoted(value: str) -> str:
    """A value as the text form of COPY takes it."""
    escaped = value.replace("\\", "\\\\").replace("\t", "\\t")
    return escaped.replace("\n", "\\n").replace("\r", "\\r")
