"""The Plex of this host, as the settings tell of it: its databases, its server, its service, its SQLite."""

from __future__ import annotations

from pathlib import Path

from medialift.errors import Permanent
from medialift.foundation import process
from medialift.foundation.process import Runner
from medialift.plex.data_folder import DataFolder
from medialift.plex.server import PlexServer, read_token
from medialift.plex.service import NATIVE_SQLITE, PlexService, PlexSqlite
from medialift.settings import Settings


def database(settings: Settings) -> Path:
    """The library's database."""
    return DataFolder(settings.plex.data).library


def blobs(settings: Settings) -> Path:
    """The database of the library's blobs: it travels with the library's, always."""
    return DataFolder(settings.plex.data).blobs


def preferences(settings: Settings) -> Path:
    """The server's Preferences.xml, which holds its identity and its token."""
    return DataFolder(settings.plex.data).preferences


def server(settings: Settings) -> PlexServer:
    """The server over HTTP, with the token of the settings or else that of Preferences.xml."""
    token = settings.plex.token.get_secret_value()
    return PlexServer(settings.plex.url, token or (lambda: read_token(preferences(settings))))


def service(settings: Settings) -> PlexService:
    """The systemd unit."""
    given = settings.plex
    return PlexService(given.unit, to_stop=given.stop_timeout, to_start=given.start_timeout)


def sqlite(settings: Settings, runner: Runner | None = None) -> PlexSqlite:
    """Plex's own SQLite: the command of the settings, or that of the container's image, or the package's.

    Raises:
        Permanent: Plex's data folder is not there, or there is no such container.
    """
    plex = settings.plex
    runner = runner or process.runner(timeout=plex.check_timeout)
    if plex.sqlite:
        return PlexSqlite(plex.sqlite, runner)
    if not plex.container:
        return PlexSqlite.native(NATIVE_SQLITE, runner)
    try:
        owner = plex.data.stat()
    except OSError as error:
        raise Permanent("Plex's data folder cannot be looked at", str(plex.data), "Set plex.data") from error
    return PlexSqlite.of_container(plex.container, (owner.st_uid, owner.st_gid), runner)
