"""How the healing stands with each worker: what was done to it, whether it helped, and whether it is paused.

It is in the ledger, so that a healing that is started again goes on where the last one was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from math import inf
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from medialift.errors import Permanent
from medialift.healing.decision import Decision
from medialift.healing.observed import Observed, Verdict
from medialift.healing.plain import plain

WELL, VERIFYING, ILL, PAUSED = "well", "verifying", "ill", "paused"


@dataclass(frozen=True)
class Care:
    """What was done to one worker. One that nothing was ever done to is `Care(name)`.

    Attributes:
        attempts: remedies in a row that did not help.
        recovered_from: the attempts before it last recovered; should that not last, they count again.
        state: well; verifying: a remedy was applied, and whether it helps is not known yet; ill: the last one
            did not help; paused: it is not to run until it is released.
        remedy, cause, decision: the last ones.
        remedied: when the last remedy was applied; `since_remedy`: seconds since then, by the database's
            clock, endless when there was none.
        progress_before, life_before: the worker's figures and its life right before it.
        paused_why: for people; "" when it is not paused.
        settings: {variable: value} that were set for this worker alone.
        release: the release that this worker alone runs; "" for the common one.
        since_change: seconds since any of this changed.
    """

    worker: str
    host: str = ""
    pipeline: str = ""
    collection: str = ""
    attempts: int = 0
    recovered_from: int = 0
    state: str = WELL
    remedy: str = ""
    remedied: datetime | None = None
    since_remedy: float = inf
    progress_before: tuple[int, ...] = ()
    life_before: str = ""
    cause: str = ""
    paused_why: str = ""
    decision: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    release: str = ""
    changed: datetime | None = None
    since_change: float = inf

    @property
    def paused(self) -> bool:
        return self.state == PAUSED

    def cooling(self, cooldown: float) -> bool:
        """Whether its last remedy is less than `cooldown` seconds ago."""
        return self.since_remedy < cooldown

    def due(self, verify: float) -> bool:
        """Whether it is time to see if the last remedy helped, `verify` seconds after it."""
        return self.state == VERIFYING and self.since_remedy >= verify

    def recurs(self, verdict: Verdict, cooldown: float) -> bool:
        """Whether a worker that had recovered was stuck again within `cooldown` seconds of its remedy.

        It is the moment from which it was stuck that counts: it is noticed later, after the floor at least.
        """
        relapsed = self.since_remedy - verdict.since < cooldown
        return self.state == WELL and verdict.stuck and self.remedied is not None and relapsed

    def to_dict(self) -> dict[str, Any]:
        """For the history and `--json`: JSON's types only."""
        return dict(plain(asdict(self)))


_READ = """
select worker, host, pipeline, collection, attempts, recovered_from, state, remedy, remedied,
       extract(epoch from statement_timestamp() - remedied)::float as since_remedy, progress_before,
       life_before, cause, paused_why, decision, settings, release, changed,
       extract(epoch from statement_timestamp() - changed)::float as since_change
  from care
"""
_ONE = text(_READ + " where worker = :name")
_LISTED = text(
    _READ
    + """
 where (cast(:host as text) is null or host = :host)
   and (cast(:pipeline as text) is null or pipeline = :pipeline)
   and (cast(:state as text) is null or state = :state)
 order by worker
"""
)


def read(connection: Connection, name: str) -> Care:
    """How it stands with a worker."""
    row = connection.execute(_ONE, {"name": name}).mappings().one_or_none()
    return Care(name) if row is None else _care(row)


def listed(
    connection: Connection, host: str | None = None, pipeline: str | None = None, *, state: str | None = None
) -> list[Care]:
    """All workers that something was ever done to, by name."""
    rows = connection.execute(_LISTED, {"host": host, "pipeline": pipeline, "state": state})
    return [_care(row) for row in rows.mappings()]


def paused(connection: Connection, host: str | None = None, pipeline: str | None = None) -> list[Care]:
    """The workers that are not to run until they are released."""
    return listed(connection, host, pipeline, state=PAUSED)


_REMEDIED = text(
    """
insert into care (worker, host, pipeline, collection, state, remedy, remedied, progress_before, life_before,
                  cause, decision, settings, release)
values (:name, :host, :pipeline, :collection, 'verifying', :remedy, now(), :progress, :life,
        :cause, :decision, coalesce(:settings, cast('{}' as jsonb)), coalesce(:release, ''))
on conflict (worker) do update
   set host = :host, pipeline = :pipeline, collection = :collection, state = 'verifying', remedy = :remedy,
       remedied = now(), progress_before = :progress, life_before = :life, cause = :cause,
       decision = :decision, settings = coalesce(:settings, care.settings),
       release = coalesce(:release, care.release), paused_why = '', changed = now()
"""
).bindparams(
    bindparam("progress", type_=JSONB()),
    bindparam("decision", type_=JSONB()),
    bindparam("settings", type_=JSONB(none_as_null=True)),
)


def remedied(
    connection: Connection,
    seen: Observed,
    decision: Decision,
    *,
    settings: Mapping[str, Any] | None = None,
    release: str | None = None,
) -> None:
    """Note a remedy. To be committed before it is applied: one that is cut off in the middle is verified too,
    and the life that it ends counts as ended by it. Say `applied` when it is.

    Args:
        seen: the worker as it is right before: its progress and its life are kept.
        settings, release: what is set for this worker alone from now on; None: as before.
    """
    connection.execute(
        _REMEDIED,
        {
            "name": seen.name,
            "host": seen.host,
            "pipeline": seen.pipeline,
            "collection": seen.collection,
            "remedy": decision.remedy.value,
            "progress": list(seen.progress),
            "life": seen.life,
            "cause": decision.cause.value,
            "decision": plain(decision.to_dict()),
            "settings": None if settings is None else plain(dict(settings)),
            "release": release,
        },
    )


_APPLIED = text(
    "update care set remedied = now(), changed = now() where worker = :name and state = 'verifying'"
)


def applied(connection: Connection, name: str) -> None:
    """The remedy that was noted is done: its cool-down and the time until it is verified begin now."""
    connection.execute(_APPLIED, {"name": name})


_VERIFIED = text(
    """
update care set state = case when :ok then 'well' else 'ill' end,
       recovered_from = case when :ok then attempts else recovered_from end,
       attempts = case when :ok then 0 else attempts + 1 end, changed = now()
 where worker = :name and (state = 'verifying' or :ok and state = 'ill')
"""
)


def verified(connection: Connection, name: str, ok: bool) -> Care:
    """Note whether the last remedy helped; how it stands now. The same answer twice counts once.

    One that was ill may recover late, or by itself: that counts as well.
    """
    connection.execute(_VERIFIED, {"name": name, "ok": ok})
    return read(connection, name)


_RECURRED = text(
    """
update care set state = 'ill', attempts = recovered_from + 1, changed = now()
 where worker = :name and state = 'well'
"""
)


def recurred(connection: Connection, name: str) -> Care:
    """It was seen to recover, and that did not last (`Care.recurs`): the remedy counts as one that did not
    help, and those before it count again. How it stands now."""
    connection.execute(_RECURRED, {"name": name})
    return read(connection, name)


_PAUSE = text(
    """
insert into care (worker, host, pipeline, collection, state, cause, paused_why, decision)
select name, host, pipeline, collection, 'paused', :cause, :why, coalesce(:decision, cast('{}' as jsonb))
  from (select name, host, pipeline, collection from worker where name = :name
        union all
        select worker, host, pipeline, collection from care
         where worker = :name and not exists (select from worker where name = :name)) known
on conflict (worker) do update
   set state = 'paused', cause = :cause, paused_why = :why,
       decision = coalesce(:decision, care.decision), changed = now()
"""
).bindparams(bindparam("decision", type_=JSONB(none_as_null=True)))


def pause(
    connection: Connection, name: str, *, why: str, cause: str = "", decision: Decision | None = None
) -> Care:
    """Note that a worker is not to run until it is released. It is whoever calls this that stops it.

    Args:
        cause: when it is seen gone, the worker is released; "" for one that only a person releases.

    Raises:
        Permanent: there is no such worker.
    """
    given = {
        "name": name,
        "why": why,
        "cause": str(cause),
        "decision": None if decision is None else plain(decision.to_dict()),
    }
    if not connection.execute(_PAUSE, given).rowcount:
        raise Permanent("There is no such worker", name, "See the names: medialift queue workers")
    return read(connection, name)


_RELEASE = text(
    """
update care set state = 'well', attempts = 0, recovered_from = 0, cause = '', paused_why = '',
       remedied = null, changed = now()
 where worker = :name and state = 'paused'
"""
)


def release(connection: Connection, name: str) -> bool:
    """Let a paused worker run again, with all its attempts; whether it was paused. Starting it is up to the
    caller."""
    return connection.execute(_RELEASE, {"name": name}).rowcount > 0


_COMMON = text(
    "update care set settings = cast('{}' as jsonb), release = '', changed = now() where worker = :name"
)


def common(connection: Connection, name: str) -> None:
    """The worker has the common settings and the common release again."""
    connection.execute(_COMMON, {"name": name})


def _care(row: RowMapping) -> Care:
    progress: Sequence[int] = row["progress_before"]
    given = {**row, "progress_before": tuple(progress)}
    for age in ("since_remedy", "since_change"):
        given[age] = inf if given[age] is None else max(0.0, given[age])
    return Care(**given)
