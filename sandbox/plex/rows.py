"""Rows of a Plex library, written the way Plex writes them: one function per thing in the library."""

from __future__ import annotations

import gzip
import hashlib
import json
import sqlite3
import time
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

MOVIE, SHOW, SEASON, EPISODE = 1, 2, 3, 4
ARTIST, ALBUM, TRACK = 8, 9, 10
CLIP, PHOTO, PHOTO_ALBUM, PLAYLIST, COLLECTION = 12, 13, 14, 15, 18

VIDEO_STREAM, AUDIO_STREAM, SUBTITLE_STREAM, LYRICS_STREAM = 1, 2, 3, 4

SECTION_TYPES = {"movie": MOVIE, "show": SHOW, "artist": ARTIST, "photo": PHOTO}
TYPE_NAMES = {
    MOVIE: "movie",
    SHOW: "show",
    SEASON: "season",
    EPISODE: "episode",
    ARTIST: "artist",
    ALBUM: "album",
    TRACK: "track",
    CLIP: "clip",
    PHOTO: "photo",
    PHOTO_ALBUM: "photoalbum",
}
AGENTS = {
    "movie": ("tv.plex.agents.movie", "Plex Movie"),
    "show": ("tv.plex.agents.series", "Plex TV Series"),
    "artist": ("tv.plex.agents.music", "Plex Music"),
    "photo": ("com.plexapp.agents.none", "Plex Photo Scanner"),
}
SONIC_BLOB = 7
SONIC_FLOATS = 50
# Plex stores URL paths with these signs left as they are; comma, space and percent are encoded.
URL_SAFE = "/(){}"


def insert(con: sqlite3.Connection, table: str, values: Mapping[str, Any]) -> int:
    """Insert one row and return its id."""
    columns = ", ".join(f'"{name}"' for name in values)
    marks = ", ".join("?" for _ in values)
    cursor = con.execute(f'INSERT INTO "{table}" ({columns}) VALUES ({marks})', tuple(values.values()))
    return int(cursor.lastrowid or 0)


def file_url(path: str) -> str:
    """`file:///…` as in media_streams.url: percent-encoded UTF-8, parentheses and braces raw."""
    return "file://" + quote(path, safe=URL_SAFE)


def sha1(text: str) -> str:
    return hashlib.sha1(text.encode("utf-8", "surrogateescape")).hexdigest()


def guid_of(kind: int, *names: object) -> str:
    """A `plex://` guid that depends on the names only: the same match at home and in the cloud."""
    return f"plex://{TYPE_NAMES[kind]}/{sha1('|'.join(str(name) for name in names))[:24]}"


def extra_data(values: Mapping[str, str], *, json_form: bool = True) -> str:
    """`extra_data`: newer Plex writes JSON whose `url` repeats the data url-encoded, older that alone."""
    url = "&".join(f"{_strict(name)}={_strict(value)}" for name, value in sorted(values.items()))
    if not json_form:
        return url
    return json.dumps({**dict(sorted(values.items())), "url": url}, separators=(",", ":"), ensure_ascii=False)


def _strict(text: str) -> str:
    return quote(text, safe="").replace(".", "%2E").replace("-", "%2D").replace("_", "%5F")


def add_section(
    con: sqlite3.Connection,
    name: str,
    kind: str,
    locations: list[str],
    *,
    agent: str | None = None,
    scanner: str | None = None,
    language: str = "en-US",
    now: int | None = None,
) -> int:
    """One row in library_sections and one per root in section_locations. Returns the section's id."""
    now = now or int(time.time())
    default_agent, default_scanner = AGENTS[kind]
    section = insert(
        con,
        "library_sections",
        {
            "name": name,
            "name_sort": name,
            "section_type": SECTION_TYPES[kind],
            "language": language,
            "agent": agent or default_agent,
            "scanner": scanner or default_scanner,
            "created_at": now,
            "updated_at": now,
            "scanned_at": None,
            "user_fields": "pr%3Aincludeadult=0",
            "query_xml": "",
            "query_type": 0,
            "uuid": sha1(f"{name}|{now}|{locations}")[:32],
        },
    )
    for root in locations:
        add_location(con, section, root, now)
    return section


def add_location(con: sqlite3.Connection, section: int, root: str, now: int) -> int:
    values = {"library_section_id": section, "root_path": root, "available": "t"}
    return insert(con, "section_locations", {**values, "created_at": now, "updated_at": now})


def directory(con: sqlite3.Connection, section: int, relative: str, now: int) -> int:
    """Id of the row for a folder, made with its parents when missing. `''` is the root."""
    found = con.execute(
        "SELECT id FROM directories WHERE library_section_id=? AND path=?", (section, relative)
    ).fetchone()
    if found:
        return int(found[0])
    parent = None
    if relative:
        above = str(PurePosixPath(relative).parent)
        parent = directory(con, section, "" if above == "." else above, now)
    values = {"library_section_id": section, "parent_directory_id": parent, "path": relative}
    return insert(con, "directories", {**values, "created_at": now, "updated_at": now})


def add_item(
    con: sqlite3.Connection,
    section: int,
    kind: int,
    title: str,
    guid: str,
    now: int,
    **more: Any,
) -> int:
    """One row in metadata_items; `hash` is the SHA1 of the guid, as Plex names the bundle by it."""
    values = {
        "library_section_id": section,
        "metadata_type": kind,
        "guid": guid,
        "title": title,
        "title_sort": sort_title(title),
        "media_item_count": 0,
        "hash": sha1(guid),
        "added_at": now,
        "created_at": now,
        "updated_at": now,
        "refreshed_at": now,
        "extra_data": "",
    }
    return insert(con, "metadata_items", {**values, **more})


def sort_title(title: str) -> str:
    for article in ("The ", "A ", "An "):
        if title.startswith(article):
            return title[len(article) :]
    return title


def find_item(
    con: sqlite3.Connection, section: int, kind: int, *, guid: str = "", parent: int = 0, index: int = -1
) -> int | None:
    """Id of the item with this guid, or with this parent and index; None when there is none."""
    if guid:
        found = con.execute(
            "SELECT id FROM metadata_items WHERE library_section_id=? AND metadata_type=? AND guid=?",
            (section, kind, guid),
        ).fetchone()
    else:
        found = con.execute(
            'SELECT id FROM metadata_items WHERE parent_id=? AND metadata_type=? AND "index"=?',
            (parent, kind, index),
        ).fetchone()
    return int(found[0]) if found else None


def add_media(
    con: sqlite3.Connection,
    section: int,
    item: int,
    kind: int,
    file: str,
    now: int,
    *,
    size: int = 0,
    part_hash: str = "",
    duration: int | None = None,
    details: Mapping[str, Any] | None = None,
) -> int:
    """media_items, media_parts and embedded media_streams of one file. Returns the part's id.

    Args:
        duration: milliseconds.
        details: further columns of media_items (codecs, width, height).
    """
    location, root = location_of(con, section, file)
    folder = str(PurePosixPath(file).parent)
    relative = folder[len(root) :].strip("/") if root else ""
    details = dict(details or {})
    media = insert(
        con,
        "media_items",
        {
            "library_section_id": section,
            "section_location_id": location,
            "metadata_item_id": item,
            "type_id": kind,
            "size": size,
            "duration": duration,
            "container": PurePosixPath(file).suffix.lstrip(".").lower(),
            "hints": f"name={_strict(PurePosixPath(file).stem)}",
            "created_at": now,
            "updated_at": now,
            **details,
        },
    )
    part = insert(
        con,
        "media_parts",
        {
            "media_item_id": media,
            "directory_id": directory(con, section, relative, now),
            "hash": part_hash,
            "file": file,
            "size": size,
            "duration": duration,
            "created_at": now,
            "updated_at": now,
            "extra_data": "",
        },
    )
    for stream_type, codec in (
        (VIDEO_STREAM, details.get("video_codec")),
        (AUDIO_STREAM, details.get("audio_codec")),
    ):
        if codec:
            add_stream(con, media, part, stream_type, codec, now)
    con.execute("UPDATE metadata_items SET media_item_count=media_item_count+1 WHERE id=?", (item,))
    return part


def location_of(con: sqlite3.Connection, section: int, file: str) -> tuple[int | None, str]:
    """(id, path) of the root that holds `file`; (None, '') when the section has no such root."""
    roots = con.execute(
        "SELECT id, root_path FROM section_locations WHERE library_section_id=?", (section,)
    ).fetchall()
    for location, root in sorted(roots, key=lambda row: -len(row[1])):
        if file.startswith(root.rstrip("/") + "/"):
            return int(location), str(root)
    return None, ""


def add_stream(
    con: sqlite3.Connection,
    media: int,
    part: int,
    stream_type: int,
    codec: str,
    now: int,
    *,
    url: str | None = None,
    language: str = "",
    index: int | None = None,
) -> int:
    """One row in media_streams. `url`: NULL for embedded streams, `file://…` for a file beside the media."""
    if index is None and url is None:
        index = con.execute("SELECT count(*) FROM media_streams WHERE media_part_id=?", (part,)).fetchone()[0]
    values: dict[str, Any] = {
        "stream_type_id": stream_type,
        "media_item_id": media,
        "media_part_id": part,
        "url": url,
        "codec": codec,
        "language": language,
        "index": index,
        "created_at": now,
        "updated_at": now,
        "extra_data": "",
    }
    return insert(con, "media_streams", values)


def set_deleted(con: sqlite3.Connection, media: int, at: int | None) -> None:
    """Mark one media item and its parts as missing (`at`), or as here again (None); its items follow."""
    con.execute("UPDATE media_items SET deleted_at=? WHERE id=?", (at, media))
    con.execute("UPDATE media_parts SET deleted_at=? WHERE media_item_id=?", (at, media))
    row = con.execute("SELECT metadata_item_id FROM media_items WHERE id=?", (media,)).fetchone()
    if row:
        settle_item(con, int(row[0]), at)


def settle_item(con: sqlite3.Connection, item: int, at: int | None) -> None:
    """An item is deleted when nothing below it is left; this goes up to the show or artist."""
    alive = con.execute(
        "SELECT EXISTS(SELECT 1 FROM media_items WHERE metadata_item_id=:id AND deleted_at IS NULL) "
        "OR EXISTS(SELECT 1 FROM metadata_items WHERE parent_id=:id AND deleted_at IS NULL)",
        {"id": item},
    ).fetchone()[0]
    if alive:
        con.execute(
            "UPDATE metadata_items SET deleted_at=NULL WHERE id=? AND deleted_at IS NOT NULL", (item,)
        )
    else:
        con.execute("UPDATE metadata_items SET deleted_at=? WHERE id=? AND deleted_at IS NULL", (at, item))
    parent = con.execute("SELECT parent_id FROM metadata_items WHERE id=?", (item,)).fetchone()
    if parent and parent[0]:
        settle_item(con, int(parent[0]), at)


def sonic_vector(seed: str) -> bytes:
    """A sonic vector as Plex stores it: gzip of ASCII CSV with 50 floats, the same for the same seed."""
    numbers = []
    for number in range(SONIC_FLOATS):
        digest = hashlib.sha1(f"{seed}|{number}".encode()).digest()
        numbers.append(f"{int.from_bytes(digest[:4], 'big') / 2**31 - 1:.6f}")
    return gzip.compress(",".join(numbers).encode("ascii"), mtime=0)


def add_sonic(
    con: sqlite3.Connection, blobs: sqlite3.Connection, track: int, now: int, *, json_form: bool = True
) -> None:
    """Mark a track as analysed in the library and put its vector into the blobs database."""
    guid = con.execute("SELECT guid FROM metadata_items WHERE id=?", (track,)).fetchone()[0]
    blobs.execute(
        "INSERT OR REPLACE INTO blobs(blob, linked_type, linked_id, linked_guid, created_at, blob_type) "
        "VALUES(?, 'metadata_item', ?, NULL, ?, ?)",
        (sonic_vector(guid), track, now, SONIC_BLOB),
    )
    con.execute(
        "UPDATE metadata_items SET extra_data=?, updated_at=?, changed_at=changed_at+1 WHERE id=?",
        (extra_data({"ms:musicAnalysisVersion": "1"}, json_form=json_form), now, track),
    )
