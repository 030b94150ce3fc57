"""The audit: who changed what by hand, and what the supervisor and the healing did."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict

from medialift.queueing import events
from medialift.web import paging
from medialift.web.access.gate import Reader
from medialift.web.context import Connected
from medialift.web.given import Limit, Word
from medialift.web.paging import CursorText, Page
from medialift.web.problems import PROBLEMS

router = APIRouter(prefix="/api/v1", tags=["audit"], responses=PROBLEMS)


class Change(BaseModel):
    """One change: when, who, what, to which object, and what it was and is."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    at: datetime
    who: str
    what: str
    subject: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@router.get("/audit")
def list_changes(
    _: Reader,
    connection: Connected,
    who: Word = "",
    what: Word = "",
    subject: Word = "",
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[Change]:
    """What was done by hand, the newest first. Of `who` and `subject` a part is enough."""
    wanted = events.Wanted(who, what, subject, since, until)
    found, following = found_changes(connection, wanted, limit, cursor)
    return Page(items=[Change.model_validate(one) for one in found], next=following)


def found_changes(
    connection: Connected, wanted: events.Wanted, limit: int, cursor: str | None
) -> tuple[list[events.Event], str | None]:
    """One page of the changes that are looked for, and the cursor of the next."""
    (before,) = paging.decode(cursor, int) or (None,)
    rows = events.listed(connection, wanted, before=before, limit=limit + 1)
    found, more = paging.page(rows, limit)
    return found, paging.encode(found[-1].id) if more else None
