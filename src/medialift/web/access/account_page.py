"""The page of whoever is logged in: their password, and the browsers that they are logged in with."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import Connection

from medialift.errors import MedialiftError, Permanent
from medialift.web.access import people, sessions
from medialift.web.access.callers import Caller
from medialift.web.access.gate import Reader, address_of
from medialift.web.access.logging_in import Given, knows_password
from medialift.web.access.passwords import LONGEST, SHORTEST
from medialift.web.access.refusals import TooMany
from medialift.web.api.access import shown_sessions
from medialift.web.auditing import who
from medialift.web.context import Connected, Within
from medialift.web.given import Name
from medialift.web.pages import back, page
from medialift.web.problems import Missing, of

router = APIRouter(prefix="/account", include_in_schema=False)

_PATH = "/account"
Password = Annotated[str, Form(max_length=LONGEST)]


@router.get("")
def account_page(request: Request, asking: Reader, connection: Connected) -> HTMLResponse:
    """Who is logged in, by what, and where else."""
    return _shown(request, asking, connection)


@router.post("/password")
def change_password(
    request: Request,
    within: Within,
    asking: Reader,
    connection: Connected,
    now: Password = "",
    wanted: Password = "",
    again: Password = "",
) -> Response:
    """Change one's own password: whoever finds a browser open does not know the old one."""
    given = Given(asking.name, now, address_of(request, within))
    try:
        if wanted != again:
            raise Permanent("The two new passwords differ", "", "Type the same twice")
        if not knows_password(within.database, within.settings.dashboard, given):
            raise Permanent("The password of now is wrong", "", "An admin can give you another one")
        people.set_password(connection, asking.name, wanted, keep=asking.session, who=who(asking))
    except (Permanent, TooMany) as error:
        return _shown(request, asking, connection, wrong=error)
    return back(request, _PATH, "The password is changed; other browsers are logged out")


@router.post("/sessions/{id}/end")
def end_session(request: Request, asking: Reader, connection: Connected, id: Name) -> RedirectResponse:
    """Log out one of one's own browsers."""
    if asking.how != "session" or not sessions.end_one(connection, asking.name, id):
        raise Missing("You have no such session", id)
    return back(request, _PATH, "That browser is logged out")


def _shown(
    request: Request, asking: Caller, connection: Connection, *, wrong: MedialiftError | None = None
) -> HTMLResponse:
    problem = of(wrong) if wrong else None
    answer = page(
        request,
        "account.html",
        status=problem.status if problem else 200,
        sessions=shown_sessions(asking, connection),
        known=people.find(connection, asking.name) if asking.how in ("session", "proxy") else None,
        wrong=wrong,
        shortest=SHORTEST,
    )
    answer.headers.update(problem.headers if problem else {})
    return answer
