"""The cookie of a session: no script reads it, and no page of another site has it sent along."""

from __future__ import annotations

from fastapi import Request, Response

from medialift.settings import DashboardSettings
from medialift.web.access.opening import proxies_of
from medialift.web.access.sessions import LONGEST

_NAME = "medialift_session"


def read(request: Request, settings: DashboardSettings) -> str:
    """What the browser brought; "" when it brought nothing."""
    return request.cookies.get(_name(request, settings), "")


def give(answer: Response, request: Request, settings: DashboardSettings, secret: str) -> None:
    """Have the browser keep a session."""
    answer.set_cookie(
        _name(request, settings),
        secret,
        # How long it goes on unused is for the ledger to say.
        max_age=int(settings.session_lifetime * LONGEST),
        path=settings.base_path or "/",
        secure=_secure(request, settings),
        httponly=True,
        samesite="strict",
    )


def take(answer: Response, request: Request, settings: DashboardSettings) -> None:
    """Have the browser forget it."""
    answer.delete_cookie(
        _name(request, settings),
        path=settings.base_path or "/",
        secure=_secure(request, settings),
        httponly=True,
        samesite="strict",
    )


def _name(request: Request, settings: DashboardSettings) -> str:
    # Browsers take a name that begins so from this very host only, and by https: no neighbour can plant one.
    whole = _secure(request, settings) and not settings.base_path
    return f"__Host-{_NAME}" if whole else _NAME


def _secure(request: Request, settings: DashboardSettings) -> bool:
    peer = request.client.host if request.client else ""
    return settings.public_url.startswith("https:") or proxies_of(settings).secure(
        peer, request.headers, request.url.scheme
    )
