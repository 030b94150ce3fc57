"""Plex Media Server over HTTP: what a burst asks of it, with the answers checked.

python-plexapi speaks for us where it models the answer (`plexapi`, used for sessions and single items). It
has gaps just where a scan needs certainty, so these are asked for here: it drops a section's `scannedAt` and
an activity's `<Context librarySectionID>`, takes "202 already running" for an error, and does not read a
preference back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any
from xml.etree import ElementTree

import httpx
import plexapi.exceptions
import requests
from plexapi.server import PlexServer as PlexApi

from medialift.errors import MedialiftError, Permanent, Transient
from medialift.foundation.text import redact
from medialift.foundation.waiting import Clock, SystemClock

# httpx writes every address into its log, and a claim token is part of one.
logging.getLogger("httpx").setLevel(logging.WARNING)

TIMEOUT_SECONDS = 30.0
READY_SECONDS = 900.0

PRODUCT = {"X-Plex-Product": "medialift", "X-Plex-Client-Identifier": "medialift"}

_STARTING = "starting up"


@dataclass(frozen=True)
class Identity:
    """What `/identity` says, which a server answers long before it can be used."""

    machine: str
    version: str
    claimed: bool


@dataclass(frozen=True)
class Section:
    """A library section as the server sees it now.

    Attributes:
        key: its id, a number as text.
        type: movie, show, artist or photo.
        refreshing: a scan is going on, as far as the server tells: it says no before the work is done.
        scanned_at: end of the last scan, seconds since the epoch, 0 for never.
    """

    key: str
    name: str
    type: str
    agent: str
    scanner: str
    language: str
    locations: tuple[str, ...]
    refreshing: bool
    scanned_at: int


@dataclass(frozen=True)
class Activity:
    """Something the server does in the background; `section` is the id of the section it concerns, or ""."""

    type: str
    title: str
    progress: int
    section: str


@dataclass(frozen=True)
class Preference:
    """One setting. `type` is bool, int, double or text."""

    id: str
    type: str
    value: str
    default: str


@dataclass(frozen=True)
class PartFile:
    """What the server finds when it looks for a part's file through its own mount."""

    file: str
    exists: bool
    accessible: bool


class PlexServer:
    """One Plex Media Server.

    Args:
        url: by IP address: an unclaimed server answers 401 to a name it does not know.
        token: the account's token, or what gives it: a claim makes one appear in Preferences.xml.
        client: for tests and recorders; made here otherwise.

    Every method raises Transient (no answer, still starting, 5xx, an answer that cannot be parsed) or
    Permanent (refused, unknown). A failed reading is always an error, never an empty answer.
    """

    def __init__(
        self,
        url: str,
        token: str | Callable[[], str | None] | None = None,
        *,
        client: httpx.Client | None = None,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        self.url = url.rstrip("/")
        self._ask_token: Callable[[], str | None] = token if callable(token) else lambda: token
        self._token: str | None = None
        self._client = client or httpx.Client(timeout=timeout, headers=PRODUCT)
        self._timeout = timeout

    def identity(self) -> Identity:
        """Who it is; needs no token."""
        told = self._xml("GET", "/identity")
        return Identity(
            told.get("machineIdentifier", ""), told.get("version", ""), told.get("claimed") == "1"
        )

    def why_not_ready(self) -> str:
        """Why it cannot be used yet; "" when it reads and writes.

        Raises:
            Permanent: it never will as things are: the token is refused.
        """
        try:
            self.identity()
            self.sections()
            # Reads are answered before writes are; setting a preference to what it is changes nothing.
            trash = self.preferences()["autoEmptyTrash"]
            self.set_preference(trash.id, trash.value)
        except Transient as error:
            return error.what
        return ""

    def wait_ready(
        self,
        *,
        at_most: float = READY_SECONDS,
        every: float = 2.0,
        clock: Clock | None = None,
        stop: Event | None = None,
    ) -> Identity:
        """Wait until it can be read and written.

        Raises:
            Transient: it was not within `at_most` seconds, or `stop` was set; with the last reason.
        """
        clock, stop = clock or SystemClock(), stop or Event()
        deadline = clock.monotonic() + at_most
        while reason := self.why_not_ready():
            left = deadline - clock.monotonic()
            if left <= 0 or clock.sleep(min(every, left), stop):
                raise Transient(
                    f"Plex was not ready within {at_most:g} s ({reason})",
                    self.url,
                    "Look at the log of the Plex service",
                )
        return self.identity()

    def sections(self) -> list[Section]:
        """All library sections."""
        told = self._xml("GET", "/library/sections")
        return [
            Section(
                key=one.attrib["key"],
                name=one.attrib["title"],
                type=one.attrib["type"],
                agent=one.get("agent", ""),
                scanner=one.get("scanner", ""),
                language=one.get("language", ""),
                locations=tuple(location.attrib["path"] for location in one.iter("Location")),
                refreshing=one.get("refreshing") == "1",
                scanned_at=int(one.get("scannedAt") or 0),
            )
            for one in told.iter("Directory")
        ]

    def section(self, key: str) -> Section:
        """One section by its id.

        Raises:
            Permanent: it is gone.
        """
        for section in self.sections():
            if section.key == key:
                return section
        raise Permanent("The section is gone from the server", key, "Look at the server's libraries")

    def count(self, key: str, kind: int) -> int:
        """How many items of a kind (`metadata_type`) a section lists, those in the trash included.

        Raises:
            Transient: the answer holds no count.
        """
        told = self._xml(
            "GET",
            f"/library/sections/{key}/all",
            params=[
                ("type", str(kind)),
                ("includeCollections", "0"),
                ("X-Plex-Container-Start", "0"),
                ("X-Plex-Container-Size", "0"),
            ],
        )
        if not told.get("totalSize", "").isdigit():
            raise Transient(
                "Plex did not say how much a section holds", f"{self.url}, section {key}", "Try again"
            )
        return int(told.attrib["totalSize"])

    def create_section(
        self, *, name: str, type: str, agent: str, scanner: str, language: str, locations: Sequence[str]
    ) -> Section:
        """Make a section; it is looked for afterwards, since an answer alone proves nothing."""
        fields: list[tuple[str, str]] = [("name", name), ("type", type), ("agent", agent)]
        fields += [("scanner", scanner), ("language", language), *(("location", path) for path in locations)]
        self._ask("POST", "/library/sections", params=fields)
        for section in self.sections():
            if section.name == name and set(section.locations) == set(locations):
                return section
        raise Permanent(
            "Plex did not create the section", name, "Check its type, agent, scanner and locations"
        )

    def activities(self) -> list[Activity]:
        """What goes on in the background. An idle server has a permanent `butler` row."""
        found = []
        for one in self._xml("GET", "/activities").iter("Activity"):
            context = one.find("Context")
            found.append(
                Activity(
                    type=one.get("type", ""),
                    title=" ".join(filter(None, (one.get("title"), one.get("subtitle")))),
                    progress=int(float(one.get("progress") or -1)),
                    section="" if context is None else context.get("librarySectionID", ""),
                )
            )
        return found

    def scan(self, key: str) -> None:
        """Ask for a scan. It is queued: the answer comes at once and says nothing of its end."""
        self._ask("GET", f"/library/sections/{key}/refresh")

    def cancel_scan(self, key: str) -> None:
        """Ask for a scan to be given up. The server may ignore it: look at the section afterwards."""
        self._ask("DELETE", f"/library/sections/{key}/refresh")

    def analyze(self, key: str) -> None:
        """Ask for the media of a section to be analysed; queued, as a scan is."""
        self._ask("PUT", f"/library/sections/{key}/analyze")

    def butler_tasks(self) -> list[str]:
        """Names of the butler's tasks."""
        return [task.attrib["name"] for task in self._xml("GET", "/butler").iter("ButlerTask")]

    def start_butler(self, task: str) -> bool:
        """Start a task now; False when it is running already.

        Raises:
            Permanent: this server has no such task.
        """
        reply = self._ask("POST", f"/butler/{task}", passing=(404,))
        if reply.status_code == 404:
            raise Permanent(
                "This Plex has no such butler task", task, f"It has: {', '.join(self.butler_tasks())}"
            )
        return reply.status_code != 202

    def stop_butler(self, task: str | None = None) -> None:
        """Stop one task, or all of them."""
        self._ask("DELETE", f"/butler/{task}" if task else "/butler", passing=(404,))

    def preferences(self) -> dict[str, Preference]:
        """All settings by their ids."""
        return {
            one.attrib["id"]: Preference(
                one.attrib["id"], one.get("type", "text"), one.get("value", ""), one.get("default", "")
            )
            for one in self._xml("GET", "/:/prefs").iter("Setting")
        }

    def set_preference(self, name: str, value: str) -> None:
        """Set one. Plex answers 200 for a name it does not know, so `plex.preferences` reads it back."""
        self._ask("PUT", "/:/prefs", params=[(name, value)])

    def claim(self, token: str) -> None:
        """Hand over a claim token. Only an unclaimed server takes one.

        Raises:
            Permanent: it was refused: expired (after four minutes), used before, or not a claim token.
        """
        reply = self._ask("POST", "/myplex/claim", params=[("token", token)], passing=range(400, 500))
        if reply.status_code == 400 and _STARTING in reply.text:
            raise _still_starting(self.url)
        if not reply.is_success:
            raise Permanent(
                "Plex refused the claim token: it has expired, or was used before",
                f"{self.url} answered {reply.status_code}",
                "Get a new one from https://plex.tv/claim: it is good for four minutes, once",
            )

    def check_files(self, key: str) -> list[PartFile]:
        """Let the server look for the files of one item through its own mount."""
        told = self._xml("GET", f"/library/metadata/{key}", params=[("checkFiles", "1")])
        return [
            PartFile(one.get("file", ""), one.get("exists") == "1", one.get("accessible") == "1")
            for one in told.iter("Part")
        ]

    def watching(self) -> list[str]:
        """Who is watching what now: "name: title"."""
        sessions: list[Any] = self._through_plexapi(lambda api: api.sessions())
        return [f"{(session.usernames or ['somebody'])[0]}: {session.title}" for session in sessions]

    def plexapi(self) -> Any:
        """python-plexapi's server, connected: for what it models and this class does not."""
        return self._through_plexapi(lambda api: api)

    def _through_plexapi(self, use: Callable[[Any], Any]) -> Any:
        try:
            return use(PlexApi(self.url, self._current_token(), timeout=self._timeout))
        except plexapi.exceptions.Unauthorized as error:
            raise self._refused() from error
        except (plexapi.exceptions.BadRequest, requests.RequestException, ElementTree.ParseError) as error:
            raise Transient("Plex did not answer as it should", self.url, _first(error)) from error

    def _xml(self, method: str, path: str, params: Sequence[tuple[str, str]] = ()) -> ElementTree.Element:
        reply = self._ask(method, path, params=params)
        try:
            # The answers come from the user's own server.
            return ElementTree.fromstring(reply.content)  # noqa: S314
        except ElementTree.ParseError as error:
            raise Transient(
                "An answer of Plex cannot be parsed", f"{method} {path}", _first(error)
            ) from error

    def _ask(
        self,
        method: str,
        path: str,
        *,
        params: Sequence[tuple[str, str]] = (),
        passing: Sequence[int] = (),
    ) -> httpx.Response:
        reply = self._send(method, path, params)
        if reply.status_code == 401 and self._token_changed():
            # The server was claimed since the last request: now it wants the token it got by that.
            reply = self._send(method, path, params)
        if reply.is_success or reply.status_code in passing:
            return reply
        asked = f"{method} {path}"
        if reply.status_code == 401:
            raise self._refused()
        if reply.status_code in (400, 503) and _STARTING in reply.text:
            raise _still_starting(self.url)
        if reply.status_code >= 500 or reply.status_code == 429:
            raise Transient(
                f"Plex answered {reply.status_code}", asked, "Look at the log of the Plex service"
            )
        raise Permanent(
            f"Plex answered {reply.status_code}", asked, "Check that this server has such a thing"
        )

    def _send(self, method: str, path: str, params: Sequence[tuple[str, str]]) -> httpx.Response:
        token = self._current_token()
        headers: Mapping[str, str] = {"X-Plex-Token": token} if token else {}
        try:
            return self._client.request(method, self.url + path, params=list(params), headers=headers)
        except httpx.HTTPError as error:
            raise Transient("Plex did not answer", f"{method} {self.url}{path}", _first(error)) from error

    def _current_token(self) -> str | None:
        if self._token is None:
            self._token = self._ask_token()
        return self._token

    def _token_changed(self) -> bool:
        before, self._token = self._token, self._ask_token()
        return self._token != before

    def _refused(self) -> MedialiftError:
        return Permanent(
            "Plex refuses the token" if self._token else "Plex wants a token",
            self.url,
            "Check that Preferences.xml is that of this very server, and that it is still in the account",
        )


def connect(url: str, preferences: Path | None = None) -> PlexServer:
    """A server whose token, once it is claimed, is read from its Preferences.xml. Nothing is asked yet."""
    return PlexServer(url, (lambda: read_token(preferences)) if preferences else None)


def read_token(preferences: Path) -> str | None:
    """The token in a server's Preferences.xml; None when it is unclaimed or has none yet.

    Raises:
        Transient: the file cannot be parsed now: Plex writes it as it goes.
        Permanent: it may not be read.
    """
    try:
        text = preferences.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Permanent("Plex's preferences cannot be read", str(preferences), str(error.strerror)) from error
    try:
        return ElementTree.fromstring(text).get("PlexOnlineToken") or None  # noqa: S314 - the user's own file
    except ElementTree.ParseError as error:
        raise Transient("Plex's preferences cannot be parsed", str(preferences), _first(error)) from error


def _still_starting(url: str) -> Transient:
    return Transient("Plex is still starting up", url, "Wait: a large library takes minutes")


def _first(error: Exception) -> str:
    """The first line of an error's text, fit to be shown."""
    lines = redact(str(error)).splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
