"""One at a time handles the workers of a host: a round of the healing, or a person."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

from sqlalchemy import Connection, text

from medialift.errors import Transient
from medialift.foundation.units import format_duration
from medialift.foundation.waiting import wait_until
from medialift.queueing.crew import AWAY, gone
from medialift.queueing.database import Database

# A lock of the session: it is gone with the connection, however the process ends.
_TAKE = text("select pg_try_advisory_lock(hashtextextended('medialift healing ' || :host, 0))")
_GIVE_BACK = text("select pg_advisory_unlock(hashtextextended('medialift healing ' || :host, 0))")
_LOOK_SECONDS = 0.25


@contextmanager
def turn(
    database: Database, host: str, *, at_most: float = 0.0, stop: Event | None = None
) -> Iterator[Connection | None]:
    """Have the workers of a host to oneself; None when another has them.

    Args:
        at_most: seconds to wait until it has not.
    """
    with database.autocommit.connect() as connection:
        given = {"host": host}

        def taken() -> bool:
            return bool(connection.execute(_TAKE, given).scalar_one())

        if not taken() and not wait_until(taken, at_most=at_most, every=_LOOK_SECONDS, stop=stop):
            yield None
            return
        try:
            yield connection
        finally:
            if not connection.invalidated:
                connection.execute(_GIVE_BACK, given)


@contextmanager
def by_hand(database: Database, host: str, *, at_most: float) -> Iterator[None]:
    """A person's turn, after a round that is under way.

    Raises:
        Transient: that takes longer than `at_most` seconds, or the database does not answer.
    """
    try:
        with turn(database, host, at_most=at_most) as connection:
            if connection is None:
                raise Transient(
                    "The healing is at the workers of this host",
                    f"{host}, for {format_duration(at_most)} now",
                    "Try it again when its round is over, or stop medialift-healing",
                )
            yield
    except AWAY as error:
        raise gone(error) from error
