"""The Plex of this host, as the settings tell of it."""

from __future__ import annotations

from pathlib import Path

from medialift.cli.session import Session
from medialift.plex.server import PlexServer, read_token

_DATABASES = Path("Plug-in Support/Databases")


def database(run: Session, given: Path | None = None) -> Path:
    """The library's database: the one that was named, or this host's."""
    return given or run.settings.plex.data / _DATABASES / "com.plexapp.plugins.library.db"


def blobs(run: Session) -> Path:
    """The database of the library's blobs."""
    return run.settings.plex.data / _DATABASES / "com.plexapp.plugins.library.blobs.db"


def server(run: Session) -> PlexServer:
    """The server over HTTP, with the token of the settings or else that of Preferences.xml."""
    plex = run.settings.plex
    token = plex.token.get_secret_value()
    return PlexServer(plex.url, token or (lambda: read_token(plex.data / "Preferences.xml")))
