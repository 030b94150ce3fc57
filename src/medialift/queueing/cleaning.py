"""Clearing away what nobody needs any more, a little at a time: finished jobs, old rates, gone workers."""

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


def forget(connection: Connection, *, rates: float = 30 * _DAY, workers: float = 7 * _DAY) -> None:
    """Delete rates and workers that are gone, when they are so many seconds old."""
    connection.execute(_RATES, {"age": rates})
    connection.execute(_WORKERS, {"age": workers})
