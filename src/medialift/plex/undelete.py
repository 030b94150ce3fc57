"""Deletions that are false, taken back in the database itself: the last resort, while Plex is stopped."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from pathlib import Path

from medialift.errors import Unsafe
from medialift.foundation.sqlite import open_writer, users
from medialift.plex.database import schema


def undelete(database: Path, files: Sequence[str], *, lived: Collection[int] | None = None) -> int:
    """Unmark the parts with these files, and whatever they are in: media, item, season, show.

    What else is marked stays so: of a film in two files, of which one is gone, the other comes back alone.
    Rows that are gone altogether do not come back.

    Args:
        lived: ids of the parts that may come back; None for all. One that was in the trash before belongs
            there, though another item has its file by now.

    Returns:
        How many items are no longer marked.

    Raises:
        Unsafe: somebody has the database open, its schema is unknown, or it is an old one, in which no update
            of an item is possible but with Plex's own SQLite. Nothing is changed.
        Transient, Permanent: it cannot be written.
    """
    open_in = users(database)
    if open_in:
        raise Unsafe("The library is open", f"{database} by {', '.join(open_in)}", "Stop Plex first")
    old = schema(database).triggers == "old"
    with open_writer(database) as con:
        con.execute("CREATE TEMP TABLE wanted (file TEXT PRIMARY KEY)")
        con.executemany("INSERT OR IGNORE INTO wanted VALUES (?)", ((file,) for file in files))
        found = [
            row
            for row in con.execute(
                "SELECT p.id, m.id, m.metadata_item_id FROM media_parts p "
                "JOIN media_items m ON m.id = p.media_item_id WHERE p.file IN (SELECT file FROM wanted)"
            )
            if lived is None or row[0] in lived
        ]
        items = _marked(con, {item for _, _, item in found})
        if items and old:
            raise Unsafe(
                "Items of this library can only be unmarked by Plex's own SQLite",
                f"{len(items)} items of {database}",
                "Scan the section again on a mount that reads",
            )
        for part, media, _ in found:
            con.execute("UPDATE media_parts SET deleted_at = NULL WHERE id = ?", (part,))
            con.execute("UPDATE media_items SET deleted_at = NULL WHERE id = ?", (media,))
        for item in items:
            con.execute("UPDATE metadata_items SET deleted_at = NULL WHERE id = ?", (item,))
        con.execute("DROP TABLE wanted")
        return len(items)


def _marked(con: sqlite3.Connection, items: set[int]) -> list[int]:
    """Those of the items, and of all that they are in, that are marked deleted."""
    marked: list[int] = []
    seen: set[int] = set()
    while items:
        above: set[int] = set()
        for item in items - seen:
            row = con.execute(
                "SELECT parent_id, deleted_at IS NOT NULL FROM metadata_items WHERE id = ?", (item,)
            ).fetchone()
            if row is None:
                continue
            if row[1]:
                marked.append(item)
            if row[0]:
                above.add(row[0])
        seen |= items
        items = above - seen
    return marked
