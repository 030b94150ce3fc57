"""Who works: workers register, give signs of life, tell how far they are, and are asked to end."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from medialift.errors import Permanent
from medialift.foundation import holding
from medialift.queueing import events, sweeping

FRESH_SECONDS = 30.0
"""A worker of another host that gave a sign of life within this time counts as alive."""


@dataclass(frozen=True)
class Me:
    """A worker as it registers.

    Attributes:
        name: the same after each restart, such as host and unit: what an earlier life held is taken over.
        life: tells this process from an earlier one of the same name.
    """

    name: str
    pipeline: str
    collection: str
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    life: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.life:
            object.__setattr__(self, "life", _life(self.pid))


@dataclass(frozen=True)
class Worker:
    """A worker as the ledger knows it, with what it did since it started."""

    name: str
    host: str
    pipeline: str
    collection: str
    pid: int
    phase: str
    state: str
    paused_why: str
    started: datetime
    heartbeat: datetime
    silence: float
    """Seconds since its last sign of life."""
    last_progress: datetime | None
    current_item: int | None
    drain: bool
    settings: Mapping[str, Any]
    items: int
    files: int
    bytes: int
    rows_read: int
    slow: int


_BEFORE = text(
    "select host, pid, life, state, extract(epoch from now() - heartbeat) as silence"
    " from worker where name = :name for update"
)
_REGISTER = text(
    """
insert into worker (name, host, pipeline, collection, pid, life, settings)
values (:name, :host, :pipeline, :collection, :pid, :life, :settings)
on conflict (name) do update
   set host = :host, pipeline = :pipeline, collection = :collection, pid = :pid, life = :life,
       state = 'running', phase = '', paused_why = '', started = now(), heartbeat = now(),
       phase_since = now(), free_since = now(), work_since = null, last_progress = null,
       current_item = null, drain = false, told_to_end = false, settings = :settings
"""
).bindparams(bindparam("settings", type_=JSONB()))
# Only now is it known how the life before ended, and whether it did anything.
_LIFE_BEFORE = text(
    """
update worker_start s set told_to_end = w.told_to_end, progressed = w.last_progress is not null
  from worker w where w.name = :name and s.worker = w.name and s.life = w.life
"""
)
_LIFE = text(
    "insert into worker_start (worker, life) values (:name, :life) on conflict (worker, life) do nothing"
)
_NO_PROGRESS = text("delete from progress where worker = :name")
_DONE_ALREADY = text(
    "insert into progress (worker, items, files, bytes, rows_read, slow, moved)"
    " values (:name, :items, :files, :bytes, :rows_read, :slow, :moved)"
)


def register(
    connection: Connection,
    me: Me,
    *,
    lives: Callable[[str], bool] | None = None,
    done: Totals | None = None,
) -> int:
    """Take part, under a name that nobody else uses; how many items of an earlier life were given back.

    An earlier life on this host that is over is replaced at once: its leases need not run out. Registering
    the same life again (its row was removed meanwhile) keeps its leases and its progress.

    Args:
        lives: whether the process of a life goes on, on this host.
        done: what this life has written as done already, when it registers again.

    Raises:
        Permanent: another worker has this name.
    """
    lives = lives or is_alive
    before = connection.execute(_BEFORE, {"name": me.name}).one_or_none()
    same_life = before is not None and before.life == me.life
    here = before is not None and before.host == me.host
    if before is not None and not same_life and before.state != "gone":
        alive = lives(before.life) if here else before.silence < FRESH_SECONDS
        if alive:
            raise Permanent(
                "Another worker has this name already",
                f"{me.name} (process {before.pid} on {before.host})",
                "Give each worker a name of its own: workers.name",
            )
    connection.execute(_LIFE_BEFORE, {"name": me.name})
    connection.execute(_REGISTER, asdict(me))
    connection.execute(_LIFE, {"name": me.name, "life": me.life})
    if same_life:
        return 0
    connection.execute(_NO_PROGRESS, {"name": me.name})
    if done is not None:
        connection.execute(_DONE_ALREADY, {"name": me.name, **asdict(done)})
    if not here:
        return 0
    return sweeping.give_back_of(connection, me.pipeline, me.collection, me.name)


@dataclass(frozen=True)
class Beat:
    """What a worker learns when it gives a sign of life.

    Attributes:
        known: it is still registered; else it registers again.
        drain: somebody asked it to end.
    """

    known: bool
    drain: bool


_BEAT = text(
    """
with alive as (
update worker set heartbeat = now(), state = :state, phase = :phase, paused_why = :paused_why,
       current_item = :current_item,
       phase_since = case when phase = :phase then phase_since else now() end,
       free_since = case when state = :state and heartbeat > now() - make_interval(secs => :gap)
                         then free_since else now() end,
       work_since = case when exists (select from item i where i.state = 'leased'
                                         and i.lease_owner = worker.name and i.pipeline = worker.pipeline)
                           or exists (select from item i where i.state = 'ready'
                                         and i.pipeline = worker.pipeline
                                         and i.collection = worker.collection and i.not_before <= now())
                         then coalesce(work_since, now()) end,
       told_to_end = told_to_end or :state = 'draining'
 where name = :name and life = :life returning name, state, drain),
lived as (
  insert into worker_minute (worker, minute, state)
  select name, date_trunc('minute', now()), state from alive
  on conflict (worker, minute) do update set state = excluded.state
   where worker_minute.state <> excluded.state)
select drain from alive
"""
)


def beat(
    connection: Connection,
    me: Me,
    *,
    state: str = "running",
    phase: str = "",
    paused_why: str = "",
    current_item: int | None = None,
    gap: float = FRESH_SECONDS,
) -> Beat:
    """A sign of life; also while the worker is drained.

    Args:
        gap: seconds without one after which the ledger was out of its reach, or it was frozen: nobody holds
            it to what it did not do in that time.
    """
    given = {
        "state": state,
        "phase": phase,
        "paused_why": paused_why,
        "current_item": current_item,
        "gap": gap,
    }
    drain = connection.execute(_BEAT, {"name": me.name, "life": me.life, **given}).scalar_one_or_none()
    return Beat(known=drain is not None, drain=bool(drain))


_LEAVE = text(
    """
update worker set state = 'gone', phase = '', phase_since = now(), free_since = now(), work_since = null,
       paused_why = '', current_item = null, heartbeat = now(), told_to_end = told_to_end or :told
 where name = :name and life = :life
"""
)


def leave(connection: Connection, me: Me, *, told: bool = True) -> None:
    """Say that this life ends.

    Args:
        told: it was told to, or has done all that it should; False when a fault ends it.
    """
    connection.execute(_LEAVE, {"name": me.name, "life": me.life, "told": told})


@dataclass(frozen=True)
class Totals:
    """What a worker did since it started.

    Attributes:
        bytes: of files that are done; `moved` is what it read and sent, also for files that are not.
    """

    items: int = 0
    files: int = 0
    bytes: int = 0
    rows_read: int = 0
    slow: int = 0
    moved: int = 0

    def __add__(self, other: Totals) -> Totals:
        ours, theirs = asdict(self), asdict(other)
        return Totals(**{name: ours[name] + theirs[name] for name in ours})


# What is new goes to the minute it came in, computed from what was written before: a write that is repeated
# because its answer was lost adds nothing.
_PROGRESS = text(
    """
with me as (select name from worker where name = :name and life = :life for update),
before as (select p.* from progress p join me on p.worker = me.name),
written as (
  insert into progress (worker, items, files, bytes, rows_read, slow, moved)
  select name, :items, :files, :bytes, :rows_read, :slow, :moved from me
  on conflict (worker) do update
     set at = now(), items = :items, files = :files, bytes = :bytes, rows_read = :rows_read, slow = :slow,
         moved = :moved),
seen as (update worker w set last_progress = now() from me where w.name = me.name)
insert into rate (pipeline, collection, minute, items, files, bytes, slow)
select :pipeline, :collection, date_trunc('minute', now()),
       greatest(0, :items - coalesce(before.items, 0)), greatest(0, :files - coalesce(before.files, 0)),
       greatest(0, :bytes - coalesce(before.bytes, 0)), greatest(0, :slow - coalesce(before.slow, 0))
  from me left join before on true
on conflict (pipeline, collection, minute) do update
   set items = rate.items + excluded.items, files = rate.files + excluded.files,
       bytes = rate.bytes + excluded.bytes, slow = rate.slow + excluded.slow
"""
)


def report(connection: Connection, me: Me, totals: Totals) -> None:
    """Write how far this worker is, every few seconds at most."""
    given = {"name": me.name, "life": me.life, "pipeline": me.pipeline, "collection": me.collection}
    connection.execute(_PROGRESS, {**given, **asdict(totals)})


_LISTED = text(
    """
select w.name, w.host, w.pipeline, w.collection, w.pid, w.phase, w.state, w.paused_why, w.started,
       w.heartbeat, extract(epoch from now() - w.heartbeat)::float as silence, w.last_progress,
       w.current_item, w.drain, w.settings, coalesce(p.items, 0) as items, coalesce(p.files, 0) as files,
       coalesce(p.bytes, 0) as bytes, coalesce(p.rows_read, 0) as rows_read, coalesce(p.slow, 0) as slow
  from worker w left join progress p on p.worker = w.name
 where (cast(:pipeline as text) is null or w.pipeline = :pipeline)
   and (cast(:collection as text) is null or w.collection = :collection)
 order by w.name
"""
)


def listed(
    connection: Connection, pipeline: str | None = None, collection: str | None = None
) -> list[Worker]:
    """All workers by name, those that are gone too."""
    rows = connection.execute(_LISTED, {"pipeline": pipeline, "collection": collection})
    return [Worker(**row._asdict()) for row in rows]


_MINUTES = text(
    """
select worker, minute, state from worker_minute
 where minute > now() - make_interval(mins => :minutes)
   and (cast(:worker as text) is null or worker = :worker)
 order by worker, minute
"""
)


def minutes(
    connection: Connection, *, minutes: int = 60, worker: str | None = None
) -> dict[str, list[tuple[datetime, str]]]:
    """Of each worker the last minutes in which it gave a sign of life, and its state in each; the rest it was
    silent. {worker: [(minute, state)]}, the oldest first."""
    found: dict[str, list[tuple[datetime, str]]] = {}
    for row in connection.execute(_MINUTES, {"minutes": minutes, "worker": worker}):
        found.setdefault(row.worker, []).append((row.minute, row.state))
    return found


_DRAIN = text(
    """
update worker set drain = true
 where state <> 'gone' and not drain
   and (cast(:name as text) is null or name = :name)
   and (cast(:pipeline as text) is null or pipeline = :pipeline)
returning name
"""
)


def drain(
    connection: Connection, *, name: str | None = None, pipeline: str | None = None, who: str = ""
) -> list[str]:
    """Ask workers to finish what they have in hand and to end; their names. systemd may start them again."""
    asked = sorted(connection.execute(_DRAIN, {"name": name, "pipeline": pipeline}).scalars())
    for one in asked:
        events.record(connection, who=who, what="drain", subject=one)
    return asked


@dataclass(frozen=True)
class Speed:
    """What all workers of a pipeline did in the last minutes, per minute; `slow` counts slow uploads."""

    items: float = 0.0
    files: float = 0.0
    bytes: float = 0.0
    slow: int = 0
    minutes: float = 0.0


_SPEED = text(
    """
select coalesce(sum(items), 0)::bigint as items, coalesce(sum(files), 0)::bigint as files,
       coalesce(sum(bytes), 0)::bigint as bytes, coalesce(sum(slow), 0)::bigint as slow,
       extract(epoch from now() - min(minute))::float / 60 as minutes
  from rate where pipeline = :pipeline and collection = :collection
   and minute > date_trunc('minute', now()) - make_interval(mins => :minutes)
"""
)


def speed(connection: Connection, pipeline: str, collection: str, *, minutes: int = 5) -> Speed:
    """How fast a pipeline is; the time counts from the first of these minutes in which anything was done."""
    row = connection.execute(
        _SPEED, {"pipeline": pipeline, "collection": collection, "minutes": minutes}
    ).one()
    if not row.minutes:
        return Speed()
    # A run that has only begun is not measured over less than it took.
    took = max(row.minutes, 1 / 60)
    return Speed(row.items / took, row.files / took, row.bytes / took, row.slow, took)


def is_alive(life: str) -> bool:
    """Whether the process of a life goes on, on this host."""
    pid, _, began = life.partition(":")
    found = holding.process(int(pid)) if pid.isdigit() else None
    return found is not None and str(found.began) == began


def _life(pid: int) -> str:
    found = holding.process(pid)
    return f"{pid}:{found.began if found else 0}"
