"""Rows of the library as the XML elements that Plex answers with."""

from __future__ import annotations

import json
import sqlite3
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

from sandbox.plex import rows

TAGS = {
    rows.MOVIE: "Video",
    rows.EPISODE: "Video",
    rows.CLIP: "Video",
    rows.TRACK: "Track",
    rows.PHOTO: "Photo",
}
ITEM_COLUMNS = (
    'i.*, p.title AS parent_title, p.guid AS parent_guid, p."index" AS parent_index, g.id AS grandparent_id, '
    "g.title AS grandparent_title, g.guid AS grandparent_guid, s.name AS section_name, "
    "v.view_count, v.view_offset, v.rating AS user_rating, v.last_viewed_at"
)
ITEM_TABLES = (
    "metadata_items i JOIN library_sections s ON s.id=i.library_section_id "
    "LEFT JOIN metadata_items p ON p.id=i.parent_id LEFT JOIN metadata_items g ON g.id=p.parent_id "
    "LEFT JOIN metadata_item_settings v ON v.guid=i.guid AND v.account_id=1"
)


def container(**attributes: object) -> ET.Element:
    """A MediaContainer; attributes that are None are left out."""
    return element("MediaContainer", attributes)


def element(tag: str, attributes: Mapping[str, object]) -> ET.Element:
    return ET.Element(tag, {name: _text(value) for name, value in attributes.items() if value is not None})


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value)


def section(con: sqlite3.Connection, row: sqlite3.Row, refreshing: bool) -> ET.Element:
    """One `<Directory>` of /library/sections with its `<Location>` children."""
    kind = {number: name for name, number in rows.SECTION_TYPES.items()}[row["section_type"]]
    made = element(
        "Directory",
        {
            "allowSync": 1,
            "art": f"/:/resources/{kind}-fanart.jpg",
            "composite": f"/library/sections/{row['id']}/composite/{row['updated_at']}",
            "filters": 1,
            "refreshing": refreshing,
            "thumb": f"/:/resources/{kind}.png",
            "key": row["id"],
            "type": kind,
            "title": row["name"],
            "agent": row["agent"],
            "scanner": row["scanner"],
            "language": row["language"],
            "uuid": row["uuid"],
            "updatedAt": row["updated_at"],
            "createdAt": row["created_at"],
            "scannedAt": row["scanned_at"],
            "content": 1,
            "directory": 1,
            "contentChangedAt": row["content_changed_at"],
            "hidden": 0,
        },
    )
    for location, path in con.execute(
        "SELECT id, root_path FROM section_locations WHERE library_section_id=? ORDER BY id", (row["id"],)
    ):
        made.append(element("Location", {"id": location, "path": path}))
    return made


def item(con: sqlite3.Connection, row: sqlite3.Row, check_files: bool = False) -> ET.Element:
    """One item with its media, parts and streams. `check_files` asks the file system through our mount."""
    kind = row["metadata_type"]
    leaf = kind in TAGS
    key = f"/library/metadata/{row['id']}"
    attributes = {
        "ratingKey": row["id"],
        "key": key if leaf else f"{key}/children",
        "guid": row["guid"],
        "type": rows.TYPE_NAMES.get(kind, "clip") if kind != rows.PHOTO_ALBUM else "photo",
        "title": row["title"],
        "titleSort": row["title_sort"] if row["title_sort"] != row["title"] else None,
        "librarySectionTitle": row["section_name"],
        "librarySectionID": row["library_section_id"],
        "librarySectionKey": f"/library/sections/{row['library_section_id']}",
        "summary": row["summary"] or "",
        "index": row["index"],
        "year": row["year"],
        "duration": row["duration"],
        "thumb": f"{key}/thumb/{row['updated_at']}" if row["user_thumb_url"] else None,
        "addedAt": row["added_at"],
        "updatedAt": row["updated_at"],
        "deletedAt": row["deleted_at"],
        "viewCount": row["view_count"],
        "viewOffset": row["view_offset"],
        "userRating": row["user_rating"],
        "lastViewedAt": row["last_viewed_at"],
        "musicAnalysisVersion": _extra(row["extra_data"]).get("ms:musicAnalysisVersion"),
    }
    if row["parent_id"]:
        attributes |= {
            "parentRatingKey": row["parent_id"],
            "parentKey": f"/library/metadata/{row['parent_id']}",
            "parentGuid": row["parent_guid"],
            "parentTitle": row["parent_title"],
            "parentIndex": row["parent_index"],
        }
    if row["grandparent_id"]:
        attributes |= {
            "grandparentRatingKey": row["grandparent_id"],
            "grandparentKey": f"/library/metadata/{row['grandparent_id']}",
            "grandparentGuid": row["grandparent_guid"],
            "grandparentTitle": row["grandparent_title"],
        }
    if not leaf:
        attributes |= _counts(con, row["id"])
    made = element(TAGS.get(kind, "Directory" if kind != rows.PHOTO_ALBUM else "Photo"), attributes)
    if leaf:
        for media in con.execute(
            "SELECT * FROM media_items WHERE metadata_item_id=? ORDER BY id", (row["id"],)
        ):
            made.append(_media(con, media, check_files))
    for tag in con.execute(
        "SELECT t.id, t.tag FROM taggings g JOIN tags t ON t.id=g.tag_id "
        "WHERE g.metadata_item_id=? AND t.tag_type=1",
        (row["id"],),
    ):
        made.append(element("Genre", {"id": tag["id"], "tag": tag["tag"]}))
    return made


def _counts(con: sqlite3.Connection, item_id: int) -> dict[str, object]:
    children = con.execute("SELECT count(*) FROM metadata_items WHERE parent_id=?", (item_id,)).fetchone()[0]
    leaves = con.execute(
        "SELECT count(*) FROM metadata_items c JOIN metadata_items p ON p.id=c.parent_id WHERE p.parent_id=?",
        (item_id,),
    ).fetchone()[0]
    return {"childCount": children, "leafCount": leaves or children, "viewedLeafCount": 0}


def _media(con: sqlite3.Connection, row: sqlite3.Row, check_files: bool) -> ET.Element:
    made = element(
        "Media",
        {
            "id": row["id"],
            "duration": row["duration"],
            "width": row["width"],
            "height": row["height"],
            "container": row["container"],
            "videoCodec": row["video_codec"],
            "audioCodec": row["audio_codec"],
            "audioChannels": row["audio_channels"],
            "deletedAt": row["deleted_at"],
        },
    )
    for part in con.execute("SELECT * FROM media_parts WHERE media_item_id=? ORDER BY id", (row["id"],)):
        attributes = {
            "id": part["id"],
            "key": f"/library/parts/{part['id']}/{part['updated_at']}/file",
            "duration": part["duration"],
            "file": part["file"],
            "size": part["size"],
            "container": row["container"],
        }
        if check_files:
            attributes |= _checked(part["file"])
        inner = element("Part", attributes)
        for stream in con.execute(
            "SELECT * FROM media_streams WHERE media_part_id=? ORDER BY id", (part["id"],)
        ):
            external = stream["url"] is not None
            inner.append(
                element(
                    "Stream",
                    {
                        "id": stream["id"],
                        "streamType": stream["stream_type_id"],
                        "codec": stream["codec"],
                        "index": stream["index"],
                        "languageCode": stream["language"] or None,
                        "key": f"/library/streams/{stream['id']}" if external else None,
                        "default": stream["default"],
                    },
                )
            )
        made.append(inner)
    return made


def _checked(file: str) -> dict[str, object]:
    """`exists` and `accessible` of a part: a stat, so a mount whose reads fail still looks well."""
    try:
        Path(file).stat()
    except FileNotFoundError:
        return {"accessible": 0, "exists": 0}
    except OSError:
        return {"accessible": 0, "exists": 1}
    return {"accessible": 1, "exists": 1}


def _extra(text: str | None) -> dict[str, str]:
    if not text:
        return {}
    if text.startswith("{"):
        return dict(json.loads(text))
    pairs = (pair.partition("=") for pair in text.split("&"))
    return {unquote(name): unquote(value) for name, _, value in pairs}
