"""The page of notifications: who is told of what, and a test of whether it arrives."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from medialift import notify
from medialift.web import notifying
from medialift.web.access.gate import Actor, Reader
from medialift.web.context import Connected, Within
from medialift.web.pages import back, page

router = APIRouter(prefix="/notifications", include_in_schema=False)

_PATH = "/notifications"
_WORDS = {
    "ended": "A burst ended well",
    "failed": "A burst failed",
    "overspent": "A burst cost more than planned",
    "stuck": "A worker is stuck, and repairs are off",
    "escalated": "A worker was paused, since nothing helped",
    "code_fixed": "An edit of the code is in use, or was taken back",
    "audiobook_done": "A book is converted, proven and delivered",
    "audiobook_failed": "A book failed for good",
    "audiobook_retry": "A book failed for now, and is tried again",
    "audiobook_needs_person": "A book waits for somebody",
    "audiobook_ready_for_tagging": "A book is converted and waits to be tagged",
    "audiobook_tagged": "A book is tagged",
    "audiobook_tagging_failed": "A book could not be tagged",
}


@router.get("")
def notifications_page(request: Request, _: Reader, within: Within, connection: Connected) -> HTMLResponse:
    """Destinations without their secrets, the events of each, and the latest tests."""
    known = notify.destinations(within.settings.notify)
    return page(
        request,
        "notifications.html",
        destinations=known,
        categories=notifying.wanted_by(known),
        words=_WORDS,
        tests=notifying.latest(connection),
        waiting=notifying.waiting(connection),
        at_most=notifying.AT_MOST,
        topics="audit",
    )


@router.post("/test")
def test_destination(
    request: Request,
    asking: Actor,
    within: Within,
    destination: Annotated[int | None, Form(ge=1, le=10_000)] = None,
) -> RedirectResponse:
    """Tell one destination, or all of them, and say how each took it."""
    delivered = notifying.send(within.database, within.settings.notify, asking, destination)
    said = [
        f"{one.destination} took the test" if one.ok else f"{one.destination} did NOT take it: {one.error}"
        for one in delivered
    ]
    return back(request, _PATH, "; ".join(said))
