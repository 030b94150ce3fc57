"""A worker that brings books, as a process of its own: `python -m tests.migration_worker '{…}'`.

Its one argument is JSON: url (of the ledger), name, books (the section
 [books]), die ("before" or "after", one of `STEPS`, the how manieth call of it), and what of `Pace`,
`Bounds` and `Rules` differs from their defaults for a test.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from medialift.books.handler import BooksHandler, client_of, rules_of
from medialift.books.means import Rules
from medialift.books.server.api import Server
from medialift.queueing.crew import Backoff
from medialift.queueing.database import Database
from medialift.queueing.outcome import Ended
from medialift.queueing.worker import Bounds, Pace, Worker
from medialift.settings import BooksSettings

QUICK = {
    "batch": 8,
    "job_size": 40,
    "lease": 4.0,
    "margin": 0.5,
    "heartbeat": 0.5,
    "poll": 0.2,
    "report": 0.2,
    "stalled": 5.0,
}
RULES = {"first_wait": 0.05, "held_wait": 1.0, "task_seconds": 3.0}


STEPS = ("check", "upload", "describe", "find_ebook", "create_ebook", "attach")


class Dying(Server):
    """A client whose process is killed right before, or right after, it calls the server."""

    def __init__(self, client: Server, when: str, step: str, calls: int = 1) -> None:
        super().__init__(client.session, client.socket)
        self.when, self.calls = when, calls
        setattr(self, step, self._dying(getattr(self, step)))

    def _dying(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def called(*args: Any, **named: Any) -> Any:
            self.calls -= 1
            now = not self.calls
            if now and self.when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            answer = await call(*args, **named)
            if now and self.when == "after":
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return called


async def work(given: dict[str, Any], database: Database) -> Ended:
    return await worker_of(given, database).run()


def worker_of(given: dict[str, Any], database: Database) -> Worker:
    settings = BooksSettings(**given["books"])
    usual = rules_of(settings)
    rules = Rules(**{**vars(usual), **RULES, **given.get("rules", {})})
    return Worker(
        database,
        BooksHandler(
            settings,
            rules=rules,
            backoff=Backoff(given.get("backoff", 0.1), 1.0),
            connect=lambda settings: (
                Dying(client_of(settings), *given["die"]) if "die" in given else client_of(settings)
            ),
        ),
        given["name"],
        "books",
        settings.collection,
        Pace(**{**QUICK, **given.get("pace", {})}),
        Bounds(**given.get("bounds", {"until_done": True})),
    )


def main() -> None:
    given = json.loads(sys.argv[1])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s", stream=sys.stderr)
    with Database(given["url"]) as database:
        ended = worker_of(given, database).run_alone()
    print(json.dumps(ended.to_dict()), flush=True)


if __name__ == "__main__":
    main()
