"""Changing items by hand: try again, hurry, cancel, hold, let go, prefer. Each is one statement."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, text


@dataclass(frozen=True)
class Which:
    """Which items of a pipeline: those with these keys, those that failed by this kind of error, or all."""

    keys: tuple[str, ...] | None = None
    error_kind: str | None = None

    @classmethod
    def named(cls, keys: Iterable[str]) -> Which:
        return cls(keys=tuple(keys))


ALL = Which()

# Locked in the order of their ids, as everywhere: two statements over many never wait for each other.
_CHOSEN = """
with chosen as materialized (
  select id from item
   where pipeline = :pipeline and collection = :collection and state = any(:states)
     and (cast(:keys as text[]) is null or key = any(cast(:keys as text[])))
     and (cast(:kind as text) is null or error_kind = :kind)
   order by id for update)
update item i set {change}, changed = now() from chosen where i.id = chosen.id returning i.id
"""


def retry(connection: Connection, pipeline: str, collection: str, which: Which = ALL) -> int:
    """Make failed, skipped-by-name and cancelled items ready again, with all their attempts; how many.

    All or a kind of error means those that failed; skipped, cancelled and done ones must be named.
    """
    states = ["failed"] if which.keys is None else ["failed", "skipped", "cancelled", "done"]
    return _change(
        connection,
        (pipeline, collection, which, states),
        "state = 'ready', attempts = 0, not_before = now(), cancel = false",
    )


def hurry(connection: Connection, pipeline: str, collection: str, which: Which = ALL) -> int:
    """Have items that wait for a later attempt done in their turn; how many."""
    return _change(
        connection, (pipeline, collection, which, ["ready"]), "not_before = least(not_before, now())"
    )


def cancel(
    connection: Connection, pipeline: str, collection: str, which: Which = ALL, *, why: str = "by hand"
) -> int:
    """Take items off the list; how many. A leased one ends as soon as its worker hears of it.

    A worker that has it nearly done may still finish it: what was done stays done.
    """
    open_ones = ["ready", "paused", "failed"] if which != ALL else ["ready", "paused"]
    gone = _change(
        connection,
        (pipeline, collection, which, open_ones),
        "state = 'cancelled', error_kind = null, error_text = :why",
        why=why,
    )
    asked = _change(
        connection, (pipeline, collection, which, ["leased"]), "cancel = true, error_text = :why", why=why
    )
    return gone + asked


def pause(connection: Connection, pipeline: str, collection: str, which: Which = ALL) -> int:
    """Hold items that are ready; how many. Those that are being worked on are finished."""
    return _change(connection, (pipeline, collection, which, ["ready"]), "state = 'paused'")


def resume(connection: Connection, pipeline: str, collection: str, which: Which = ALL) -> int:
    """Let held items go on; how many."""
    return _change(connection, (pipeline, collection, which, ["paused"]), "state = 'ready'")


def prioritise(
    connection: Connection, pipeline: str, collection: str, which: Which = ALL, *, priority: int
) -> int:
    """Do items before (a higher number) or after others; how many were open still."""
    states = ["ready", "paused", "failed"]
    return _change(
        connection, (pipeline, collection, which, states), "priority = :priority", priority=priority
    )


def _change(
    connection: Connection,
    chosen: tuple[str, str, Which, list[str]],
    change: str,
    **values: object,
) -> int:
    pipeline, collection, which, states = chosen
    given = {
        "pipeline": pipeline,
        "collection": collection,
        "states": states,
        "keys": None if which.keys is None else list(which.keys),
        "kind": which.error_kind,
    }
    return len(connection.execute(text(_CHOSEN.format(change=change)), {**given, **values}).all())
