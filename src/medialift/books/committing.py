"""The ledger's pen of one worker: a thread that writes for all that is in flight, many writes per commit.

Whoever writes waits until it is committed. What was asked for while a commit was under way shares the next
one, and so does what comes within the next milliseconds: the more is in flight the fewer commits it takes. A
database that is away is waited for: the leases end by themselves meanwhile, and what then comes too late
finds its token refused.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event, Thread
from typing import TypeVar

from psycopg import Error as PsycopgError
from psycopg import InterfaceError, OperationalError
from psycopg.errors import PipelineAborted
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from medialift.books.batch import Batch
from medialift.books.writes import Fenced, Write, in_order
from medialift.errors import Transient

_log = logging.getLogger(__name__)
_W = TypeVar("_W", bound=Write)
# A commit waits so long for others to share it: it costs as much as what is in it.
_GATHER_SECONDS = 0.005
_AGAIN_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
_AT_MOST_SECONDS = 600.0
# All that is written here finds its rows by their keys, in a ledger of ten books and in one of a million. So
# one plan for each statement is enough: to make one anew costs more than to carry it out.
_BY_KEY = "set plan_cache_mode = force_generic_plan; set enable_seqscan = off"


@dataclass
class _Asked:
    writes: tuple[Write, ...]
    done: asyncio.Future[None]
    loop: asyncio.AbstractEventLoop


class Pen:
    """Writes to the ledger, one transaction after the other. Begin it with `async with`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._asked: SimpleQueue[_Asked | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="pen", daemon=True)
        self._stopped = Event()
        self._connection: Connection | None = None
        self.commits = 0

    async def __aenter__(self) -> Pen:
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopped.set()
        self._asked.put(None)
        await asyncio.to_thread(self._thread.join)

    async def write(self, write: _W, *more: Write) -> _W:
        """Commit these writes, all or none; the first of them, with its outcome.

        Raises:
            Fenced: the lease of one of them is lost.
            Transient: the database stayed away.
        """
        loop = asyncio.get_running_loop()
        asked = _Asked((write, *more), loop.create_future(), loop)
        self._asked.put(asked)
        await asked.done
        for one in asked.writes:
            if isinstance(one.outcome, Fenced):
                raise one.outcome
        return write

    def _run(self) -> None:
        ended = False
        while not ended:
            batch: list[_Asked] = []
            waiting = self._asked.get()
            time.sleep(_GATHER_SECONDS)
            while True:
                if waiting is None:
                    ended = True
                else:
                    batch.append(waiting)
                if self._asked.empty():
                    break
                waiting = self._asked.get()
            if batch:
                self._commit_all(batch)
        # Ended, not given back to the pool: nobody else is to have it as it was set up here.
        self._drop_connection()

    def _commit_all(self, batch: list[_Asked]) -> None:
        error = self._patiently(batch)
        if error is not None and len(batch) > 1:
            # One of them cannot be written: the others need not suffer.
            for asked in batch:
                self._tell([asked], self._patiently([asked]))
        else:
            self._tell(batch, error)

    def _patiently(self, batch: list[_Asked]) -> Exception | None:
        """Commit a batch; again for as long as it is the connection that fails."""
        waited = 0.0
        for attempt in range(1_000_000):
            try:
                self._commit(batch)
                return None
            except (DBAPIError, PsycopgError, PoolTimeout) as error:
                self._drop_connection()
                if not _connection_failed(error):
                    return error
                if waited >= _AT_MOST_SECONDS or self._stopped.is_set():
                    return Transient("The database does not answer", "the ledger", "Look at PostgreSQL")
                pause = _AGAIN_SECONDS[min(attempt, len(_AGAIN_SECONDS) - 1)]
                _log.warning("the ledger takes no writes, again in %g s: %s", pause, _first_line(error))
                self._stopped.wait(pause)
                waited += pause
            except Exception as error:
                self._drop_connection()
                return error
        raise AssertionError("the loop returns")

    def _commit(self, batch: list[_Asked]) -> None:
        if self._connection is None:
            # Transactions are begun and ended here: a write of one statement is one by itself, and needs no
            # two further ways to the database and back.
            opened = self._engine.connect()
            self._connection = opened.execution_options(isolation_level="AUTOCOMMIT")
            self._connection.exec_driver_sql(_BY_KEY)
        connection = self._connection
        writes = [write for asked in batch for write in asked.writes]
        driver = connection.connection.driver_connection
        assert driver is not None  # noqa: S101  an open connection has one
        sending = Batch(driver)
        if len(writes) == 1 and writes[0].single:
            in_order(writes, sending)
        else:
            with sending.transaction():
                in_order(writes, sending)
        sending.count()
        self.commits += 1

    def _drop_connection(self) -> None:
        if self._connection is not None:
            with suppress(Exception):
                self._connection.invalidate()
            with suppress(Exception):
                self._connection.close()
            self._connection = None

    @staticmethod
    def _tell(batch: list[_Asked], error: Exception | None) -> None:
        def tell() -> None:
            for asked in batch:
                if asked.done.cancelled():
                    continue
                if error is None:
                    asked.done.set_result(None)
                else:
                    asked.done.set_exception(error)

        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            batch[0].loop.call_soon_threadsafe(tell)


def _connection_failed(error: Exception) -> bool:
    """Whether the database or the way to it failed, or it broke a deadlock: not what was asked of it."""
    if isinstance(error, PoolTimeout):
        return True
    original = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(original, PipelineAborted):
        return False  # an earlier statement failed
    return isinstance(original, OperationalError | InterfaceError)


def _first_line(error: Exception) -> str:
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
