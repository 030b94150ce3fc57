"""Facts read from a library of either trigger generation, without Plex's own SQLite."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from medialift.errors import Permanent, Unsafe
from medialift.foundation.sqlite import open_readonly
from medialift.plex import database
from sandbox.plex.builder import LibraryBuilder
from sandbox.plex.schema import create_library


@pytest.fixture(params=["old", "new"])
def triggers(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def library(tmp_path: Path, triggers: str):
    with LibraryBuilder(tmp_path / database.LIBRARY, triggers) as builder:
        yield builder


def test_both_generations_of_triggers_are_recognised(library: LibraryBuilder, triggers: str):
    found = database.schema(library.path)
    assert found.triggers == triggers
    assert len(str(found.max_version)) == 14
    assert "media_parts" in found.tables
    assert found.to_dict() == {"max_version": found.max_version, "triggers": triggers}


def test_a_newer_plex_has_a_newer_schema(tmp_path: Path):
    create_library(tmp_path / "old.db", "old")
    create_library(tmp_path / "new.db", "new")
    assert database.schema(tmp_path / "old.db").max_version < database.schema(tmp_path / "new.db").max_version


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("DROP TABLE media_parts", "media_parts has no"),
        ("ALTER TABLE media_streams RENAME COLUMN url TO address", "media_streams has no url"),
        ("CREATE TRIGGER new_one AFTER UPDATE ON media_parts BEGIN SELECT 1; END", "trigger new_one"),
        ("DELETE FROM schema_migrations", "schema_migrations is empty"),
    ],
)
def test_a_library_that_plex_changed_in_a_way_we_do_not_know_is_refused(
    library: LibraryBuilder, statement: str, message: str
):
    library.con.execute(statement)
    with pytest.raises(Unsafe, match=message):
        database.schema(library.path)


def test_a_library_without_its_triggers_is_refused(library: LibraryBuilder):
    names = library.con.execute("SELECT name FROM sqlite_master WHERE type='trigger'").fetchall()
    for (name,) in names:
        library.con.execute(f"DROP TRIGGER {name}")
    with pytest.raises(Unsafe, match="missing or mixed"):
        database.schema(library.path)


def test_another_programs_database_is_refused(tmp_path: Path):
    con = sqlite3.connect(tmp_path / "other.db")
    con.execute("CREATE TABLE films (id)")
    con.close()
    with pytest.raises(Unsafe, match="not a Plex library"):
        database.schema(tmp_path / "other.db")
    with pytest.raises(Permanent, match="no such database"):
        database.schema(tmp_path / "none.db")


def test_sections_are_counted_by_what_they_hold(library: LibraryBuilder):
    movies = library.add_section("Movies", "movie", ["/m/1", "/m/2"])
    shows = library.add_section("TV", "show", "/tv")
    music = library.add_section("Music", "artist", "/music")
    empty = library.add_section("Photos", "photo", "/photos")
    gone = library.add_movie(movies, "/m/1/gone.mkv", "Gone")
    library.add_movie(movies, "/m/1/a.mkv", "A")
    library.add_extra(movies, "/m/1/a-trailer.mkv")
    library.mark_deleted(gone)
    for episode in (1, 2, 3):
        library.add_episode(shows, f"/tv/x/{episode}.mkv", "X", 1, episode)
    tracks = [library.add_track(music, f"/music/{n}.mp3", "Artist", "Album", n) for n in (1, 2, 3)]
    library.add_sonic(tracks[0])
    library.mark_deleted(tracks[2])

    found = {section.name: section for section in database.sections(library.path)}

    assert found["Movies"].id == movies and found["Movies"].locations == ("/m/1", "/m/2")
    assert [(s.type, s.items, s.leaves, s.deleted, s.sonic, s.sonic_total) for s in found.values()] == [
        ("movie", 1, 1, 1, 0, 0),
        ("show", 1, 3, 0, 0, 0),
        ("artist", 1, 2, 1, 1, 2),
        ("photo", 0, 0, 0, 0, 0),
    ]
    assert found["Photos"].id == empty
    assert found["Music"].to_manifest()["episodes_or_tracks"] == 2


def test_watching_rating_and_choosing_change_the_digest_and_scanning_does_not(library: LibraryBuilder):
    section = library.add_section("Movies", "movie", "/m")
    guid = library.guid(library.add_movie(section, "/m/a.mkv", "A"))
    digests = [database.watch_state(library.path).digest]

    def assert_new() -> None:
        digest = database.watch_state(library.path).digest
        assert digest not in digests
        digests.append(digest)

    library.set_watch(guid, views=1)
    assert_new()
    library.set_watch(guid, views=1, rating=8.0)
    assert_new()
    library.set_watch(guid, account=2, views=1)
    assert_new()
    library.set_watch(guid, views=2, rating=8.0)
    assert_new()
    library.con.execute(
        "INSERT INTO media_part_settings (account_id, media_part_id, settings) VALUES (1, 1, 'audio')"
    )
    assert_new()

    library.add_movie(section, "/m/b.mkv", "B")
    library.con.execute("UPDATE metadata_item_settings SET updated_at = 5, changed_at = 7")
    state = database.watch_state(library.path)
    assert (state.digest, state.settings, state.views) == (digests[-1], 2, 3)


def test_a_library_in_use_is_read_with_what_its_log_holds(library: LibraryBuilder):
    section = library.add_section("Movies", "movie", "/m")
    library.con.execute("PRAGMA wal_autocheckpoint = 0")
    library.add_movie(section, "/m/a.mkv", "A")
    assert library.path.with_name(library.path.name + "-wal").stat().st_size > 0
    assert database.sections(library.path)[0].items == 1


def test_blobs_of_another_library_do_not_fit(tmp_path: Path, library: LibraryBuilder):
    music = library.add_section("Music", "artist", "/music")
    for number in range(30):
        track = library.add_track(music, f"/music/{number}.mp3", "Artist", "Album", number)
        library.add_sonic(track)
    both = database.pair(library.path, library.blobs_path)
    assert (both.blobs, both.dangling, both.vectors_missing, both.fits) == (30, 0, 0, True)

    (tmp_path / "other").mkdir()
    LibraryBuilder(tmp_path / "other" / database.LIBRARY).close()
    empty_blobs = tmp_path / "other" / database.BLOBS
    assert database.pair(library.path, empty_blobs).vectors_missing == 30
    assert not database.pair(library.path, empty_blobs).fits
    strangers = database.pair(tmp_path / "other" / database.LIBRARY, library.blobs_path)
    assert (strangers.dangling, strangers.fits) == (30, False)


def test_a_healthy_library_passes_the_quick_check_and_a_damaged_one_does_not(library: LibraryBuilder):
    section = library.add_section("Movies", "movie", "/m")
    for number in range(200):
        library.add_movie(section, f"/m/{number}.mkv", f"Film {number}")
    assert database.quick_check(library.path) == ()
    with open_readonly(library.path) as con:
        root = con.execute("SELECT rootpage FROM sqlite_master WHERE name='media_parts'").fetchone()[0]
        size = con.execute("PRAGMA page_size").fetchone()[0]
    library.con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    library.close()
    with library.path.open("r+b") as file:
        file.seek((root - 1) * size + 12)
        file.write(b"\xff" * 40)
    with pytest.raises(Permanent, match="no healthy"):
        database.quick_check(library.path)
