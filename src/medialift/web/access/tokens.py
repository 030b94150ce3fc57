"""Tokens: what programs show instead of a password. Shown once, and kept as a hash only."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, text

from medialift.errors import Permanent
from medialift.queueing import events
from medialift.web.access.people import name_of
from medialift.web.access.refusals import Taken, Unknown
from medialift.web.access.scopes import Scope, lesser, scope_of

PREFIX = "mlt_"
_BYTES = 32
_LETTERS = 32
_GIVEN = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{{_LETTERS},200}}")


@dataclass(frozen=True)
class Token:
    """What is known of a token; not the token itself.

    Attributes:
        person: whose it is; None: nobody's.
        expires: None: never.
        used: when it was shown last, to the minute; None: never.
    """

    id: int
    name: str
    person: str | None
    scope: Scope
    created: datetime
    expires: datetime | None
    used: datetime | None
    expired: bool

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "person": self.person,
            "scope": self.scope,
            "created": self.created.isoformat(),
            "expires": self.expires and self.expires.isoformat(),
            "used": self.used and self.used.isoformat(),
            "expired": self.expired,
        }


_COLUMNS = "id, name, person, scope, created, expires, used, coalesce(expires <= now(), false) as expired"
_LISTED = text(f"select {_COLUMNS} from access_token order by name")  # noqa: S608  names of columns
_CREATE = text(
    f"""
insert into access_token (name, person, hash, scope, expires)
values (:name, :person, :hash, :scope, now() + make_interval(secs => :seconds))
on conflict (name) do nothing returning {_COLUMNS}
"""  # noqa: S608
)
_SAME = text(
    "select exists (select from access_token where name = :name and hash = :hash and scope = :scope"
    " and person is null and expires is null)"
)
_ELSEWHERE = text("select exists (select from access_token where hash = :hash and name <> :name)")
_GIVE = text(
    """
insert into access_token (name, hash, scope) values (:name, :hash, :scope)
on conflict (name) do update
   set hash = excluded.hash, scope = excluded.scope, person = null, expires = null,
       created = now(), used = null
"""
)
_REVOKE = text(f"delete from access_token where name = :name returning {_COLUMNS}")  # noqa: S608
# Whoever was shut out takes their tokens along.
_SHOWN = text(
    """
select token.id, token.name, token.scope, person.scope as at_most,
       token.used is null or token.used < now() - interval '1 minute' as note
  from access_token token left join person on person.name = token.person
 where token.hash = :hash and (token.expires is null or token.expires > now())
   and (token.person is null or not person.disabled)
"""
)
# Whoever waits for another request with the same token would wait as long as that one takes.
_USED = text(
    "update access_token set used = now()"
    " where id = (select id from access_token where id = :id for update skip locked)"
)
_PERSON = text("select from person where name = :name for key share")


def create(
    connection: Connection,
    name: str,
    scope: str = "read",
    *,
    seconds: float | None = None,
    person: str | None = None,
    who: str = "",
) -> tuple[str, Token]:
    """A new token, and what is known of it. The token is not kept: nobody can be told it again.

    Args:
        seconds: how long it is taken; None: always.
        person: whose it is. It can never do more than they, and ends with them.
        who: who did this, for the audit.

    Raises:
        Taken: there is a token of that name.
        Unknown: there is nobody of that name.
        Permanent: the name or the scope is none, or it would end at once.
    """
    if seconds is not None and not 0 < seconds <= 100 * 365 * 86_400:
        raise Permanent("A token cannot last so long", f"{seconds:g} s", "From a second to a hundred years")
    if person is not None and connection.execute(_PERSON, {"name": person}).one_or_none() is None:
        raise Unknown("There is nobody of this name", person[:80], "Add the person first")
    secret = PREFIX + secrets.token_urlsafe(_BYTES)
    values = {
        "name": name_of(name),
        "person": person,
        "hash": _hash(secret),
        "scope": scope_of(scope),
        "seconds": seconds,
    }
    row = connection.execute(_CREATE, values).one_or_none()
    if row is None:
        raise Taken("There is a token of this name already", name, "Revoke it, or choose another name")
    token = _token(row._asdict())
    after = {"scope": token.scope, "person": person, "expires": token.expires and token.expires.isoformat()}
    events.record(connection, who=who, what="token created", subject=token.name, after=after)
    return secret, token


def given(connection: Connection, name: str, scope: str, secret: str, *, check: bool = False) -> bool:
    """Take a token that somebody made elsewhere, such as one of a vault; whether anything is different now.

    One of the same name that is another one is taken no more. It is nobody's, and does not expire.

    Args:
        check: only say whether anything would be.

    Raises:
        Permanent: the name or the scope is none, or the token could be guessed.
    """
    if not _GIVEN.fullmatch(secret):
        raise Permanent(
            "This token could be guessed", name[:80], f"It is {PREFIX} and {_LETTERS} random letters or more"
        )
    kept = name_of(name)
    values = {"name": kept, "scope": scope_of(scope), "hash": _hash(secret)}
    if connection.execute(_ELSEWHERE, values).scalar_one():
        raise Taken("This token is there already by another name", kept, "Each program has one of its own")
    there = bool(connection.execute(_SAME, values).scalar_one())
    if not there and not check:
        connection.execute(_GIVE, values)
        events.record(connection, what="token given", subject=kept, after={"scope": scope})
    return not there


def listed(connection: Connection) -> list[Token]:
    """All of them by name, also those that have expired."""
    return [_token(row._asdict()) for row in connection.execute(_LISTED)]


def revoke(connection: Connection, name: str, *, who: str = "") -> Token:
    """Take a token no more, from the next request on.

    Raises:
        Unknown: there is none of that name.
    """
    row = connection.execute(_REVOKE, {"name": name}).one_or_none()
    if row is None:
        raise Unknown(
            "There is no token of this name", name[:80], "`medialift dashboard token list` tells which"
        )
    token = _token(row._asdict())
    events.record(
        connection,
        who=who,
        what="token revoked",
        subject=token.name,
        before={"scope": token.scope, "person": token.person},
    )
    return token


def shown(connection: Connection, secret: str) -> tuple[str, Scope] | None:
    """The name and the scope of a token that a program shows; None when it is not taken."""
    if not secret.startswith(PREFIX):
        return None
    row = connection.execute(_SHOWN, {"hash": _hash(secret)}).one_or_none()
    if row is None:
        return None
    if row.note:
        connection.execute(_USED, {"id": row.id})
    return row.name, row.scope if row.at_most is None else lesser(row.scope, row.at_most)


def _hash(secret: str) -> bytes:
    # Nothing slower is needed: unlike a password, it cannot be guessed.
    return sha256(secret.encode("utf-8", "surrogateescape")).digest()


def _token(row: Mapping[str, Any]) -> Token:
    return Token(**row)
