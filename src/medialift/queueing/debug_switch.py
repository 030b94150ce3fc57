"""The switch of the batch debug log: in the ledger, so that it reaches the workers of all hosts.

It is on until a moment, by the database's clock, and off after that whoever is there to see it. A worker
reads it at each sign of life and counts the seconds that are left by its own clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from medialift.errors import Permanent
from medialift.queueing import events

LONGEST_MINUTES = 1440
EVERY = ""
"""The scope that is all pipelines."""
PIPELINES = ("books", "audiobooks", "posters")
"""Whose traffic is recorded."""


@dataclass(frozen=True)
class Switch:
    """One scope that is on.

    Attributes:
        pipeline: its scope; "" for all.
        seconds_left: until it is off by itself.
    """

    pipeline: str
    until: datetime
    seconds_left: float
    who: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON: the moment as ISO 8601."""
        return {
            "pipeline": self.pipeline,
            "until": self.until.isoformat(),
            "seconds_left": round(self.seconds_left, 1),
            "who": self.who,
        }


_ENABLE = text(
    """
insert into debug_switch (pipeline, until, who)
values (:pipeline, now() + make_interval(mins => :minutes), :who)
on conflict (pipeline) do update set until = excluded.until, who = excluded.who, changed = now()
"""
)
_DISABLE = text("delete from debug_switch where pipeline = any(:pipelines) returning pipeline, until > now()")
_ON = text(
    "select pipeline, until, extract(epoch from until - clock_timestamp()) as seconds_left, who"
    " from debug_switch where until > clock_timestamp() order by pipeline"
)
_LEFT = text(
    "select extract(epoch from max(until) - clock_timestamp()) from debug_switch"
    " where pipeline in ('', :pipeline)"
)
_SCOPES = text("select pipeline from debug_switch")


def enable(connection: Connection, minutes: int, *, pipeline: str = EVERY, who: str = "") -> Switch:
    """Have it on for so many minutes from now, whatever was before.

    Raises:
        Permanent: they are fewer than one, or more than a day; or no such pipeline has a record.
    """
    if pipeline not in (EVERY, *PIPELINES):
        raise Permanent(
            "No traffic is recorded of such a pipeline", pipeline, f"There are: {', '.join(PIPELINES)}"
        )
    if not 1 <= minutes <= LONGEST_MINUTES:
        raise Permanent(
            "The batch debug log is not on for so long",
            f"{minutes} minutes",
            f"Give 1 to {LONGEST_MINUTES} minutes",
        )
    before = {one.pipeline: one for one in on(connection)}.get(pipeline)
    who = who or events.somebody()
    connection.execute(_ENABLE, {"pipeline": pipeline, "minutes": minutes, "who": who})
    after = next(one for one in on(connection) if one.pipeline == pipeline)
    events.record(
        connection,
        who=who,
        what="batch debug",
        subject=pipeline or "all pipelines",
        before={"until": before.until.isoformat() if before else None},
        after={"until": after.until.isoformat()},
    )
    return after


def disable(connection: Connection, *, pipeline: str | None = None, who: str = "") -> bool:
    """Have it off now, in every scope or in one; whether it was on there."""
    scopes = [pipeline] if pipeline is not None else list(connection.execute(_SCOPES).scalars())
    gone = connection.execute(_DISABLE, {"pipelines": scopes}).all()
    was_on = [scope for scope, still_on in gone if still_on]
    for scope in was_on:
        events.record(
            connection,
            who=who,
            what="batch debug",
            subject=scope or "all pipelines",
            before={"on": True},
            after={"until": None},
        )
    return bool(was_on)


def on(connection: Connection) -> list[Switch]:
    """The scopes in which it is on now."""
    return [
        Switch(row.pipeline, row.until, float(row.seconds_left), row.who) for row in connection.execute(_ON)
    ]


def left(connection: Connection, pipeline: str) -> float:
    """Seconds for which it is on for this pipeline; 0 when it is off."""
    seconds = connection.execute(_LEFT, {"pipeline": pipeline}).scalar_one()
    return max(0.0, float(seconds)) if seconds is not None else 0.0
