"""A large Plex library for benchmarks: the schema, indexes and triggers of Plex's own, synthetic rows."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.plex import schema

ROOTS = tuple(f"/library/media/disk{number:02d}" for number in range(20))
"""Every section has a folder on each of these."""

_MOVIE, _SHOW, _SEASON, _EPISODE, _ARTIST, _ALBUM, _TRACK, _PHOTO = 1, 2, 3, 4, 8, 9, 10, 13
_TEXT = "river night summer glass north garden iron silent golden paper winter stone morning last"
_WORDS = tuple(_TEXT.split())
_SONIC = '{"ms:musicAnalysisVersion":"1","url":"ms%3AmusicAnalysisVersion=1"}'
_INSERTS = {
    "metadata_items": "id library_section_id parent_id metadata_type guid media_item_count title title_sort "
    'summary "index" duration user_thumb_url tags_genre year added_at created_at updated_at deleted_at '
    "extra_data hash",
    "media_items": "id library_section_id section_location_id metadata_item_id type_id width height size "
    "duration bitrate container video_codec audio_codec hints created_at updated_at deleted_at "
    "media_analysis_version extra_data",
    "media_parts": "id media_item_id directory_id hash file size duration created_at updated_at deleted_at "
    "extra_data",
    "media_streams": "id stream_type_id media_item_id url codec language created_at updated_at "
    '"index" media_part_id channels bitrate "default" extra_data',
}


@dataclass(frozen=True)
class _Branch:
    """A section: how its items stack (type, children of each), from the top to those with files."""

    name: str
    kind: int
    levels: tuple[tuple[int, int], ...]
    suffix: str
    top: int

    @property
    def leaves(self) -> int:
        count = self.top
        for _, children in self.levels[1:]:
            count *= children
        return count


def _branches(parts: int) -> tuple[_Branch, ...]:
    """Four sections whose files are `parts` together: half episodes, a third tracks, movies, photos."""
    shows = parts // 2 // 50
    artists = parts * 3 // 10 // 30
    photos = parts // 20
    movies = parts - photos - artists * 30 - shows * 50
    return (
        _Branch("Movies", _MOVIE, ((_MOVIE, 1),), "mkv", movies),
        _Branch("Shows", _SHOW, ((_SHOW, 1), (_SEASON, 5), (_EPISODE, 10)), "mkv", shows),
        _Branch("Music", _ARTIST, ((_ARTIST, 1), (_ALBUM, 3), (_TRACK, 10)), "flac", artists),
        _Branch("Photos", _PHOTO, ((_PHOTO, 1),), "jpg", photos),
    )


def make(database: Path, parts: int) -> Path:
    """Write a library with so many media_parts, each of an item of its own, and as many streams.

    Rows go in before the indexes and triggers do, which end up as Plex makes them. Titles are not put into
    the full-text tables: nothing that is measured reads or writes those.
    """
    schema.create_library(database)
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as con:
        schema.teach_plex(con)
        # No way back is needed from a build that breaks off.
        con.execute("PRAGMA journal_mode = OFF")
        con.execute("PRAGMA synchronous = OFF")
        con.execute("PRAGMA cache_size = -500000")
        con.execute("PRAGMA threads = 2")
        con.execute("PRAGMA temp_store = MEMORY")
        later = [
            entry
            for table in _INSERTS
            for entry in con.execute(
                "SELECT type, name, sql FROM sqlite_master "
                "WHERE sql IS NOT NULL AND type IN ('index', 'trigger') AND tbl_name = ?",
                (table,),
            )
        ]
        con.execute("BEGIN")
        for kind, name, _ in later:
            con.execute(f'DROP {kind} "{name}"')
        item = media = 0
        for section, branch in enumerate(_branches(parts), start=1):
            _add_section(con, section, branch)
            item, media = _fill(con, section, branch, item, media)
        for _, _, statement in later:
            con.execute(statement)
        con.execute("COMMIT")
        con.execute("PRAGMA journal_mode = WAL")
    return database


def _add_section(con: sqlite3.Connection, section: int, branch: _Branch) -> None:
    con.execute(
        "INSERT INTO library_sections(id, name, section_type, uuid, language) VALUES(?, ?, ?, ?, 'en')",
        (section, branch.name, branch.kind, f"section-{section}"),
    )
    for root in ROOTS:
        con.execute(
            "INSERT INTO section_locations(library_section_id, root_path) VALUES(?, ?)",
            (section, f"{root}/{branch.name}"),
        )
    con.execute("INSERT INTO directories(id, library_section_id, path) VALUES(?, ?, '')", (section, section))


def _fill(con: sqlite3.Connection, section: int, branch: _Branch, item: int, media: int) -> tuple[int, int]:
    """Add the items of a section, those with files last; return the last ids of items and of media."""
    parents: range | None = None
    count = branch.top
    for level, (kind, children) in enumerate(branch.levels):
        count *= children
        ids = range(item + 1, item + 1 + count)
        leaf = level == len(branch.levels) - 1
        _insert(con, "metadata_items", _items(section, branch, kind, ids, parents, leaf))
        parents, item = ids, ids.stop - 1
    assert parents is not None  # noqa: S101  every branch has a level
    numbered = tuple(enumerate(parents, start=media + 1))
    _insert(con, "media_items", (_media(section, branch, number, of) for number, of in numbered))
    _insert(con, "media_parts", (_part(section, branch, number, of) for number, of in numbered))
    _insert(con, "media_streams", (_stream(number, of) for number, of in numbered))
    return item, media + len(numbered)


def _insert(con: sqlite3.Connection, table: str, rows: Iterator[tuple[object, ...]]) -> None:
    columns = _INSERTS[table].split()
    marks = ", ".join("?" for _ in columns)
    con.executemany(f"INSERT INTO {table}({', '.join(columns)}) VALUES({marks})", rows)


def _items(
    section: int, branch: _Branch, kind: int, ids: range, parents: range | None, leaf: bool
) -> Iterator[tuple[object, ...]]:
    for place, id in enumerate(ids):
        title = f"{_WORDS[id % 14].title()} {_WORDS[id // 14 % 14]} {id}"
        yield (
            id,
            section,
            parents[place * len(parents) // len(ids)] if parents else None,
            kind,
            f"plex://{branch.name.lower()}/{id * 2654435761 % 2**64:024x}",
            int(leaf),
            title,
            title,
            "" if kind in (_TRACK, _PHOTO) else f"{_TEXT} {title}. " * 2,
            place % 12 + 1,
            1_300_000 + id % 5_000_000,
            f"metadata://posters/com.plexapp.agents_{id:010x}",
            "Drama|Comedy" if kind == _MOVIE else "",
            1960 + id % 60,
            1_600_000_000 + id,
            1_600_000_000 + id,
            1_600_000_000 + id,
            1_700_000_000 if _is_deleted(id) else None,
            _SONIC if kind == _TRACK and id % 3 else "",
            f"{id * 11400714819323198485 % 2**160:040x}",
        )


def _is_deleted(item: int) -> bool:
    return item % 1000 == 0


def _media(section: int, branch: _Branch, number: int, item: int) -> tuple[object, ...]:
    video = branch.suffix == "mkv"
    return (
        number,
        section,
        (section - 1) * len(ROOTS) + number % len(ROOTS) + 1,
        item,
        branch.levels[-1][0],
        1920 if video else None,
        1080 if video else None,
        1_000_000 + number,
        1_300_000 + number % 5_000_000,
        4_000_000,
        branch.suffix,
        "h264" if video else None,
        "aac",
        f"name=Item%20{number}&year={1960 + number % 60}",
        1_600_000_000,
        1_600_000_000,
        1_700_000_000 if _is_deleted(item) else None,
        6 if number % 4 else 0,
        '{"ma:audioProfile":"lc","url":"ma%3AaudioProfile=lc"}',
    )


def _part(section: int, branch: _Branch, number: int, item: int) -> tuple[object, ...]:
    folder = f"{_WORDS[number // 1000 % 14].title()} {number // 10} ({1960 + number % 60})"
    return (
        number,
        number,
        section,
        f"{number * 11400714819323198485 % 2**160:040x}",
        f"{ROOTS[number % len(ROOTS)]}/{branch.name}/{folder}/{folder} - {number:07d}.{branch.suffix}",
        1_000_000 + number,
        1_300_000 + number % 5_000_000,
        1_600_000_000,
        1_600_000_000,
        1_700_000_000 if _is_deleted(item) else None,
        '{"ma:container":"mkv","url":"ma%3Acontainer=mkv"}',
    )


def _stream(number: int, item: int) -> tuple[object, ...]:
    return (
        number,
        2,
        number,
        None,
        "aac",
        "eng",
        1_600_000_000,
        1_600_000_000,
        0,
        number,
        2,
        256,
        1,
        '{"ma:bitDepth":"16","url":"ma%3AbitDepth=16"}' if item % 2 else "",
    )
