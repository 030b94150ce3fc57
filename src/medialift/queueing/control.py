"""How a pipeline is to run: paused or not, when, how fast. Changed by hand while its workers run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, text

from medialift.queueing import events


@dataclass(frozen=True)
class Control:
    """What is None or empty is as the worker's own settings say.

    Attributes:
        closed: it is outside of its hours now; the supervisor opens and closes it.
        bandwidth: bytes a second of all workers together; 0: no limit.
        batch: items claimed at once.
        parallel: files in flight per worker.
    """

    paused: bool = False
    paused_why: str = ""
    hours: str = ""
    closed: bool = False
    bandwidth: int | None = None
    batch: int | None = None
    parallel: int | None = None

    @property
    def rests(self) -> bool:
        """Nothing is claimed now."""
        return self.paused or self.closed

    @property
    def why(self) -> str:
        """Why it rests, as people are told; "" when it does not."""
        if self.paused:
            return self.paused_why or "paused by hand"
        return f"outside of its hours {self.hours}" if self.closed else ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


_READ = text(
    "select paused, paused_why, hours, closed, bandwidth, batch, parallel from control"
    " where pipeline = :pipeline and collection = :collection"
)
_WRITE = text(
    """
insert into control (pipeline, collection, paused, paused_why, hours, closed, bandwidth, batch, parallel)
values (:pipeline, :collection, :paused, :paused_why, :hours, :closed, :bandwidth, :batch, :parallel)
on conflict (pipeline, collection) do update
   set paused = :paused, paused_why = :paused_why, hours = :hours, closed = :closed, bandwidth = :bandwidth,
       batch = :batch, parallel = :parallel, changed = now(),
       turned = case when (control.paused or control.closed) = (:paused or :closed)
                     then control.turned else now() end
"""
)
_ALONE = text(
    "select pg_advisory_xact_lock(hashtextextended('control:' || :pipeline || ':' || :collection, 0))"
)


def read(connection: Connection, pipeline: str, collection: str) -> Control:
    """How it is to run now."""
    row = connection.execute(_READ, {"pipeline": pipeline, "collection": collection}).one_or_none()
    return Control() if row is None else Control(**row._asdict())


def pause(connection: Connection, pipeline: str, collection: str, *, why: str = "", who: str = "") -> bool:
    """Claim nothing more; what is being worked on is finished. Whether it was not paused before."""
    return change(connection, pipeline, collection, who=who, paused=True, paused_why=why)


def resume(connection: Connection, pipeline: str, collection: str, *, who: str = "") -> bool:
    """Go on. Whether it was paused before."""
    return change(connection, pipeline, collection, who=who, paused=False, paused_why="")


def change(connection: Connection, pipeline: str, collection: str, *, who: str = "", **values: Any) -> bool:
    """Set some of the fields of `Control`, and note who did; whether anything is different now."""
    connection.execute(_ALONE, {"pipeline": pipeline, "collection": collection})
    before = read(connection, pipeline, collection)
    after = Control(**{**before.to_dict(), **values})
    if after == before:
        return False
    connection.execute(_WRITE, {"pipeline": pipeline, "collection": collection, **after.to_dict()})
    old, new = before.to_dict(), after.to_dict()
    changed = [name for name in new if new[name] != old[name]]
    events.record(
        connection,
        who=who,
        what="control",
        subject=f"{pipeline}:{collection}",
        before={name: old[name] for name in changed},
        after={name: new[name] for name in changed},
    )
    return True
