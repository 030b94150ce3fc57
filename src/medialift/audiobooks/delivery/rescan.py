"""Telling a library's server of a new book: Plex, Audiobookshelf, Jellyfin, or any address (a webhook).

The book lies there already, so a server that is away is told of and never fails a delivery. Tokens go into
headers only, never into an address.

Sources: api.audiobookshelf.org ("Scan a Library's Folders": administrators only, answers at once);
api.jellyfin.org (RefreshLibrary, 204); developer.plex.tv (refresh of a section, with the path of a folder).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import httpx

from medialift.diagnostics import traffic
from medialift.errors import MedialiftError, Permanent, Transient
from medialift.foundation.backoff import Patience, attempts
from medialift.foundation.token import read_token
from medialift.settings import DestinationSettings

PATIENCE = Patience(limit=6, at_most=120.0, first=2.0, longest=30.0)
"""A server that restarts is back within two minutes; five is the promise from tagging to library."""

_SECONDS = 20.0
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class News:
    """What is told: the book's place below the library's root, and what a webhook hears of it."""

    destination: str
    folder: PurePosixPath
    path: str
    manifest: Mapping[str, Any]


def announce(
    news: News,
    settings: DestinationSettings,
    *,
    client: httpx.Client | None = None,
    patience: Patience = PATIENCE,
) -> MedialiftError | None:
    """Tell the destination's server. What went wrong, or None; nothing when it has no server.

    A server that is away is asked again; one that refuses is not.
    """
    if not settings.rescan:
        return None
    try:
        if not settings.rescan_url:
            raise Permanent(
                "The address of a library's server is missing",
                news.destination,
                f"Set rescan_url of the destination {news.destination}",
            )
        token = read_token(settings.rescan_token_file).get_secret_value()
        call = _CALLS[settings.rescan](news, settings, token)
        # Not through a proxy of the environment: these servers are at home, and get a token.
        own = traffic.watch(httpx.Client(timeout=_SECONDS, trust_env=False))
        try:
            for attempt in attempts(**patience):
                with attempt:
                    _send(client or own, call, settings)
        finally:
            own.close()
    except MedialiftError as error:
        return error
    return None


@dataclass(frozen=True)
class _Call:
    method: str
    path: str
    headers: Mapping[str, str]
    params: Mapping[str, str]
    json: Any = None


def _plex(news: News, settings: DestinationSettings, token: str) -> _Call:
    _library_named(news, settings)
    seen = _as_seen(news, settings)
    return _Call(
        "GET",
        f"/library/sections/{settings.rescan_library}/refresh",
        {"X-Plex-Token": token, "Accept": "application/json"},
        {"path": seen} if seen else {},
    )


def _audiobookshelf(news: News, settings: DestinationSettings, token: str) -> _Call:
    _library_named(news, settings)
    return _Call(
        "POST", f"/api/libraries/{settings.rescan_library}/scan", {"Authorization": f"Bearer {token}"}, {}
    )


def _jellyfin(_news: News, _settings: DestinationSettings, token: str) -> _Call:
    return _Call("POST", "/Library/Refresh", {"Authorization": f'MediaBrowser Token="{token}"'}, {})


def _webhook(news: News, _settings: DestinationSettings, token: str) -> _Call:
    told = {
        "event": "delivered",
        "destination": news.destination,
        "path": news.path,
        "folder": news.folder.as_posix(),
        "manifest": dict(news.manifest),
    }
    return _Call("POST", "", {"Authorization": f"Bearer {token}"} if token else {}, {}, told)


_CALLS: Mapping[str, Callable[[News, DestinationSettings, str], _Call]] = {
    "plex": _plex,
    "audiobookshelf": _audiobookshelf,
    "jellyfin": _jellyfin,
    "webhook": _webhook,
}


def _library_named(news: News, settings: DestinationSettings) -> None:
    if not settings.rescan_library:
        raise Permanent(
            f"The id of {settings.rescan}'s library is missing",
            news.destination,
            f"Set rescan_library of the destination {news.destination}",
        )


def _as_seen(news: News, settings: DestinationSettings) -> str:
    """The book's folder as the server sees it; "" when that is not known: then all of it is looked at."""
    root = settings.rescan_path or (settings.path if settings.path.startswith("/") else "")
    return f"{root.rstrip('/')}/{news.folder.as_posix()}" if root else ""


def _send(client: httpx.Client, call: _Call, settings: DestinationSettings) -> None:
    """Raises:
    Transient: it did not answer, or said that it is busy. Permanent: it refused.
    """
    address = f"{settings.rescan_url}{call.path}"
    try:
        # A redirect is not followed: it would take the token elsewhere.
        answer = client.request(
            call.method,
            address,
            params=call.params,
            headers=call.headers,
            json=call.json,
            follow_redirects=False,
        )
    except httpx.HTTPError as error:
        raise Transient(
            "A library's server does not answer", address, f"{type(error).__name__}: it is asked again"
        ) from None
    if answer.is_success:
        return
    status = f"{answer.status_code} {answer.reason_phrase}".strip()
    if answer.status_code in _PASSING:
        raise Transient(f"A library's server said {status}", address, "It is asked again")
    hints = {
        401: "Check the token in rescan_token_file",
        403: "Its token must be an administrator's",
        404: "Check rescan_url and rescan_library",
    }
    raise Permanent(
        f"A library's server refused: {status}",
        address,
        hints.get(
            answer.status_code, "Check rescan_url: it must be the server's own address, without a redirect"
        ),
    )
