"""Home's Plex as an import meets it: folder, service, server, and the SQLite that checks its databases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Protocol

from medialift.foundation.waiting import Clock
from medialift.plex import installation
from medialift.plex.database import TYPES
from medialift.plex.restore.layout import LibraryFolder
from medialift.plex.server import Identity, PartFile, PlexServer, Preference
from medialift.plex.service import Service
from medialift.settings import Settings


class Server(Protocol):
    """What an import asks of the server (`medialift.plex.server.PlexServer`)."""

    def identity(self) -> Identity: ...
    def watching(self) -> list[str]: ...
    def preferences(self) -> dict[str, Preference]: ...
    def set_preference(self, name: str, value: str) -> None: ...
    def check_files(self, key: str) -> list[PartFile]: ...
    def wait_ready(
        self, *, at_most: float = ..., every: float = ..., clock: Clock | None = ..., stop: Event | None = ...
    ) -> Identity: ...


@dataclass(frozen=True)
class Home:
    """Everything of home's that an import touches.

    Attributes:
        totals: {section: items} as the server lists them, those marked deleted included.
        integrity: what is wrong with a database, by Plex's own SQLite; it is asked while Plex runs too.
    """

    data: LibraryFolder
    service: Service
    server: Server
    totals: Callable[[], Mapping[str, int]]
    integrity: Callable[[Path], Sequence[str]]


def connect(settings: Settings) -> Home:
    """The home of the settings.

    Raises:
        Permanent: there is no such container to take Plex's SQLite from.
    """
    server = installation.server(settings)
    return Home(
        data=LibraryFolder(settings.plex.data),
        service=installation.service(settings),
        server=server,
        totals=lambda: totals(server),
        integrity=installation.sqlite(settings).integrity_check,
    )


def totals(server: PlexServer) -> dict[str, int]:
    """{section: items} as the server lists them.

    The kind of item is named: by itself a photo section lists its albums, and the facts count photos.

    Raises:
        Transient, Permanent: it could not be asked. Never an incomplete answer.
    """
    return {
        section.name: server.count(section.key, TYPES[section.type])
        for section in server.sections()
        if section.type in TYPES
    }
