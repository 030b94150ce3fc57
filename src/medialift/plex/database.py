"""Facts of a Plex library database, read with the SQLite that everybody has.

Plex's own SQLite knows a collation (`icu_root`) and a tokenizer (`collating`) that no other has, so nothing
here sorts by title, searches titles or checks the database as a whole: `Plex SQLite` does that
(`medialift.plex.service`). Source: the schemas that PMS 1.41 and 1.43.4 create.
"""

# ruff: noqa: S608  every name put into a statement is a constant of this file; values are bound

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from medialift.errors import Unsafe
from medialift.foundation.sqlite import open_readonly, table_columns

LIBRARY = "com.plexapp.plugins.library.db"
BLOBS = "com.plexapp.plugins.library.blobs.db"

Database = Path | sqlite3.Connection
Triggers = Literal["old", "new"]

# metadata_items.metadata_type; a section's section_type is the type of its items.
MOVIE, SHOW, EPISODE, ARTIST, TRACK, PHOTO, PLAYLIST = 1, 2, 4, 8, 10, 13, 15

TYPE_NAMES = {MOVIE: "movie", SHOW: "show", ARTIST: "artist", PHOTO: "photo"}
TYPES = {name: number for number, name in TYPE_NAMES.items()}
LEAVES = {MOVIE: MOVIE, SHOW: EPISODE, ARTIST: TRACK, PHOTO: PHOTO}
# By the name of a section's type, what its leaves are: the items that have files.
LEAF_TYPES = {name: LEAVES[number] for name, number in TYPES.items()}

# What is read or written here. A database that lacks one of these is from a Plex we do not know.
_NEEDED = {
    "library_sections": "id name section_type uuid",
    "section_locations": "id library_section_id root_path",
    "directories": "id library_section_id path",
    "media_items": "id library_section_id metadata_item_id deleted_at extra_data",
    "media_parts": "id media_item_id file hash deleted_at extra_data",
    "media_streams": "id media_part_id url extra_data",
    "metadata_items": "id library_section_id metadata_type guid hash title deleted_at extra_data",
    "metadata_item_settings": "id account_id guid rating view_offset view_count last_viewed_at",
    "metadata_item_views": "id account_id guid viewed_at",
    "media_part_settings": "id account_id media_part_id",
    "schema_migrations": "version",
    "blobs": "id linked_type linked_id blob_type",
}
# A trigger on one of these runs with our updates, so each must be one we know.
_WRITTEN = (
    "section_locations",
    "directories",
    "media_parts",
    "media_streams",
    "metadata_items",
    "metadata_item_settings",
    "metadata_item_views",
)
_KNOWN_TRIGGER = re.compile(
    r"^fts4_metadata_titles_(before_update|before_delete|after_update|after_insert)_icu$"
)
_UPDATE = re.compile(r"\b(?:BEFORE|AFTER)\s+UPDATE\s+(?:OF\s+(?P<columns>.+?)\s+)?ON\b", re.I | re.S)
_TITLES = {"title", "title_sort", "original_title"}

# extra_data of a track once its sonic analysis is done: JSON in newer Plex, url-encoded in older.
_SONIC = "(instr(extra_data, 'ms:musicAnalysisVersion') OR instr(extra_data, 'ms%3AmusicAnalysisVersion'))"
_SONIC_BLOB = 7


@dataclass(frozen=True)
class Schema:
    """What kind of Plex made a database.

    Attributes:
        triggers: "old": any update of metadata_items needs Plex's own SQLite; "new": only one of titles does.
        max_version: the newest schema_migrations.version, as a number (a date and time, 14 digits).
        tables: names of all tables.
    """

    triggers: Triggers
    max_version: int
    tables: frozenset[str]

    def to_dict(self) -> dict[str, Any]:
        """{max_version, triggers}, as in a manifest."""
        return {"max_version": self.max_version, "triggers": self.triggers}


@dataclass(frozen=True)
class SectionFacts:
    """One library section, counted.

    Attributes:
        type: movie, show, artist or photo ("type 15" for kinds without a name here).
        items: movies, shows, artists or photos that are not marked deleted.
        leaves: those that have files: movies, episodes, tracks, photos; not marked deleted.
        deleted: items and leaves that are marked deleted (in the trash).
        sonic, sonic_total: tracks with a sonic analysis, of all tracks; 0 where there are no tracks.
    """

    id: int
    name: str
    type: str
    locations: tuple[str, ...]
    items: int
    leaves: int
    deleted: int
    sonic: int = 0
    sonic_total: int = 0

    def to_dict(self) -> dict[str, Any]:
        """All attributes, `locations` as a list."""
        return {**asdict(self), "locations": list(self.locations)}

    def to_manifest(self) -> dict[str, Any]:
        """{id, name, type, locations, items, episodes_or_tracks, deleted, sonic}."""
        return {
            "id": self.id,
            "name": self.name,
            "type": self.type,
            "locations": list(self.locations),
            "items": self.items,
            "episodes_or_tracks": self.leaves,
            "deleted": self.deleted,
            "sonic": self.sonic,
        }


@dataclass(frozen=True)
class WatchState:
    """What people did: views, ratings, positions, chosen streams, playlists; equal digests: nothing new.

    Attributes:
        digest: sha256, independent of row ids.
        settings: rows of metadata_item_settings.
        views: rows of metadata_item_views.
    """

    digest: str
    settings: int
    views: int

    def to_dict(self) -> dict[str, Any]:
        """{digest, settings, views}, as in a manifest."""
        return asdict(self)


@dataclass(frozen=True)
class Pair:
    """How well a blobs database fits a library.

    Attributes:
        blobs: rows that belong to an item, part or stream.
        dangling: those of them whose owner is not in the library.
        vectors_missing: tracks that count as sonically analysed and have no vector.
    """

    blobs: int
    dangling: int
    vectors_missing: int

    @property
    def fits(self) -> bool:
        """Whether both were taken from one server at one time.

        Plex collects blobs of removed items lazily, so some dangle in every library; and an analysed track
        may await its vector. Beyond ten and a tenth they are of different libraries.
        """
        slack = max(10, self.blobs // 10)
        return self.dangling <= slack and self.vectors_missing <= slack


@contextmanager
def reading(database: Database) -> Iterator[sqlite3.Connection]:
    """A connection to read from: the given one, or one to this path, opened read-only."""
    if isinstance(database, sqlite3.Connection):
        yield database
    else:
        with open_readonly(database) as connection:
            yield connection


def schema(database: Database) -> Schema:
    """Recognise the schema.

    Raises:
        Unsafe: it is not a Plex library, or one with tables or triggers that we do not know.
    """
    with reading(database) as con:
        tables = frozenset(row[0] for row in con.execute("SELECT name FROM sqlite_master WHERE type='table'"))
        for table, columns in _NEEDED.items():
            missing = set(columns.split()) - set(table_columns(con, table))
            if missing:
                raise _unknown(f"table {table} has no {', '.join(sorted(missing))}")
        triggers = con.execute(
            "SELECT name, tbl_name, sql FROM sqlite_master WHERE type='trigger' ORDER BY name"
        ).fetchall()
        newest = con.execute("SELECT max(CAST(version AS INTEGER)) FROM schema_migrations").fetchone()[0]
        if not newest:
            raise _unknown("schema_migrations is empty")
        return Schema(_generation(triggers), int(newest), tables)


def _generation(triggers: list[tuple[str, str, str]]) -> Triggers:
    generations: set[Triggers] = set()
    for name, table, sql in triggers:
        if table not in _WRITTEN:
            continue
        if not _KNOWN_TRIGGER.match(name):
            raise _unknown(f"trigger {name} on {table}")
        update = _UPDATE.search(sql)
        if update is None:
            continue
        columns = update.group("columns")
        if columns is None:
            generations.add("old")
        elif {column.strip(' "`[]') for column in columns.split(",")} <= _TITLES:
            generations.add("new")
        else:
            raise _unknown(f"trigger {name} fires on {columns}")
    if len(generations) != 1:
        raise _unknown("the triggers of metadata_items are missing or mixed")
    return generations.pop()


def _unknown(detail: str) -> Unsafe:
    return Unsafe(
        "This is not a Plex library of a kind we know",
        detail,
        "Check the path; if it is from a newer Plex, medialift must learn it first",
    )


def sections(database: Database) -> list[SectionFacts]:
    """Every section with its counts, in order of id.

    Costs a scan of one index of metadata_items, and the rows of the tracks and of what is deleted.
    """
    with reading(database) as con:
        roots: dict[int, list[str]] = {}
        for section, root in con.execute(
            "SELECT library_section_id, root_path FROM section_locations ORDER BY id"
        ):
            roots.setdefault(section, []).append(root)
        counted = by_type(con)
        # An index leads to the tracks, whose rows are then read in their order; the + keeps SQLite to it.
        sonic = dict(
            con.execute(
                f"SELECT +library_section_id AS section, count(*) FROM metadata_items "
                f"WHERE metadata_type = {TRACK} AND +deleted_at IS NULL AND {_SONIC} GROUP BY section"
            ).fetchall()
        )
        found = []
        for section, name, kind in con.execute(
            "SELECT id, name, section_type FROM library_sections ORDER BY id"
        ):
            leaf = LEAVES.get(kind, kind)
            there = {of: counted.get((section, of), (0, 0)) for of in {kind, leaf}}
            leaves = there[leaf][0]
            found.append(
                SectionFacts(
                    id=section,
                    name=name,
                    type=TYPE_NAMES.get(kind, f"type {kind}"),
                    locations=tuple(roots.get(section, ())),
                    items=there[kind][0],
                    leaves=leaves,
                    deleted=sum(deleted for _, deleted in there.values()),
                    sonic=sonic.get(section, 0),
                    sonic_total=leaves if leaf == TRACK else 0,
                )
            )
        return found


def by_type(con: sqlite3.Connection) -> dict[tuple[int, int], tuple[int, int]]:
    """{(section's id, metadata_type): (items there, items marked deleted)}.

    Reads no row of the table but the deleted ones: an index holds sections and types.
    """
    found = {(section, kind): (count, 0) for section, kind, count in con.execute(_ALL_BY_TYPE)}
    for section, kind, deleted in con.execute(_DELETED_BY_TYPE):
        found[section, kind] = (found[section, kind][0] - deleted, deleted)
    return found


_ALL_BY_TYPE = (
    "SELECT library_section_id, metadata_type, count(*) FROM metadata_items "
    "WHERE library_section_id IS NOT NULL GROUP BY library_section_id, metadata_type"
)
# `> -1` is every time there is, and unlike IS NOT NULL it makes SQLite use the index of deleted_at.
_DELETED_BY_TYPE = (
    "SELECT +library_section_id AS section, +metadata_type AS kind, count(*) FROM metadata_items "
    "WHERE deleted_at > -1 AND +library_section_id IS NOT NULL GROUP BY section, kind"
)


def watch_state(database: Database) -> WatchState:
    """Digest what people did, so that two moments of one library can be compared.

    Times at which Plex itself touched a row are left out; so are all ids but those of parts, accounts and
    playlist members.
    """
    with reading(database) as con:
        digest = hashlib.sha256()
        counts = {}
        for table, wanted, where in (
            (
                "metadata_item_settings",
                "account_id guid rating view_offset view_count last_viewed_at skip_count last_skipped_at "
                "last_rated_at",
                "",
            ),
            ("metadata_item_views", "account_id guid viewed_at", ""),
            (
                "media_part_settings",
                "account_id media_part_id selected_audio_stream_id selected_subtitle_stream_id settings",
                "",
            ),
            ("metadata_items", "guid title", f"WHERE metadata_type = {PLAYLIST} AND deleted_at IS NULL"),
            ("play_queue_generators", "playlist_id metadata_item_id uri order", ""),
        ):
            there = table_columns(con, table)
            columns = [name for name in wanted.split() if name in there]
            if not columns:
                continue
            listed = ", ".join(f'"{name}"' for name in columns)
            # Positions, not names: `title` carries a collation in some versions.
            order = ", ".join(f"{number} COLLATE BINARY" for number in range(1, len(columns) + 1))
            counts[table] = 0
            digest.update(f"{table}\n".encode())
            for row in con.execute(f"SELECT {listed} FROM {table} {where} ORDER BY {order}"):
                counts[table] += 1
                digest.update(json.dumps(row, default=repr).encode() + b"\n")
        return WatchState(digest.hexdigest(), counts["metadata_item_settings"], counts["metadata_item_views"])


def pair(library: Path, blobs: Path) -> Pair:
    """Compare a library with its blobs: both are written by one server, and only make sense together."""
    tables = {
        "metadata_item": "metadata_items",
        "media_item": "media_items",
        "media_part": "media_parts",
        "media_stream": "media_streams",
    }
    with open_readonly(library) as con, open_readonly(blobs) as other:
        linked = dangling = 0
        vectors: set[int] = set()
        for kind, table in tables.items():
            ids = {
                row[0]
                for row in other.execute(
                    "SELECT DISTINCT linked_id FROM blobs WHERE linked_type = ? AND linked_id IS NOT NULL",
                    (kind,),
                )
            }
            linked += len(ids)
            # An id is looked up in its table's own b-tree: no scan of the library for a few blobs.
            dangling += sum(
                1
                for id in ids
                if con.execute(f"SELECT 1 FROM {table} WHERE id = ?", (id,)).fetchone() is None
            )
        vectors.update(
            row[0]
            for row in other.execute(
                "SELECT linked_id FROM blobs WHERE linked_type = 'metadata_item' AND blob_type = ?",
                (_SONIC_BLOB,),
            )
        )
        missing = sum(
            1
            for (track,) in con.execute(
                f"SELECT id FROM metadata_items NOT INDEXED WHERE metadata_type = {TRACK} "
                f"AND deleted_at IS NULL AND {_SONIC}"
            )
            if track not in vectors
        )
        return Pair(linked, dangling, missing)


def quick_check(database: Database) -> tuple[str, ...]:
    """What is wrong with the tables that hold paths and items' files; empty when nothing is.

    A check without Plex's own SQLite: the tables with titles cannot be checked by any other. It finds torn
    copies quickly; `Plex SQLite` has the last word.
    """
    found: list[str] = []
    with reading(database) as con:
        for table in ("media_parts", "media_items", "media_streams", "section_locations", "directories"):
            found += [
                f"{table}: {row[0]}"
                for row in con.execute(f"PRAGMA integrity_check({table})")
                if row[0] != "ok"
            ]
    return tuple(found)
