"""The page on which an admin says who may: people and tokens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import Connection

from medialift.errors import MedialiftError, Permanent
from medialift.foundation.units import parse_duration
from medialift.web.access import people, tokens
from medialift.web.access.callers import Caller
from medialift.web.access.gate import Admin
from medialift.web.access.oneself import refuse_oneself
from medialift.web.access.passwords import LONGEST, SHORTEST
from medialift.web.access.scopes import SCOPES
from medialift.web.auditing import who
from medialift.web.confirming import confirmed
from medialift.web.context import Connected
from medialift.web.given import Name, Word
from medialift.web.pages import back, page
from medialift.web.problems import of

router = APIRouter(prefix="/access", include_in_schema=False)

_PATH = "/access"
NEVER = "never"
_LASTING = (("30d", "30 days"), ("90d", "90 days"), ("365d", "a year"), (NEVER, "for ever"))
Password = Annotated[str, Form(max_length=LONGEST)]
Text = Annotated[Word, Form()]


@router.get("")
def access_page(request: Request, asking: Admin, connection: Connected) -> HTMLResponse:
    """Everybody who may log in, and all tokens."""
    return _shown(request, asking, connection)


@router.post("/people")
def add_person(
    request: Request,
    asking: Admin,
    connection: Connected,
    name: Text = "",
    password: Password = "",
    scope: Text = "read",
) -> Response:
    """Let somebody log in."""
    try:
        added = people.add(connection, name, password, scope, who=who(asking))
    except Permanent as error:
        return _shown(request, asking, connection, wrong=error, given={"name": name, "scope": scope})
    return back(request, _PATH, f"{added.name} may log in now")


@router.post("/people/{name}/scope")
def set_scope(
    request: Request, asking: Admin, connection: Connected, name: Name, scope: Text = ""
) -> RedirectResponse:
    """Let somebody do more or less."""
    refuse_oneself(asking, name)
    changed = people.set_scope(connection, name, scope, who=who(asking))
    return back(request, _PATH, f"{name} has the scope {scope} now" if changed else "It was so already")


@router.post("/people/{name}/disable")
def disable_person(request: Request, asking: Admin, connection: Connected, name: Name) -> RedirectResponse:
    """Shut somebody out."""
    refuse_oneself(asking, name)
    people.set_disabled(connection, name, True, who=who(asking))
    return back(request, _PATH, f"{name} is shut out, and logged out everywhere")


@router.post("/people/{name}/enable")
def enable_person(request: Request, asking: Admin, connection: Connected, name: Name) -> RedirectResponse:
    """Let somebody in again."""
    people.set_disabled(connection, name, False, who=who(asking))
    return back(request, _PATH, f"{name} may log in again")


@router.post("/people/{name}/password")
def set_password(
    request: Request, asking: Admin, connection: Connected, name: Name, password: Password = ""
) -> Response:
    """Give somebody another password."""
    keep = asking.session if asking.name == name else None
    try:
        people.set_password(connection, name, password, keep=keep, who=who(asking))
    except Permanent as error:
        return _shown(request, asking, connection, wrong=error)
    return back(request, _PATH, f"{name} has another password now, and is logged out everywhere")


@router.post("/people/{name}/remove")
def remove_person(
    request: Request, asking: Admin, connection: Connected, name: Name, confirm: Text = ""
) -> RedirectResponse:
    """Forget somebody."""
    refuse_oneself(asking, name)
    confirmed(confirm, name, f"{name} is removed, with their sessions and tokens")
    people.remove(connection, name, who=who(asking))
    return back(request, _PATH, f"{name} is removed")


@router.post("/tokens")
def create_token(
    request: Request,
    asking: Admin,
    connection: Connected,
    name: Text = "",
    scope: Text = "read",
    lasting: Text = _LASTING[0][0],
    person: Text = "",
) -> HTMLResponse:
    """Make a token, and show it this once: the answer is no other page, which could be loaded again."""
    try:
        seconds = None if lasting == NEVER else parse_duration(lasting)
        made = tokens.create(connection, name, scope, seconds=seconds, person=person or None, who=who(asking))
    except Permanent as error:
        given = {"token_name": name, "token_scope": scope, "lasting": lasting, "person": person}
        return _shown(request, asking, connection, wrong=error, given=given)
    return _shown(request, asking, connection, made=made, status=201)


@router.post("/tokens/{name}/revoke")
def revoke_token(
    request: Request, asking: Admin, connection: Connected, name: Name, confirm: Text = ""
) -> RedirectResponse:
    """Take a token no more."""
    confirmed(confirm, name, f"Whatever uses the token {name} is shut out")
    tokens.revoke(connection, name, who=who(asking))
    return back(request, _PATH, f"The token {name} is not taken any more")


def _shown(
    request: Request,
    asking: Caller,
    connection: Connection,
    *,
    wrong: MedialiftError | None = None,
    given: dict[str, str] | None = None,
    made: tuple[str, tokens.Token] | None = None,
    status: int = 200,
) -> HTMLResponse:
    return page(
        request,
        "access.html",
        status=of(wrong).status if wrong else status,
        people=people.listed(connection),
        tokens=tokens.listed(connection),
        wrong=wrong,
        given=given or {},
        made=made,
        scopes=SCOPES,
        lasting=_LASTING,
        shortest=SHORTEST,
        open_to_all=asking.how == "loopback",
    )
