"""Build a small real library in a few lines, for tests and for fixtures of the sandbox."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any

from sandbox.plex import bundles, rows, schema

CREATED = 1_700_000_000
VIDEO = {"width": 320, "height": 180, "video_codec": "h264", "audio_codec": "aac", "audio_channels": 2}
AUDIO = {"audio_codec": "mp3", "audio_channels": 2}


class LibraryBuilder:
    """A library.db with its blobs.db beside it, filled by calls such as `add_movie`.

    Args:
        path: of the library database; both databases are created when the file is not there.
        triggers: generation of a newly created one; `version` (of PMS) decides instead when given.
        data: Plex's data folder; when given, every item gets its bundles there too.

    Writes go through connections that know Plex's collation and tokenizer. Nothing is in a WAL after
    `close()`; use it as a context manager, or call `close()` before code under test opens the files.
    """

    def __init__(
        self,
        path: str | Path,
        triggers: schema.Triggers = "new",
        *,
        version: str | None = None,
        data: Path | None = None,
    ) -> None:
        self.path = Path(path)
        self.blobs_path = self.path.with_name(schema.BLOBS)
        self.data = data
        for database in (self.path, self.blobs_path):
            if not database.exists():
                schema.create_library(database, triggers, version)
        self.con = schema.connect_as_plex(self.path)
        self.blobs = schema.connect_as_plex(self.blobs_path)
        self.json_form = schema.newest_migration(self.con) >= schema.GENERATIONS["new"].newest

    @classmethod
    def in_folder(
        cls, data: str | Path, triggers: schema.Triggers = "new", *, version: str | None = None
    ) -> LibraryBuilder:
        """A library where Plex keeps it below its data folder, with bundles in `Metadata` and `Media`."""
        data = Path(data)
        databases = data / "Plug-in Support" / "Databases"
        return cls(databases / schema.LIBRARY, triggers, version=version, data=data)

    def __enter__(self) -> LibraryBuilder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close both databases; as the last connections do, this empties and removes the WAL."""
        self.con.close()
        self.blobs.close()

    def add_section(
        self, name: str, type: str = "movie", locations: str | list[str] | tuple[str, ...] = ()
    ) -> int:
        """Add a section of type movie, show, artist or photo. Returns its id."""
        listed = [locations] if isinstance(locations, str) else list(locations)
        return rows.add_section(self.con, name, type, listed, now=CREATED)

    def add_movie(
        self, section: int, file: str, title: str = "", year: int | None = None, **more: Any
    ) -> int:
        """Add a movie with one file. Returns the id of its metadata item."""
        title = title or PurePosixPath(file).stem
        guid = more.pop("guid", None) or rows.guid_of(rows.MOVIE, title, year)
        item = self._item(section, rows.MOVIE, title, guid, year=year)
        self._media(section, item, rows.MOVIE, file, VIDEO, **more)
        return item

    def add_episode(
        self,
        section: int,
        file: str,
        show: str,
        season: int = 1,
        episode: int = 1,
        title: str = "",
        **more: Any,
    ) -> int:
        """Add an episode; its show and season are made when missing. Returns the episode's id."""
        show_id = self._item(section, rows.SHOW, show, rows.guid_of(rows.SHOW, show))
        season_id = self._item(
            section,
            rows.SEASON,
            f"Season {season}",
            rows.guid_of(rows.SEASON, show, season),
            parent_id=show_id,
            index=season,
        )
        guid = more.pop("guid", None) or rows.guid_of(rows.EPISODE, show, season, episode)
        item = self._item(
            section, rows.EPISODE, title or f"Episode {episode}", guid, parent_id=season_id, index=episode
        )
        self._media(section, item, rows.EPISODE, file, VIDEO, **more)
        return item

    def add_track(
        self, section: int, file: str, artist: str, album: str, index: int = 1, title: str = "", **more: Any
    ) -> int:
        """Add a track; its artist and album are made when missing. Returns the track's id."""
        artist_id = self._item(section, rows.ARTIST, artist, rows.guid_of(rows.ARTIST, artist))
        album_id = self._item(
            section, rows.ALBUM, album, rows.guid_of(rows.ALBUM, artist, album), parent_id=artist_id, index=1
        )
        guid = more.pop("guid", None) or rows.guid_of(rows.TRACK, artist, album, index)
        item = self._item(
            section, rows.TRACK, title or f"Track {index}", guid, parent_id=album_id, index=index
        )
        self._media(section, item, rows.TRACK, file, AUDIO, **more)
        return item

    def add_photo(self, section: int, file: str, title: str = "", **more: Any) -> int:
        """Add a photo; photos have `local://` guids. Returns its id."""
        guid = more.pop("guid", None) or f"local://{rows.sha1(file)[:8]}"
        item = self._item(section, rows.PHOTO, title or PurePosixPath(file).stem, guid)
        self._media(section, item, rows.PHOTO, file, {"width": 64, "height": 64}, **more)
        return item

    def add_part(self, file: str, section: int | None = None) -> int:
        """Add a movie with this file to a section (the first; made if there is none). Returns the part id."""
        if section is None:
            first = self.con.execute("SELECT min(id) FROM library_sections").fetchone()[0]
            section = first or self.add_section("Movies", "movie", [str(PurePosixPath(file).parent)])
        item = self.add_movie(section, file, title=f"{PurePosixPath(file).stem} {rows.sha1(file)[:6]}")
        return self.part_of(item)

    def add_extra(self, section: int, file: str) -> int:
        """Add a local extra: a clip whose guid is the `file://` url of its file. Returns its id."""
        item = self._item(section, rows.CLIP, PurePosixPath(file).stem, rows.file_url(file))
        self._media(section, item, rows.CLIP, file, VIDEO)
        return item

    def add_stream_url(self, part: int, url: str, stream_type: int = rows.SUBTITLE_STREAM) -> int:
        """Add an external subtitle (3) or lyrics (4). `url` is taken as it is, or a path to make one from."""
        media = self.con.execute("SELECT media_item_id FROM media_parts WHERE id=?", (part,)).fetchone()[0]
        address = rows.file_url(url) if url.startswith("/") else url
        return rows.add_stream(self.con, media, part, stream_type, "srt", CREATED, url=address)

    def mark_deleted(self, item: int, at: int = CREATED + 1000) -> None:
        """Mark an item and its files as missing, the way a scan that cannot read them does."""
        for (media,) in self.con.execute("SELECT id FROM media_items WHERE metadata_item_id=?", (item,)):
            rows.set_deleted(self.con, media, at)

    def set_watch(
        self,
        guid: str,
        account: int = 1,
        views: int = 1,
        *,
        rating: float | None = None,
        offset: int | None = None,
        at: int = CREATED + 500,
    ) -> None:
        """Record that an account watched an item `views` times: settings, and one row per view."""
        found = self.con.execute(
            "SELECT id FROM metadata_item_settings WHERE guid=? AND account_id=?", (guid, account)
        ).fetchone()
        values = {
            "rating": rating,
            "view_offset": offset,
            "view_count": views,
            "last_viewed_at": at if views else None,
            "updated_at": at,
        }
        if found:
            pairs = ", ".join(f"{name}=?" for name in values)
            self.con.execute(
                f"UPDATE metadata_item_settings SET {pairs} WHERE id=?", (*values.values(), found[0])
            )
        else:
            rows.insert(
                self.con,
                "metadata_item_settings",
                {"account_id": account, "guid": guid, "created_at": at, **values},
            )
        item = self.con.execute(
            'SELECT metadata_type, library_section_id, title, "index" FROM metadata_items WHERE guid=?',
            (guid,),
        ).fetchone() or (None, None, None, None)
        seen = self.con.execute(
            "SELECT count(*) FROM metadata_item_views WHERE guid=? AND account_id=?", (guid, account)
        ).fetchone()[0]
        for number in range(seen, views):
            rows.insert(
                self.con,
                "metadata_item_views",
                {
                    "account_id": account,
                    "guid": guid,
                    "metadata_type": item[0],
                    "library_section_id": item[1],
                    "title": item[2],
                    "index": item[3],
                    "viewed_at": at - number,
                },
            )

    def add_sonic(self, track: int) -> None:
        """Give a track its sonic analysis: the version in the library, the vector in the blobs."""
        rows.add_sonic(self.con, self.blobs, track, CREATED + 100, json_form=self.json_form)

    def guid(self, item: int) -> str:
        return str(self.con.execute("SELECT guid FROM metadata_items WHERE id=?", (item,)).fetchone()[0])

    def part_of(self, item: int) -> int:
        """Id of the first part of an item."""
        query = (
            "SELECT p.id FROM media_parts p JOIN media_items m ON m.id=p.media_item_id "
            "WHERE m.metadata_item_id=? ORDER BY p.id LIMIT 1"
        )
        return int(self.con.execute(query, (item,)).fetchone()[0])

    def parts(self) -> list[str]:
        """Every media_parts.file, in order of creation."""
        return [row[0] for row in self.con.execute("SELECT file FROM media_parts ORDER BY id")]

    def roots(self) -> list[str]:
        """Every section_locations.root_path, in order of creation."""
        return [row[0] for row in self.con.execute("SELECT root_path FROM section_locations ORDER BY id")]

    def urls(self) -> list[str]:
        """Every media_streams.url that is not NULL, in order of creation."""
        query = "SELECT url FROM media_streams WHERE url IS NOT NULL ORDER BY id"
        return [row[0] for row in self.con.execute(query)]

    def _item(self, section: int, kind: int, title: str, guid: str, **more: Any) -> int:
        found = rows.find_item(self.con, section, kind, guid=guid)
        if found is not None:
            return found
        if self.data is not None:
            bundles.write_metadata_bundle(self.data, kind, guid, title)
        return rows.add_item(self.con, section, kind, title, guid, CREATED, **more)

    def _media(
        self, section: int, item: int, kind: int, file: str, details: dict[str, Any], size: int = 1000
    ) -> int:
        part_hash = hashlib.sha1(file.encode("utf-8", "surrogateescape")).hexdigest()
        if self.data is not None:
            bundles.write_media_bundle(self.data, part_hash)
        return rows.add_media(
            self.con,
            section,
            item,
            kind,
            file,
            CREATED,
            size=size,
            part_hash=part_hash,
            duration=None if kind == rows.PHOTO else 1000,
            details=details,
        )


def lock_exclusively(path: str | Path) -> sqlite3.Connection:
    """Hold a database open with a pending write, as a running Plex does: for tests of refusals."""
    con = schema.connect_as_plex(path)
    con.execute("BEGIN IMMEDIATE")
    return con
