"""What a pipeline's handler is given: how to end leases, tell its progress, and hear that it has to stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from random import Random
from threading import Lock
from typing import Any, Literal, Protocol, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from medialift.errors import MedialiftError, Transient
from medialift.queueing import claims
from medialift.queueing.control import Control
from medialift.queueing.database import Database
from medialift.queueing.keeping import Keeping
from medialift.queueing.leases import Lease
from medialift.queueing.workers import Totals

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

AWAY = (OperationalError, InterfaceError, PoolTimeout)
"""What SQLAlchemy raises when the database is away; also when it ended a deadlock. It may come back."""
_AGAIN_SECONDS = (0.2, 0.5, 1.0, 2.0)


class Handler(Protocol):
    """The work of a pipeline."""

    async def open(self, crew: Crew) -> None:
        """Before the first item: log in, connect. `Transient` is tried again."""
        ...

    async def work(self, leases: list[Lease], crew: Crew) -> None:
        """Work on items. Each lease ends in `crew.finish`, `crew.fail` or `crew.give_back`.

        What is not ended when this returns is given back; when it raises, it fails by that error. It must
        begin nothing new once `crew.draining` is set, and stop working on a lease that is lost.
        """
        ...

    async def close(self) -> None:
        """After the last item, also when `open` failed."""
        ...


class Backoff:
    """Seconds until the next attempt: doubled each time from the first, with jitter, up to the longest."""

    def __init__(self, first: float = 2.0, longest: float = 3600.0, random: Random | None = None) -> None:
        self._first, self._longest = first, longest
        self._random = random or Random()  # noqa: S311 - it keeps workers apart, and guards nothing

    def after(self, attempts: int) -> float:
        """`attempts` were made so far, at least one."""
        return min(self._first * 2.0 ** (attempts - 1), self._longest) * self._random.uniform(0.75, 1.25)


class Crew:
    """One worker's side of the ledger.

    Attributes:
        name: the worker's name.
        draining: set when the worker is to end: finish what is in flight, begin nothing.
        control: how the pipeline is to run, as last read from the ledger.
    """

    def __init__(
        self,
        name: str,
        database: Database,
        keeping: Keeping,
        *,
        attempts: int,
        backoff: Backoff,
    ) -> None:
        self.name, self.database = name, database
        self.draining = asyncio.Event()
        self.control = Control()
        self.rest_until = 0.0
        self.resting_why = ""
        self.current_item: int | None = None
        self.ended = 0
        self._debug_until = 0.0
        self._keeping, self._attempts, self._backoff = keeping, attempts, backoff
        self._phase = ""
        self._totals = Totals()
        self._lock = Lock()

    async def finish(
        self,
        lease: Lease,
        state: Literal["done", "skipped"] = "done",
        result: Mapping[str, Any] | None = None,
        also: Callable[[Connection], object] | None = None,
    ) -> bool:
        """End a lease by its result. False: it was lost, throw the result away.

        Args:
            also: further writes, in the same transaction: they are made if and only if the result counts. It
                may be called again when the database goes away meanwhile, after a rollback or after a commit.
        """

        def write(connection: Connection) -> bool:
            if not claims.finish(connection, lease, state, result):
                return False
            if also is not None:
                also(connection)
            return True

        return await self._end(lease, write, False)

    async def fail(
        self,
        lease: Lease,
        error: MedialiftError,
        *,
        delay: float | None = None,
        limit: int | None = None,
        also: Callable[[Connection, str], object] | None = None,
    ) -> str:
        """End a lease by an error: 'ready' (to be tried again), 'failed', 'cancelled', or 'lost'.

        Args:
            delay: seconds until it is tried again, instead of what the number of attempts says.
            limit: attempts before it has failed, instead of the worker's.
            also: further writes, in the same transaction, told what became of the item; as in `finish`.
        """
        seconds = self._backoff.after(lease.attempts) if delay is None else delay
        attempts = self._attempts if limit is None else limit

        def write(connection: Connection) -> str:
            state = claims.retry_later(connection, lease, error, delay_seconds=seconds, limit=attempts)
            if also is not None and state != "lost":
                also(connection, state)
            return state

        return await self._end(lease, write, "lost")

    def has_ended(self, lease: Lease, *, counts: bool = True) -> None:
        """The handler ended this lease in a transaction of its own; one that it put off does not count."""
        self._keeping.drop(lease)
        self.ended += counts

    async def give_back(self, leases: Iterable[Lease]) -> None:
        """Make items ready for others at once; the attempt does not count."""
        given = self._keeping.unended(leases)
        held = [lease for lease in given if self._keeping.held(lease)]
        if held:
            try:
                await self._again(
                    lambda connection: claims.give_back(connection, held),
                    lambda: any(map(self._keeping.held, held)),
                )
            except Transient as error:
                _log.warning("%d items wait until their leases end: %s", len(held), error)
        for lease in given:
            self._keeping.drop(lease)

    async def transaction(self, work: Callable[[Connection], _T], *, lease: Lease | None = None) -> _T:
        """Run `work` in a transaction of the ledger, in a thread; what it returned.

        It is run again while the database is away, as long as `lease` is held (without one: for a minute); so
        it must do no harm when it is done twice.

        Raises:
            Transient: the database stays away, or the lease is lost.
        """
        if lease is not None:
            return await self._again(work, lambda: self._keeping.held(lease))
        until = self._keeping.now() + 60.0
        return await self._again(work, lambda: self._keeping.now() < until)

    def held(self, lease: Lease) -> bool:
        """Whether the item is still ours: to be asked right before anything that cannot be taken back."""
        return self._keeping.held(lease)

    def lost(self, lease: Lease) -> asyncio.Event:
        """Set when the lease is lost: stop working on it."""
        return self._keeping.lost(lease)

    def cancelled(self, lease: Lease) -> bool:
        """Whether somebody asked for it not to be done: give it back, and it is off the list."""
        return self._keeping.cancelled(lease)

    def phase(self, words: str, *, item: int | None = None) -> None:
        """What the worker does now, for people."""
        self._phase, self.current_item = words, item

    def progress(
        self, *, items: int = 0, files: int = 0, bytes: int = 0, rows: int = 0, slow: int = 0, moved: int = 0
    ) -> None:
        """Add to what was done; written to the ledger every few seconds. Safe to call from any thread.

        Args:
            moved: bytes that were read or sent just now. Told while a large file is under way, they show
                that the worker gets on with it.
        """
        with self._lock:
            self._totals = self._totals + Totals(items, files, bytes, rows, slow, moved)

    def rest(self, seconds: float, why: str) -> None:
        """Claim nothing for so long, as when the server is down; what is in hand goes on."""
        self.rest_until = self._keeping.now() + seconds
        self.resting_why = why

    def work_on(self) -> None:
        """End a rest."""
        self.rest_until = 0.0
        self.resting_why = ""

    @property
    def resting(self) -> str:
        """Why nothing is claimed now; "" when it is."""
        if self.control.rests:
            return self.control.why
        return self.resting_why if self._keeping.now() < self.rest_until else ""

    def debug_for(self, seconds: float) -> None:
        """The traffic of jobs is to be recorded for so long from now, as the ledger says."""
        self._debug_until = self._keeping.now() + seconds

    @property
    def debugging(self) -> bool:
        """Whether the switch of the batch debug log is on for this pipeline: it goes off by itself."""
        return self._keeping.now() < self._debug_until

    @property
    def totals(self) -> Totals:
        return self._totals

    @property
    def told_phase(self) -> str:
        return self._phase

    async def _end(self, lease: Lease, write: Callable[[Connection], _T], lost: _T) -> _T:
        if not self._keeping.held(lease):
            self._keeping.drop(lease)
            return lost
        try:
            ended = await self._again(write, lambda: self._keeping.held(lease))
        except Transient:
            ended = lost
        self._keeping.drop(lease)
        if ended != lost:
            self.ended += 1
        return ended

    async def _again(self, work: Callable[[Connection], _T], patient: Callable[[], bool]) -> _T:
        def go() -> _T:
            with self.database.engine.begin() as connection:
                return work(connection)

        tries = 0
        while True:
            try:
                return await asyncio.to_thread(go)
            except AWAY as error:
                if not patient():
                    raise gone(error) from error
                if tries == 0:
                    _log.warning("The ledger does not answer, asking again: %s", gone(error).subject)
            await asyncio.sleep(_AGAIN_SECONDS[min(tries, len(_AGAIN_SECONDS) - 1)])
            tries += 1


def gone(error: Exception) -> Transient:
    """The database is away, as people are told."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    said = str(origin).strip().splitlines()
    return Transient("The database does not answer", said[0] if said else "PostgreSQL")
