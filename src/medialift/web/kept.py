"""Counts of a large ledger, which take longer than an answer may: kept, and counted anew beside the answers.

PostgreSQL counts a million items in a fifth of a second and their files in three, so not for each of twenty
pages a second. A count is exact for the moment that it tells, `Counted.at`. A small ledger is counted for
every answer.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Generic, TypeVar, cast

from sqlalchemy import Connection, text

from medialift.queueing.database import Database

T = TypeVar("T")
Count = Callable[[Connection], T]

SMALL_BYTES = 1_000_000
"""Of the table of items: some 6,000 of them, which are counted within 20 ms."""
# Each takes a twentieth of one processor at most, and what nobody asked for is not shown as of long ago.
_SHARE, _FRESH_SECONDS, _OLDEST_SECONDS = 20.0, 1.0, 60.0
_COUNT_SECONDS = 60

_log = logging.getLogger(__name__)
_SMALL = text("select pg_relation_size('item') < :small, now()")
# All statements of a count see the same.
_ONE_MOMENT = text("set transaction isolation level repeatable read")
# It takes one processor and no more: the others answer.
_BOUNDS = text(
    "select set_config('statement_timeout', :timeout, true), set_config('timezone', 'UTC', true),"
    " set_config('max_parallel_workers_per_gather', '0', true), now()"
)


@dataclass(frozen=True)
class Counted(Generic[T]):
    """A count, and the moment that it is exact for."""

    value: T
    at: datetime


@dataclass
class _Entry:
    counted: Counted[Any] | None = None
    took: float = 0.0
    since: float = 0.0
    running: Future[Counted[Any]] | None = None


@dataclass
class Kept:
    """What was counted of one ledger."""

    database: Database
    small: int = SMALL_BYTES
    _entries: dict[Hashable, _Entry] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(2, thread_name_prefix="counting")
    )

    def of(self, connection: Connection, name: Hashable, count: Count[T]) -> Counted[T]:
        """A count: made now where the ledger is small, else one of a few seconds ago.

        Args:
            connection: of the request, for a small ledger.
            name: tells this count from others.
            count: counts, in a transaction.
        """
        small, now = connection.execute(_SMALL, {"small": self.small}).one()
        if small:
            return Counted(count(connection), now.astimezone(UTC))
        with self._lock:
            entry = self._entries.setdefault(name, _Entry())
            age = time.monotonic() - entry.since
            if age > max(_FRESH_SECONDS, _SHARE * entry.took) and entry.running is None:
                entry.running = self._pool.submit(self._count, entry, count)
            running = entry.running
            good = entry.counted is not None and age <= max(_OLDEST_SECONDS, 2 * _SHARE * entry.took)
            if good or running is None:
                return cast(Counted[T], entry.counted)
        return cast(Counted[T], running.result(_COUNT_SECONDS))

    def _count(self, entry: _Entry, count: Count[Any]) -> Counted[Any]:
        began = time.monotonic()
        try:
            with self.database.engine.begin() as connection:
                connection.execute(_ONE_MOMENT)
                given = {"timeout": f"{_COUNT_SECONDS}s"}
                at = connection.execute(_BOUNDS, given).one()[-1]
                counted = Counted(count(connection), at.astimezone(UTC))
        except Exception as error:
            _log.warning("The ledger could not be counted: %s", type(error).__name__)
            with self._lock:
                entry.running = None
            raise
        with self._lock:
            entry.counted, entry.running = counted, None
            entry.since, entry.took = time.monotonic(), time.monotonic() - began
        return counted
