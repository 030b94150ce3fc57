"""Who is asking, and whether they may: `Reader`, `Actor` and `Admin` as arguments of handlers.

A token is looked at first, then what a listed proxy says, then the cookie of a session. As long as nobody is
set up at all, whoever is on this host may do everything.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import Connection

from medialift.web.access import cookies, people, sessions, tokens
from medialift.web.access.callers import Caller as Caller
from medialift.web.access.callers import How
from medialift.web.access.crossing import READING, from_a_browser, from_another_site
from medialift.web.access.hosts import is_local_name, is_loopback
from medialift.web.access.opening import proxies_of, settled
from medialift.web.access.scopes import Scope as Scope
from medialift.web.context import Connected, Context, Within
from medialift.web.problems import Problem, for_programs

FIELD = "csrf_token"
HEADER = "X-CSRF-Token"
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
# For callers without a session, whose forms need something to bring back as well.
_SECRET = secrets.token_bytes(32)
_TOKEN = HTTPBearer(
    auto_error=False,
    scheme_name="token",
    description="A token of `medialift dashboard token create`. Browsers are known by the cookie of their "
    f"session instead, and then send {HEADER} with each request that changes something.",
)


class NotLoggedIn(Problem):
    """Nobody that is known here: a program is told so, a browser is sent to log in."""

    def __init__(self, request: Request) -> None:
        what, hint = "Nobody is logged in", "Log in, or send a token"
        if for_programs(request):
            super().__init__(401, what, "", hint, headers={"WWW-Authenticate": "Bearer"})
            return
        base = request.scope.get("root_path", "")
        login = f"{base}/login?next={quote(_wanted(request), safe='/')}"
        if "hx-request" in request.headers:
            super().__init__(401, what, "", hint, headers={"HX-Redirect": login})
        else:
            super().__init__(303, what, "", hint, headers={"Location": login})


def peer_of(request: Request) -> str:
    """The address that the connection comes from."""
    return request.client.host if request.client else ""


def address_of(request: Request, within: Context) -> str:
    """The address that the request comes from, behind the proxies that are believed."""
    return proxies_of(within.settings.dashboard).client(peer_of(request), request.headers)


def refuse_other_sites(request: Request, within: Context) -> None:
    """Refuse what a page of another site made a browser send.

    Raises:
        Problem: 403.
    """
    settings = within.settings.dashboard
    asked = proxies_of(settings).host(peer_of(request), request.headers)
    ours = (asked, urlsplit(settings.public_url).netloc)
    if from_another_site(request.headers, ours):
        raise Problem(
            403,
            "This came from a page of another site",
            request.headers.get("origin", "")[:200],
            "Behind a proxy, set dashboard.public_url to the address that browsers use",
        )


async def _submitted(request: Request) -> str:
    """What a form or a script brings back to show that it comes from a page of ours."""
    header = request.headers.get(HEADER)
    if header is not None or request.method in READING:
        return header or ""
    if not request.headers.get("content-type", "").startswith(_FORMS):
        return ""
    given = (await request.form()).get(FIELD)
    return given if isinstance(given, str) else ""


def caller(
    request: Request,
    within: Within,
    connection: Connected,
    token: Annotated[HTTPAuthorizationCredentials | None, Security(_TOKEN)],
    submitted: Annotated[str, Depends(_submitted)],
) -> Caller:
    """Who asks.

    Raises:
        Problem: 401, nobody that is known here; 403, a request that may come from another site.
    """
    found = _by_token(connection, token.credentials) if token else _by_place(request, within, connection)
    if found is None:
        raise NotLoggedIn(request)
    if request.method not in READING and found.how != "token":
        refuse_other_sites(request, within)
        needed = found.how == "session" or from_a_browser(request.headers)
        if needed and not hmac.compare_digest(submitted.encode(), found.csrf.encode()):
            raise Problem(
                403,
                "This form is not of this session",
                hint=f"Load the page again; a script sends {HEADER}",
            )
    request.state.caller = found
    return found


def _by_token(connection: Connection, secret: str) -> Caller:
    shown = tokens.shown(connection, secret)
    if shown is None:
        raise Problem(
            401,
            "This token is not taken",
            hint="It has expired, was revoked, or never was one; an admin makes another",
            headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
        )
    name, scope = shown
    return Caller(name, scope, "token")


def _by_place(request: Request, within: Context, connection: Connection) -> Caller | None:
    settings = within.settings.dashboard
    proxies, peer = proxies_of(settings), peer_of(request)
    named = proxies.named(peer, request.headers)
    if named:
        return _named_by_proxy(connection, named, settings.proxy_scope)
    cookie = cookies.read(request, settings)
    session = sessions.find(connection, cookie, lifetime=settings.session_lifetime) if cookie else None
    if session is not None:
        return Caller(session.person, session.scope, "session", session.csrf, session.hash)
    # Whoever comes through a proxy is not on this host, though the connection is.
    direct = not proxies.any and not any(name in request.headers for name in _FORWARDED)
    if direct and is_loopback(settings.host) and is_loopback(peer) and not settled(connection):
        if not is_local_name(request.headers.get("host", "")):
            raise Problem(
                403,
                "This is not a name of this host",
                request.headers.get("host", "")[:200],
                "Ask for http://127.0.0.1, or add a person who can log in",
            )
        return _without_session("local", "admin", "loopback")
    return None


def _named_by_proxy(connection: Connection, named: str, otherwise: Scope) -> Caller:
    name = people.name_of(named)
    person = people.find(connection, name)
    if person is not None and person.disabled:
        raise Problem(403, "This person is shut out", name, "An admin lets them in again")
    return _without_session(name, person.scope if person else otherwise, "proxy")


def _without_session(name: str, scope: Scope, how: How) -> Caller:
    csrf = hmac.new(_SECRET, f"{how}:{name}".encode(), "sha256").hexdigest()
    return Caller(name, scope, how, csrf)


def _wanted(request: Request) -> str:
    """Where somebody wanted to go, and is brought after logging in: a page, never a form."""
    shown = request.headers.get("hx-current-url" if "hx-request" in request.headers else "referer", "")
    url = urlsplit(shown) if "hx-request" in request.headers or request.method not in READING else request.url
    path = url.path.removeprefix(request.scope.get("root_path", "")) or "/"
    return f"{path}?{url.query}" if url.query else path


Known = Annotated[Caller, Depends(caller)]


def _needs(asked: Caller, scope: Scope) -> Caller:
    if not asked.may(scope):
        raise Problem(403, "This is not allowed with your scope", asked.scope, f"It needs the scope {scope}")
    return asked


def reader(asked: Known) -> Caller:
    return _needs(asked, "read")


def actor(asked: Known) -> Caller:
    return _needs(asked, "act")


def admin(asked: Known) -> Caller:
    return _needs(asked, "admin")


Reader = Annotated[Caller, Depends(reader)]
"""Somebody who may look."""
Actor = Annotated[Caller, Depends(actor)]
"""Somebody who may change how things run."""
Admin = Annotated[Caller, Depends(admin)]
"""Somebody who may say who may."""
