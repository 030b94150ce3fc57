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
    """One change: when, who, what, to which object, and what it was and is."""

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
_LATEST = text("select at, who, what, subject, before, after from event order by id desc limit :limit")


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


def somebody() -> str:
    """user@host of this process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = "somebody"
    return f"{user}@{socket.gethostname()}"
