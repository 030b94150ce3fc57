"""What people are told of books, and which destination is told what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medialift import notify
from medialift.audiobooks.stages import Stage
from medialift.errors import MedialiftError
from medialift.foundation.units import format_duration, format_size
from medialift.notify import Delivery, Event, Notice
from medialift.settings import NotifySettings

_FAILED: Mapping[Stage, Event] = {
    "convert": Event.AUDIOBOOK_FAILED,
    "tag": Event.AUDIOBOOK_TAGGING_FAILED,
    "deliver": Event.AUDIOBOOK_FAILED,
}
_VERBS: Mapping[Stage, str] = {"convert": "converted", "tag": "tagged", "deliver": "delivered"}


def done(name: str, what: str) -> dict[str, Any]:
    """The book has come to its end."""
    return _told(Event.AUDIOBOOK_DONE, f"Audiobook ready: {name}", what)


def converted(name: str, file: str, *, played: float, bytes: int, how: str) -> dict[str, Any]:
    """The book is ready to be tagged; plug-ins hear of it too."""
    body = f"{file}: {format_duration(played)} from {format_size(bytes)} of sources ({how})"
    return {**_told(Event.AUDIOBOOK_READY_FOR_TAGGING, f"Ready for tagging: {name}", body), "name": name}


def tagged(name: str, *, changes: int, why: str) -> dict[str, Any]:
    """Its tags are written."""
    return _told(Event.AUDIOBOOK_TAGGED, f"Tagged: {name}", f"{changes} fields changed. {why}".strip())


def needs_person(stage: Stage, name: str, why: str, hint: str) -> dict[str, Any]:
    """Somebody has to decide something."""
    title = f"Somebody has to look at a book before it is {_VERBS[stage]}: {name}"
    return _told(Event.AUDIOBOOK_NEEDS_PERSON, title, f"{why}\n{hint}".strip())


def refused(name: str, why: str, hint: str, tree: str) -> dict[str, Any]:
    """Nobody can tell how this book is meant."""
    body = f"{why}. {hint}.\n{tree}".strip()
    return _told(Event.AUDIOBOOK_NEEDS_PERSON, f"This folder cannot be taken as it is: {name}", body)


def again(stage: Stage, name: str, error: MedialiftError, *, attempt: int, delay: float) -> dict[str, Any]:
    """It failed for now."""
    title = f"Not {_VERBS[stage]} yet: {name}"
    body = f"{error}\nAttempt {attempt} failed; the next one is in {format_duration(delay)}."
    return _told(Event.AUDIOBOOK_RETRY, title, body)


def failed(stage: Stage, name: str, error: MedialiftError, *, attempts: int) -> dict[str, Any]:
    """It failed for good."""
    tries = "1 attempt" if attempts == 1 else f"{attempts} attempts"
    return _told(_FAILED[stage], f"Not {_VERBS[stage]}: {name}", f"{error}\nGiven up after {tries}.")


def alert(service: str, why: str) -> Notice:
    """A service answers in a way that is not known, so nothing of it is written."""
    return Notice(
        Event.AUDIOBOOK_NEEDS_PERSON,
        f"{service} answers in a way that is not known",
        f"{why}\nNothing was used.",
    )


def send(detail: Mapping[str, Any], settings: NotifySettings) -> list[Delivery]:
    """Tell every destination that wants to hear of it; how each took it."""
    return send_notice(Notice(Event(detail["event"]), detail["title"], detail["body"]), settings)


def send_notice(notice: Notice, settings: NotifySettings) -> list[Delivery]:
    """The same, of a notice."""
    return notify.tell([notice], settings)


def _told(event: Event, title: str, body: str) -> dict[str, Any]:
    return {"event": event.value, "title": title, "body": body}
