"""Requests that a page of another site made a browser send."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from medialift.web.access.hosts import same

READING = frozenset({"GET", "HEAD", "OPTIONS"})


def from_another_site(headers: Headers, ours: Iterable[str]) -> bool:
    """Whether a browser says that a page of another site sent this.

    Args:
        ours: the hosts that the dashboard is asked by.
    """
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return True
    origin = headers.get("origin")
    return origin is not None and same(urlsplit(origin).netloc) not in {same(one) for one in ours if one}


def from_a_browser(headers: Headers) -> bool:
    """Whether a browser sent this: with each request that changes something it says from where."""
    return "origin" in headers or "sec-fetch-site" in headers or "cookie" in headers
