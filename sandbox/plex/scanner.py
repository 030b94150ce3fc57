"""One scan of a section: walk its roots, open every file, write rows; some after "refreshing" is off."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from threading import Event
from typing import TYPE_CHECKING, Any

from sandbox.plex import bundles, identify, media, rows, tags, trash

if TYPE_CHECKING:
    from sandbox.plex.server import MediaServer

BATCH = 25
READERS = 4
LANGUAGES = {"en": "eng", "de": "deu", "fr": "fra", "es": "spa", "it": "ita"}
DETAILS: dict[str, dict[str, Any]] = {
    "movie": {"width": 320, "height": 180, "video_codec": "h264", "audio_codec": "aac", "audio_channels": 2},
    "show": {"width": 320, "height": 180, "video_codec": "h264", "audio_codec": "aac", "audio_channels": 2},
    "artist": {"audio_channels": 2},
    "photo": {"width": 64, "height": 48},
}
GENRES = ("Comedy", "Documentary", "Drama", "Thriller")
# Kinds that an agent matches online; until then their guid is local://<id>.
MATCHED = (rows.MOVIE, rows.SHOW, rows.SEASON, rows.EPISODE, rows.ARTIST, rows.ALBUM, rows.TRACK)


@dataclass
class Job:
    """A queued scan. `path` limits it to one folder; `force` makes it a refresh of all metadata instead."""

    section: int
    path: str = ""
    force: bool = False
    cancelled: Event = field(default_factory=Event)
    started: float = 0.0


@dataclass(frozen=True)
class Known:
    """A part that the library has."""

    part: int
    media: int
    item: int
    kind: int
    guid: str
    file: str
    size: int
    mtime: int
    part_hash: str
    deleted: bool


@dataclass(frozen=True)
class Arrival:
    """A readable file that the library lacks."""

    file: str
    root: str
    reading: media.Reading


class Scan:
    """Runs one job to its end. Made anew for each."""

    def __init__(self, server: MediaServer, job: Job) -> None:
        self.server = server
        self.library = server.library
        self.job = job
        self.section = job.section
        self.pending: dict[int, identify.Level] = {}
        self.by_guid: dict[str, int] = {}
        self.companions: dict[str, tuple[str, ...]] = {}
        self.files_done = 0
        with self.library.reading() as con:
            row = con.execute("SELECT * FROM library_sections WHERE id=?", (self.section,)).fetchone()
        self.name: str = row["name"]
        self.type = {number: name for name, number in rows.SECTION_TYPES.items()}[row["section_type"]]

    def run(self) -> None:
        """The whole scan. `refreshing` goes off long before the last row is written."""
        server = self.server
        with (
            server.refreshing_section(self.section),
            server.activities.showing(
                "library.update.section",
                f"Scanning {self.name}",
                self.name,
                section=self.section,
                cancellable=True,
            ) as activity,
        ):
            listings = self._list()
            known = self._known()
            arrivals: list[Arrival] = []
            readable: set[str] = set()
            total = max(1, sum(len(listing.media) for listing in listings))
            for batch in _batches(self._read_all(listings), BATCH):
                if not self._may_go_on(len(batch)):
                    server.log(f"Scan of {self.name} was cancelled")
                    return
                with self.library.writing() as con:
                    for file, root, reading in batch:
                        if reading is None:
                            continue
                        readable.add(file)
                        if file in known:
                            self._revisit(con, known[file], reading)
                        else:
                            arrivals.append(Arrival(file, root, reading))
                    # The newest arrivals wait: their rows come after "refreshing" went off.
                    while len(arrivals) > BATCH:
                        self._place(con, arrivals.pop(0))
                activity.progress = min(99, 100 * self.files_done // total)
            self._mark_missing(known, readable, listings)
            with self.library.writing() as con:
                now = int(time.time())
                con.execute(
                    "UPDATE library_sections SET scanned_at=?, updated_at=?, changed_at=changed_at+1, "
                    "content_changed_at=content_changed_at+1 WHERE id=?",
                    (now, now, self.section),
                )
        self._afterwards(arrivals)

    def refresh_metadata(self) -> None:
        """What `force=1` does: every item's metadata is fetched again; no file is looked for."""
        server = self.server
        with (
            server.refreshing_section(self.section),
            server.activities.showing(
                "library.refresh.items", f"Refreshing {self.name}", self.name, section=self.section
            ) as activity,
        ):
            with self.library.reading() as con:
                items = con.execute(
                    "SELECT id, metadata_type, guid, title FROM metadata_items WHERE library_section_id=?",
                    (self.section,),
                ).fetchall()
            for number, batch in enumerate(_batches(items, BATCH)):
                if self.job.cancelled.is_set() or server.stopping.wait(server.pace.factor):
                    return
                with self.library.writing() as con:
                    for item in batch:
                        con.execute(
                            "UPDATE metadata_items SET refreshed_at=? WHERE id=?",
                            (int(time.time()), item["id"]),
                        )
                        bundles.write_metadata_bundle(
                            self.library.data, item["metadata_type"], item["guid"], item["title"]
                        )
                activity.progress = min(99, 100 * number * BATCH // max(1, len(items)))

    def _list(self) -> list[media.Listing]:
        extensions = identify.EXTENSIONS[self.type]
        with self.library.reading() as con:
            roots = con.execute(
                "SELECT id, root_path FROM section_locations WHERE library_section_id=?", (self.section,)
            ).fetchall()
        listings = []
        for location, root in roots:
            if self.job.path and not _within(self.job.path, root):
                continue
            listing = media.walk(root, extensions, identify.SUBTITLE)
            available = "t" if listing.reachable else "f"
            with self.library.writing() as con:
                con.execute(
                    "UPDATE section_locations SET available=?, scanned_at=? WHERE id=?",
                    (available, int(time.time()), location),
                )
            if not listing.reachable:
                self.server.log(f"Root {root} of {self.name} cannot be reached: its items stay as they are")
            listings.append(listing)
            self.companions.update(listing.beside or {})
        return listings

    def _known(self) -> dict[str, Known]:
        with self.library.reading() as con:
            found = con.execute(
                "SELECT p.id, m.id, i.id, i.metadata_type, i.guid, p.file, p.size, p.updated_at, p.hash, "
                "p.deleted_at IS NOT NULL FROM media_parts p JOIN media_items m ON m.id=p.media_item_id "
                "JOIN metadata_items i ON i.id=m.metadata_item_id "
                "WHERE m.library_section_id=? AND p.file<>''",
                (self.section,),
            ).fetchall()
        return {row[5]: Known(*tuple(row)) for row in found}

    def _read_all(self, listings: Iterable[media.Listing]) -> Iterator[tuple[str, str, media.Reading | None]]:
        """(file, root, reading) of every file in scope, in order; None for one that cannot be read."""
        wanted = [
            (file, listing.root)
            for listing in listings
            for file in listing.media
            if not self.job.path or _within(file, self.job.path)
        ]
        with ThreadPoolExecutor(READERS, thread_name_prefix="scan-read") as pool:
            # A window, not all at once: a scan that stops must not go on reading thousands of files.
            for start in range(0, len(wanted), BATCH * 2):
                window = wanted[start : start + BATCH * 2]
                for (file, root), reading in zip(
                    window, pool.map(self._read, [file for file, _ in window]), strict=True
                ):
                    yield file, root, reading

    def _read(self, file: str) -> media.Reading | None:
        try:
            return media.read(file, self.server.switches.media_error)
        except OSError as failed:
            self.server.log(f"Cannot read {file}: {failed.strerror}")
            return None

    def _may_go_on(self, count: int) -> bool:
        """Count files and meet the switches that slow, stall or kill a scan. False when it is cancelled."""
        server = self.server
        self.files_done += count
        switches = server.switches
        if switches["seconds_per_file"]:
            server.stopping.wait(switches["seconds_per_file"] * count)
        crash = switches["crash_after_files"]
        if crash is not None and self.files_done >= crash:
            server.die()
        while (
            (stall := switches["scan_stalls_after"]) is not None
            and self.files_done >= stall
            and not self.job.cancelled.is_set()
        ):
            if server.stopping.wait(0.1):
                return False
        return not (self.job.cancelled.is_set() or server.stopping.is_set())

    def _revisit(self, con: sqlite3.Connection, known: Known, reading: media.Reading) -> None:
        if known.deleted:
            rows.set_deleted(con, known.media, None)
        if known.part_hash != reading.part_hash:
            con.execute(
                "UPDATE media_parts SET hash=?, size=?, updated_at=? WHERE id=?",
                (reading.part_hash, reading.size, reading.mtime, known.part),
            )
            con.execute("UPDATE media_items SET size=? WHERE id=?", (reading.size, known.media))
            bundles.write_media_bundle(self.library.data, reading.part_hash)
            trash.drop_media_bundle(con, self.library.data, known.part_hash)
        elif known.mtime != reading.mtime:
            con.execute("UPDATE media_parts SET updated_at=? WHERE id=?", (reading.mtime, known.part))
        self._match_subtitles(con, known.file, known.media, known.part)
        if known.guid.startswith("local://") and known.kind in MATCHED:
            self._match_again(known, reading)

    def _match_again(self, known: Known, reading: media.Reading) -> None:
        """An earlier scan ended before its agents did: the items of this file still want their match."""
        with self.library.reading() as con:
            _, root = rows.location_of(con, self.section, known.file)
            item: int | None = known.item
            found = identify.identify(self.type, known.file[len(root) :].strip("/"), tags.read(reading.head))
            for level in reversed(found):
                row = con.execute("SELECT guid, parent_id FROM metadata_items WHERE id=?", (item,)).fetchone()
                if row is None:
                    break
                if row["guid"].startswith("local://") and level.kind in MATCHED and item is not None:
                    self.pending[item] = level
                item = row["parent_id"]

    def _place(self, con: sqlite3.Connection, arrival: Arrival) -> None:
        """Write the rows of a new file, and of the items above it that are new too."""
        relative = arrival.file[len(arrival.root) :].strip("/")
        now = int(time.time())
        if self.type == "movie" and identify.is_extra(relative):
            item = rows.add_item(
                con, self.section, rows.CLIP, PurePosixPath(relative).stem, rows.file_url(arrival.file), now
            )
            self._attach(con, item, rows.CLIP, arrival, now)
            self._relate(con, item, arrival.file, now)
            return
        levels = identify.identify(self.type, relative, tags.read(arrival.reading.head))
        if not levels:
            self.server.log(f"Nothing can be told from the name of {arrival.file}")
            return
        parent = None
        for level in levels:
            parent = self._item(con, level, parent, now)
        if parent is not None:
            self._attach(con, parent, levels[-1].kind, arrival, now)
            rows.settle_item(con, parent, now)

    def _item(self, con: sqlite3.Connection, level: identify.Level, parent: int | None, now: int) -> int:
        found = self.by_guid.get(level.guid)
        if found is None:
            found = rows.find_item(con, self.section, level.kind, guid=level.guid)
        if found is None:
            more: dict[str, Any] = {"index": level.index, "year": level.year}
            if parent is not None:
                more["parent_id"] = parent
            found = rows.add_item(con, self.section, level.kind, level.title, level.guid, now, **more)
            if level.kind in MATCHED:
                local = f"local://{found}"
                con.execute(
                    "UPDATE metadata_items SET guid=?, hash=? WHERE id=?", (local, rows.sha1(local), found)
                )
                self.pending[found] = level
        self.by_guid[level.guid] = found
        return found

    def _attach(self, con: sqlite3.Connection, item: int, kind: int, arrival: Arrival, now: int) -> None:
        details = dict(DETAILS[self.type])
        if self.type == "artist":
            details["audio_codec"] = PurePosixPath(arrival.file).suffix.lstrip(".").lower()
        reading = arrival.reading
        part = rows.add_media(
            con,
            self.section,
            item,
            kind,
            arrival.file,
            now,
            size=reading.size,
            part_hash=reading.part_hash,
            duration=None if self.type == "photo" else 1000,
            details=details,
        )
        con.execute("UPDATE media_parts SET updated_at=? WHERE id=?", (reading.mtime, part))
        media_id = con.execute("SELECT media_item_id FROM media_parts WHERE id=?", (part,)).fetchone()[0]
        bundles.write_media_bundle(self.library.data, reading.part_hash)
        self._match_subtitles(con, arrival.file, media_id, part)

    def _relate(self, con: sqlite3.Connection, extra: int, file: str, now: int) -> None:
        """Tie a local extra to the movie of its folder."""
        movie = con.execute(
            "SELECT i.id FROM metadata_items i JOIN media_items m ON m.metadata_item_id=i.id "
            "JOIN media_parts p ON p.media_item_id=m.id WHERE i.metadata_type=? AND m.library_section_id=? "
            "AND p.directory_id=(SELECT directory_id FROM media_parts WHERE file=? ORDER BY id DESC LIMIT 1)",
            (rows.MOVIE, self.section, file),
        ).fetchone()
        if movie:
            values = {"metadata_item_id": movie[0], "related_metadata_item_id": extra, "relation_type": 1}
            rows.insert(con, "metadata_relations", {**values, "created_at": now, "updated_at": now})

    def _match_subtitles(self, con: sqlite3.Connection, file: str, media_id: int, part: int) -> None:
        """External subtitles become streams whose url is the file's; those that went are removed."""
        if self.type not in ("movie", "show"):
            return
        path = PurePosixPath(file)
        wanted = {}
        for candidate in self.companions.get(str(path.parent), ()):
            language = identify.subtitle_language(path, PurePosixPath(candidate))
            if language is not None:
                wanted[rows.file_url(candidate)] = (candidate, language)
        have = {
            row[0]
            for row in con.execute(
                "SELECT url FROM media_streams WHERE media_part_id=? AND url LIKE 'file://%'", (part,)
            )
        }
        for url in wanted.keys() - have:
            candidate, language = wanted[url]
            rows.add_stream(
                con,
                media_id,
                part,
                rows.SUBTITLE_STREAM,
                PurePosixPath(candidate).suffix.lstrip(".").lower(),
                int(time.time()),
                url=url,
                language=LANGUAGES.get(language, language),
            )
        for url in have - wanted.keys():
            con.execute("DELETE FROM media_streams WHERE media_part_id=? AND url=?", (part, url))

    def _mark_missing(
        self, known: dict[str, Known], readable: set[str], listings: Iterable[media.Listing]
    ) -> None:
        """What was not read is missing, unless its whole root cannot be reached or is not in scope."""
        reachable = [listing.root for listing in listings if listing.reachable]
        now = int(time.time())
        missing = [
            part
            for part in known.values()
            if part.file not in readable
            and not part.deleted
            and any(_within(part.file, root) for root in reachable)
            and (not self.job.path or _within(part.file, self.job.path))
        ]
        for batch in _batches(missing, BATCH):
            with self.library.writing() as con:
                for part in batch:
                    rows.set_deleted(con, part.media, now)

    def _afterwards(self, arrivals: list[Arrival]) -> None:
        """The work that goes on when `refreshing` is off: late rows, agents' matches, emptying the trash."""
        server = self.server
        end = time.monotonic() + server.pace.after_refreshing
        server.stopping.wait(server.pace.quiet)
        with server.activities.showing(
            "library.update.item.metadata", f"Updating metadata of {self.name}", section=self.section
        ) as activity:
            with self.library.writing() as con:
                for arrival in arrivals:
                    self._place(con, arrival)
            batches = list(_batches(list(self.pending.items()), BATCH))
            for number, batch in enumerate(batches):
                self._match(batch)
                activity.progress = 100 * (number + 1) // len(batches)
                left = end - time.monotonic()
                if server.stopping.wait(max(0.0, left / (len(batches) - number))):
                    return
            if server.stopping.wait(max(0.0, end - time.monotonic())):
                return
        if server.preferences.on("autoEmptyTrash"):
            removed = trash.empty(self.library, self.section)
            if removed:
                server.log(f"Emptied the trash of {self.name}: {removed} items are gone")

    def _match(self, batch: list[tuple[int, identify.Level]]) -> None:
        now = int(time.time())
        with self.library.writing() as con:
            for item, level in batch:
                genre = GENRES[int(rows.sha1(level.guid)[0], 16) % len(GENRES)]
                con.execute(
                    "UPDATE metadata_items SET guid=?, hash=?, refreshed_at=?, tags_genre=?, summary=?, "
                    "user_thumb_url=?, changed_at=changed_at+1 WHERE id=?",
                    (
                        level.guid,
                        rows.sha1(level.guid),
                        now,
                        genre,
                        f"About {level.title}.",
                        f"metadata://posters/tv.plex.agents_{rows.sha1(level.guid)}",
                        item,
                    ),
                )
                _tag(con, item, genre, now)
                bundles.write_metadata_bundle(self.library.data, level.kind, level.guid, level.title)


def _tag(con: sqlite3.Connection, item: int, genre: str, now: int) -> None:
    found = con.execute("SELECT id FROM tags WHERE tag_type=1 AND tag=?", (genre,)).fetchone()
    tag = (
        found[0]
        if found
        else rows.insert(con, "tags", {"tag": genre, "tag_type": 1, "created_at": now, "updated_at": now})
    )
    if not con.execute(
        "SELECT 1 FROM taggings WHERE metadata_item_id=? AND tag_id=?", (item, tag)
    ).fetchone():
        rows.insert(con, "taggings", {"metadata_item_id": item, "tag_id": tag, "index": 0, "created_at": now})


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _batches(things: Iterable[Any], size: int) -> Iterator[list[Any]]:
    batch = []
    for thing in things:
        batch.append(thing)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
