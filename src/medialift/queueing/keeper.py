"""The thread that keeps what a worker holds: it renews leases, gives signs of life and writes the progress.

A thread, since an event loop that is busy for a while must not lose its leases. A database that is away is
asked again at the next turn; it is the clock that ends a lease, not the answer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Thread

from sqlalchemy import Connection

from medialift.errors import Permanent
from medialift.queueing import claims, control, debug_switch, workers
from medialift.queueing.crew import AWAY, Crew, gone
from medialift.queueing.database import Database
from medialift.queueing.keeping import Keeping
from medialift.queueing.readiness import notify
from medialift.queueing.workers import Totals

_log = logging.getLogger(__name__)
# systemd's watchdog is fed as long as the event loop answers; one that is busy for longer is stuck.
_LOOP_SECONDS = 30.0
_STOP_SECONDS = 10.0
_MISSED_BEATS = 3


@dataclass
class Keeper:
    """Runs from `start` to `stop`; the last progress is written at the end.

    Attributes:
        drain: called in the event loop when somebody asked this worker to end, or took its name.
        renew, heartbeat, report: seconds between two renewals, signs of life, and writes of the progress.
    """

    database: Database
    me: workers.Me
    crew: Crew
    keeping: Keeping
    loop: asyncio.AbstractEventLoop
    drain: Callable[[], object]
    renew: float
    heartbeat: float
    report: float
    _stop: Event = field(default_factory=Event)
    _thread: Thread | None = None
    _away: bool = False
    _written: Totals = field(default_factory=Totals)
    _heard: float = field(default_factory=time.monotonic)

    def start(self) -> None:
        self._thread = Thread(target=self._run, name="keeper", daemon=True)
        self._thread.start()

    def stop(self, *, told: bool = True) -> None:
        """End, write what is not written yet, and leave; a database that is away is not waited for.

        Args:
            told: the worker ends because it was told to, or has done all that it should.
        """
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)
            self._try(lambda: self._write(self._report))
            self._try(lambda: self._write(lambda connection: workers.leave(connection, self.me, told=told)))

    def _run(self) -> None:
        turns = [
            (self.renew, self._renew),
            (self.heartbeat, lambda: self._write(self._beat)),
            (self.report, lambda: self._write(self._report)),
        ]
        due = [0.0, 0.0, self.report]
        began = time.monotonic()
        while not self._stop.wait(min(self.renew, self.heartbeat, self.report) / 4):
            for number, (every, turn) in enumerate(turns):
                if (now := time.monotonic() - began) >= due[number]:
                    self._try(turn)
                    due[number] = now + every

    def _write(self, what: Callable[[Connection], None]) -> None:
        with self.database.engine.begin() as connection:
            what(connection)

    def _try(self, turn: Callable[[], None]) -> None:
        try:
            turn()
            if self._away:
                _log.warning("The ledger answers again")
            self._away = False
        except AWAY as error:
            if not self._away:
                _log.warning("The ledger does not answer: %s", gone(error).subject)
            self._away = True
        except Permanent as error:
            _log.error("The worker has to end: %s", error)
            self._in_loop(self.drain)
        except Exception:
            # Whatever it was, the leases must be renewed at the next turn.
            _log.exception("The keeper of the leases was disturbed")

    def _renew(self) -> None:
        if not (leases := self.keeping.to_renew()):
            return
        at = self.keeping.now()
        # Only an answer that is committed may keep us from giving a lease up.
        with self.database.engine.begin() as connection:
            answer = claims.renew(connection, leases, ttl=self.keeping.ttl)
        if self.keeping.renewed(leases, answer, at):
            self._in_loop(self.keeping.fence)

    def _beat(self, connection: Connection) -> None:
        crew = self.crew
        state = "draining" if crew.draining.is_set() else "paused" if crew.resting else "running"
        beat = workers.beat(
            connection,
            self.me,
            state=state,
            phase=crew.told_phase,
            paused_why=crew.resting,
            current_item=crew.current_item,
            gap=_MISSED_BEATS * self.heartbeat,
        )
        if not beat.known:
            _log.warning("The ledger has forgotten worker %s: it registers again", self.me.name)
            workers.register(connection, self.me, done=self._written)
        if beat.drain:
            self._in_loop(self.drain)
        crew.control = control.read(connection, self.me.pipeline, self.me.collection)
        crew.debug_for(debug_switch.left(connection, self.me.pipeline))
        self._in_loop(self._hear)
        if time.monotonic() - self._heard < max(_LOOP_SECONDS, 3 * self.heartbeat):
            notify(f"WATCHDOG=1\nSTATUS={crew.resting or crew.told_phase or 'waiting for work'}")

    def _report(self, connection: Connection) -> None:
        totals = self.crew.totals
        if totals != self._written:
            workers.report(connection, self.me, totals)
            self._written = totals

    def _hear(self) -> None:
        self._heard = time.monotonic()

    def _in_loop(self, call: Callable[[], object]) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(call)
