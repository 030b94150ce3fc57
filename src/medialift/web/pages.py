"""Pages: answered whole, or as the fragment that a page fetches anew (`?part=NAME`)."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse

from medialift.web.context import context_of
from medialift.web.problems import Missing
from medialift.web.rendering import fragment

_NOTICE = "medialift_notice"
_NOTICE_LETTERS = 500
# A part is a block of the page's own, never of the frame around it.
_FRAME = {"title", "main", "head"}


def page(request: Request, template: str, /, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page from its template, with what the frame around it needs.

    Every template gets `request`, `caller`, `me` (the same: within a `call` block, `caller` is the block),
    `csrf` and `notice` besides the values. With `?part=NAME` only the block of that name is answered.

    Raises:
        Missing: the page has no such part.
    """
    found = context_of(request).templates.get_template(template)
    caller = getattr(request.state, "caller", None)
    given = {
        **values,
        "request": request,
        "caller": caller,
        "me": caller,
        "csrf": caller.csrf if caller else "",
        "notice": _notice(request),
    }
    part = request.query_params.get("part")
    if part is None:
        answer = HTMLResponse(found.render(given), status)
        if given["notice"]:
            answer.delete_cookie(_NOTICE, path=_path(request))
        return answer
    if part not in found.blocks or part in _FRAME:
        raise Missing("This page has no such part", part)
    return HTMLResponse(fragment(found, part, given), status)


def back(request: Request, path: str, notice: str = "") -> RedirectResponse:
    """After a form: to a page of ours, which shows the notice once."""
    base = context_of(request).settings.dashboard.base_path
    answer = RedirectResponse(f"{base}{path}", 303)
    if notice:
        told = base64.urlsafe_b64encode(notice[:_NOTICE_LETTERS].encode()).decode()
        answer.set_cookie(_NOTICE, told, max_age=60, path=_path(request), httponly=True, samesite="strict")
    return answer


def _path(request: Request) -> str:
    return context_of(request).settings.dashboard.base_path or "/"


def _notice(request: Request) -> str:
    try:
        return base64.urlsafe_b64decode(request.cookies.get(_NOTICE, "")).decode()[:_NOTICE_LETTERS]
    except (binascii.Error, ValueError):
        return ""
