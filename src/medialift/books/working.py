"""One worker of books: as a service, and as a process that `running` starts.

As a process it takes one line of JSON on its standard input: {options, name, bounds}. Secrets are in it, so
it goes by no argument and no environment. As long as the input stays open somebody waits for it; when it
closes the worker drains, so none outlives whoever started it. On its standard output it tells how it ended.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from threading import Thread
from typing import Any, TextIO

from medialift.books.handler import BooksHandler
from medialift.books.options import Options
from medialift.books.plan_writing import PIPELINE
from medialift.diagnostics.traffic import Recorder
from medialift.errors import MedialiftError, Permanent
from medialift.foundation.logs import log_to_stderr
from medialift.queueing.database import Database
from medialift.queueing.outcome import Bounds, Ended
from medialift.queueing.worker import Pace, Worker
from medialift.settings import Settings, secrets

_NAMES = 64
_TAKEN = "Another worker has this name already"
_SHOWN = ("server", "transfer", "parallel_uploads", "batch", "max_upload")


def work(settings: Settings, database: Database, name: str, bounds: Bounds | None = None) -> Ended:
    """Work until told to end, or until the bounds are reached; to be called in the main thread.

    Raises:
        Permanent: another worker has this name, or a person has to change something.
        Transient: the database stayed away too long.
    """
    books, workers = settings.books, settings.workers
    recorder = Recorder(
        settings.diagnostics,
        pipeline=PIPELINE,
        # The server answers so when a list has no more pages, and when a row is none yet.
        expected=(404,),
        secrets=secrets(settings),
        about={"collection": books.collection},
    )
    worker = Worker(
        database,
        BooksHandler(books, recorder=recorder),
        name,
        PIPELINE,
        books.collection,
        pace=Pace(
            batch=books.batch, attempts=books.attempts, lease=workers.lease, heartbeat=workers.heartbeat
        ),
        bounds=bounds or Bounds(),
        settings={one: getattr(books, one) for one in _SHOWN},
    )
    return worker.run_alone()


def name_here(settings: Settings) -> str:
    """The name of the one worker that runs as a service here."""
    return settings.workers.name or socket.gethostname()


def main(told: TextIO = sys.stdin, answer: TextIO = sys.stdout) -> int:
    """Take the line, work, tell how it ended; 0 when it ended well."""
    try:
        given = json.loads(told.readline())
        Thread(target=_drain_at_the_end_of, args=(told,), daemon=True).start()
        options = Options.of(given["options"])
        settings = options.read_settings()
        log_to_stderr(settings.runtime.log_level, secrets(settings), service=True)
        with Database.open(settings.database) as database:
            ended = _under_a_free_name(settings, database, given["name"], Bounds(**given["bounds"]))
    except MedialiftError as error:
        return _tell(answer, {"error": error.to_dict()}, 1)
    return _tell(answer, {"ended": ended.to_dict()}, 0)


def _under_a_free_name(settings: Settings, database: Database, number: int, bounds: Bounds) -> Ended:
    """The first of `HOST@run1`, `HOST@run2` … from this number on that no living process has."""
    for taken in range(_NAMES):
        try:
            return work(settings, database, f"{socket.gethostname()}@run{number + taken}", bounds)
        except Permanent as error:
            if error.what != _TAKEN:
                raise
    raise Permanent("Too many workers run here", f"{_NAMES} of them", "Wait until some have ended")


def _drain_at_the_end_of(told: TextIO) -> None:
    for _ in told:
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _tell(answer: TextIO, told: dict[str, Any], code: int) -> int:
    answer.write(json.dumps(told) + "\n")
    answer.flush()
    return code


if __name__ == "__main__":
    sys.exit(main())
