"""The three kinds of item that a book is in the ledger, and which of them is done before which."""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from medialift.settings import TaggingSettings

PIPELINE = "audiobooks"
Stage = Literal["convert", "tag", "deliver"]
CONVERT: Stage = "convert"
TAG: Stage = "tag"
DELIVER: Stage = "deliver"
STAGES: tuple[Stage, ...] = (CONVERT, TAG, DELIVER)

CONVERT_PRIORITY = 200
_DELIVER_PRIORITY = 400
_TAG_PRIORITY = {"at_once": 300, "queued": 100, "off": 100}

# One that is in somebody's hands is taken from him: what he works on is not what is there now.
_ENTER = text(
    """
insert into item (pipeline, collection, key, priority, weight, bytes, payload)
values (:pipeline, :collection, :key, :priority, 1, :bytes, :payload)
on conflict (pipeline, collection, key) do update
   set state = 'ready', attempts = 0, not_before = now(), cancel = false, lease_until = null,
       lease_token = null, priority = :priority, bytes = :bytes, payload = :payload, result = null,
       error_kind = null, error_text = null, changed = now()
returning id
"""
).bindparams(bindparam("payload", type_=JSONB()))


_SETTLE = text(
    """
insert into item (pipeline, collection, key, state, priority, weight, bytes, result)
values (:pipeline, :collection, :key, :state, :priority, 1, :bytes, :result)
on conflict (pipeline, collection, key) do update
   set state = :state, lease_until = null, lease_token = null, cancel = false, result = :result,
       error_kind = null, error_text = null, changed = now()
returning id
"""
).bindparams(bindparam("result", type_=JSONB()))


_PASSED = text(
    "update item set state = 'done', result = result - 'waits_for', changed = now()"
    " where pipeline = :pipeline and collection = :collection and key = :key and state = 'skipped'"
    " returning id"
)


def key_of(stage: Stage, name: str) -> str:
    """The key of the item of a stage: of a book's path in the inbox, or of its folder in converted."""
    return f"{stage}/{name}"


def parted(key: str) -> tuple[Stage, str]:
    """(stage, name) of a key.

    Raises:
        ValueError: it is no key of ours.
    """
    stage, _, name = key.partition("/")
    for known in STAGES:
        if stage == known and name:
            return known, name
    raise ValueError(key)


def priority_of(stage: Stage, tagging: TaggingSettings) -> int:
    """The higher, the earlier: a book that was begun is brought to its end before the next one."""
    if stage == CONVERT:
        return CONVERT_PRIORITY
    return _DELIVER_PRIORITY if stage == DELIVER else _TAG_PRIORITY[tagging.mode]


def enter(
    connection: Connection,
    collection: str,
    stage: Stage,
    name: str,
    *,
    priority: int,
    bytes: int = 0,
    payload: dict[str, Any] | None = None,
) -> int:
    """Have a stage of a book done, anew when it was done before; the item's number.

    Whoever works on an earlier one of the same name finds its lease lost.
    """
    given = {
        "pipeline": PIPELINE,
        "collection": collection,
        "key": key_of(stage, name),
        "priority": priority,
        "bytes": bytes,
        "payload": payload or {},
    }
    return int(connection.execute(_ENTER, given).scalar_one())


def passed(connection: Connection, collection: str, stage: Stage, name: str) -> bool:
    """A person let a book pass that waited for one at this stage; whether it did."""
    given = {"pipeline": PIPELINE, "collection": collection, "key": key_of(stage, name)}
    return connection.execute(_PASSED, given).first() is not None


def settle(
    connection: Connection,
    collection: str,
    stage: Stage,
    name: str,
    *,
    state: Literal["done", "skipped"],
    priority: int,
    result: dict[str, Any],
    bytes: int = 0,
) -> int:
    """Write down that a person had a stage done without the queue; the item's number.

    Whoever works on it finds its lease lost.
    """
    given = {
        "pipeline": PIPELINE,
        "collection": collection,
        "key": key_of(stage, name),
        "state": state,
        "priority": priority,
        "bytes": bytes,
        "result": result,
    }
    return int(connection.execute(_SETTLE, given).scalar_one())
