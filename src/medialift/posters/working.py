"""One worker of posters: as a service, and here until all is done."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread

from medialift.diagnostics.traffic import Recorder
from medialift.errors import MedialiftError
from medialift.posters import status as standing
from medialift.posters.handler import PostersHandler
from medialift.posters.names import PIPELINE
from medialift.posters.status import Status
from medialift.queueing.crew import AWAY, Backoff
from medialift.queueing.database import Database
from medialift.queueing.outcome import Bounds, Ended
from medialift.queueing.worker import Pace, Worker
from medialift.settings import Settings, secrets

_LOOK_SECONDS = 1.0
_SHOWN = ("url", "image", "session", "interval", "concurrency")
_MOST_AT_ONCE = 50


def work(
    settings: Settings, database: Database, name: str, bounds: Bounds | None = None, stop: Event | None = None
) -> Ended:
    """Work until told to end, or until the bounds are reached; to be called in the main thread.

    Raises:
        Permanent: another worker has this name, or a person has to change something.
        Transient: the database stayed away too long.
    """
    posters, workers = settings.posters, settings.workers
    recorder = Recorder(
        settings.diagnostics,
        pipeline=PIPELINE,
        secrets=secrets(settings),
        about={"collection": posters.collection},
    )
    worker = Worker(
        database,
        PostersHandler(posters, recorder=recorder),
        name,
        PIPELINE,
        posters.collection,
        pace=Pace(
            batch=min(_MOST_AT_ONCE, 4 * posters.concurrency),
            attempts=posters.max_retries + 1,
            lease=workers.lease,
            heartbeat=workers.heartbeat,
        ),
        bounds=bounds or Bounds(),
        settings={one: getattr(posters, one) for one in _SHOWN},
        backoff=Backoff(posters.retry_base, 3600.0),
        stop=stop,
    )
    return worker.run_alone()


def here(
    settings: Settings,
    database: Database,
    *,
    watch: Callable[[Status], object] = lambda _status: None,
    stop: Event | None = None,
) -> Ended:
    """Work here until nothing is left, or until somebody, or the worker itself, pauses the pipeline."""
    over, ended = stop or Event(), Event()
    watching = Thread(target=_watch, args=(settings, database, watch, over, ended), daemon=True)
    watching.start()
    try:
        name = f"{socket.gethostname()}@posters{os.getpid()}"
        return work(settings, database, name, Bounds(until_done=True), over)
    finally:
        ended.set()
        watching.join(10)


def name_here(settings: Settings) -> str:
    """The name of the one worker that runs as a service here."""
    return settings.workers.name or f"{socket.gethostname()}-posters@1"


def _watch(
    settings: Settings,
    database: Database,
    watch: Callable[[Status], object],
    over: Event,
    ended: Event,
) -> None:
    while True:
        with suppress(*AWAY, MedialiftError), database.engine.connect() as connection:
            now = standing.status(connection, settings.posters.collection, batches_shown=1)
            watch(now)
            if now.control.rests:
                over.set()
        if ended.wait(_LOOK_SECONDS):
            return
