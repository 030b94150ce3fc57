"""Emptying the trash: rows marked as deleted go for good, and their bundles with them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sandbox.plex import bundles
from sandbox.plex.library import Library


def empty(library: Library, section: int) -> int:
    """Remove a section's deleted media and items for good. Returns how many items went.

    Watch state stays, since it is kept by guid.
    """
    with library.writing_both() as (con, blobs):
        medias = con.execute(
            "SELECT id FROM media_items WHERE library_section_id=? AND deleted_at IS NOT NULL", (section,)
        ).fetchall()
        for (media,) in medias:
            _remove_media(con, library.data, media)
        items = con.execute(
            "SELECT id, metadata_type, guid FROM metadata_items "
            "WHERE library_section_id=? AND deleted_at IS NOT NULL",
            (section,),
        ).fetchall()
        for item, kind, guid in items:
            con.execute("DELETE FROM taggings WHERE metadata_item_id=?", (item,))
            con.execute(
                "DELETE FROM metadata_relations WHERE metadata_item_id=? OR related_metadata_item_id=?",
                (item, item),
            )
            con.execute("DELETE FROM metadata_items WHERE id=?", (item,))
            blobs.execute("DELETE FROM blobs WHERE linked_type='metadata_item' AND linked_id=?", (item,))
            bundles.remove(bundles.metadata_bundle(library.data, kind, guid))
        return len(items)


def remove_section(library: Library, section: int) -> None:
    """Remove a section with everything in it."""
    with library.writing() as con:
        con.execute("UPDATE media_items SET deleted_at=1 WHERE library_section_id=?", (section,))
        con.execute("UPDATE metadata_items SET deleted_at=1 WHERE library_section_id=?", (section,))
    empty(library, section)
    with library.writing() as con:
        for table in ("section_locations", "directories"):
            con.execute(f"DELETE FROM {table} WHERE library_section_id=?", (section,))
        con.execute("DELETE FROM library_sections WHERE id=?", (section,))


def drop_media_bundle(con: sqlite3.Connection, data: Path, part_hash: str) -> None:
    """Remove the bundle of a content that no part has any more."""
    if part_hash and not con.execute("SELECT 1 FROM media_parts WHERE hash=?", (part_hash,)).fetchone():
        bundles.remove(bundles.media_bundle(data, part_hash))


def _remove_media(con: sqlite3.Connection, data: Path, media: int) -> None:
    parts = con.execute("SELECT id, hash FROM media_parts WHERE media_item_id=?", (media,)).fetchall()
    item = con.execute("SELECT metadata_item_id FROM media_items WHERE id=?", (media,)).fetchone()[0]
    con.execute("DELETE FROM media_streams WHERE media_item_id=?", (media,))
    con.execute("DELETE FROM media_parts WHERE media_item_id=?", (media,))
    con.execute("DELETE FROM media_items WHERE id=?", (media,))
    con.execute("UPDATE metadata_items SET media_item_count=media_item_count-1 WHERE id=?", (item,))
    for _, part_hash in parts:
        drop_media_bundle(con, data, part_hash)
