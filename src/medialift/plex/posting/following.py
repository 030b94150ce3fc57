"""Tell the dashboard of a burst while it goes on, and go on trying until it has heard of the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Literal

from medialift.errors import MedialiftError, Transient
from medialift.foundation import journal, locks
from medialift.foundation.journal import RUNNING
from medialift.foundation.waiting import Clock, SystemClock
from medialift.plex.posting.dashboard import Dashboard
from medialift.plex.posting.outbox import Delivered, Outbox
from medialift.plex.posting.post import LAST, Post

Ended = Literal["told", "time", "busy"]
_LONGEST_SECONDS = 600.0


def follow(
    path: Path,
    post: Callable[[], Post | None],
    outbox: Outbox,
    dashboard: Dashboard,
    *,
    every: float,
    at_most: float,
    heard: Callable[[Delivered], None],
    clock: Clock | None = None,
    stop: Event | None = None,
) -> Ended:
    """Post a journal whenever it has grown, until it has ended and everything is told.

    Args:
        path: the journal. One that was set aside meanwhile has ended.
        post: what it says now.
        every: seconds between two looks; doubled, up to ten minutes, while nothing can be told.
        heard: told of each delivery.

    Returns:
        "told": all is told; "time": `at_most` seconds passed, or `stop` was set; "busy": another process
        follows this journal already.
    """
    clock, stop = clock or SystemClock(), stop or Event()
    deadline = clock.monotonic() + at_most
    outbox.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locks.alone(outbox.folder / ".following", at_most=0) as held:
        if not held:
            return "busy"
        seen, wait = -1, every
        while True:
            size = path.stat().st_size if path.exists() else seen
            ended = _ended(path)
            if size != seen and (found := post()) is not None:
                outbox.put(found)
            seen = size
            away = _deliver(outbox, dashboard, heard)
            if ended and not outbox.waiting():
                return "told"
            wait = min(wait * 2, max(every, _LONGEST_SECONDS)) if away else every
            left = deadline - clock.monotonic()
            if left <= 0 or clock.sleep(min(wait, left), stop):
                return "time"


def _deliver(outbox: Outbox, dashboard: Dashboard, heard: Callable[[Delivered], None]) -> bool:
    """Post what is there; whether the dashboard is away."""
    try:
        delivered = outbox.deliver(dashboard) if outbox.waiting() else []
    except Transient:
        return True
    for one in delivered:
        heard(one)
    return any(not one.ok and not one.refused for one in delivered)


def _ended(path: Path) -> bool:
    """Whether a journal has come to its end: that of a run that died has not."""
    try:
        phases = journal.phases(path)
    except MedialiftError:
        return True
    if not phases:
        return not path.exists()
    return any(one.name == LAST for one in phases) and all(one.outcome != RUNNING for one in phases)
