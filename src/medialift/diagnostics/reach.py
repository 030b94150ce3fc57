"""Whether the servers that the pipelines ask are reached from this host, and what they say."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from medialift.diagnostics.traffic.failures import kind_of
from medialift.foundation.text import redact
from medialift.settings import Settings

_SECONDS = 5.0
_HINTS = {
    "name": "See whether its name is right and can be resolved on this host",
    "connect": "See whether it runs, and listens at this address and port",
    "certificate": "See to its certificate, or use the address that it is made for",
    "timeout": "See what it is busy with, or what lies between: a firewall answers nothing",
}


@dataclass(frozen=True)
class Target:
    """A server: who it is, what is asked of it, and the setting that names it.

    Attributes:
        fine: statuses that say that it is the right one and up; others are a reason to look.
    """

    name: str
    address: str
    setting: str
    fine: tuple[int, ...] = (200,)
    proxied: bool = False


@dataclass(frozen=True)
class Reached:
    """What became of the question; in how many seconds."""

    name: str
    address: str
    setting: str
    ok: bool
    detail: str
    hint: str
    seconds: float


def targets(settings: Settings) -> list[Target]:
    """The servers that the settings name, without Jellyfin, which has questions of its own."""
    found = []
    if settings.books.user or settings.books.library:
        # Without a token it answers 401: then it is up.
        found.append(
            Target("MyBookshelf2", f"{settings.books.server}/api/languages", "books.server", (200, 401))
        )
    tagging = settings.audiobooks.tagging
    if "audible" in tagging.providers and tagging.mode != "off":
        found.append(
            Target("Audnexus", tagging.audnexus_url, "audiobooks.tagging.audnexus_url", _ANY, proxied=True)
        )
    for name, one in settings.audiobooks.destinations.items():
        if one.rescan_url:
            setting = f"audiobooks.destinations.{name}.rescan_url"
            found.append(Target(f"{one.rescan} of {name}", one.rescan_url, setting, _ANY))
    return found


_ANY = tuple(range(200, 500))


def reached(wanted: Iterable[Target], *, seconds: float = _SECONDS) -> list[Reached]:
    """Ask all of them at once; none is waited for longer than `seconds`."""
    asked = list(wanted)
    if not asked:
        return []
    with ThreadPoolExecutor(len(asked)) as pool:
        return list(pool.map(lambda one: _asked(one, seconds), asked))


def _asked(one: Target, seconds: float) -> Reached:
    began = time.monotonic()
    ok, hint = False, ""
    try:
        # A server at home is not asked through a proxy of the environment.
        with (
            httpx.Client(timeout=seconds, trust_env=one.proxied) as client,
            client.stream("GET", one.address) as answer,
        ):
            ok = answer.status_code in one.fine
            detail = f"answers with {answer.status_code}"
            hint = "" if ok else f"See whether {one.setting} is the right address, and look at its log"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        detail = redact(str(error) or type(error).__name__)
        hint = _HINTS.get(kind_of(error), f"See whether {one.setting} is the right address")
    return Reached(one.name, one.address, one.setting, ok, detail, hint, round(time.monotonic() - began, 3))
