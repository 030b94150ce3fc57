"""The intake in processes of their own, for tests that end them in the middle.

A process that has imported everything once, and begins a new one for each line that it is told: that takes a
hundredth of a second instead of two. A line is JSON: {settings, mode: "once" | "run", kill: [stage, step] or
null, log: path}, answered by the number of the new process; or {wait: number}, answered by how it ended.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import traceback
from threading import Event
from typing import Any

from medialift.audiobooks import service
from medialift.queueing.database import Database
from medialift.settings import Settings


def work(given: dict[str, Any]) -> None:
    """Do as one line says, in this process."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s", force=True)
    settings = Settings(**given["settings"])
    kill = tuple(given["kill"] or ())

    def step(stage: str, words: str) -> None:
        if (stage, words) == kill:
            os.kill(os.getpid(), signal.SIGKILL)

    with Database.open(settings.database) as database:
        if given["mode"] == "run":
            service.run(settings, database, step=step)
        else:
            service.once(settings, database, watch=lambda _status: None, stop=Event(), step=step)


def begin(given: dict[str, Any]) -> int:
    """A new process that does as one line says; its number."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        log = os.open(given["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(log, 2)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        work(given)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Answer lines until there are no more."""
    for line in sys.stdin:
        given = json.loads(line)
        told = os.waitpid(given["wait"], 0)[1] if "wait" in given else begin(given)
        sys.stdout.write(f"{told}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
