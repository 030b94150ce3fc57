"""Notifications: tell people how a burst ended, or that a worker or a book needs them.

A dead destination is reported, and never fails a run.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import apprise
from pydantic import SecretStr

from medialift.foundation.text import MASK, redact
from medialift.settings import NotifySettings


class Event(StrEnum):
    """What people are told of."""

    ENDED = "ended"
    FAILED = "failed"
    OVERSPENT = "overspent"
    STUCK = "stuck"
    """A worker is stuck, and nothing is done about it: repairs are switched off."""
    ESCALATED = "escalated"
    """A worker was paused, since no remedy helped or none can."""
    CODE_FIXED = "code_fixed"
    """An edit of the code is in use now, or was taken back."""
    AUDIOBOOK_DONE = "audiobook_done"
    """A book is converted, proven and delivered."""
    AUDIOBOOK_FAILED = "audiobook_failed"
    AUDIOBOOK_RETRY = "audiobook_retry"
    AUDIOBOOK_NEEDS_PERSON = "audiobook_needs_person"
    """A match is not sure, a field is missing, or a delivery waits to be approved."""
    AUDIOBOOK_READY_FOR_TAGGING = "audiobook_ready_for_tagging"
    AUDIOBOOK_TAGGED = "audiobook_tagged"
    AUDIOBOOK_TAGGING_FAILED = "audiobook_tagging_failed"


_UNKNOWN = "This is not an address that Apprise knows"
_LOOKS = {
    Event.ENDED: apprise.NotifyType.SUCCESS,
    Event.FAILED: apprise.NotifyType.FAILURE,
    Event.OVERSPENT: apprise.NotifyType.WARNING,
    Event.STUCK: apprise.NotifyType.WARNING,
    Event.ESCALATED: apprise.NotifyType.FAILURE,
    Event.CODE_FIXED: apprise.NotifyType.WARNING,
    Event.AUDIOBOOK_DONE: apprise.NotifyType.SUCCESS,
    Event.AUDIOBOOK_FAILED: apprise.NotifyType.FAILURE,
    Event.AUDIOBOOK_RETRY: apprise.NotifyType.WARNING,
    Event.AUDIOBOOK_NEEDS_PERSON: apprise.NotifyType.WARNING,
    Event.AUDIOBOOK_READY_FOR_TAGGING: apprise.NotifyType.INFO,
    Event.AUDIOBOOK_TAGGED: apprise.NotifyType.SUCCESS,
    Event.AUDIOBOOK_TAGGING_FAILED: apprise.NotifyType.FAILURE,
}


CATEGORIES: Mapping[str, tuple[Event, ...]] = {
    "Bursts": (Event.ENDED, Event.FAILED, Event.OVERSPENT),
    "Workers": (Event.STUCK, Event.ESCALATED, Event.CODE_FIXED),
    "Audiobooks": tuple(event for event in Event if event.startswith("audiobook_")),
}
"""Every event, by what it is about."""


@dataclass(frozen=True)
class Destination:
    """Where people are told.

    Attributes:
        number: its place in the settings, from 1.
        address: without secrets. service: as Apprise calls it.
        events: those that it is told.
        problem: why it can never be told anything; "" when it can.
    """

    number: int
    address: str
    service: str
    events: tuple[str, ...]
    problem: str = ""


@dataclass(frozen=True)
class Notice:
    """One message: its event, a title of one line, a body of a few."""

    event: Event
    title: str
    body: str


@dataclass(frozen=True)
class Delivery:
    """How one destination took a notice: its address without secrets, and why it failed, if it did."""

    destination: str
    event: Event
    ok: bool
    error: str = ""

    def to_dict(self) -> dict[str, str | bool]:
        """{destination, event, ok, error}: for modules and `--json`."""
        return {
            "destination": self.destination,
            "event": self.event.value,
            "ok": self.ok,
            "error": self.error,
        }


def send(
    notices: Iterable[Notice], urls: Collection[SecretStr], events: Collection[str] = tuple(Event)
) -> list[Delivery]:
    """Send each notice whose event is wanted to every destination; how each took it, in that order.

    It raises nothing for a destination that is wrong, unreachable or slow (a try lasts 8 s at most: Apprise
    gives 4 s to connect and 4 s to answer unless the address says otherwise): see `Delivery.error`.
    """
    return [
        _deliver(notice, url.get_secret_value())
        for notice in notices
        if notice.event in events
        for url in urls
    ]


def tell(notices: Iterable[Notice], settings: NotifySettings) -> list[Delivery]:
    """Send each notice to the destinations of the settings that want to hear of it, as `send`."""
    return [
        _deliver(notice, url.get_secret_value())
        for notice in notices
        for url in settings.urls
        if notice.event.value in events_of(url, settings)
    ]


def events_of(url: SecretStr, settings: NotifySettings) -> tuple[str, ...]:
    """What a destination wants to hear of: by the longest start of its address that `events_of` names."""
    address = url.get_secret_value()
    named = [start for start in settings.events_of if _starts(address, start)]
    return settings.events_of[max(named, key=len)] if named else tuple(settings.events)


def destinations(settings: NotifySettings) -> list[Destination]:
    """Everybody who is told, and of what."""
    found = []
    for number, url in enumerate(settings.urls, 1):
        plugin, shown = _opened(url.get_secret_value())
        service = "" if plugin is None else str(plugin.service_name)
        problem = _UNKNOWN if plugin is None else ""
        found.append(Destination(number, shown, service, events_of(url, settings), problem))
    return found


def _starts(address: str, start: str) -> bool:
    """A scheme alone means all of its addresses: mailto is not mailtos."""
    return address.startswith(start if ":" in start else f"{start}:")


def _opened(url: str) -> tuple[Any, str]:
    """What Apprise makes of an address, None when it knows none such; and the address without secrets."""
    plugin = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    if plugin is None:
        return None, f"{url.split(':', 1)[0]}://{MASK}" if "://" in url else MASK
    # Apprise masks what its services call a token; the path of a plain webhook is one too.
    return plugin, "/".join(str(plugin.url(privacy=True)).split("/", 3)[:3])


def _deliver(notice: Notice, url: str) -> Delivery:
    plugin, shown = _opened(url)
    if plugin is None:
        return Delivery(shown, notice.event, False, _UNKNOWN)
    log = _Lines()
    logger = logging.getLogger("apprise")
    logger.addHandler(log)
    try:
        # Secrets never belong in a notice, but a notice may quote an error of some other program.
        ok = bool(
            plugin.notify(
                title=redact(notice.title), body=redact(notice.body), notify_type=_LOOKS[notice.event]
            )
        )
        error = "" if ok else "; ".join(log.lines) or "The destination did not take it"
    except Exception as failure:  # a plug-in of Apprise may raise anything: none may fail the run
        ok, error = False, f"{type(failure).__name__}: {failure}"
    finally:
        logger.removeHandler(log)
    return Delivery(shown, notice.event, ok, redact(error, _parts_that_are_secret(url)))


class _Lines(logging.Handler):
    """Keeps what Apprise has to say about a failure: it reports by its log only."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage().rstrip("."))


def _parts_that_are_secret(url: str) -> list[str]:
    """The address, and its parts that may be tokens: Apprise's log may name them one by one."""
    return [url, *(part for part in url.split("://", 1)[-1].replace("@", "/").split("/") if len(part) >= 16)]
