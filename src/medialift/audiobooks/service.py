"""The intake as a service, and once: a watcher of the inbox, a worker, and what they need beside them."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from sqlalchemy import Connection

from medialift.audiobooks import enqueue, inbox, metrics, opening
from medialift.audiobooks import status as standing
from medialift.audiobooks.after import After
from medialift.audiobooks.answering import Answering
from medialift.audiobooks.beside import Beside
from medialift.audiobooks.enqueue import Entered
from medialift.audiobooks.handler import AudiobooksHandler
from medialift.audiobooks.health import Checks
from medialift.audiobooks.inbox import Memory, Scan
from medialift.audiobooks.plugins import Plugins
from medialift.audiobooks.stages import PIPELINE
from medialift.audiobooks.status import Status
from medialift.audiobooks.watching import Watching
from medialift.audiobooks.workshop import Workshop
from medialift.diagnostics.traffic import Recorder
from medialift.foundation.units import format_duration, format_size
from medialift.foundation.waiting import Clock, SystemClock, wait_until
from medialift.queueing.crew import AWAY
from medialift.queueing.database import Database
from medialift.queueing.outcome import Bounds, Ended
from medialift.queueing.supervisor import Supervisor
from medialift.queueing.worker import Pace, Worker
from medialift.settings import Settings, secrets

_log = logging.getLogger(__name__)

# What the handler decides by itself: an attempt that it ends with an error knows its own limit.
_ATTEMPTS = 1_000
_AFTER_SECONDS = 5.0
_LOOK_SECONDS = 1.0
_SHOWN = ("inbox", "converted", "parallel_books", "cores", "convert", "on_complete")


@dataclass
class Intake:
    """The inbox and the ledger: looks into the one and writes into the other."""

    settings: Settings
    database: Database
    clock: Clock = field(default_factory=SystemClock)
    memory: Memory | None = None

    def look(self) -> tuple[Scan, Entered]:
        """Look once.

        Raises:
            Transient: the inbox is away: nothing follows from what is not seen.
            Permanent: the match filter is none.
        """
        audiobooks = self.settings.audiobooks
        scan = inbox.scan(audiobooks, now=self.clock.now(), memory=self.memory)
        with self.database.engine.begin() as connection:
            entered = enqueue.enter(
                connection, audiobooks.collection, audiobooks.inbox, scan.books, scan.refused
            )
        if entered.anything:
            _log.info(
                "in the inbox: %d new, %d changed, %d refused, %d gone",
                len(entered.added),
                len(entered.changed),
                len(entered.refused),
                len(entered.gone),
            )
        return scan, entered


def name_here(settings: Settings) -> str:
    """The name of the one service of this collection here: its own, or the host's with the collection's."""
    return settings.workers.name or f"{socket.gethostname()}-{settings.audiobooks.collection}"


def pace_of(settings: Settings, parallel: int) -> Pace:
    """One book to a claim and to a ring of the bell, so that several are begun at once."""
    workers = settings.workers
    return Pace(
        batch=1,
        job_size=1,
        concurrency=parallel,
        attempts=_ATTEMPTS,
        lease=workers.lease,
        heartbeat=workers.heartbeat,
    )


def run(
    settings: Settings,
    database: Database,
    *,
    step: Callable[[str, str], object] = lambda _stage, _step: None,
) -> Ended:
    """Be the service until SIGTERM; to be called in the main thread.

    Raises:
        Permanent: the settings are wrong, a program is missing, the port of /health is taken, or another
            service has this name.
        Transient: the database stayed away too long.
    """
    opening.refuse_wrong(settings)
    _tell_figures(settings, database)
    audiobooks = settings.audiobooks
    memory = Memory()
    intake = Intake(settings, database, memory=memory)
    with opening.plugins(settings) as plugins:
        after = Beside("after", After(settings, database, plugins, step=step).round, _AFTER_SECONDS)
        handler = AudiobooksHandler(
            audiobooks,
            lambda: opening.workshop(settings, plugins, memory),
            nudge=after.nudge,
            step=step,
            recorder=_recorder(settings),
        )
        worker = _worker(settings, database, handler, Bounds())
        supervisor = Supervisor(
            database, every=settings.workers.sweep, silence=settings.workers.lease, job_size=1
        )
        look = Beside("inbox", intake.look, audiobooks.rescan)
        beside = {
            "inbox": look,
            "after": after,
            "supervisor": Beside("supervisor", supervisor.round, settings.workers.sweep),
        }
        with _all(beside), Watching(audiobooks, look.nudge), _answering(settings, database, beside):
            return worker.run_alone()


def once(
    settings: Settings,
    database: Database,
    *,
    watch: Callable[[Status], object],
    stop: Event,
    step: Callable[[str, str], object] = lambda _stage, _step: None,
    clock: Clock | None = None,
) -> dict[str, Any]:
    """Take what lies in the inbox, do what can be done now, and end: {changed, found, added, refused, ended}.

    Raises:
        Permanent: the settings are wrong, or a program is missing.
        Transient: the inbox or the database is away.
    """
    opening.refuse_wrong(settings)
    intake = Intake(settings, database, clock or SystemClock())
    scan, entered = _when_quiet(intake, stop)
    with opening.plugins(settings) as plugins:
        after = After(settings, database, plugins, step=step)
        # What an earlier run left to be done comes first: sources that are put away are no books any more.
        after.round(stop)
        putting = Beside("after", lambda: after.round(), _AFTER_SECONDS)
        handler = AudiobooksHandler(
            settings.audiobooks,
            lambda: _primed(settings, plugins),
            nudge=putting.nudge,
            step=step,
            recorder=_recorder(settings),
        )
        worker = _worker(settings, database, handler, Bounds(until_idle=True))
        worker.stop = stop
        looking = Beside("status", lambda: watch(_status(settings, database)), _LOOK_SECONDS)
        with _all({"after": putting, "status": looking}):
            ended = None if stop.is_set() else worker.run_alone()
        after.round()
        with suppress(*AWAY):
            watch(_status(settings, database))
    did = ended.to_dict() if ended is not None else {"why": "drained", "items": 0}
    return {
        "changed": bool(entered.added or entered.changed or did["items"]),
        "found": len(scan.books),
        "added": len(entered.added) + len(entered.changed),
        "refused": [
            {"key": one.key, "why": one.why, "hint": one.hint, "tree": one.tree} for one in scan.refused
        ],
        "waiting": [{"key": one.key, "why": one.why} for one in scan.waiting],
        "ended": did,
    }


def _recorder(settings: Settings) -> Recorder:
    return Recorder(
        settings.diagnostics,
        pipeline=PIPELINE,
        # A catalogue answers so that it has no such book in this shop.
        expected=(404, 410),
        secrets=secrets(settings),
        about={"collection": settings.audiobooks.collection},
    )


def _primed(settings: Settings, plugins: Plugins) -> Workshop:
    """A workshop that knows where the inbox is mounted, before anything happens to it."""
    made = opening.workshop(settings, plugins)
    made.inbox_away()
    return made


def _when_quiet(intake: Intake, stop: Event) -> tuple[Scan, Entered]:
    """What is in the inbox when all of it has been quiet, or when it is clear that some of it will not be."""
    found: list[tuple[Scan, Entered]] = []

    def quiet() -> bool:
        found.append(intake.look())
        return not found[-1][0].waiting

    wait = intake.settings.audiobooks.wait
    wait_until(quiet, at_most=2 * wait + 1, every=max(0.1, wait / 4), clock=intake.clock, stop=stop)
    entered = [one for _, one in found]
    return found[-1][0], Entered(
        added=tuple(key for one in entered for key in one.added),
        changed=tuple(key for one in entered for key in one.changed),
        refused=tuple(refused for one in entered for refused in one.refused),
        gone=tuple(key for one in entered for key in one.gone),
    )


def _worker(settings: Settings, database: Database, handler: AudiobooksHandler, bounds: Bounds) -> Worker:
    audiobooks = settings.audiobooks
    name = name_here(settings)
    return Worker(
        database,
        handler,
        name if not bounds.any else f"{name}@once",
        PIPELINE,
        audiobooks.collection,
        pace=pace_of(settings, handler.parallel),
        bounds=bounds,
        settings={one: str(getattr(audiobooks, one)) for one in _SHOWN},
    )


@contextmanager
def _all(beside: Mapping[str, Beside]) -> Iterator[None]:
    for one in beside.values():
        one.start()
    try:
        yield
    finally:
        for one in beside.values():
            one.stop()


@contextmanager
def _answering(settings: Settings, database: Database, beside: Mapping[str, Beside]) -> Iterator[None]:
    audiobooks = settings.audiobooks
    if not audiobooks.health_port:
        yield
        return

    def live() -> bool:
        return all(one.alive for one in beside.values())

    def figures() -> bytes:
        with database.engine.connect() as connection:
            return metrics.exposition(connection, audiobooks.collection)

    checks = Checks(settings, database, lambda: {name: one.why for name, one in beside.items()}, live)
    answering = Answering(audiobooks.health_host, audiobooks.health_port, checks.look, live, figures)
    answering.start()
    try:
        yield
    finally:
        answering.stop()


def _status(settings: Settings, database: Database) -> Status:
    with database.engine.connect() as connection:
        return standing.status(connection, settings.audiobooks.collection)


def _tell_figures(settings: Settings, database: Database) -> None:
    """Say at the start what was done so far."""

    def read(connection: Connection) -> metrics.Figures:
        return metrics.read(connection, settings.audiobooks.collection)

    with suppress(*AWAY):
        with database.engine.connect() as connection:
            figures = read(connection)
        one = figures.lifetime
        _log.info(
            "so far %d books were converted (%s of sources, %s to listen to) and %d failed; %d wait",
            one.converted,
            format_size(one.bytes),
            format_duration(one.played),
            one.failed,
            sum(figures.backlog.values()),
        )
