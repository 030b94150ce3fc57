"""Notifications: tell people how a burst ended, or that a worker needs them.

A dead destination is reported, and never fails a run.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

import apprise
from pydantic import SecretStr

from medialift.foundation.text import MASK, redact


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


def _deliver(notice: Notice, url: str) -> Delivery:
    plugin = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    if plugin is None:
        shown = f"{url.split(':', 1)[0]}://{MASK}" if "://" in url else MASK
        return Delivery(shown, notice.event, False, "This is not an address that Apprise knows")
    # Apprise masks what its services call a token; the path of a plain webhook is one too.
    shown = "/".join(str(plugin.url(privacy=True)).split("/", 3)[:3])
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
