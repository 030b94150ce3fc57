"""The page of the workers and their healing: how each stands, its day, what was done to it and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, Response

from medialift.healing import history
from medialift.web import crew, paging
from medialift.web.access.gate import Reader
from medialift.web.actions import workers as actions
from medialift.web.actions.acting import Acts
from medialift.web.context import Connected, Within
from medialift.web.given import Name, Word
from medialift.web.pages import back, page
from medialift.web.paging import CursorText
from medialift.web.problems import Missing

router = APIRouter(prefix="/workers", include_in_schema=False)

_ROWS = 30
KINDS: Mapping[str, str] = {
    "finding": "bad",
    "decision": "dim",
    "remedy": "warn",
    "verification": "dim",
    "escalation": "bad",
    "release": "well",
    "scaling": "dim",
    "code_fix": "warn",
}
_OUTCOMES = {"recovered": "well", "ineffective": "bad"}


@router.get("")
def workers_page(
    request: Request,
    _: Reader,
    connection: Connected,
    context: Within,
    worker: Annotated[Word, Query()] = "",
    pipeline: Annotated[Word, Query()] = "",
    what: Annotated[Word, Query()] = "",
    cursor: CursorText = None,
) -> HTMLResponse:
    """All workers, and the latest of the healing."""
    found = crew.hands(connection, context.settings, days=True)
    (before,) = paging.decode(cursor, int) or (None,)
    entries, more = paging.page(
        history.latest(
            connection,
            limit=_ROWS + 1,
            worker=worker or None,
            pipeline=pipeline or None,
            what=_what(what),
            before=before,
        ),
        _ROWS,
    )
    return page(
        request,
        "workers.html",
        crew=found,
        hosts=crew.hosts(connection, context.settings, found),
        healing=context.settings.healing,
        entries=entries,
        details={one.id: _details(one.detail) for one in entries},
        kinds=KINDS,
        outcomes=_OUTCOMES,
        whats=[str(one) for one in history.What],
        asked={"worker": worker, "pipeline": pipeline, "what": what},
        next=paging.encode(entries[-1].id) if more else None,
        topics="workers,healing",
    )


@router.post("/{what}")
def ask_of_worker(
    request: Request,
    acting: Acts,
    what: Literal["pause", "release", "withdraw", "drain"],
    name: Annotated[Name, Form()],
    why: Annotated[Word, Form()] = "",
) -> Response:
    """What the buttons do."""
    match what:
        case "drain":
            asked = actions.drain(acting, name)
            told = (
                f"{name} ends when it has finished what it has in hand"
                if asked.changed
                else f"{name} has ended"
            )
        case "withdraw":
            asked = actions.withdraw(acting, name)
            told = "It is asked for no more" if asked.changed else "Nothing was asked for any more"
        case "pause" | "release":
            asked = actions.ask(acting, name, what, why)
            told = f"The healing of {asked.host} is asked to {what} {name}"
    return back(request, "/workers", f"{told}.")


def _what(given: str) -> str | None:
    if given and given not in set(history.What):
        raise Missing("The healing has no such entries", given, f"There are: {', '.join(history.What)}")
    return given or None


def _details(detail: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in detail.items() if value not in (None, "", [], {})}
