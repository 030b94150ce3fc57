"""A worker of posters as a process of its own: `python -m tests.poster_worker '{…}'`.

Its one argument is JSON: url (of the ledger), name, posters (the section [posters]).
"""

from __future__ import annotations

import json
import logging
import sys

from medialift.posters.handler import PostersHandler
from medialift.queueing.crew import Backoff
from medialift.queueing.database import Database
from medialift.queueing.worker import Pace, Worker
from medialift.settings import PostersSettings

QUICK = {
    "batch": 8,
    "lease": 4.0,
    "margin": 0.5,
    "heartbeat": 0.5,
    "poll": 0.2,
    "report": 0.2,
    "stalled": 5.0,
}


def main() -> None:
    given = json.loads(sys.argv[1])
    settings = PostersSettings(**given["posters"])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s", stream=sys.stderr)
    with Database(given["url"]) as database:
        handler = PostersHandler(settings, backoff=Backoff(settings.retry_base, 0.2))
        Worker(database, handler, given["name"], "posters", settings.collection, Pace(**QUICK)).run_alone()


if __name__ == "__main__":
    main()
