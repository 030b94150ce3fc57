"""When the healing of each host made its last round: whoever watches the watcher looks here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text


@dataclass(frozen=True)
class LastRound:
    """The last round of a host's healing.

    Attributes:
        age: seconds since then, by the database's clock.
        workers, stuck: how many it looked at, and how many of them were stuck.
        why: why it did nothing; "" when it did what was to be done.
    """

    host: str
    at: datetime
    age: float
    workers: int
    stuck: int
    why: str


_NOTE = text(
    """
insert into healer (host, workers, stuck, why) values (:host, :workers, :stuck, :why)
on conflict (host) do update set at = now(), workers = :workers, stuck = :stuck, why = :why
"""
)
_LISTED = text(
    "select host, at, greatest(0, extract(epoch from statement_timestamp() - at)::float) as age,"
    " workers, stuck, why from healer order by host"
)


def note(connection: Connection, host: str, *, workers: int, stuck: int, why: str = "") -> None:
    """A round ended."""
    connection.execute(_NOTE, {"host": host, "workers": workers, "stuck": stuck, "why": why})


def listed(connection: Connection) -> list[LastRound]:
    """The last round of every host, by host."""
    return [LastRound(**row._asdict()) for row in connection.execute(_LISTED)]
