"""The page of the audit: who changed what, to which object, what it was and what it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from medialift.queueing import events
from medialift.web.access.gate import Reader
from medialift.web.api.audit import found_changes
from medialift.web.context import Connected
from medialift.web.given import Word
from medialift.web.pages import page
from medialift.web.paging import CursorText
from medialift.web.problems import Problem

router = APIRouter(prefix="/audit", include_in_schema=False)

_ROWS = 50


@dataclass(frozen=True)
class Difference:
    """One value that is otherwise than before, in words; None: there was none, or is none."""

    name: str
    before: str | None
    after: str | None


@router.get("")
def audit_page(
    request: Request,
    _: Reader,
    connection: Connected,
    who: Word = "",
    what: Word = "",
    subject: Word = "",
    since: Word = "",
    until: Word = "",
    cursor: CursorText = None,
) -> HTMLResponse:
    """The newest first; days are those of UTC, as all times are."""
    wanted = events.Wanted(who, what, subject, _day(since), _day(until, after=True))
    found, following = found_changes(connection, wanted, _ROWS, cursor)
    return page(
        request,
        "audit.html",
        changes=[(one, differences(one.before, one.after)) for one in found],
        kinds=events.kinds(connection),
        asked={"who": who, "what": what, "subject": subject, "since": since, "until": until},
        next=following,
        topics="audit",
    )


def differences(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[Difference]:
    """What is otherwise than before, value by value."""
    old, new = before or {}, after or {}
    names = [*old, *(name for name in new if name not in old)]
    return [
        Difference(name, _words(old.get(name)), _words(new.get(name)))
        for name in names
        if old.get(name) != new.get(name)
    ]


def _words(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _day(given: str, *, after: bool = False) -> datetime | None:
    """When a day begins, or ends."""
    if not given:
        return None
    try:
        day = date.fromisoformat(given) + timedelta(days=after)
    except (ValueError, OverflowError):
        raise Problem(422, "This is no day", given, "Write it as 2026-11-29") from None
    return datetime.combine(day, time(), UTC)
