"""What happened at home before the story begins: Plex was claimed, it scanned, people watched and rated.

It is done as people do it, through Plex's own interface, by python-plexapi.
"""

from __future__ import annotations

import time
from threading import Event

import requests
from plexapi.server import PlexServer

from medialift.errors import Transient
from medialift.foundation.waiting import wait_until

from .docker import docker
from .plextv import ACCOUNT_TOKEN
from .settings import HOME_NAME, Settings

SECTIONS = (
    ("Movies", "movie", "tv.plex.agents.movie", "Plex Movie"),
    ("TV Shows", "show", "tv.plex.agents.series", "Plex TV Series"),
    ("Music", "artist", "tv.plex.agents.music", "Plex Music"),
    ("Photos", "photo", "com.plexapp.agents.none", "Plex Photo Scanner"),
)
ROOT = "/library/media"
# Below this many quiet looks, the library may still be changing: Plex says it is idle before it is.
QUIET_LOOKS = 6


def make_home_library(settings: Settings | None = None) -> None:
    """Claim home's Plex, make its sections, scan them, watch an episode and rate two films.

    Raises:
        Transient: Plex did not become ready or quiet in time.
    """
    settings = settings or Settings.load()
    url = f"http://{settings.home}:32400"
    _wait(lambda: _writable(url), "Plex at home did not become ready", url)
    token = claim(settings, url)
    plex = PlexServer(url, token)
    there = {section.title for section in plex.library.sections()}
    for name, kind, agent, scanner in SECTIONS:
        if name not in there:
            plex.library.add(
                name=name,
                type=kind,
                agent=agent,
                scanner=scanner,
                location=f"{ROOT}/{name}",
                language="en-US",
            )
    for section in plex.library.sections():
        section.update()
    _wait_quiet(plex)
    films = plex.library.section("Movies").all()
    films[0].rate(9.0)
    films[1].rate(4.0)
    films[1].markPlayed()
    plex.library.section("TV Shows").searchEpisodes()[0].markPlayed()


def claim(settings: Settings, url: str) -> str:
    """Claim the server with the sandbox's account, as a person does in the browser; its token."""
    headers = {"X-Plex-Token": ACCOUNT_TOKEN, "Accept": "application/json"}
    if 'claimed="1"' not in requests.get(f"{url}/identity", timeout=10).text:
        answer = requests.get(f"{settings.plex_tv_url}/api/claim/token.json", headers=headers, timeout=10)
        answer.raise_for_status()
        token = answer.json()["token"]
        requests.post(f"{url}/myplex/claim", params={"token": token}, timeout=30).raise_for_status()
    return home_token()


def home_token() -> str:
    """The token of home's Plex, out of its Preferences.xml, as its owner could read it."""
    data = "/srv/plex/config/Library/Application Support/Plex Media Server"
    said = docker("exec", HOME_NAME, "cat", f"{data}/Preferences.xml")
    return said.partition('PlexOnlineToken="')[2].partition('"')[0]


def _writable(url: str) -> bool:
    try:
        return requests.get(f"{url}/library/sections", timeout=5).status_code in (200, 401)
    except requests.RequestException:
        return False


def _wait_quiet(plex: PlexServer) -> None:
    """Until no section changes any more: equal counts, nothing going on, several times in a row."""
    seen: list[object] = []

    def quiet() -> bool:
        sections = plex.library.sections()
        busy = any(section.refreshing for section in sections) or any(
            activity.type != "butler" for activity in plex.activities
        )
        state = ("busy", time.monotonic()) if busy else tuple(section.totalSize for section in sections)
        seen.append(state)
        last = seen[-QUIET_LOOKS:]
        return len(last) == QUIET_LOOKS and len(set(last)) == 1

    if not wait_until(quiet, at_most=600, every=0.5, stop=Event()):
        raise Transient("Plex at home did not become quiet within 600 s", plex._baseurl)


def _wait(done: object, what: str, subject: str) -> None:
    if not wait_until(done, at_most=120, every=0.3):  # type: ignore[arg-type]
        raise Transient(what, subject)
