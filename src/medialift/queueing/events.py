"""Who changed what: the audit of the queue. Nothing secret is ever written here."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB


@dataclass(frozen=True)
class Event:
    """One change: when, who, what, to which object, and what it was and is. A later one has a higher id."""

    id: int
    at: datetime
    who: str
    what: str
    subject: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


_JSON = JSONB(none_as_null=True)
_RECORD = text(
    "insert into event (who, what, subject, before, after) values (:who, :what, :subject, :before, :after)"
).bindparams(bindparam("before", type_=_JSON), bindparam("after", type_=_JSON))
_COLUMNS = "id, at, who, what, subject, before, after"
_LATEST = text(f"select {_COLUMNS} from event order by id desc limit :limit")  # noqa: S608  names of columns
# From one word to the next in the index: each is looked at once, however often it stands there.
_KINDS = text(
    """
with recursive kind as (
    (select what from event order by what limit 1)
    union all
    select (select event.what from event where event.what > kind.what order by event.what limit 1)
      from kind where kind.what is not null)
select what from kind where what is not null
"""
)


@dataclass(frozen=True)
class Wanted:
    """Which changes are looked for; what is "" or None is any.

    Attributes:
        who, subject: a part of it, in small or large letters.
        what: the whole word.
        since, until: from this moment on, and before that one.
    """

    who: str = ""
    what: str = ""
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None


def record(
    connection: Connection,
    *,
    what: str,
    subject: str = "",
    who: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Note a change in the transaction that makes it. `who` is this user and host unless it is given."""
    connection.execute(
        _RECORD,
        {
            "who": who or somebody(),
            "what": what,
            "subject": subject,
            "before": None if before is None else dict(before),
            "after": None if after is None else dict(after),
        },
    )


def latest(connection: Connection, *, limit: int = 50) -> list[Event]:
    """The latest changes, the newest first."""
    return [Event(*row) for row in connection.execute(_LATEST, {"limit": limit})]


def listed(
    connection: Connection, wanted: Wanted, *, before: int | None = None, limit: int = 50
) -> list[Event]:
    """The changes that are looked for, the newest first.

    Args:
        before: only those older than the one of this id.
    """
    given = {
        "who": ("position(lower(:who) in lower(who)) > 0", wanted.who),
        "what": ("what = :what", wanted.what),
        "subject": ("position(lower(:subject) in lower(subject)) > 0", wanted.subject),
        "since": ("at >= :since", wanted.since),
        "until": ("at < :until", wanted.until),
        "before": ("id < :before", before),
    }
    asked = {
        name: (condition, value) for name, (condition, value) in given.items() if value not in (None, "")
    }
    where = " and ".join(condition for condition, _ in asked.values()) or "true"
    statement = text(f"select {_COLUMNS} from event where {where} order by id desc limit :limit")  # noqa: S608
    values = {name: value for name, (_, value) in asked.items()}
    return [Event(*row) for row in connection.execute(statement, {**values, "limit": limit})]


def kinds(connection: Connection) -> list[str]:
    """What was ever changed: the words that `what` has been."""
    return list(connection.execute(_KINDS).scalars())


def somebody() -> str:
    """user@host of this process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = "somebody"
    return f"{user}@{socket.gethostname()}"
