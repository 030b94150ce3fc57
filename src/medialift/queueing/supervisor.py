"""The supervisor: every 15 s it gives back what dead workers held, and rings what was not heard.

It is a process of its own and no job of the queue, since it has to work when the queue does not. Several of
them do no harm: each step is one that may be done twice, and only one of them is at it at a time. One that is
frozen in the middle holds the others up for a minute at most: then the database cuts it off.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from threading import Event
from typing import TypeVar

from sqlalchemy import Connection, text

from medialift.errors import MedialiftError, Transient
from medialift.foundation.hours import Hours
from medialift.foundation.waiting import Clock, SystemClock
from medialift.queueing import cleaning, control, doorbell, events, ledger, sweeping
from medialift.queueing.crew import AWAY, gone
from medialift.queueing.database import Database
from medialift.queueing.readiness import notify

_T = TypeVar("_T")
WHO = "supervisor"
_log = logging.getLogger(__name__)

_ALONE = text("select pg_try_advisory_xact_lock(hashtextextended('medialift supervisor', 0))")
_CUT_OFF = text("set local idle_in_transaction_session_timeout = '60s'")
# A job that is 'doing' although its worker says nothing more, or is forgotten. A job is only a bell: it is
# closed, never tried again, and what it stood for is rung anew.
_STALLED = text(
    """
select job.id from procrastinate_jobs job left join procrastinate_workers w on w.id = job.worker_id
 where job.status = 'doing'
   and (w.id is null or w.last_heartbeat < now() - make_interval(secs => :silence))
 order by job.id
"""
)
_CLOSE = text("select procrastinate_finish_job_v1(:id, 'failed', false)")


@dataclass(frozen=True)
class Round:
    """What one round did.

    Attributes:
        active: False when another supervisor was at it.
        given_back, failed: items of leases that had ended.
        workers_gone: workers that say nothing more.
        rung: bells that were missing.
        closed: stalled jobs that were closed.
        cleaned: finished jobs that were deleted.
        errors: steps that could not be done, in words.
    """

    active: bool = True
    given_back: int = 0
    failed: int = 0
    workers_gone: tuple[str, ...] = ()
    rung: int = 0
    closed: int = 0
    cleaned: int = 0
    errors: tuple[str, ...] = ()

    @property
    def did_something(self) -> bool:
        return replace(self, active=True) != Round()


@dataclass
class Supervisor:
    """Rounds over all pipelines of a ledger; all times in seconds.

    Attributes:
        every: between two rounds.
        silence: without a sign of life for so long, a worker is gone, and the queue's job of it stalled.
        clean_every, clean_after: how often finished jobs are deleted, and how old they must be.
        local_time: what the hours of the day are compared with.
    """

    database: Database
    every: float = 15.0
    silence: float = 120.0
    clean_every: float = 3600.0
    clean_after: float = 86400.0
    job_size: int = doorbell.JOB_SIZE
    window: int = doorbell.WINDOW
    clock: Clock = field(default_factory=SystemClock)
    local_time: Callable[[], datetime] = datetime.now
    _cleaned: float | None = None

    def run(self, stop: Event) -> None:
        """Rounds until `stop` is set; a database that is away is asked again at the next."""
        notify("READY=1")
        away = False
        while not stop.is_set():
            try:
                done = self.round()
                if done.did_something:
                    _log.info("%s", done)
                away = False
            except Transient as error:
                if not away:
                    _log.warning("%s", error)
                away = True
            notify(f"WATCHDOG=1\nSTATUS={'the database does not answer' if away else 'watching'}")
            self.clock.sleep(self.every, stop)
        notify("STOPPING=1")

    def round(self) -> Round:
        """Do everything once.

        Raises:
            Transient: the database does not answer.
        """
        try:
            with self.database.engine.begin() as guard:
                guard.execute(_CUT_OFF)
                if not guard.execute(_ALONE).scalar_one():
                    return Round(active=False)
                done = self._steps()
            return self._clean_when_due(done)
        except AWAY as error:
            raise gone(error) from error

    def _steps(self) -> Round:
        errors: list[str] = []
        swept = self._step(self._sweep, sweeping.Swept(), errors)
        no_queues: list[tuple[str, str]] = []
        rung = 0
        for pipeline, collection in self._step(ledger.queues, no_queues, errors):
            self._step(partial(self._keep_hours, pipeline, collection), None, errors)
            rung += self._step(partial(self._ring, pipeline, collection), 0, errors)
        no_jobs: list[int] = []
        closed = sum(
            self._step(partial(self._close, job), 0, errors)
            for job in self._step(self._stalled, no_jobs, errors)
        )
        return Round(
            given_back=swept.given_back,
            failed=swept.failed,
            workers_gone=swept.workers_gone,
            rung=rung,
            closed=closed,
            errors=tuple(errors),
        )

    def _step(self, step: Callable[[Connection], _T], otherwise: _T, errors: list[str]) -> _T:
        """One transaction of its own: what goes wrong in it stops no other step."""
        try:
            with self.database.engine.begin() as connection:
                return step(connection)
        except AWAY:
            raise
        except Exception as error:
            _log.exception("A step of the supervisor failed")
            errors.append(str(error) if isinstance(error, MedialiftError) else repr(error.__cause__ or error))
            return otherwise

    def _sweep(self, connection: Connection) -> sweeping.Swept:
        swept = sweeping.sweep(connection, silence=self.silence)
        if swept != sweeping.Swept():
            after = {
                "given_back": swept.given_back,
                "failed": swept.failed,
                "workers_gone": list(swept.workers_gone),
            }
            events.record(connection, who=WHO, what="sweep", after=after)
        return swept

    def _keep_hours(self, pipeline: str, collection: str, connection: Connection) -> None:
        wanted = control.read(connection, pipeline, collection)
        closed = not Hours.parse(wanted.hours).open_at(self.local_time())
        if closed != wanted.closed:
            control.change(connection, pipeline, collection, who=WHO, closed=closed)

    def _ring(self, pipeline: str, collection: str, connection: Connection) -> int:
        return doorbell.ring(connection, pipeline, collection, window=self.window, job_size=self.job_size)

    def _stalled(self, connection: Connection) -> list[int]:
        return list(connection.execute(_STALLED, {"silence": self.silence}).scalars())

    def _close(self, job: int, connection: Connection) -> int:
        connection.execute(_CLOSE, {"id": job})
        return 1

    def _clean_when_due(self, done: Round) -> Round:
        now = self.clock.monotonic()
        if self._cleaned is not None and now - self._cleaned < self.clean_every:
            return done
        self._cleaned = now
        errors: list[str] = []
        self._step(cleaning.forget, None, errors)
        cleaned = cleaning.clean(self.database.engine, older_than=self.clean_after)
        return replace(done, cleaned=cleaned, errors=(*done.errors, *errors))
