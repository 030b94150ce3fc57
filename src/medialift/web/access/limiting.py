"""How many logins may fail: so many by one name and so many from one address, within a window of time.

Each attempt is noted before the password is looked at, and taken back when it was right: a hundred at once
are counted like a hundred one after the other. The notes are in the ledger, so a restart forgives nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from sqlalchemy import Connection, text

from medialift.web.access.refusals import TooMany

_NAME = 100
_ALONE = text("select pg_advisory_xact_lock(hashtextextended('login:' || :of, 0))")
_TIDY = text("delete from login_failure where at <= now() - make_interval(secs => :window)")
# The newest `attempts` fill the limit: when the oldest of those leaves the window, one more is taken.
_WAIT = text(
    """
select extract(epoch from min(at) + make_interval(secs => :window) - now()) from (
    select at from login_failure
     where {} = :of and at > now() - make_interval(secs => :window)
     order by at desc limit :attempts) newest
having count(*) >= :attempts
"""
)
_WAIT_NAME, _WAIT_ADDRESS = (text(str(_WAIT).format(column)) for column in ("name", "address"))
_NOTE = text("insert into login_failure (name, address) values (:name, :address) returning id")
_FORGIVE = text("delete from login_failure where id = :id or (name = :name and address = :address)")


@dataclass(frozen=True)
class Limit:
    """How many failed logins are taken, within how many seconds."""

    attempts: int
    window: float


@dataclass(frozen=True)
class Attempt:
    """A login that has failed unless it is taken back."""

    id: int
    name: str
    address: str


def begin(connection: Connection, name: str, address: str, limit: Limit) -> Attempt:
    """Note an attempt. Commit before the password is looked at.

    Raises:
        TooMany: as many failed as are taken.
    """
    name, address = name[:_NAME], of_whom(address)
    for of in sorted((f"name:{name}", f"address:{address}")):
        connection.execute(_ALONE, {"of": of})
    connection.execute(_TIDY, {"window": limit.window})
    for statement, of in ((_WAIT_NAME, name), (_WAIT_ADDRESS, address)):
        values = {"of": of, "window": limit.window, "attempts": limit.attempts}
        wait = connection.execute(statement, values).scalar_one_or_none()
        if wait is not None:
            raise TooMany(float(wait))
    noted = connection.execute(_NOTE, {"name": name, "address": address}).scalar_one()
    return Attempt(noted, name, address)


def succeeded(connection: Connection, attempt: Attempt) -> None:
    """The password was right. What failed by other names from the same address stays: whoever has a password
    of their own must not get more tries at those of others by logging in between."""
    connection.execute(_FORGIVE, {"id": attempt.id, "name": attempt.name, "address": attempt.address})


def of_whom(address: str) -> str:
    """What is counted as one address: of IPv6 the network, since each customer has a whole one."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:_NAME]
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return f"{IPv6Address(int(found) >> 64 << 64)}/64"
    return str(found)
