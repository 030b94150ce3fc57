"""A Plex data folder with a small real library, and what an export needs besides it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from medialift.foundation.journal import Journal
from medialift.plex import database
from medialift.plex.data_folder import DataFolder
from medialift.plex.export import ExportRequest, Means
from sandbox.plex.builder import LibraryBuilder

VERSION = "1.43.4.10903-2f8b9b1b5"

# What must never be in an archive, as it lies in a real data folder.
IDENTITY = {
    "Preferences.xml": '<Preferences ProcessedMachineIdentifier="abc123" PlexOnlineToken="secret"/>',
    ".LocalAdminToken": "secret",
    "certificate.p12": "secret",
    "Cache/cert-v2.p12": "secret",
    "Cache/x": "cache",
    "Logs/Plex Media Server.log": "log",
    "Crash Reports/1": "dump",
    "Codecs/a.so": "codec",
    "plexmediaserver.pid": "1",
    "Plug-in Support/Databases/com.plexapp.plugins.library.db-2026-11-18": "an old copy",
    "Plug-in Support/Databases/com.plexapp.dlna.db": "another database",
    "Plug-in Support/Preferences/com.plexapp.agents.xml": "keys",
    "Metadata/Movies/.LocalAdminToken": "secret",
    "Metadata/Movies/0/Preferences.xml": "secret",
    "Media/localhost/stray.pid": "1",
}


@dataclass
class FakeService:
    """A service without Plex: it tells what was asked of it."""

    runs: bool = True
    asked: list[str] = field(default_factory=list)

    def running(self) -> bool:
        return self.runs

    def stop(self) -> None:
        self.asked.append("stop")
        self.runs = False

    def start(self) -> None:
        self.asked.append("start")
        self.runs = True


class SteppingClock:
    """A clock that a test moves; nothing sleeps."""

    def __init__(self, now: float = 1_795_000_000.0) -> None:
        self.at = now

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float, stop: Event) -> bool:
        self.at += seconds
        return stop.is_set()


def make_data(folder: Path) -> DataFolder:
    """A library of two sections with bundles, among all that a real server keeps beside it."""
    with LibraryBuilder.in_folder(folder) as library:
        movies = library.add_section("Movies", "movie", "/library/media/Movies")
        for number in range(3):
            library.add_movie(movies, f"/library/media/Movies/Film {number}.mkv")
        music = library.add_section("Music", "artist", "/library/media/Music")
        library.add_track(music, "/library/media/Music/a.mp3", artist="A", album="B")
    for name, content in IDENTITY.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return DataFolder(folder)


def means(folder: Path, **changes: object) -> Means:
    given = {
        "journal": Journal(folder / "journal.jsonl"),
        "check": database.quick_check,
        "service": FakeService(),
        "clock": SteppingClock(),
        "free": lambda _path: 1 << 40,
    }
    return Means(**{**given, **changes})


def request(**changes: object) -> ExportRequest:
    given = {"kind": "reference", "library": "home", "plex_version": VERSION, "mode": "stopped"}
    return ExportRequest(**{**given, **changes})
