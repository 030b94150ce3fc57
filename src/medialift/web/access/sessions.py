"""Browsers that somebody logged in with. A browser holds a random cookie, the ledger only its hash."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, text

from medialift.web.access.scopes import Scope

_BYTES = 32
_AGENT = 200
LONGEST = 7
"""A session that is used goes on for so many lifetimes; then one logs in again all the same."""


@dataclass(frozen=True)
class BrowserSession:
    """One browser that somebody is logged in with.

    Attributes:
        csrf: what a form of this session brings back: a page of another site does not know it.
        expires: when it ends unless it is used.
    """

    hash: bytes
    person: str
    scope: Scope
    csrf: str
    created: datetime
    seen: datetime
    expires: datetime
    address: str
    agent: str

    @property
    def id(self) -> str:
        """By which it is named on pages: nobody can go in with it."""
        return self.hash.hex()[:16]


_COLUMNS = (
    "browser_session.hash, browser_session.person, person.scope, browser_session.csrf,"
    " browser_session.created, browser_session.seen, browser_session.expires, browser_session.address,"
    " browser_session.agent"
)
_OPEN = (
    f"select {_COLUMNS}, browser_session.seen < now() - interval '1 minute' as note"  # noqa: S608
    " from browser_session join person on person.name = browser_session.person"
    " where browser_session.expires > now() and not person.disabled"
)
_FOUND = text(f"{_OPEN} and browser_session.hash = :hash")
_LISTED = text(f"{_OPEN} and browser_session.person = :person order by browser_session.seen desc")
_BEGIN = text(
    "insert into browser_session (hash, person, csrf, expires, address, agent) values"
    " (:hash, :person, :csrf, now() + make_interval(secs => :lifetime), :address, :agent)"
)
_TIDY = text("delete from browser_session where expires <= now()")
# Whoever waits for another request of the same browser would wait as long as that one takes.
_SEEN = text(
    """
update browser_session
   set seen = now(),
       expires = least(now() + make_interval(secs => :lifetime),
                       created + make_interval(secs => :lifetime * :longest))
 where hash = (select hash from browser_session where hash = :hash for update skip locked)
"""
)
_END = text("delete from browser_session where hash = :hash returning person")
_END_ONE = text(
    "delete from browser_session where person = :person and substr(encode(hash, 'hex'), 1, 16) = :id"
)


def begin(connection: Connection, person: str, *, lifetime: float, address: str = "", agent: str = "") -> str:
    """Begin a session, and what its cookie holds. It is always a new one: what a browser brought along, or
    was given by somebody else, never becomes a session."""
    secret = secrets.token_urlsafe(_BYTES)
    connection.execute(_TIDY)
    connection.execute(
        _BEGIN,
        {
            "hash": _hash(secret),
            "person": person,
            "csrf": secrets.token_urlsafe(_BYTES),
            "lifetime": lifetime,
            "address": address,
            "agent": agent.replace("\0", "")[:_AGENT],
        },
    )
    return secret


def find(connection: Connection, secret: str, *, lifetime: float) -> BrowserSession | None:
    """The session of a cookie, which goes on because it is used; None when there is none, or not any more."""
    row = connection.execute(_FOUND, {"hash": _hash(secret)}).one_or_none()
    if row is None:
        return None
    session = _session(row._asdict())
    if row.note:
        connection.execute(_SEEN, {"hash": session.hash, "lifetime": lifetime, "longest": LONGEST})
    return session


def listed(connection: Connection, person: str) -> list[BrowserSession]:
    """The sessions of somebody, the one used last first."""
    return [_session(row._asdict()) for row in connection.execute(_LISTED, {"person": person})]


def end(connection: Connection, secret: str) -> str | None:
    """Log out; whose session it was, None when there was none."""
    return connection.execute(_END, {"hash": _hash(secret)}).scalar_one_or_none()


def end_one(connection: Connection, person: str, id: str) -> bool:
    """End one of somebody's sessions, whichever browser it is in; whether there was one."""
    return connection.execute(_END_ONE, {"person": person, "id": id}).rowcount > 0


def _hash(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "surrogateescape")).digest()


def _session(row: Mapping[str, Any]) -> BrowserSession:
    return BrowserSession(**{name: value for name, value in row.items() if name != "note"})
