"""A home with a real library, a Plex that serves it, and archives of bursts: for tests of imports."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from medialift.errors import Transient
from medialift.foundation import archive
from medialift.foundation.journal import Journal
from medialift.plex import database, remap
from medialift.plex.restore import ArchiveSource, Home, LibraryFolder, Options
from medialift.plex.server import Identity, PartFile, Preference
from sandbox.plex.builder import LibraryBuilder
from sandbox.plex.schema import NEW_VERSION, connect_as_plex

FORWARD = {"/library/media": "/cloud/media"}
OPTIONS = Options(wait=60.0, ready=5.0, reserve=0)


class Quick:
    """A clock on which waiting costs nothing."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float, stop: Event) -> bool:
        self.time += seconds
        return stop.is_set()


class Plex:
    """A service and a server in one, serving the library of a data folder while it runs.

    While running it holds the databases open in WAL mode. Switches: `version`, `viewers` (one list per
    question), `lost_files` (paths it cannot find), `broken` (it never gets ready), `on_stop`.
    """

    def __init__(self, data: Path, version: str = NEW_VERSION) -> None:
        self.data, self.version = LibraryFolder(data), version
        self.trash = "1"
        self.viewers: list[list[str]] = []
        self.lost_files: tuple[str, ...] = ()
        self.broken: Callable[[], bool] = lambda: False
        self.on_stop: Callable[[], None] = lambda: None
        self.told: list[str] = []
        self._open: list[sqlite3.Connection] = []

    def running(self) -> bool:
        return bool(self._open)

    def start(self) -> None:
        self.told.append("start")
        self._open = [connect_as_plex(path) for path in (self.data.library, self.data.blobs)]
        for con in self._open:
            con.execute("SELECT count(*) FROM metadata_items").fetchone()

    def stop(self) -> None:
        self.told.append("stop")
        for con in self._open:
            con.close()
        self._open = []
        self.on_stop()

    def identity(self) -> Identity:
        if not self.running():
            raise Transient("Plex did not answer")
        return Identity("machine", self.version, True)

    def wait_ready(self, *, at_most: float = 0, every: float = 0, clock: Any = None, stop: Any = None):
        if self.broken():
            raise Transient("Plex was not ready within 5 s")
        return self.identity()

    def watching(self) -> list[str]:
        return self.viewers.pop(0) if self.viewers else []

    def preferences(self) -> dict[str, Preference]:
        return {"autoEmptyTrash": Preference("autoEmptyTrash", "bool", self.trash, "1")}

    def set_preference(self, name: str, value: str) -> None:
        self.trash = value

    def totals(self) -> dict[str, int]:
        query = (
            "SELECT s.name, count(m.id) FROM library_sections s LEFT JOIN metadata_items m "
            "ON m.library_section_id = s.id AND m.metadata_type = s.section_type GROUP BY s.id"
        )
        return dict(self._open[0].execute(query).fetchall())

    def check_files(self, key: str) -> list[PartFile]:
        query = (
            "SELECT p.file FROM media_parts p JOIN media_items m ON m.id = p.media_item_id "
            "WHERE m.metadata_item_id = ?"
        )
        found = []
        for (file,) in self._open[0].execute(query, (key,)):
            there = file.startswith("/library/media/") and file not in self.lost_files
            found.append(PartFile(file, there, there))
        return found


def integrity(path: Path) -> tuple[str, ...]:
    """As `Plex SQLite` does it: with the collation."""
    con = connect_as_plex(path)
    try:
        lines = [row[0] for row in con.execute("PRAGMA integrity_check")]
    except sqlite3.DatabaseError as error:
        lines = [str(error)]
    finally:
        con.close()
    return () if lines == ["ok"] else tuple(lines)


@dataclass
class World:
    """A home that runs, and the archives of bursts made from it."""

    folder: Path
    plex: Plex
    home: Home
    journal: Journal
    reference: database.WatchState | None = None
    clock: Quick = field(default_factory=Quick)

    @classmethod
    def make(cls, folder: Path, triggers: str = "new") -> World:
        data = folder / "Plex Media Server"
        with LibraryBuilder.in_folder(data, triggers) as library:
            movies = library.add_section("Movies", "movie", "/library/media/Movies")
            music = library.add_section("Music", "artist", "/library/media/Music")
            for number in range(6):
                film = library.add_movie(movies, f"/library/media/Movies/Film {number}.mkv", f"Film {number}")
                library.add_stream_url(library.part_of(film), f"/library/media/Movies/Film {number}.en.srt")
            for number in range(3):
                track = library.add_track(
                    music, f"/library/media/Music/{number}.mp3", "Artist", "Album", number
                )
                library.add_sonic(track)
            library.set_watch(library.guid(1), views=1, rating=7.0)
        (data / "Preferences.xml").write_text('<Preferences PlexOnlineToken="of home"/>')
        world = cls.attach(folder)
        world.reference = database.watch_state(world.home.data.library)
        world.plex.start()
        world.plex.told.clear()
        return world

    @classmethod
    def attach(cls, folder: Path) -> World:
        """The world that was made in a folder, its Plex not running."""
        data = LibraryFolder(folder / "Plex Media Server")
        plex = Plex(data.path)
        home = Home(data, plex, plex, plex.totals, integrity)
        return cls(folder, plex, home, Journal(folder / "journal.jsonl"))

    def burst(
        self,
        name: str = "burst",
        change: Callable[[LibraryBuilder], None] | None = None,
        *,
        extra: Mapping[str, bytes] | None = None,
        bundles: bool = True,
        **manifest: Any,
    ) -> ArchiveSource:
        """An archive of what a burst makes of home's library: two more films, one more poster.

        Args:
            change: what the burst does besides.
            extra: further files in the archive.
            bundles: whether the new films bring bundles of their own.
            manifest: entries to replace.
        """
        cloud = self.folder / f"cloud-{name}"
        shutil.copytree(self.home.data.path, cloud, ignore=shutil.ignore_patterns(".medialift", "*-shm"))
        with suppress(FileNotFoundError):
            (cloud / "Preferences.xml").unlink()
        folder = LibraryFolder(cloud)
        with LibraryBuilder.in_folder(cloud):
            pass  # takes in what was still in the log
        remap.apply(remap.plan(folder.library, FORWARD), backup=False)
        with LibraryBuilder.in_folder(cloud) if bundles else LibraryBuilder(folder.library) as library:
            for number in (10, 11):
                library.add_movie(1, f"/cloud/media/Movies/New {number}.mkv", f"New {number}")
            if change:
                change(library)
        for path, content in (extra or {}).items():
            (cloud / path).parent.mkdir(parents=True, exist_ok=True)
            (cloud / path).write_bytes(content)
        facts = database.sections(folder.library)
        told = {
            "format": 1,
            "kind": "burst",
            "library": "home",
            "created": "2027-01-15T08:00:00Z",
            "plex_version": NEW_VERSION,
            "machine": "",
            "schema": database.schema(folder.library).to_dict(),
            "sections": [section.to_manifest() for section in facts],
            "path_map": {"forward": FORWARD},
            "watch_state": database.watch_state(folder.library).to_dict(),
            "reference": {"sha256": "", "created": "", "watch_state": vars(self.reference)},
            "contents": ["databases", "metadata", "media"],
            **manifest,
        }
        return pack(cloud, self.folder / f"{name}.tar.zst", told)

    def serving(self) -> dict[str, Any]:
        """What a user would notice: sections and counts, files, people's marks."""
        return snapshot(self.home.data)


def pack(tree: Path, target: Path, manifest: Mapping[str, Any], **sidecar: Any) -> ArchiveSource:
    """Write an archive and its sidecar."""
    members = [
        archive.Member(path.relative_to(tree).as_posix(), path)
        for path in sorted(tree.rglob("*"))
        if path.is_file() and not path.name.endswith((".remap.json", "-wal", "-shm"))
    ]
    with target.open("wb") as out:
        written = archive.write(members, out, manifest=manifest, threads=1)
    described = {
        **manifest,
        "archive": {
            "bytes": written.bytes,
            "sha256": written.sha256,
            "members": written.members,
            "content_bytes": written.content_bytes,
        },
        "quarantined": False,
        "reasons": [],
        **sidecar,
    }
    target.with_name(target.name + ".json").write_text(json.dumps(described))
    return ArchiveSource.at(target)


def path_of(source: ArchiveSource) -> Path:
    return Path(source.name)


def describe(source: ArchiveSource, **changes: Any) -> None:
    """Change the sidecar of an archive."""
    path = path_of(source).with_name(path_of(source).name + ".json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def tree(data: LibraryFolder) -> dict[str, str]:
    """{relative path: sha256} of all of Plex's files, ours left out; folders too, with an empty digest.

    A database in WAL mode changes its header when it is opened and closed, so it is read as rows.
    """
    found = {}
    for path in sorted(data.path.rglob("*")):
        relative = path.relative_to(data.path).as_posix()
        if relative.startswith(".medialift"):
            continue
        if path.suffix == ".db":
            found[relative] = "\n".join(_rows(path))
        elif path.is_dir():
            found[relative] = ""
        elif not relative.endswith(("-shm", "-wal")):
            found[relative] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _rows(path: Path) -> Iterator[str]:
    con = sqlite3.connect(path)
    try:
        for table in (
            "library_sections",
            "section_locations",
            "media_parts",
            "media_streams",
            "metadata_items",
            "metadata_item_settings",
            "metadata_item_views",
            "blobs",
        ):
            yield from (repr(row) for row in con.execute(f"SELECT * FROM {table} ORDER BY id"))
    finally:
        con.close()


def snapshot(data: LibraryFolder) -> dict[str, Any]:
    con = sqlite3.connect(data.library)
    try:
        files = [row[0] for row in con.execute("SELECT file FROM media_parts ORDER BY id")]
        urls = [row[0] for row in con.execute("SELECT url FROM media_streams WHERE url IS NOT NULL")]
    finally:
        con.close()
    return {
        "sections": [(s.name, s.items, s.leaves, s.locations) for s in database.sections(data.library)],
        "files": files,
        "urls": urls,
        "watched": database.watch_state(data.library).digest,
    }
