"""Logging in and out, with forms that need no script."""

from __future__ import annotations

from math import ceil
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from medialift.queueing import events
from medialift.web.access import cookies, people, sessions
from medialift.web.access.callers import audit_name
from medialift.web.access.gate import Known, address_of, refuse_other_sites
from medialift.web.access.logging_in import Given, log_in
from medialift.web.access.passwords import LONGEST
from medialift.web.access.refusals import TooMany
from medialift.web.context import Connected, Context, Within
from medialift.web.given import Word
from medialift.web.pages import back, page

router = APIRouter(include_in_schema=False)

_HOME = "/"


def local_path(given: str) -> str:
    """Where to go after logging in: a path of ours, never an address that leads elsewhere."""
    # Browsers leave out tabs and ends of lines, and take a backslash for a slash: nothing of that is guessed.
    if not given.isprintable() or "\\" in given or not given.startswith("/") or given.startswith("//"):
        return _HOME
    path = urlsplit(given).path
    return _HOME if "//" in path or path == "/login" else given


@router.get("/login")
def login_page(request: Request, within: Within, connection: Connected, next: Word = _HOME) -> Response:
    """The form. Whoever came by a link of another site may be logged in: their cookie is sent with the
    next request only, so the page asks once more by itself."""
    came_by_link = request.headers.get("sec-fetch-site", "") in ("cross-site", "same-site")
    wanted = local_path(next)
    if came_by_link and cookies.read(request, within.settings.dashboard) == "":
        return page(request, "login_again.html", wanted=f"{within.settings.dashboard.base_path}{wanted}")
    return _form(request, within, wanted, nobody=not people.anybody(connection))


@router.post("/login")
def login(
    request: Request,
    within: Within,
    name: Annotated[Word, Form()] = "",
    password: Annotated[str, Form(max_length=LONGEST)] = "",
    next: Annotated[Word, Form()] = _HOME,
) -> Response:
    """Begin a session. One that the browser brought along ends."""
    refuse_other_sites(request, within)
    settings, wanted = within.settings.dashboard, local_path(next)
    given = Given(name, password, address_of(request, within), request.headers.get("user-agent", ""))
    try:
        secret = log_in(within.database, settings, given)
    except TooMany as error:
        refused = _form(request, within, wanted, wrong=f"{error.what}. {error.hint}.", status=429)
        refused.headers["Retry-After"] = str(ceil(error.seconds))
        return refused
    if secret is None:
        return _form(request, within, wanted, wrong="The name or the password is wrong.", status=401)
    _end(request, within)
    answer = back(request, wanted)
    cookies.give(answer, request, settings, secret)
    return answer


@router.post("/logout")
def logout(request: Request, within: Within, _: Known) -> RedirectResponse:
    """End the session of this browser."""
    _end(request, within)
    answer = back(request, "/login", "You are logged out")
    cookies.take(answer, request, within.settings.dashboard)
    return answer


def _end(request: Request, within: Context) -> None:
    brought = cookies.read(request, within.settings.dashboard)
    if not brought:
        return
    with within.database.engine.begin() as connection:
        person = sessions.end(connection, brought)
        if person is not None:
            events.record(connection, who=audit_name(person, "session"), what="logged out")


def _form(
    request: Request,
    within: Context,
    wanted: str,
    *,
    wrong: str = "",
    nobody: bool = False,
    status: int = 200,
) -> HTMLResponse:
    proxied = bool(within.settings.dashboard.proxy_header)
    return page(
        request, "login.html", status=status, wanted=wanted, wrong=wrong, nobody=nobody, proxied=proxied
    )
