"""How the monitored mounts of all hosts stand: told by each host, for whoever shows all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB


@dataclass(frozen=True)
class MountState:
    """A mount as its monitor published it last.

    Attributes:
        point: where it is mounted. name: its monitor's.
        state: healthy, degraded, stale, hung, foreign, empty, absent, or unknown.
        since: since when it is in this state. at: when it was probed last.
        detail: what else its monitor told: reason, failures, recoveries, units that wait, …
    """

    host: str
    point: str
    name: str
    state: str
    since: datetime
    at: datetime
    detail: Mapping[str, Any] = field(default_factory=dict)


_RECORD = text(
    """
insert into mount_state (host, point, name, state, since, at, detail)
values (:host, :point, :name, :state, :since, :at, :detail)
on conflict (host, point) do update
   set name = :name, state = :state, since = :since, at = :at, detail = :detail
"""
).bindparams(bindparam("detail", type_=JSONB()))
_OTHERS = text("delete from mount_state where host = :host and not point = any(:points)")
_LISTED = text("select host, point, name, state, since, at, detail from mount_state order by host, point")


def record(connection: Connection, host: str, mounts: Iterable[MountState]) -> None:
    """Write down how all mounts of a host stand; one that is not among them is monitored no more."""
    now = list(mounts)
    connection.execute(_OTHERS, {"host": host, "points": [one.point for one in now]})
    for one in now:
        connection.execute(_RECORD, {**vars(one), "detail": dict(one.detail)})


def listed(connection: Connection) -> list[MountState]:
    """All of them, by host and place."""
    return [MountState(**row._asdict()) for row in connection.execute(_LISTED)]
