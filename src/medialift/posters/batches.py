"""Batches in the ledger: begun, cancelled, tried again. The caller's transaction holds all of each.

Of one picture only one open item may write to the server: two that replace it at once would each keep what
the other sent, and the one that was there first would be lost.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from medialift.errors import Permanent
from medialift.posters.names import PIPELINE
from medialift.posters.task import Action, Task
from medialift.queueing import doorbell, events, items
from medialift.queueing.items import Which

_T = TypeVar("_T")
_AT_ONCE = 2000
WRITES = ("upload", "restore")
NOT_THERE = "There is no such batch"
NO_PICTURE = "the server has no such picture of it"
IN_HAND = "another batch that is not over replaces this picture"

_ALONE = text("select pg_advisory_xact_lock(hashtextextended('posters:' || :collection, 0))")
_BATCH = text("""
    insert into poster_batch (collection, action, image, selection, options, who)
    values (:collection, :action, :image, :selection, :options, :who) returning id
""").bindparams(bindparam("selection", type_=JSONB()), bindparam("options", type_=JSONB()))
_ADD = text("""
with given as (
  select * from unnest(cast(:keys as text[]), cast(:ids as text[]), cast(:names as text[]),
                       cast(:kinds as text[]), cast(:states as text[]), cast(:reasons as text[]),
                       cast(:payloads as jsonb[]))
                  as g(key, id, name, kind, state, reason, payload)),
added as (
  insert into item (pipeline, collection, key, state, payload, result)
  select :pipeline, :collection, key, state, payload,
         case when reason = '' then null else jsonb_build_object('reason', reason) end
    from given
  returning id, key)
insert into poster_item (item_id, batch_id, jellyfin_id, name, kind)
select added.id, :batch, given.id, given.name, given.kind from added join given using (key)
""")
_TAKEN = text("""
select p.jellyfin_id
  from poster_item p join item i on i.id = p.item_id join poster_batch b on b.id = p.batch_id
 where i.pipeline = :pipeline and i.collection = :collection and b.action in ('upload', 'restore')
   and b.image = :image and i.state in ('ready', 'leased', 'paused') and p.batch_id <> :batch
   and p.jellyfin_id = any(:ids)
""")
_KEYS = text("""
select i.key, p.jellyfin_id from poster_item p join item i on i.id = p.item_id
 where p.batch_id = :batch and i.state = any(:states) and (:every or i.id = any(:items)) order by i.id
""")
_READ = text(
    "select id, action, image, cancelled from poster_batch where collection = :collection and id = :id"
)
_CANCELLED = text("update poster_batch set cancelled = now() where id = :id and cancelled is null")
_NOT_CANCELLED = text("update poster_batch set cancelled = null where id = :id")


@dataclass(frozen=True)
class Wanted:
    """A picture that a batch is to deal with; with a reason it is skipped from the beginning."""

    task: Task
    kind: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Begun:
    """A batch that was begun: how many items it has, and how many of them are skipped already."""

    id: int
    items: int
    skipped: int

    def to_dict(self) -> dict[str, int]:
        return {"id": self.id, "items": self.items, "skipped": self.skipped}


def begin(
    connection: Connection,
    collection: str,
    action: Action,
    image: str,
    wanted: Sequence[Wanted],
    *,
    selection: Mapping[str, Any],
    options: Mapping[str, Any],
    who: str = "",
) -> Begun:
    """Write a batch down, and ring the bell.

    Args:
        wanted: its pictures; the number of their batch is put in here.

    Raises:
        Permanent: it would have none.
    """
    if not wanted:
        raise Permanent("There is nothing to do", "no item fits", "Choose other items")
    connection.execute(_ALONE, {"collection": collection})
    who = who or events.somebody()
    batch = connection.execute(
        _BATCH,
        {
            "collection": collection,
            "action": action,
            "image": image,
            "selection": dict(selection),
            "options": dict(options),
            "who": who,
        },
    ).scalar_one()
    skipped = 0
    for some in _pieces(wanted):
        in_hand = _in_hand(connection, collection, action, image, batch, [one.task.id for one in some])
        reasons = [one.reason or (IN_HAND if one.task.id in in_hand else "") for one in some]
        skipped += sum(map(bool, reasons))
        _add(connection, collection, batch, some, reasons)
    begun = Begun(batch, len(wanted), skipped)
    events.record(
        connection,
        who=who,
        what="posters",
        subject=f"{PIPELINE}:{collection}:{batch}",
        after={"action": action, "image": image, **begun.to_dict(), "selection": dict(selection)},
    )
    ring(connection, collection)
    return begun


def cancel(connection: Connection, collection: str, batch: int, *, who: str = "") -> int:
    """Take what is not over off the list; how many. What is in flight ends by itself or is let go.

    Raises:
        Permanent: there is no such batch.
    """
    _known(connection, collection, batch)
    connection.execute(_CANCELLED, {"id": batch})
    count = 0
    for keys in _keys(connection, batch, ("ready", "leased", "paused")):
        count += items.cancel(
            connection, PIPELINE, collection, Which.named(keys), why="its batch was cancelled"
        )
    _told(connection, collection, batch, who, {"cancelled": count})
    return count


def retry(
    connection: Connection, collection: str, batch: int, only: Sequence[int] | None = None, *, who: str = ""
) -> int:
    """Make what failed or was cancelled ready again, with all attempts; how many.

    Args:
        only: these items of the batch; None: all of it.

    Raises:
        Permanent: there is no such batch, or it has not these items, or they are not over.
    """
    found = _known(connection, collection, batch)
    connection.execute(_ALONE, {"collection": collection})
    count = left = 0
    for some in _pieces(_chosen(connection, batch, ("failed", "cancelled"), only)):
        ids = [id for _, id in some]
        in_hand = _in_hand(connection, collection, found.action, found.image, batch, ids)
        keys = [key for key, id in some if id not in in_hand]
        left += len(some) - len(keys)
        count += items.retry(connection, PIPELINE, collection, Which.named(keys))
    if only is not None and count + left < len(set(only)):
        raise Permanent(
            "These items cannot be tried again",
            ", ".join(map(str, list(only)[:20])),
            "Only those of this batch can that failed or were cancelled",
        )
    if left and not count:
        raise Permanent("These items cannot be tried again now", f"{left} items", IN_HAND)
    if count:
        connection.execute(_NOT_CANCELLED, {"id": batch})
        _told(connection, collection, batch, who, {"retried": count, "left": left})
        ring(connection, collection)
    return count


def ring(connection: Connection, collection: str) -> None:
    """Say that there is work."""
    doorbell.ring(connection, PIPELINE, collection)


def _add(
    connection: Connection, collection: str, batch: int, some: Sequence[Wanted], reasons: Sequence[str]
) -> None:
    tasks = [one.task for one in some]
    connection.execute(
        _ADD,
        {
            "pipeline": PIPELINE,
            "collection": collection,
            "batch": batch,
            "keys": [f"{batch}/{task.id}" for task in tasks],
            "ids": [task.id for task in tasks],
            "names": [_fit(task.name) for task in tasks],
            "kinds": [_fit(one.kind) for one in some],
            "states": ["skipped" if reason else "ready" for reason in reasons],
            "reasons": list(reasons),
            "payloads": [
                json.dumps({**task.to_payload(), "name": _fit(task.name), "batch": batch}) for task in tasks
            ],
        },
    )


def _in_hand(
    connection: Connection, collection: str, action: str, image: str, batch: int, ids: Sequence[str]
) -> set[str]:
    if action not in WRITES:
        return set()
    given = {"pipeline": PIPELINE, "collection": collection, "image": image, "batch": batch, "ids": list(ids)}
    return set(connection.execute(_TAKEN, given).scalars())


def _known(connection: Connection, collection: str, batch: int) -> Any:
    row = connection.execute(_READ, {"collection": collection, "id": batch}).one_or_none()
    if row is None:
        raise Permanent(NOT_THERE, str(batch), "See `medialift posters status`")
    return row


def _chosen(
    connection: Connection, batch: int, states: Sequence[str], only: Sequence[int] | None = None
) -> list[tuple[str, str]]:
    given = {"batch": batch, "states": list(states), "every": only is None, "items": list(only or ())}
    return [(row.key, row.jellyfin_id) for row in connection.execute(_KEYS, given)]


def _keys(connection: Connection, batch: int, states: Sequence[str]) -> list[list[str]]:
    found = [key for key, _ in _chosen(connection, batch, states)]
    return [list(some) for some in _pieces(found)]


def _told(connection: Connection, collection: str, batch: int, who: str, after: Mapping[str, Any]) -> None:
    events.record(
        connection, who=who, what="posters", subject=f"{PIPELINE}:{collection}:{batch}", after=dict(after)
    )


def _pieces(many: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for begin in range(0, len(many), _AT_ONCE):
        yield many[begin : begin + _AT_ONCE]


def _fit(words: str) -> str:
    """Words as PostgreSQL takes them."""
    return words.replace("\0", "").encode("utf-8", "replace").decode()[:500]
