"""Workers of posters in processes of their own: what `tests.hands` begins.

A line is {url (of the ledger), name, posters (the section [posters]), log}, and of these

    die      [step, when, calls]: it is killed "before" or "after" the so manieth call of one of `STEPS`
    rest     seconds that it rests when its folder is away, instead of the usual ones
    until    "done": it ends when nothing is left
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from medialift.posters import handler, picture, records
from medialift.posters.folder import Folder
from medialift.posters.handler import PostersHandler
from medialift.posters.jellyfin import Jellyfin
from medialift.queueing import claims
from medialift.queueing.crew import Backoff, Crew
from medialift.queueing.database import Database
from medialift.queueing.outcome import Bounds
from medialift.queueing.worker import Pace, Worker
from medialift.settings import PostersSettings
from tests.hands import serve

QUICK = {
    "batch": 8,
    "lease": 4.0,
    "margin": 0.5,
    "heartbeat": 0.5,
    "poll": 0.2,
    "report": 0.2,
    "stalled": 5.0,
}
STEPS: dict[str, tuple[Any, str]] = {
    "ask for it": (Jellyfin, "picture"),
    "examine it": (picture, "examine"),
    "put the old one aside": (Folder, "put_aside"),
    "write it": (Folder, "write"),
    "remove the old one": (Folder, "remove"),
    "remember it": (records, "remember"),
    "keep what is there": (Folder, "keep"),
    "note what is kept": (records, "keep"),
    "send it": (Jellyfin, "upload"),
    "take it away": (Jellyfin, "delete"),
    "write that it is done": (claims, "finish"),
    "be done": (Crew, "finish"),
}


def work(given: dict[str, Any]) -> None:
    """Do as one line says, in this process."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s", stream=sys.stderr)
    settings = PostersSettings(**given["posters"])
    if "die" in given:
        step, when, calls = given["die"]
        owner, name = STEPS[step]
        setattr(owner, name, _dying(getattr(owner, name), when, calls))
    if "rest" in given:
        vars(handler)["_FOLDER_REST_SECONDS"] = given["rest"]
    with Database(given["url"]) as database:
        Worker(
            database,
            PostersHandler(settings, backoff=Backoff(settings.retry_base, 0.2)),
            given["name"],
            "posters",
            settings.collection,
            Pace(**QUICK),
            Bounds(until_done=given.get("until") == "done"),
        ).run_alone()


def _dying(step: Callable[..., Any], when: str, calls: int) -> Callable[..., Any]:
    left = calls

    def now(moment: str) -> None:
        nonlocal left
        if moment == "before":
            left -= 1
        if not left and moment == when:
            os.kill(os.getpid(), signal.SIGKILL)

    async def waited(*given: Any, **named: Any) -> Any:
        now("before")
        done = await step(*given, **named)
        now("after")
        return done

    def called(*given: Any, **named: Any) -> Any:
        now("before")
        done = step(*given, **named)
        now("after")
        return done

    return waited if asyncio.iscoroutinefunction(step) else called


if __name__ == "__main__":
    serve(work)
