"""What the ledger says of the workers of one pipeline on this host: one statement, read and nothing else."""

from __future__ import annotations

from sqlalchemy import Connection, text

from medialift.healing.observed import Observed
from medialift.healing.pipeline import Pipeline

LIVES_SECONDS = 600.0
"""So far back the starts of a worker are counted."""
COUNTED = 1000
"""So many waiting items are counted at most: those that would be claimed next."""

# Ages are of the moment of this statement, not of the transaction that it is in. Nobody could give a sign of
# life while the database was away: no silence is older than the server. Who ended because a remedy told it to
# is to run.
_OBSERVE = text(
    """
with moment as materialized (
  select statement_timestamp() as at, pg_postmaster_start_time() as up),
mine as materialized (
  select * from worker where host = :host and pipeline = :pipeline),
queue as materialized (
  select q.collection, coalesce(c.paused, false) as paused, coalesce(c.closed, false) as closed,
         coalesce(c.paused_why, '') as paused_why, coalesce(c.hours, '') as hours, c.turned,
         ready.items
    from (select distinct collection from mine) q
    left join control c on c.pipeline = :pipeline and c.collection = q.collection
    cross join lateral (
      select count(*) as items from (
        select from item i, moment
         where i.pipeline = :pipeline and i.collection = q.collection and i.state = 'ready'
           and i.not_before <= moment.at
         order by i.priority desc, i.id limit :counted) next) ready),
held as materialized (
  select lease_owner, collection, count(*) as items, array_agg(id) as ids
    from item where state = 'leased' and pipeline = :pipeline group by 1, 2)
select w.name, w.host, w.pipeline, w.collection, w.pid, w.life, w.phase, w.state,
       w.paused_why as resting,
       extract(epoch from moment.at - w.started)::float as uptime,
       extract(epoch from moment.at - greatest(w.heartbeat, moment.up))::float as silence,
       extract(epoch from moment.at - w.last_progress)::float as idle,
       extract(epoch from moment.at - w.phase_since)::float as phase_age,
       coalesce(p.items, 0) as items, coalesce(p.files, 0) as files, coalesce(p.bytes, 0) as bytes,
       coalesce(p.rows_read, 0) as rows_read, coalesce(p.moved, 0) as moved, w.current_item,
       coalesce(h.items, 0) as held, q.items as waiting,
       case when q.paused then coalesce(nullif(q.paused_why, ''), 'paused by hand')
            when q.closed then 'outside of its hours ' || q.hours else '' end as queue_rests,
       1 + (select count(*) from worker_start s
             where s.worker = w.name and s.life <> w.life
               and s.at > moment.at - make_interval(secs => :window)
               and s.at > coalesce(care.remedied, '-infinity')
               and s.at > coalesce((select max(good.at) from worker_start good
                                     where good.worker = w.name and good.life <> w.life
                                       and (good.progressed or good.told_to_end)), '-infinity')) as lives,
       coalesce((select max(tried.times) from (
                   select count(*) as times from attempt a
                    where a.item_id = any(array_append(h.ids, w.current_item))
                      and a.outcome in ('lost', 'again')
                    group by a.item_id) tried), 0) as again,
       extract(epoch from moment.at - greatest(w.free_since, q.turned, moment.up))::float as free,
       coalesce(extract(epoch from moment.at - w.work_since)::float, 0) as due,
       (w.drain or w.state = 'draining'
        or (w.told_to_end and w.life is distinct from care.life_before)) as ending
  from mine w cross join moment
  join queue q on q.collection = w.collection
  left join progress p on p.worker = w.name
  left join held h on h.lease_owner = w.name and h.collection = w.collection
  left join care on care.worker = w.name
 order by w.name
"""
)
_AGES = ("uptime", "silence", "idle", "phase_age", "free", "due")


def observe(connection: Connection, host: str, pipeline: Pipeline | str) -> list[Observed]:
    """The workers of a pipeline on a host, by name, those that are gone too.

    Args:
        host: as the workers have registered with it: `socket.gethostname()`.
    """
    rows = connection.execute(
        _OBSERVE,
        {
            "host": host,
            "pipeline": pipeline if isinstance(pipeline, str) else pipeline.name,
            "window": LIVES_SECONDS,
            "counted": COUNTED,
        },
    )
    return [_observed(dict(row._mapping)) for row in rows]


def _observed(row: dict[str, object]) -> Observed:
    # What another transaction wrote after this statement began can be a moment younger than nothing.
    ages = {name: max(0.0, age) for name in _AGES if isinstance(age := row[name], float)}
    return Observed(**{**row, **ages})  # type: ignore[arg-type]  # the columns have the fields' names
