"""Bursts of Plex as the dashboard knows them: what their journals said, kept in the ledger.

So it outlives the instance and the controller. The controller and the timer at home each keep a journal of
their own and tell of it when they can, as often as they like: a line that is known is not written again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from medialift.errors import Permanent
from medialift.foundation.journal import redacted
from medialift.queueing.claims import clean

MOST_LINES = 20_000
"""Lines of one burst that are kept: a burst of a night has some thousands."""


@dataclass(frozen=True)
class Line:
    """One line of a journal, as `foundation.journal.Entry` tells it.

    Attributes:
        number: its place in its journal, from 1.
        journal: whose it is: controller or home.
    """

    number: int
    at: datetime
    phase: str
    event: str
    outcome: str | None = None
    seconds: float | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    journal: str = ""


@dataclass(frozen=True)
class Known:
    """What is told of a burst beside its lines; what is None is not told, and stays as it was.

    Attributes:
        outcome: ok or failed: it is over. "" begins it again.
        report: as `plex.report` has it.
    """

    library: str | None = None
    mode: str | None = None
    zone: str | None = None
    outcome: str | None = None
    cost_eur: float | None = None
    budget_eur: float | None = None
    instance: Mapping[str, Any] | None = None
    sections: Sequence[Mapping[str, Any]] | None = None
    report: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Burst:
    """One burst.

    Attributes:
        phase, progress: what it is at, and what that said last.
        outcome: ok or failed; "" while it goes on.
        report: only from `read`; None before there is one.
        has_report: there is one.
    """

    id: str
    library: str
    mode: str
    zone: str
    phase: str
    progress: str
    outcome: str
    started: datetime
    ended: datetime | None
    changed: datetime
    cost_eur: float | None
    budget_eur: float | None
    instance: Mapping[str, Any] | None
    sections: Sequence[Mapping[str, Any]] | None
    has_report: bool
    report: Mapping[str, Any] | None = None


_JSON = JSONB(none_as_null=True)
_BEGIN = text(
    "insert into burst (id, started) values (:id, coalesce(:at, now()))"
    " on conflict (id) do update set changed = now()"
)
_COUNT = text("select count(*) from burst_entry where burst = :id")
_ADD = text(
    """
insert into burst_entry (burst, journal, number, at, phase, event, outcome, seconds, data)
values (:burst, :journal, :number, :at, :phase, :event, :outcome, :seconds, :data)
on conflict do nothing
"""
).bindparams(bindparam("data", type_=JSONB()))
_THERE = text(
    "select number, at, phase, event from burst_entry"
    " where burst = :id and journal = :journal and number = any(:numbers)"
)
# The latest line tells what it is at; one without words leaves the words of its phase.
_STAND = text(
    """
with lines as (select * from burst_entry where burst = :id),
last as (select * from lines order by at desc, journal desc, number desc limit 1),
said as (
  select l.data->>'text' as words from lines l join last on l.phase = last.phase
   where l.data ? 'text' order by l.at desc, l.journal desc, l.number desc limit 1)
update burst b
   set phase = coalesce((select phase from last), b.phase),
       progress = coalesce((select words from said), ''),
       started = coalesce((select min(at) from lines), b.started),
       ended = case when b.outcome = '' then null
                    else greatest(b.started, coalesce((select at from last), now())) end,
       changed = now()
 where b.id = :id
"""
)
_KNOWN = text(
    """
update burst
   set library = coalesce(:library, library), mode = coalesce(:mode, mode), zone = coalesce(:zone, zone),
       outcome = coalesce(:outcome, outcome), cost_eur = coalesce(:cost_eur, cost_eur),
       budget_eur = coalesce(:budget_eur, budget_eur), instance = coalesce(:instance, instance),
       sections = coalesce(:sections, sections), report = coalesce(:report, report)
 where id = :id
"""
).bindparams(*(bindparam(name, type_=_JSON) for name in ("instance", "sections", "report")))
_COLUMNS = """id, library, mode, zone, phase, progress, outcome, started, ended, changed, cost_eur,
       budget_eur, instance, sections, report is not null as has_report"""
_LISTED = text(
    f"""
select {_COLUMNS} from burst
 where (cast(:library as text) is null or library = :library)
   and (cast(:started as timestamptz) is null or (started, id) < (:started, :id))
 order by started desc, id desc limit :limit
"""  # noqa: S608  columns of ours
)
_RUNNING = text("select count(*) from burst where outcome = ''")
_READ = text(f"select {_COLUMNS}, report from burst where id = :id")  # noqa: S608
_LINES = text(
    """
select number, at, phase, event, outcome, seconds, data, journal from burst_entry
 where burst = :id
   and (cast(:at as timestamptz) is null or (at, journal, number) > (:at, :journal, :number))
 order by at, journal, number limit :limit
"""
)


def tell(
    connection: Connection, burst: str, journal: str, lines: Sequence[Line], known: Known | None = None
) -> int:
    """Write down what a journal says of a burst, which may be new; how many of the lines were new.

    Secrets in texts are masked once more.

    Raises:
        Permanent: a line that is known said something else before, or there are too many of them.
    """
    first = min((one.at for one in lines), default=None)
    connection.execute(_BEGIN, {"id": burst, "at": first})  # whoever else tells of this burst waits here
    before = int(connection.execute(_COUNT, {"id": burst}).scalar_one())
    _refuse_other_words(connection, burst, journal, lines)
    if lines:
        connection.execute(_ADD, [_row(burst, journal, one) for one in lines])
    after = int(connection.execute(_COUNT, {"id": burst}).scalar_one())
    if after > MOST_LINES:
        raise Permanent("The journals of this burst are too long", burst, f"{MOST_LINES} lines are kept")
    given = known or Known()
    connection.execute(
        _KNOWN,
        {"id": burst, **{name: _storable(value) for name, value in vars(given).items()}},
    )
    connection.execute(_STAND, {"id": burst})
    return after - before


def listed(
    connection: Connection,
    *,
    library: str | None = None,
    before: tuple[datetime, str] | None = None,
    limit: int = 50,
) -> list[Burst]:
    """Bursts without their reports, the newest first.

    Args:
        before: only those behind the one that began then and has this id: to page on.
    """
    started, last = before or (None, None)
    given = {"library": library, "started": started, "id": last, "limit": limit}
    return [Burst(**row._asdict()) for row in connection.execute(_LISTED, given)]


def running(connection: Connection) -> int:
    """How many go on."""
    return int(connection.execute(_RUNNING).scalar_one())


def read(connection: Connection, burst: str) -> Burst | None:
    """One burst with its report; None when nobody told of it."""
    row = connection.execute(_READ, {"id": burst}).one_or_none()
    return None if row is None else Burst(**row._asdict())


def lines(
    connection: Connection,
    burst: str,
    *,
    after: tuple[datetime, str, int] | None = None,
    limit: int = MOST_LINES,
) -> list[Line]:
    """The lines of both journals in the order of time.

    Args:
        after: only those behind the one of this time, journal and number: to page on.
    """
    at, journal, number = after or (None, None, None)
    given = {"id": burst, "at": at, "journal": journal, "number": number, "limit": limit}
    return [Line(**row._asdict()) for row in connection.execute(_LINES, given)]


def _refuse_other_words(connection: Connection, burst: str, journal: str, lines: Sequence[Line]) -> None:
    given = {one.number: one for one in lines}
    there = connection.execute(_THERE, {"id": burst, "journal": journal, "numbers": list(given)})
    for row in there:
        one = given[row.number]
        if (row.at, row.phase, row.event) != (one.at, clean(one.phase), clean(one.event)):
            raise Permanent(
                "A line of this journal is known and said something else",
                f"{burst}: {journal}, line {row.number}",
                "Another run needs an id of its own",
            )


def _row(burst: str, journal: str, one: Line) -> dict[str, Any]:
    return {
        "burst": burst,
        "journal": journal,
        "number": one.number,
        "at": one.at,
        "phase": clean(one.phase),
        "event": clean(one.event),
        "outcome": None if one.outcome is None else clean(one.outcome),
        "seconds": one.seconds,
        "data": _storable(dict(one.data)),
    }


def _storable(value: Any) -> Any:
    """JSON without secrets, and without what PostgreSQL cannot hold."""
    return _plain(redacted(value))


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_plain(str(name)): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
