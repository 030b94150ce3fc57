"""Tests of notifications: do they arrive? Each is in the audit, and there are only so many a minute."""

from __future__ import annotations

from datetime import datetime
from threading import Lock
from typing import Any

from sqlalchemy import Connection, text

from medialift import notify
from medialift.notify import Delivery, Destination, Event, Notice
from medialift.queueing.database import Database
from medialift.settings import NotifySettings
from medialift.web.access.gate import Caller
from medialift.web.auditing import audited
from medialift.web.problems import Missing, Problem

WHAT = "notification test"
AT_MOST, WINDOW_SECONDS = 5, 60
_SHOWN = 10

# One test may take as long as its destinations do: two side by side would tell people twice.
_one_at_a_time = Lock()
_LATELY = text(
    "select count(*) as tests, extract(epoch from min(at) + make_interval(secs => :window) - now())::float8"
    " as wait from event where what = :what and at > now() - make_interval(secs => :window)"
)
_LATEST = text("select at, who, subject, after from event where what = :what order by id desc limit :limit")
_WAITING = text(
    "select detail->>'title' as title, tries, error_text as error from audiobook_todo"
    " where what = 'tell' and error_text <> '' order by id limit :limit"
)


def send(database: Database, settings: NotifySettings, caller: Caller, number: int | None) -> list[Delivery]:
    """Tell one destination, or all of them, that this is a test; how each took it.

    It takes whatever event a destination wants to hear of, or none: it is about whether it arrives.

    Raises:
        Missing: there is no such destination.
        Problem: 409, there is nobody to tell; 429, a test is under way or there were many of late.
    """
    known = notify.destinations(settings)
    if not known:
        raise Problem(409, "There is nobody to tell", "", "Set notify.urls in the settings")
    chosen = [one for one in known if number in (None, one.number)]
    if not chosen:
        raise Missing("There is no such destination", number, f"They go from 1 to {len(known)}")
    if not _one_at_a_time.acquire(blocking=False):
        raise _too_many(5.0)
    try:
        with database.engine.begin() as connection:
            lately = connection.execute(_LATELY, {"what": WHAT, "window": WINDOW_SECONDS}).one()
        if lately.tests >= AT_MOST:
            raise _too_many(lately.wait)
        notice = Notice(
            Event.ENDED,
            "medialift: a test",
            f"If you can read this, notifications arrive. {caller.name} asked for it on the dashboard.",
        )
        delivered = notify.send([notice], [settings.urls[one.number - 1] for one in chosen])
        with database.engine.begin() as connection:
            for one in delivered:
                told = {"ok": one.ok, **({"error": one.error} if one.error else {})}
                audited(connection, caller, WHAT, one.destination, after=told)
    finally:
        _one_at_a_time.release()
    return delivered


def latest(connection: Connection) -> list[tuple[datetime, str, str, dict[str, Any]]]:
    """The latest tests, the newest first: when, by whom, of which destination, {ok, error}."""
    found = connection.execute(_LATEST, {"what": WHAT, "limit": _SHOWN})
    return [(row.at, row.who, row.subject, row.after or {}) for row in found]


def waiting(connection: Connection) -> list[dict[str, Any]]:
    """Notices of books that could not be told yet and are tried again: {title, tries, error}."""
    return [row._asdict() for row in connection.execute(_WAITING, {"limit": _SHOWN})]


def wanted_by(known: list[Destination]) -> dict[str, list[tuple[Event, list[int]]]]:
    """{category: [(event, numbers of the destinations that hear of it)]}; one that is wrong hears nothing."""
    return {
        category: [
            (event, [one.number for one in known if event.value in one.events and not one.problem])
            for event in events
        ]
        for category, events in notify.CATEGORIES.items()
    }


def _too_many(seconds: float) -> Problem:
    wait = max(1, round(seconds))
    return Problem(
        429,
        "There were many tests of late",
        f"{AT_MOST} a minute",
        f"Try again in {wait} s",
        headers={"Retry-After": str(wait)},
    )
