"""How batches stand: counts, speed, time left, what failed. One source for all who show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection, text

from medialift.errors import Permanent
from medialift.posters.batches import NOT_THERE
from medialift.posters.names import PIPELINE
from medialift.queueing import control, ledger, workers
from medialift.queueing.control import Control
from medialift.queueing.ledger import Counts
from medialift.queueing.workers import Worker

WINDOW_SECONDS = 300.0
STATES = ("ready", "leased", "done", "skipped", "failed", "paused", "cancelled")
_OPEN_STATES = ("ready", "leased", "paused")
_ENDED = ("done", "skipped", "failed", "cancelled")

_BATCHES = text("""
select id, action, image, selection, options, who, created, cancelled from poster_batch
 where collection = :collection and (cast(:before as bigint) is null or id < :before)
   and (cast(:only as bigint) is null or id = :only)
 order by id desc limit :limit
""")
# The speed is of what ended lately; what was skipped at the beginning took no time.
_COUNTS = text("""
select p.batch_id, i.state, count(*) as items, coalesce(sum((i.result->>'size')::bigint), 0)::bigint as bytes,
       count(*) filter (where i.state = 'ready' and i.not_before > now()) as waiting,
       count(*) filter (where i.changed > now() - make_interval(secs => :window) and i.changed > i.created)
           as lately,
       extract(epoch from now() - min(i.changed) filter (where
           i.changed > now() - make_interval(secs => :window) and i.changed > i.created))::float8 as over,
       extract(epoch from max(i.changed))::float8 as changed
  from poster_item p join item i on i.id = p.item_id
 where p.batch_id = any(:batches) group by 1, 2
""")
_ITEMS = text("""
select i.id, p.batch_id as batch, p.jellyfin_id, p.name, p.kind, i.state, i.attempts, i.error_kind,
       i.error_text, i.result, i.changed, i.not_before, b.action, b.image
  from poster_item p join item i on i.id = p.item_id join poster_batch b on b.id = p.batch_id
 where b.collection = :collection and (cast(:batch as bigint) is null or p.batch_id = :batch)
   and i.state = any(:states) and p.item_id > :after
 order by p.item_id limit :limit
""")
_LATEST = text("select max(id) from poster_batch where collection = :collection")


@dataclass(frozen=True)
class Batch:
    """How one batch stands.

    Attributes:
        created, cancelled, changed: seconds since the epoch; `changed` is of the last item that moved.
        waiting: of those that are ready, how many wait for a later attempt.
        rate: items a second, of the last minutes; None: nothing ended lately.
        seconds_left: None: not known, or nothing is left.
    """

    id: int
    action: str
    image: str
    selection: dict[str, Any]
    options: dict[str, Any]
    who: str
    created: float
    cancelled: float | None
    changed: float
    states: dict[str, int] = field(default_factory=dict)
    waiting: int = 0
    bytes: int = 0
    rate: float | None = None

    @property
    def total(self) -> int:
        return sum(self.states.values())

    @property
    def left(self) -> int:
        return sum(self.states.get(state, 0) for state in _OPEN_STATES)

    @property
    def finished(self) -> bool:
        return self.left == 0

    @property
    def seconds_left(self) -> float | None:
        return self.left / self.rate if self.left and self.rate else None

    @property
    def state(self) -> str:
        """In a word: open, cancelled, failed (some items have), done."""
        if not self.finished:
            return "open"
        if self.cancelled is not None:
            return "cancelled"
        return "failed" if self.states.get("failed") else "done"

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            **asdict(self),
            "rate": None if self.rate is None else round(self.rate, 3),
            "state": self.state,
            "total": self.total,
            "left": self.left,
            "finished": self.finished,
            "seconds_left": None if self.seconds_left is None else round(self.seconds_left, 1),
        }


@dataclass(frozen=True)
class Status:
    """How all of a server's batches stand."""

    collection: str
    items: Counts
    batches: tuple[Batch, ...]
    workers: tuple[Worker, ...]
    control: Control

    @property
    def finished(self) -> bool:
        return self.items.open + self.items.paused == 0

    @property
    def state(self) -> str:
        """In a word: empty, finished, paused, closed, running, waiting (for a worker)."""
        if not self.items.total:
            return "empty"
        if self.finished:
            return "finished"
        if self.control.rests:
            return "paused" if self.control.paused else "closed"
        return "running" if any(one.state == "running" for one in self.workers) else "waiting"

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "collection": self.collection,
            "state": self.state,
            "finished": self.finished,
            "items": self.items.to_dict(),
            "batches": [one.to_dict() for one in self.batches],
            "workers": [_worker(one) for one in self.workers],
            "paused": self.control.paused,
            "paused_why": self.control.why,
        }


def status(connection: Connection, collection: str, *, batches_shown: int = 10) -> Status:
    """How it stands now, with the newest batches."""
    return Status(
        collection,
        ledger.counts(connection, PIPELINE, collection),
        tuple(batches(connection, collection, limit=batches_shown)),
        tuple(workers.listed(connection, PIPELINE, collection)),
        control.read(connection, PIPELINE, collection),
    )


def batches(
    connection: Connection, collection: str, *, before: int | None = None, limit: int = 50
) -> list[Batch]:
    """Batches, the newest first; with `before` those that are older."""
    return _read(connection, collection, before=before, only=None, limit=limit)


def batch(connection: Connection, collection: str, id: int) -> Batch:
    """One batch.

    Raises:
        Permanent: there is none.
    """
    found = _read(connection, collection, before=None, only=id, limit=1)
    if not found:
        raise Permanent(NOT_THERE, str(id), "See `medialift posters status`")
    return found[0]


def latest(connection: Connection, collection: str) -> int | None:
    """The number of the newest batch."""
    found = connection.execute(_LATEST, {"collection": collection}).scalar_one()
    return None if found is None else int(found)


def listed(
    connection: Connection,
    collection: str,
    *,
    batch: int | None = None,
    states: Sequence[str] = ("failed",),
    after: int = 0,
    limit: int = 1000,
) -> list[dict[str, Any]]:
    """Items with what became of them, in the order of their numbers, from one after `after` on."""
    given = {"collection": collection, "batch": batch, "states": list(states), "after": after, "limit": limit}
    return [
        {
            "item": row.id,
            "batch": row.batch,
            "action": row.action,
            "image": row.image,
            "id": row.jellyfin_id,
            "name": row.name,
            "kind": row.kind,
            "state": row.state,
            "attempts": row.attempts,
            "error_kind": row.error_kind or "",
            "why": row.error_text or (row.result or {}).get("reason", ""),
            "result": row.result or {},
            "changed": row.changed.timestamp(),
            "next_try": row.not_before.timestamp() if row.state == "ready" else None,
        }
        for row in connection.execute(_ITEMS, given)
    ]


def _read(
    connection: Connection, collection: str, *, before: int | None, only: int | None, limit: int
) -> list[Batch]:
    given = {"collection": collection, "before": before, "only": only, "limit": limit}
    rows = connection.execute(_BATCHES, given).all()
    counted: dict[int, list[Any]] = {row.id: [] for row in rows}
    for row in connection.execute(_COUNTS, {"batches": list(counted), "window": WINDOW_SECONDS}):
        counted[row.batch_id].append(row)
    return [_batch(row, counted[row.id]) for row in rows]


def _batch(row: Any, counts: Sequence[Any]) -> Batch:
    ended = [one for one in counts if one.state in _ENDED and one.lately]
    over = max((one.over for one in ended), default=0.0)
    return Batch(
        row.id,
        row.action,
        row.image,
        row.selection,
        row.options,
        row.who,
        row.created.timestamp(),
        None if row.cancelled is None else row.cancelled.timestamp(),
        max((one.changed for one in counts), default=row.created.timestamp()),
        {one.state: one.items for one in counts},
        sum(one.waiting for one in counts),
        sum(one.bytes for one in counts if one.state == "done"),
        sum(one.lately for one in ended) / max(over, 1.0) if ended else None,
    )


def _worker(one: Worker) -> dict[str, Any]:
    shown = ("name", "host", "pid", "state", "phase", "paused_why", "items", "files", "bytes")
    return {**{name: getattr(one, name) for name in shown}, "silence": round(one.silence, 1)}
