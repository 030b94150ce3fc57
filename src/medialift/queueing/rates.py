"""What was done in each minute, without gaps: what lines over time are drawn of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text


@dataclass(frozen=True)
class Step:
    """What all workers of a queue did from `at` on, until the next step."""

    at: datetime
    items: int
    files: int
    bytes: int
    slow: int


# The steps begin at whole multiples of their length, so that the same minutes stay together.
_STEPS = text(
    """
with bounds as (
  select date_bin(:length, now(), 'epoch') as last, cast(:length as interval) as length),
steps as (
  select generate_series(last - length * (:steps - 1), last, length) as at, length from bounds)
select s.at, coalesce(sum(r.items), 0)::bigint as items, coalesce(sum(r.files), 0)::bigint as files,
       coalesce(sum(r.bytes), 0)::bigint as bytes, coalesce(sum(r.slow), 0)::bigint as slow
  from steps s
  left join rate r on r.pipeline = :pipeline and r.collection = :collection
                  and r.minute >= s.at and r.minute < s.at + s.length
 group by s.at order by s.at
"""
)


def series(
    connection: Connection, pipeline: str, collection: str, *, steps: int = 60, minutes: int = 1
) -> list[Step]:
    """The last `steps` steps of a queue, each of so many minutes, the oldest first; nothing done is zero."""
    given = {
        "pipeline": pipeline,
        "collection": collection,
        "steps": steps,
        "length": f"{minutes} minutes",
    }
    return [Step(**row._asdict()) for row in connection.execute(_STEPS, given)]
