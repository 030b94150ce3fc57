"""What the ledger and its database know of a stuck worker: what it holds, and which locks it waits for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from medialift.errors import Transient
from medialift.healing.observed import Observed
from medialift.queueing import control
from medialift.queueing.database import of_worker

_SECONDS = 5
ATTEMPTS = 20_000
"""So many of the newest attempts of all workers are looked at."""

_PATIENCE = text(f"set local statement_timeout = '{_SECONDS}s'")
_HELD = text(
    """
select (select key from item where id = min(h.id)) as first,
       (select key from item where id = max(h.id)) as last, count(*) as held
  from item h where h.state = 'leased' and h.lease_owner = :name and h.pipeline = :pipeline
   and h.collection = :collection
"""
)
# An item that one worker after the other gives up, or ends with, is to blame itself.
_COMING_BACK = text(
    """
with newest as materialized (
  select item_id, worker, outcome from attempt
   where id > (select coalesce(max(id), 0) from attempt) - :attempts and outcome in ('lost', 'again')),
counted as (
  select item_id, count(*) filter (where outcome = 'lost') as lost, count(*) as again,
         bool_or(worker = :name) as ours
    from newest group by item_id)
select i.id, i.key, coalesce(c.lost, 0) as lost, coalesce(c.again, 0) as again, i.id = :current as current
  from item i left join counted c on c.item_id = i.id
 where i.id = :current
    or (c.item_id is not null and (c.ours or i.lease_owner = :name) and i.state in ('ready', 'leased')
        and i.pipeline = :pipeline and i.collection = :collection)
 order by coalesce(c.lost, 0) desc, coalesce(c.again, 0) desc, i.id limit :most
"""
)
# What was found when an earlier life of it was stuck: the evidence is kept in the history.
_BEFORE = text(
    """
select detail #>> '{items,current}' from finding
 where worker = :name and what = 'finding' and detail #>> '{worker,life}' <> :life
   and at > now() - interval '1 day'
 order by id desc limit 1
"""
)
# `ours` waits: for how long, and who holds what it waits for.
_WAITS = text(
    """
select extract(epoch from clock_timestamp() - ours.query_start)::float as seconds,
       array(select distinct other.application_name || coalesce(' (' || other.state || ')', '')
               from unnest(pg_blocking_pids(ours.pid)) as blocking(pid)
               join pg_stat_activity other on other.pid = blocking.pid) as blockers,
       exists (select from unnest(pg_blocking_pids(ours.pid)) as blocking(pid)
                 join pg_stat_activity other on other.pid = blocking.pid
                where other.application_name = ours.application_name) as itself
  from pg_stat_activity ours
 where ours.datname = current_database() and ours.application_name = :session
   and ours.wait_event_type = 'Lock'
 order by 1 desc limit 1
"""
)


def items(connection: Connection, seen: Observed) -> dict[str, Any]:
    """Of the items that a worker holds: see `Evidence.items`.

    Raises:
        Transient: the ledger does not answer in time.
    """
    of = {"name": seen.name, "pipeline": seen.pipeline, "collection": seen.collection}
    with _asking(connection):
        found: dict[str, Any] = dict(connection.execute(_HELD, of).one()._mapping)
        rows = connection.execute(
            _COMING_BACK, {**of, "current": seen.current_item, "attempts": ATTEMPTS, "most": 1000}
        ).all()
        before = connection.execute(_BEFORE, {**of, "life": seen.life}).scalar_one_or_none()
    current = next((row for row in rows if row.current), None)
    if current is not None:
        found |= {"current": current.key, "attempts": current.again, "lost": current.lost}
    if before is not None:
        found["before"] = before
    # A worker that ends loses all that it held: only what comes back more often than the rest stands out.
    if rows and rows[0].again and (len(rows) < 2 or _times(rows[0]) > _times(rows[1])):
        first = rows[0]
        found |= {"repeating": first.key, "repeating_lost": first.lost, "repeating_again": first.again}
    return found


def blocked(connection: Connection, name: str) -> tuple[float, str]:
    """For how long the database has made a worker wait for a lock, in seconds, and who holds it: "itself",
    or what the database knows of the other session; 0.0 and "" when it waits for none.

    Raises:
        Transient: the database does not answer in time.
    """
    with _asking(connection):
        row = connection.execute(_WAITS, {"session": of_worker(name)}).one_or_none()
    if row is None or row.seconds is None:  # sessions of other roles tell neither what they do nor since when
        return 0.0, ""
    return max(0.0, row.seconds), "itself" if row.itself else ", ".join(
        row.blockers
    ) or "a session that ended"


def by_hand(connection: Connection, seen: Observed) -> dict[str, Any]:
    """What a person has set for the whole queue of a worker: the columns of `control`.

    Raises:
        Transient: the ledger does not answer in time.
    """
    with _asking(connection):
        return control.read(connection, seen.pipeline, seen.collection).to_dict()


def _times(row: Any) -> tuple[int, int]:
    return row.lost, row.again


@contextmanager
def _asking(connection: Connection) -> Iterator[None]:
    """Ask within a time, and leave the caller's transaction as it was, whatever comes of it."""
    try:
        asking = connection.begin_nested()
        try:
            connection.execute(_PATIENCE)
            yield
        finally:
            # Nothing was written; going back also takes back the patience.
            if asking.is_active:
                asking.rollback()
    except DBAPIError as error:
        said = str(error.orig).strip().splitlines()
        raise Transient("The ledger does not tell", said[0] if said else "PostgreSQL") from error
