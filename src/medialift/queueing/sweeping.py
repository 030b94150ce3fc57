"""Giving back what dead workers held, and clearing away what nobody needs: the supervisor's statements."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

LOST_LIMIT = 10
"""So many workers may die with an item before it counts as what kills them."""


@dataclass(frozen=True)
class Swept:
    """What a sweep found: items given back or failed, and the names of workers that say nothing more."""

    given_back: int = 0
    failed: int = 0
    workers_gone: tuple[str, ...] = ()


# An item that ends its worker takes a whole batch with it. From the second loss on, the items of a batch come
# back at different moments, so that the innocent ones get away from the one that does it.
_GIVE_BACK = """
with ended as materialized (
  select id, attempts, lease_owner, (select count(*) from attempt a
                                      where a.item_id = item.id and a.outcome = 'lost') as losses
    from item where state = 'leased' and {which}
   order by id for update skip locked),
back as (
  update item i
     set state = case when i.cancel then 'cancelled'
                      when ended.losses + 1 >= :limit then 'failed' else 'ready' end,
         attempts = i.attempts - 1, lease_until = null, changed = now(),
         not_before = now() + make_interval(secs => least(ended.losses * 30, 600) * random()),
         error_kind = case when ended.losses + 1 >= :limit then 'permanent' else i.error_kind end,
         error_text = case when ended.losses + 1 >= :limit
                           then 'Its worker ended without a word ' || :limit || ' times. See its log.'
                           else i.error_text end
    from ended where i.id = ended.id
  returning i.id, i.state),
noted as (
  insert into attempt (item_id, number, worker, outcome)
  select id, attempts, lease_owner, 'lost' from ended)
select count(*) filter (where state <> 'failed') as given_back,
       count(*) filter (where state = 'failed') as failed
  from back
"""
_EXPIRED = text(_GIVE_BACK.format(which="lease_until < now()"))
_OF_OWNER = text(
    _GIVE_BACK.format(which="lease_owner = :owner and pipeline = :pipeline and collection = :collection")
)
_GONE = text(
    """
update worker set state = 'gone', phase = '', phase_since = now(), free_since = now()
 where state <> 'gone' and heartbeat < now() - make_interval(secs => :silence)
returning name
"""
)


def sweep(connection: Connection, *, silence: float = 120.0, limit: int = LOST_LIMIT) -> Swept:
    """Make items ready again whose leases have ended, and note that workers are gone.

    The attempt is kept as 'lost' and does not count; an item that was lost `limit` times has failed.

    Args:
        silence: seconds without a heartbeat after which a worker counts as gone.
    """
    row = connection.execute(_EXPIRED, {"limit": limit}).one()
    gone = connection.execute(_GONE, {"silence": silence}).scalars().all()
    return Swept(row.given_back, row.failed, tuple(sorted(gone)))


def give_back_of(
    connection: Connection, pipeline: str, collection: str, owner: str, *, limit: int = LOST_LIMIT
) -> int:
    """Give back what an earlier life of a worker held, which is known to be over; how many items.

    Should it live after all, its tokens are refused as soon as another takes the items.
    """
    row = connection.execute(
        _OF_OWNER, {"pipeline": pipeline, "collection": collection, "owner": owner, "limit": limit}
    ).one()
    return int(row.given_back + row.failed)
