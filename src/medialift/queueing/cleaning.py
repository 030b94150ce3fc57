"""Clearing away what nobody needs any more, a little at a time: jobs that ended, what is old, who is gone."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, text

CHUNK = 2000
_DAY = 86400.0

_JOBS = text(
    """
delete from procrastinate_jobs where id in (
  select j.id from procrastinate_jobs j
   where j.status in ('succeeded', 'failed', 'cancelled', 'aborted')
     and not exists (select from procrastinate_events e
                      where e.job_id = j.id and e.at > now() - make_interval(secs => :age))
   order by j.id limit :chunk for update skip locked)
"""
)
_RATES = text("delete from rate where minute < now() - make_interval(secs => :age)")
_WORKERS = text("delete from worker where state = 'gone' and heartbeat < now() - make_interval(secs => :age)")


_STARTS = text("delete from worker_start where at < now() - make_interval(secs => :age)")
_MINUTES = text("delete from worker_minute where minute < now() - make_interval(secs => :age)")
_MOUNTS = text("delete from mount_state where at < now() - make_interval(secs => :age)")
_CARE = text(
    "delete from care where state = 'well' and changed < now() - make_interval(secs => :age)"
    " and not exists (select from worker w where w.name = care.worker)"
)
_FINDINGS = text("delete from finding where at < now() - make_interval(secs => :age)")
_USAGE = text("delete from model_usage where day < current_date - cast(:age / 86400 as integer)")


def clean(engine: Engine, *, older_than: float = _DAY, chunk: int = CHUNK) -> int:
    """Delete the jobs that ended more than `older_than` seconds ago; how many.

    Each chunk is a transaction of its own, so that nobody waits for long.
    """
    deleted = 0
    while True:
        with engine.begin() as connection:
            count = connection.execute(_JOBS, {"age": older_than, "chunk": chunk}).rowcount
        deleted += count
        if count < chunk:
            return deleted


def forget(
    connection: Connection,
    *,
    rates: float = 30 * _DAY,
    workers: float = 7 * _DAY,
    history: float = 90 * _DAY,
) -> None:
    """Delete rates, workers, mounts and the history of the healing, when they are so many seconds old.

    Of workers and mounts, those that are gone. What the healing paused stays so, however long ago that was.
    """
    connection.execute(_RATES, {"age": rates})
    connection.execute(_STARTS, {"age": _DAY})
    connection.execute(_MINUTES, {"age": _DAY})
    connection.execute(_MOUNTS, {"age": workers})
    connection.execute(_WORKERS, {"age": workers})
    connection.execute(_CARE, {"age": history})
    connection.execute(_FINDINGS, {"age": history})
    connection.execute(_USAGE, {"age": history})
