"""The stand-in's databases behave like Plex's: what stock SQLite can do to them, and what only Plex can."""

from __future__ import annotations

import gzip
import sqlite3
from pathlib import Path

import pytest

from sandbox.plex import rows, schema
from sandbox.plex.builder import LibraryBuilder

WORKS_ANYWHERE = (
    "UPDATE section_locations SET root_path='/x'",
    "UPDATE media_parts SET file='/x/' || id",
    "UPDATE media_streams SET url='file:///x'",
    "INSERT INTO taggings(tag_id) VALUES(1)",
    "PRAGMA integrity_check(media_parts)",
)
NEEDS_PLEX = (
    "UPDATE metadata_items SET title='x'",
    "UPDATE metadata_items SET title_sort='x'",
    "INSERT INTO metadata_items(title) VALUES('x')",
    "DELETE FROM metadata_items",
    "INSERT INTO tags(tag, tag_type) VALUES('x', 999)",
    "PRAGMA integrity_check",
    "PRAGMA quick_check",
    "REINDEX",
)


@pytest.fixture(params=["old", "new"])
def library(tmp_path: Path, request: pytest.FixtureRequest) -> LibraryBuilder:
    builder = LibraryBuilder(tmp_path / schema.LIBRARY, request.param)
    section = builder.add_section("Movies", "movie", "/media/Movies")
    builder.add_movie(section, "/media/Movies/The Wait (2001)/The Wait (2001).mkv", "The Wait", 2001)
    yield builder
    builder.close()


def stock(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


@pytest.mark.parametrize("statement", WORKS_ANYWHERE)
def test_stock_sqlite_can_do_what_it_can_do_to_a_real_library(
    library: LibraryBuilder, statement: str
) -> None:
    stock(library.path).execute(statement).fetchall()


@pytest.mark.parametrize("statement", NEEDS_PLEX)
def test_stock_sqlite_fails_where_a_real_library_needs_plex(library: LibraryBuilder, statement: str) -> None:
    with pytest.raises(sqlite3.OperationalError, match=r"unknown tokenizer: collating|icu_root"):
        stock(library.path).execute(statement).fetchall()


@pytest.mark.parametrize("triggers", ["old", "new"])
def test_only_newer_triggers_let_stock_sqlite_touch_a_guid(tmp_path: Path, triggers: schema.Triggers) -> None:
    with LibraryBuilder(tmp_path / schema.LIBRARY, triggers) as library:
        library.add_part("/media/a.mkv")
    statement = "UPDATE metadata_items SET guid='file:///b.mkv'"
    if triggers == "new":
        stock(library.path).execute(statement)
    else:
        with pytest.raises(sqlite3.OperationalError, match=r"unknown tokenizer: collating"):
            stock(library.path).execute(statement)


def test_plex_itself_can_search_and_check_its_library(library: LibraryBuilder) -> None:
    found = library.con.execute(
        "SELECT docid FROM fts4_metadata_titles_icu WHERE fts4_metadata_titles_icu MATCH 'wait'"
    ).fetchall()
    assert len(found) == 1
    assert library.con.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_an_older_library_is_upgraded_and_a_newer_one_is_refused(tmp_path: Path) -> None:
    path = schema.create_library(tmp_path / schema.LIBRARY, "old")
    con = schema.connect_as_plex(path)
    assert schema.upgrade(con, schema.GENERATIONS["new"])
    assert schema.newest_migration(con) == schema.GENERATIONS["new"].newest
    columns = {row[1] for row in con.execute("PRAGMA table_info(metadata_items)")}
    assert {"is_adult", "user_square_art_url"} <= columns
    assert not schema.upgrade(con, schema.GENERATIONS["new"])
    with pytest.raises(ValueError, match="this build knows"):
        schema.upgrade(con, schema.GENERATIONS["old"])


def test_a_closed_builder_leaves_no_wal(library: LibraryBuilder) -> None:
    library.close()
    assert sorted(path.name for path in library.path.parent.iterdir()) == [schema.BLOBS, schema.LIBRARY]


def test_a_show_is_deleted_only_with_its_last_episode(tmp_path: Path) -> None:
    with LibraryBuilder(tmp_path / schema.LIBRARY) as library:
        section = library.add_section("TV", "show", "/tv")
        first = library.add_episode(section, "/tv/A/Season 01/A - S01E01.mkv", "A", 1, 1)
        second = library.add_episode(section, "/tv/A/Season 01/A - S01E02.mkv", "A", 1, 2)

        def deleted_kinds() -> list[int]:
            query = "SELECT metadata_type FROM metadata_items WHERE deleted_at IS NOT NULL ORDER BY 1"
            return [row[0] for row in library.con.execute(query)]

        library.mark_deleted(first)
        assert deleted_kinds() == [rows.EPISODE]
        library.mark_deleted(second)
        assert deleted_kinds() == [rows.SHOW, rows.SEASON, rows.EPISODE, rows.EPISODE]


def test_sonic_analysis_is_split_over_both_databases(library: LibraryBuilder) -> None:
    section = library.add_section("Music", "artist", "/music")
    track = library.add_track(section, "/music/A/B/01 - C.mp3", "A", "B", 1, "C")
    library.add_sonic(track)
    extra = library.con.execute("SELECT extra_data FROM metadata_items WHERE id=?", (track,)).fetchone()[0]
    assert "musicAnalysisVersion" in extra
    vector, kind = library.blobs.execute(
        "SELECT blob, blob_type FROM blobs WHERE linked_id=?", (track,)
    ).fetchone()
    assert kind == 7
    assert len([float(number) for number in gzip.decompress(vector).decode().split(",")]) == 50


def test_urls_are_percent_encoded_as_plex_does(library: LibraryBuilder) -> None:
    part = library.add_part("/media/Movies/100%, (a).mkv")
    library.add_stream_url(part, "/media/Movies/100%, (a).en.srt")
    assert library.urls() == ["file:///media/Movies/100%25%2C%20(a).en.srt"]


def test_watch_state_is_kept_by_guid(library: LibraryBuilder) -> None:
    guid = library.con.execute("SELECT guid FROM metadata_items").fetchone()[0]
    library.set_watch(guid, views=2, rating=8.0)
    library.set_watch(guid, views=3)
    assert library.con.execute("SELECT guid, view_count FROM metadata_item_settings").fetchall() == [
        (guid, 3)
    ]
    assert library.con.execute("SELECT count(*) FROM metadata_item_views").fetchone() == (3,)


def test_a_library_in_a_folder_has_its_bundles(tmp_path: Path) -> None:
    with LibraryBuilder.in_folder(tmp_path) as library:
        section = library.add_section("Movies", "movie", "/m")
        item = library.add_movie(section, "/m/a.mkv", "A", 2000)
        digest = rows.sha1(library.guid(item))
        assert (tmp_path / "Metadata" / "Movies" / digest[0] / f"{digest[1:]}.bundle").is_dir()
        part_hash = library.con.execute("SELECT hash FROM media_parts").fetchone()[0]
        assert (tmp_path / "Media" / "localhost" / part_hash[0] / f"{part_hash[1:]}.bundle").is_dir()
