"""Taking back what a worker held, once its process is proven to be over."""

from __future__ import annotations

import socket

from sqlalchemy import text

from medialift.errors import Transient
from medialift.queueing import sweeping, workers
from medialift.queueing.crew import AWAY, gone
from medialift.queueing.database import Database

_LAST_LIFE = text("select host, pid, life, pipeline, collection from worker where name = :name for update")


def take_back(database: Database, name: str) -> int:
    """Make what a worker of this host held ready for others at once; how many items.

    A new life of it has to wait for the lock on its row, and claims only then: nothing of its own is taken.
    What a worker of another host held is left to its leases: nobody here knows whether its process is over.

    Raises:
        Transient: a process of its last life is there still, or the database does not answer.
    """
    try:
        with database.engine.begin() as connection:
            row = connection.execute(_LAST_LIFE, {"name": name}).one_or_none()
            if row is None or row.host != socket.gethostname():
                return 0
            if workers.is_alive(row.life):
                raise Transient("A worker that was stopped lives on", f"{name} (process {row.pid})")
            return sweeping.give_back_of(connection, row.pipeline, row.collection, name)
    except AWAY as error:
        raise gone(error) from error
