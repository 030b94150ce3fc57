"""People who may log in: their names, their scopes, and what becomes of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection, text

from medialift.errors import Permanent
from medialift.queueing import events
from medialift.web.access import passwords
from medialift.web.access.refusals import Taken, Unknown
from medialift.web.access.scopes import Scope, scope_of

# What a mail address and a Unix account have; nothing that a page, a shell or a log could take for more.
_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")


@dataclass(frozen=True)
class Person:
    """Somebody who may log in, unless disabled."""

    name: str
    scope: Scope
    disabled: bool
    created: datetime
    changed: datetime

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "scope": self.scope,
            "disabled": self.disabled,
            "created": self.created.isoformat(),
            "changed": self.changed.isoformat(),
        }


_COLUMNS = "name, scope, disabled, created, changed"
_LISTED = text(f"select {_COLUMNS} from person order by name")  # noqa: S608  names of columns
_ONE = text(f"select {_COLUMNS} from person where name = :name")  # noqa: S608
_LOCKED = text(f"select {_COLUMNS} from person where name = :name for update")  # noqa: S608
_ADD = text(
    f"""
insert into person (name, password, scope) values (:name, :password, :scope)
on conflict do nothing returning {_COLUMNS}
"""  # noqa: S608
)
# Shared: whoever changes the person now waits until what the password allowed is done, and then ends it.
_KEPT = text("select password from person where name = :name and not disabled for share")
_PASSWORD = text("update person set password = :password, changed = now() where name = :name")
_AGAIN = text("update person set password = :password where name = :name and password = :kept")
_SCOPE = text("update person set scope = :scope, changed = now() where name = :name")
_DISABLED = text("update person set disabled = :disabled, changed = now() where name = :name")
_REMOVE = text("delete from person where name = :name")
_END_SESSIONS = text("delete from browser_session where person = :name and hash is distinct from :keep")
_FORGIVE = text("delete from login_failure where name = :name")
_ANYBODY = text("select exists (select from person)")


def name_of(given: str) -> str:
    """A name as it is kept: in small letters.

    Raises:
        Permanent: it is none.
    """
    name = given.strip().lower()
    if not _NAME.fullmatch(name):
        raise Permanent(
            "This is not a name",
            given[:80],
            "It has letters from a to z, digits and . _ @ + -, begins with a letter or digit, and is no "
            "longer than 64",
        )
    return name


def listed(connection: Connection) -> list[Person]:
    """Everybody, by name."""
    return [_person(row._asdict()) for row in connection.execute(_LISTED)]


def find(connection: Connection, name: str) -> Person | None:
    """One by name; None when there is nobody of that name."""
    row = connection.execute(_ONE, {"name": name}).one_or_none()
    return None if row is None else _person(row._asdict())


def anybody(connection: Connection) -> bool:
    """Whether there is anybody at all, disabled or not."""
    return bool(connection.execute(_ANYBODY).scalar_one())


def add(connection: Connection, name: str, password: str, scope: str = "read", *, who: str = "") -> Person:
    """Let somebody log in.

    Args:
        who: who did this, for the audit; this user and host unless it is given.

    Raises:
        Taken: there is somebody of that name.
        Permanent: the name or the scope is none, or the password is too weak.
    """
    name = name_of(name)
    passwords.check(password, name)
    values = {"name": name, "password": passwords.hashed(password), "scope": scope_of(scope)}
    row = connection.execute(_ADD, values).one_or_none()
    if row is None:
        raise Taken("There is somebody of this name already", name, "Choose another name")
    person = _person(row._asdict())
    events.record(connection, who=who, what="person added", subject=name, after={"scope": person.scope})
    return person


def set_password(
    connection: Connection, name: str, password: str, *, keep: bytes | None = None, who: str = ""
) -> None:
    """Give somebody another password. Whoever logged in with the old one is logged out.

    Args:
        keep: the session that made the change, which goes on.

    Raises:
        Unknown: there is nobody of that name.
        Permanent: it is too weak.
    """
    person = _locked(connection, name)
    passwords.check(password, person.name)
    connection.execute(_PASSWORD, {"name": person.name, "password": passwords.hashed(password)})
    connection.execute(_END_SESSIONS, {"name": person.name, "keep": keep})
    connection.execute(_FORGIVE, {"name": person.name})
    events.record(connection, who=who, what="person password", subject=person.name)


def set_scope(connection: Connection, name: str, scope: str, *, who: str = "") -> bool:
    """Let somebody do more or less, from their next request on; whether anything is different now.

    Raises:
        Unknown: there is nobody of that name.
        Permanent: there is no such scope.
    """
    wanted, person = scope_of(scope), _locked(connection, name)
    if person.scope == wanted:
        return False
    connection.execute(_SCOPE, {"name": person.name, "scope": wanted})
    events.record(
        connection,
        who=who,
        what="person scope",
        subject=person.name,
        before={"scope": person.scope},
        after={"scope": wanted},
    )
    return True


def set_disabled(connection: Connection, name: str, disabled: bool, *, who: str = "") -> bool:
    """Shut somebody out, or let them in again; whether anything is different now.

    Whoever is shut out is logged out at once, and their tokens are not taken.

    Raises:
        Unknown: there is nobody of that name.
    """
    person = _locked(connection, name)
    if person.disabled == disabled:
        return False
    connection.execute(_DISABLED, {"name": person.name, "disabled": disabled})
    if disabled:
        connection.execute(_END_SESSIONS, {"name": person.name, "keep": None})
    events.record(
        connection,
        who=who,
        what="person disabled" if disabled else "person enabled",
        subject=person.name,
        before={"disabled": person.disabled},
        after={"disabled": disabled},
    )
    return True


def remove(connection: Connection, name: str, *, who: str = "") -> None:
    """Forget somebody, with their sessions and tokens. What they did stays in the audit.

    Raises:
        Unknown: there is nobody of that name.
    """
    person = _locked(connection, name)
    connection.execute(_REMOVE, {"name": person.name})
    before = {"scope": person.scope, "disabled": person.disabled}
    events.record(connection, who=who, what="person removed", subject=person.name, before=before)


def kept_password(connection: Connection, name: str) -> str | None:
    """The hash of the password of somebody who may log in; None when there is nobody."""
    return cast("str | None", connection.execute(_KEPT, {"name": name}).scalar_one_or_none())


def hash_again(connection: Connection, name: str, password: str, kept: str) -> None:
    """Keep the same password with the effort that is usual now, unless it was changed meanwhile."""
    connection.execute(_AGAIN, {"name": name, "password": passwords.hashed(password), "kept": kept})


def _locked(connection: Connection, name: str) -> Person:
    row = connection.execute(_LOCKED, {"name": name.strip().lower()}).one_or_none()
    if row is None:
        raise Unknown(
            "There is nobody of this name", name[:80], "`medialift dashboard person list` tells who is"
        )
    return _person(row._asdict())


def _person(row: Mapping[str, Any]) -> Person:
    return Person(**row)
