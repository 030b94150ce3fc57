"""Who may use the dashboard as a playbook says it: done where it is not so yet, and nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from medialift import settings
from medialift.errors import Permanent
from medialift.queueing.database import Database
from medialift.web.access import passwords, people, tokens
from medialift.web.access.scopes import scope_of

_KEPT = text("select password from person where name = :name")


def unready(config: Path) -> str:
    """Why nothing can be said here yet, as before the first run of a role; "" when it can.

    Raises:
        Permanent: the settings are wrong.
        Transient: the database does not answer.
    """
    if not config.exists():
        return f"there is no {config} yet"
    given = settings.load(config).settings.database
    with Database.open(given) as database, database.transaction() as connection:
        there = connection.execute(text("select to_regclass('access_token') is not null")).scalar_one()
    return "" if there else "the ledger was made by an older medialift"


@contextmanager
def opened(config: Path) -> Iterator[Connection]:
    """The ledger that a settings file names, in a transaction.

    Raises:
        Permanent: there is no such file, or no ledger yet.
        Transient: the database does not answer.
    """
    if not config.exists():
        raise Permanent("There is no such settings file", str(config), "Apply the role dashboard first")
    with Database.open(settings.load(config).settings.database) as database:
        database.check()
        with database.transaction() as connection:
            yield connection


def person(
    connection: Connection,
    name: str,
    scope: str,
    password: str = "",
    *,
    always: bool = False,
    check: bool = False,
) -> dict[str, Any]:
    """Have somebody who may log in: {"changed", "person", "diff"}.

    Args:
        password: of somebody who is new.
        always: and of somebody who is there, too, unless it is theirs.
        check: only say what would be done.

    Raises:
        Permanent: the name or the scope is none, or a password is missing or too weak.
    """
    found = people.find(connection, people.name_of(name))
    wanted = scope_of(scope)
    if found is None:
        if not password:
            raise Permanent("Somebody who is new needs a password", name, "Give one")
        passwords.check(password, name)
        if not check:
            people.add(connection, name, password, wanted)
        return _told(name, {}, {"scope": wanted, "password": "set"})
    changes: dict[str, tuple[str, str]] = {}
    if found.scope != wanted:
        changes["scope"] = (found.scope, wanted)
        if not check:
            people.set_scope(connection, name, wanted)
    if always and password and not passwords.right(password, _kept(connection, found.name)):
        passwords.check(password, name)
        changes["password"] = ("another", "set")
        if not check:
            people.set_password(connection, name, password)
    before = {what: one[0] for what, one in changes.items()}
    return _told(name, before, {what: one[1] for what, one in changes.items()})


def no_person(connection: Connection, name: str, *, check: bool = False) -> dict[str, Any]:
    """Have nobody of a name: {"changed", "person", "diff"}."""
    found = people.find(connection, people.name_of(name))
    if found is None:
        return _told(name, {}, {})
    if not check:
        people.remove(connection, name)
    return _told(name, {"scope": found.scope}, {})


def token(
    connection: Connection, name: str, scope: str, secret: str, *, check: bool = False
) -> dict[str, Any]:
    """Have a token taken: {"changed"}.

    Raises:
        Permanent: the name or the scope is none, or the token could be guessed.
    """
    return {"changed": tokens.given(connection, name, scope, secret, check=check)}


def no_token(connection: Connection, name: str, *, check: bool = False) -> dict[str, Any]:
    """Have no token of a name taken: {"changed"}."""
    there = any(one.name == people.name_of(name) for one in tokens.listed(connection))
    if there and not check:
        tokens.revoke(connection, people.name_of(name))
    return {"changed": there}


def _kept(connection: Connection, name: str) -> str:
    # Also of somebody who is shut out: whoever lets them in again finds the password that was said.
    return str(connection.execute(_KEPT, {"name": name}).scalar_one())


def _told(name: str, before: dict[str, str], after: dict[str, str]) -> dict[str, Any]:
    return {
        "changed": before != after,
        "person": people.name_of(name),
        "diff": {"before": before, "after": after},
    }
